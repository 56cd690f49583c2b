"""The statistics of a comparison: pure functions of numbers, with the seed as the unit of inference.

Begin with ``intervals``: Student's, those of proportions, and the jackknife. ``paired`` compares two arms by a number per
network, ``pairwise`` by a distance between two networks, ``omnibus`` all arms at once, and ``crossed`` over seeds and examples;
``function`` and ``representation`` are such distances. ``joint`` adjusts for many measures and many pairs, ``labels`` turns
intervals and p-values into words, and ``power`` says beforehand what a design can show.
"""
