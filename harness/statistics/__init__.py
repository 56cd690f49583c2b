"""The statistics of a comparison: pure functions of numbers, with the seed as the unit of inference.

``function`` and ``representation`` say how far apart two networks are; ``pairwise`` compares two arms by such a distance,
``paired`` by a number per network, ``omnibus`` all arms at once; ``joint`` adjusts for many measures and many pairs;
``crossed`` has means over seeds and examples at once;
``intervals`` has the intervals of all of them: Student's, of proportions, and the jackknife; ``labels`` turns intervals and p-values into words; ``power`` says beforehand what a design can show.
"""
