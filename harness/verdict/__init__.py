"""Whether optimizers reach the same minimum: the protocol, how it is judged, and how the verdict is stated.

Begin with ``protocol``, which says what was promised before the runs; ``judging`` compares the arms, ``stating`` puts the
result into words, and ``reading`` gives the verdict of a run to show, report and compare.
"""
