"""The statistics of a comparison: pure functions of numbers, with the seed as the unit of inference.

Which module has which formula:

- ``function`` and ``representation``: how far apart two networks are.
- ``pairwise``: two arms compared by such a distance. ``paired``: two arms compared by one number per network.
- ``calibration``: class probabilities brought to the right temperature, and what they are worth then.
- ``omnibus``: all arms at once. ``joint``: p-values adjusted for several measures and several pairs.
- ``crossed``: means over seeds and examples at once.
- ``intervals``: Student's interval, intervals of proportions, the jackknife. ``scale``: numbers far from 1.
- ``labels``: from intervals and p-values to words. ``power``: what a design can show before it is run.

Arrays are given as anything that numpy takes. A wrong argument raises TypeError or ValueError, whose line names it.
"""
