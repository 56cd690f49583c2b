"""``harness compare RUN RUN...``: runs side by side, for people, as JSON, or as a file that can be passed on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import completion
from harness.cli.options import AsJson, Blocked, PluginFiles, print_result
from harness.console.escaping import say_begun, say_lines
from harness.console.numbers import counted, difference, joined, plain, span, with_p
from harness.errors import HarnessError
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Report, Several

if TYPE_CHECKING:
    from harness.plugin.registry import Registry

VERSION = 1  # of the JSON document


def command(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="Run folders, two or more; the first is what the others are compared with.",
            autocompletion=completion.run_folders,
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a page, or a summary for FILE.md.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(min=0, help="A difference that does not matter: points, or the metric's unit.")
    ] = None,
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit with 1 where an arm became worse.")
    ] = False,
    plugin: PluginFiles = None,
    block: Blocked = None,
    as_json: AsJson = False,
) -> None:
    """Lay runs side by side, and say which arms changed.

    The first run is what the others are compared with: what differs, and which arms became better or worse.
    """
    say_begun(f"comparing {len(folders)} runs")
    from harness.plugin.discovery import discover
    from harness.results.several import open_several

    registry = discover(plugin or [], block or [])
    report = find_format(out, registry) if out else None
    several = open_several(folders, margin)
    print_result(document(several), lines(several), as_json)
    if out and report:
        write_comparison(out, several, report)
        if not as_json:
            say_lines([str(out)])
    raise typer.Exit(1 if fail_on_regression and len(several.regressions) else 0)


def find_format(out: Path, registry: Registry) -> Report:
    """Return the report format that writes such a file; raises HarnessError where none does or it cannot be written."""
    from harness.records.files import check_out_file

    check_out_file(out, "compare --out")
    reports = [report for report in registry.all("report") if isinstance(report, Report) and report.compare]
    for report in reports:
        if out.suffix == f".{report.extension}":
            return report
    known = " or ".join(sorted(f".{report.extension}" for report in reports)) or "nothing: no report compares runs"
    raise HarnessError(f"compare --out: must end in {known}, got '{out.name}'; choose another name")


def write_comparison(out: Path, several: Several, report: Report) -> None:
    """Write the comparison as that report; raises HarnessError where it fails or the file cannot be written."""
    from harness.records import files

    if report.compare is None:
        raise HarnessError(f"report '{report.name}': must compare runs, got one that does not; choose another")
    try:
        with Boundary("report", report.name, "compare runs", everything=True):
            content = report.compare(several).encode()
    except PluginFailed as error:
        raise HarnessError(f"{error}; the runs are whole") from error
    files.write(out, content, durable=False, hint="name another file with --out")


def document(several: Several) -> dict[str, Any]:
    """Return the comparison as one strict JSON document; what is not known is absent."""
    from harness.records.tables import plain_rows

    labels = several.labels
    runs = [
        {"label": label, "run": str(records.folder), "name": records.name}
        for label, records in zip(labels, several.records, strict=True)
    ]
    differs = []
    for row in several.differs.to_dict("records"):
        values = [row[label] for label in labels]
        differs.append({"group": row["group"], "what": row["what"], "values": values})
    return {
        "schema_version": VERSION,
        "runs": runs,
        "metric": f"test_{several.metric}",
        "goal": several.goal,
        "unit": several.unit,
        "differs": differs,
        "scores": plain_rows(several.scores),
        "changes": plain_rows(several.changes),
        "verdicts": plain_rows(several.verdicts),
        "regressions": len(several.regressions),
    }


def lines(several: Several) -> list[str]:
    """Return the comparison for a person: what differs first, then every arm, then what changed."""
    labels = several.labels
    unit = f" in {several.unit}" if several.unit else ""
    out = [f"{joined(labels)}: test {several.metric}{unit}"]
    differences = [_difference_line(row, labels) for row in several.differs.to_dict("records")]
    out += differences or ["  nothing differs that is recorded"]
    scores, changes = several.scores.to_dict("records"), several.changes.to_dict("records")
    for arm in dict.fromkeys(several.scores["arm"]):
        out.append(f"{arm}")
        out += [f"  {_score_line(row, several.unit)}" for row in scores if row["arm"] == arm]
        out += [f"  {_change_line(row, several.unit, labels[0])}" for row in changes if row["arm"] == arm]
    for row in several.verdicts.to_dict("records"):
        out.append(f"{row['run']}: {row['network']} ({row['regime']}), {row['facet']}: {row['label']}")
    count = len(several.regressions)
    return [*out, f"{count or 'no'} regression{'' if count == 1 else 's'} shown"]


def _difference_line(row: dict[Any, Any], labels: Sequence[str]) -> str:
    return f"  {row['group']}, {row['what']}: {' | '.join(row[label] for label in labels)}"


def _score_line(row: dict[Any, Any], unit: str) -> str:
    if not row["n"]:
        return f"{row['run']}: no result ({row['lost'] or row['state']})"
    seeds = f"{row['n']} of {row['planned']} seeds" if row["n"] != row["planned"] else f"{row['n']} seeds"
    return f"{row['run']}: {plain(row['mean'], unit)}{_interval(row, unit)}, {seeds}"


def _change_line(row: dict[Any, Any], unit: str, first: str) -> str:
    runs = f"{row['run']} less {first}"
    if row["state"] == Several.ONE_TRAINING:
        return (
            f"{runs}: {counted(row['seeds'], 'seed')} from the same trainings, taken over: nothing was measured twice"
        )
    if not math.isfinite(row["change"]):
        return f"{runs}: not comparable, {row['how']}"
    change = f"{runs}: {difference(row['change'], unit)}"
    if not math.isfinite(row["p"]):
        return f"{change}; one seed says nothing of chance"
    state = row["state"].upper() if row["state"] == "regression" else row["state"]
    shared = f" ({row['shared']} of {row['seeds']} seeds are the same trainings)" if row["shared"] else ""
    return f"{change}{_interval(row, unit)}, {row['how']}{shared}, {with_p(row['adjusted'])} (Holm): {state}"


def _interval(row: dict[Any, Any], unit: str) -> str:
    """Return the interval of a row, with a space before it; empty where it has none."""
    ends = span(row["low"], row["high"], unit)
    return f" [{ends}]" if ends else ""
