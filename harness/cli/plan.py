"""``harness plan FILE.toml``: what a run would cost on this machine, from a few timed steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from harness import __version__
from harness.cli.options import (
    AsJson,
    BenchmarkFile,
    Blocked,
    DataFolder,
    NoReuse,
    Overrides,
    PluginFiles,
    PresetName,
    Profile,
    Reuse,
    RunsFolder,
    TimeLimit,
    WorkloadName,
    print_result,
    with_time_limit,
)


def command(
    file: BenchmarkFile,
    profile: Profile = None,
    data: DataFolder = None,
    out: RunsFolder = Path("runs"),
    plugin: PluginFiles = None,
    block: Blocked = None,
    set_: Overrides = None,
    reuse: Reuse = None,
    no_reuse: NoReuse = False,
    workload: WorkloadName = None,
    preset: PresetName = None,
    time_limit: TimeLimit = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would take, before anything is spent.

    A few steps of every arm are timed on this machine: the trainings, the time that passes, and the room on the disk.
    """
    from harness.console.progress import Reporter

    with Reporter(quiet=as_json) as reporter:
        reporter.start(f"harness {__version__}: plan {file}")
        from harness.running.forecast.lines import estimate_lines
        from harness.running.prepare import Request  # which takes seconds, so it comes behind the first line
        from harness.running.workloads import estimate_file

        request = Request(
            file, profile, data, out, tuple(plugin or ()), tuple(block or ()), with_time_limit(set_, time_limit), reuse=reuse,
            no_reuse=no_reuse, workload=workload, preset=preset,
        )  # fmt: skip
        document = estimate_file(request, reporter)
    print_result(document, estimate_lines(document), as_json)
    rows = document.get("workloads", [document])
    raise typer.Exit(1 if any(map(_has_problem, rows)) else 0)


def _has_problem(row: Mapping[str, Any]) -> bool:
    """Return whether an arm cannot be estimated, or a workload that is not optional cannot be opened."""
    if "problem" in row:
        return not row["optional"]
    return any(arm["problem"] for arm in row["arms"])
