"""``harness.load``: a run folder, or the folder of several workloads, as values that a notebook shows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.console.in_python import for_python
from harness.errors import arguments
from harness.plugin.discovery import discover
from harness.records import open_records
from harness.records.workloads import has_workloads
from harness.results.notebook import Loaded
from harness.results.workloads.loaded import WorkloadRuns


def load(run: str | Path, plugins: Iterable[str | Path] = ()) -> Loaded | WorkloadRuns:
    """Return a run folder as frames. Nothing is trained, and torch is not needed.

    Args:
        run: The run folder, or the folder of several workloads: then it is a mapping with a run for each workload.
        plugins: Loose plugin files, such as one with an analysis. They are run as code.

    Returns:
        Its tables as attributes: ``run.epochs``, ``run.runs``, ``run.leaderboard``; ``harness docs python`` has all of it.

    Raises:
        RunFolderError: It is no run folder, or a damaged one.

    >>> run = load(folder)  # of a finished run
    >>> best = run.epochs.query("phase == 'compare'").groupby("arm")["tune_accuracy"].max()
    >>> bool((best <= 1).all())
    True
    """
    folder = arguments.path("run", run)
    files = [arguments.path("plugins", file) for file in arguments.items("plugins", plugins, "plugin files")]
    with for_python():
        if has_workloads(folder):
            return WorkloadRuns(folder, discover(files))
        return Loaded(open_records(folder), discover(files))
