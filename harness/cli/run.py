"""``harness run FILE.toml``: tune, compare and report. What it carries out is ``harness.running.start``."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated

import typer

from harness import __version__
from harness.cli.asked import OfRun, taking


@taking(OfRun)
def command(
    asked: OfRun,
    context: typer.Context,
    only_search: Annotated[
        bool, typer.Option("--only-search", help="Tune, and stop before the tuned optimizers are compared.")
    ] = False,
    only_measure: Annotated[
        bool,
        typer.Option("--only-measure", help="Train nothing; measure what is missing, whatever the time limit."),
    ] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Search on where the search of an optimizer was too narrow or too short.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try again what was given up because the process died in it.")
    ] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="Show the run in the browser while it goes on, as 'harness watch' does.")
    ] = False,
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen",
            metavar="NAME",
            help="Send results on as well: to tensorboard, mlflow or wandb; may be given again.",
        ),
    ] = None,
    refit: Annotated[
        bool, typer.Option("--refit", help="Train the best arm once more, on all examples but those of the test.")
    ] = False,
    refit_arm: Annotated[
        list[str] | None,
        typer.Option(
            "--refit-arm", metavar="ARM", help="Train this arm once more in the same way; may be given again."
        ),
    ] = None,
) -> None:
    """Tune, compare and report.

    Every arm is tuned, trained again and compared with the others. An arm is a network, an optimizer and a learning-rate
    schedule. The same command again goes on where it was left. The last lines say what came out, and where the report is.
    """
    from harness.cli.watch import watch_beside
    from harness.console import interruption
    from harness.console.beginning import command_began
    from harness.console.progress import Reporter

    began = command_began()
    with interruption.listening(), Reporter() as reporter:
        reporter.start(f"run {asked.file}", __version__)
        # These take seconds, so they come behind the first line.
        from harness.benchmark.toml import OptionValue
        from harness.results.document import closing_lines
        from harness.results.workloads.summary import common_lines
        from harness.running.workloads import run_file

        listeners = [OptionValue.of("--listen", f"report.listeners={json.dumps(listen)}")] if listen else []
        request = asked.request(
            listeners, only_search=only_search, only_measure=only_measure, extend=extend, retry=retry, refit=refit,
            refit_arms=tuple(refit_arm or ()), began=began,
        )  # fmt: skip
        opened = partial(watch_beside, request, reporter) if open_ else lambda folder: None
        code = run_file(request, reporter, ["harness", *context.obj], closing_lines, common_lines, opened)
    raise typer.Exit(code)
