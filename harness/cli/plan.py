"""``harness plan FILE.toml``: what a run would cost on this machine, from a few timed steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from harness import __version__
from harness.cli.asked import OfRun, taking
from harness.cli.options import AsJson, print_result


@taking(OfRun)
def command(asked: OfRun, as_json: AsJson = False) -> None:
    """Say what a run would take, before anything is spent.

    A few steps of every arm are timed on this machine: the trainings, the time that passes, and the room on the disk.
    """
    from harness.console.progress import Reporter

    with Reporter(quiet=as_json) as reporter:
        reporter.start(f"plan {asked.file}", __version__)
        request = asked.request()
        from harness.running.forecast.lines import estimate_lines
        from harness.running.workloads import estimate_file

        document = estimate_file(request, reporter)
    print_result(document, estimate_lines(document), as_json)
    rows = document.get("workloads", [document])
    raise typer.Exit(1 if any(map(_has_problem, rows)) else 0)


def _has_problem(row: Mapping[str, Any]) -> bool:
    """Return whether an arm cannot be estimated, or a workload that is not optional cannot be opened."""
    if "problem" in row:
        return not row["optional"]
    return any(arm["problem"] for arm in row["arms"])
