"""How a benchmark is carried out: prepared, searched, retrained, measured and reported.

Begin with ``start``, the whole of ``harness run``; ``driver`` carries out the runs, ``search`` tunes, and ``after`` is what
follows when the runs are over.
"""
