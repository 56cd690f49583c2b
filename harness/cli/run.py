"""``harness run FILE.toml``: tune, compare and report. What it carries out is ``harness.running.start``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import __version__
from harness.cli.options import (
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
    with_time_limit,
)

if TYPE_CHECKING:
    from harness.plugin.contracts import Results
    from harness.plugin.registry import Registry


def command(
    context: typer.Context,
    file: BenchmarkFile,
    profile: Profile = None,
    data: DataFolder = None,
    out: RunsFolder = Path("runs"),
    plugin: PluginFiles = None,
    block: Blocked = None,
    set_: Overrides = None,
    only_search: Annotated[bool, typer.Option("--only-search", help="Stop before the comparison.")] = False,
    only_measure: Annotated[
        bool,
        typer.Option("--only-measure", help="Train nothing; measure what is missing, whatever the time limit."),
    ] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Widen the range or budget of arms whose search raised an alarm.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try again what was given up because the process died in it.")
    ] = False,
    reuse: Reuse = None,
    no_reuse: NoReuse = False,
    workload: WorkloadName = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Show the run in the browser while it goes on, as 'harness watch' does.")
    ] = False,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen", metavar="NAME", help="Tell a listener what is written down: tensorboard, mlflow, wandb."
        ),
    ] = None,
    preset: PresetName = None,
    time_limit: TimeLimit = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Train the best arm once more, on train and tune together.")
    ] = False,
    refit_arm: Annotated[
        list[str] | None,
        typer.Option("--refit-arm", metavar="ARM", help="Train this arm once more so too. Can be repeated."),
    ] = None,
) -> None:
    """Tune, compare and report.

    The same command again goes on where it was left. The last lines say what came out, and where the report is.
    """
    from harness.cli.watch import watch_beside
    from harness.console import interruption
    from harness.console.beginning import command_began
    from harness.console.progress import Reporter

    began = command_began()
    with interruption.listening(), Reporter() as reporter:
        reporter.start(f"harness {__version__}: run {file}")
        # These take seconds, so they come behind the first line.
        from harness.benchmark.toml import OptionValue
        from harness.results.workloads.summary import common_lines
        from harness.running.prepare import Request
        from harness.running.workloads import run_file

        listeners = [OptionValue.of("--listen", f"report.listeners={json.dumps(listen)}")] if listen else []
        settings = [*(set_ or ()), *listeners]
        request = Request(
            file, profile, data, out, tuple(plugin or ()), tuple(block or ()), with_time_limit(settings, time_limit), only_search,
            extend, retry, reuse, no_reuse, workload, preset=preset, refit=refit, began=began,
            refit_arms=tuple(refit_arm or ()),
            only_measure=only_measure,
        )  # fmt: skip
        opened = partial(watch_beside, request, reporter) if open_ else lambda folder: None
        code = run_file(request, reporter, ["harness", *context.obj], closing_lines, common_lines, opened)
    raise typer.Exit(code)


def closing_lines(results: Results, registry: Registry) -> Sequence[str]:
    """Return the few lines on what came out, with which a run ends."""
    from harness.cli.show import describe_results, result_lines

    return result_lines(describe_results(results.records, registry, results))
