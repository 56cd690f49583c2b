"""The statistics of a comparison: pure functions of numbers, with the replicate as the unit of inference.

A replicate is one search of every arm, with a few seeds that all arms share. Which module has which formula:

- ``function`` and ``representation``: how far apart two networks are.
- ``pairwise``: two arms compared by such a distance. ``paired``: two arms compared by one number per replicate.
- ``two_means``: two means of seeds, which may be different seeds.
- ``permuted``: the names of two arms, permuted over all of their networks.
- ``labels``: from intervals and p-values to words. ``looks``: the level of each look of several.
- ``posterior``: how probable it is that a difference lies within its margin.
- ``variance``: the scatter between searches and between seeds. ``crossed``: means over seeds and examples at once.
- ``calibration``: class probabilities brought to the right temperature, and what they are worth then.
- ``omnibus``: all arms at once.
- ``intervals``: Student's interval, the jackknife. ``proportions``: intervals of shares of so many examples.
- ``scale``: numbers far from 1.
- ``power``: what a design can show. ``scatter``: how the measures scatter, from which that follows.

Arrays are given as anything that numpy takes. A wrong argument raises TypeError or ValueError, whose line names it.
"""
