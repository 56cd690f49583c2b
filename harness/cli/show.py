"""``harness show RUN``: a run's results, for a person and, as JSON, for a script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import AnyRunFolder, AsJson, Blocked, PluginFiles, print_result
from harness.console.escaping import say_begun
from harness.errors import HarnessError

if TYPE_CHECKING:
    from harness.plugin.registry import Registry


def command(
    folder: AnyRunFolder,
    against: Annotated[
        str | None,
        typer.Option(metavar="ARM", help="Compare every arm with this one, such as adam."),
    ] = None,
    plugin: PluginFiles = None,
    block: Blocked = None,
    as_json: AsJson = False,
) -> None:
    """Show a run's results, or those of several workloads."""
    say_begun(f"results of {folder}")
    from harness.plugin.discovery import discover
    from harness.records.workloads import has_workloads
    from harness.results.document import show_lines
    from harness.results.workloads.summary import show_workloads, workloads_lines

    registry = discover(plugin or [], block or [])
    if has_workloads(folder):
        if against is not None:
            raise HarnessError(
                f"--against: must be with the run folder of one workload, got '{folder}', which has several; name one of them"
            )
        document = show_workloads(folder, registry)
        print_result(document, workloads_lines(document), as_json)
    else:
        document = show(folder, registry, against)
        print_result(document, show_lines(document), as_json)
    raise typer.Exit(1 if document["problems"] else 0)


def show(folder: Path, registry: Registry | None = None, against: str | None = None) -> dict[str, Any]:
    """Return the results of a run folder, as ``describe_results`` does; with a registry also its analyses' results."""
    from harness.records import open_records
    from harness.results.document import describe_results
    from harness.results.reports import results_of
    from harness.results.tables.against import reference_arms

    if against is not None:
        reference_arms(open_records(folder), against)  # refuses a wrong name before anything is computed
    results = results_of(folder, registry) if registry else None
    return describe_results(results.records if results else open_records(folder), registry, results, against)
