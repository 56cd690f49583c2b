"""The statistics of a comparison: pure functions of numbers, with the seed as the unit of inference.

``pairwise`` compares two arms by a distance between trained networks, ``paired`` by a number per network, ``omnibus``
all arms at once; ``labels`` turns intervals and p-values into words; ``power`` says beforehand what a design can show.
"""
