"""Tuned baselines as data: arms of a finished run in one file, to be compared with in another run without training them again.

``file`` writes and reads it, ``match`` says whether it may be compared with a benchmark, ``entry`` enters it in a run folder,
and ``networks`` says which of its networks can be measured there.
"""

from __future__ import annotations

from harness.running.baseline.entry import bring_in
from harness.running.baseline.file import Baseline, pack, read_baseline
from harness.running.baseline.match import Imported, matched
from harness.running.baseline.networks import with_networks

__all__ = ["Baseline", "Imported", "bring_in", "matched", "pack", "read_baseline", "with_networks"]
