"""How a run is read: tables, reports, notebooks, and several runs side by side; nothing here needs torch.

Begin with ``analysis``, which computes the tables of a run, and ``reports``, which writes them; ``notebook`` is ``harness.load``.
"""
