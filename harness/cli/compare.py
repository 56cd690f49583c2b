"""What ``harness compare`` tells: several runs side by side, for people, as JSON, or as a file that can be passed on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Report, Several
from harness.plugin.registry import Registry
from harness.records import files

if TYPE_CHECKING:
    from pandas import DataFrame

VERSION = 1  # of the JSON document


def format_of(out: Path, registry: Registry) -> Report:
    """Return the report format that writes such a file; raises HarnessError where none does or it cannot be written."""
    files.check_out_file(out, "compare --out")
    offers = [each for each in registry.all("report") if isinstance(each, Report) and each.compare is not None]
    for offer in offers:
        if out.suffix == f".{offer.extension}":
            return offer
    known = " or ".join(sorted(f".{offer.extension}" for offer in offers)) or "nothing: no report compares runs"
    raise HarnessError(f"compare --out: must end in {known}, got '{out.name}'; choose another name")


def write(out: Path, several: Several, report: Report) -> None:
    """Write the comparison as that report; raises HarnessError where it fails or the file cannot be written."""
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
    labels = several.labels
    return {
        "schema_version": VERSION,
        "runs": [
            {"label": label, "run": str(each.folder), "name": each.name}
            for label, each in zip(labels, several.records, strict=True)
        ],
        "metric": f"test_{several.metric}",
        "goal": several.goal,
        "unit": several.unit,
        "differs": [
            {"group": row["group"], "what": row["what"], "values": [row[label] for label in labels]}
            for row in several.differs.to_dict("records")
        ],
        "scores": _rows(several.scores),
        "changes": _rows(several.changes),
        "verdicts": _rows(several.verdicts),
        "regressions": len(several.regressions),
    }


def _rows(table: DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain values, without those that are no finite number."""
    return [
        {str(key): value for key, value in row.items() if not (isinstance(value, float) and not math.isfinite(value))}
        for row in table.to_dict("records")
    ]


def lines(several: Several) -> list[str]:
    """Return the comparison for a person: what differs first, then every arm, then what changed."""
    names = several.labels
    said = [f"{_joined(names)}: test {several.metric}{f' in {several.unit}' if several.unit else ''}"]
    said += [_difference(row, names) for row in several.differs.to_dict("records")] or [
        "  nothing differs that is recorded"
    ]
    for arm in dict.fromkeys(several.scores["arm"]):
        said.append(f"{arm}")
        said += [f"  {_cell(row, several.unit)}" for row in several.scores.to_dict("records") if row["arm"] == arm]
        said += [
            f"  {_change(row, several.unit, names[0])}"
            for row in several.changes.to_dict("records")
            if row["arm"] == arm
        ]
    for row in several.verdicts.to_dict("records"):
        said.append(f"{row['run']}: {row['network']} ({row['regime']}), {row['facet']}: {row['label']}")
    many = len(several.regressions)
    said.append(f"{many or 'no'} regression{'' if many == 1 else 's'} shown")
    return said


def _joined(labels: Sequence[str]) -> str:
    return " and ".join([", ".join(labels[:-1]), labels[-1]])


def _difference(row: dict[Any, Any], labels: Sequence[str]) -> str:
    return f"  {row['group']}, {row['what']}: {' | '.join(row[label] for label in labels)}"


def _cell(row: dict[Any, Any], unit: str) -> str:
    if not row["n"]:
        return f"{row['run']}: no result ({row['state']})"
    sure = f" [{_number(row['low'], unit)}, {_number(row['high'], unit)}]" if math.isfinite(row["low"]) else ""
    seeds = f"{row['n']} of {row['planned']} seeds" if row["n"] != row["planned"] else f"{row['n']} seeds"
    return f"{row['run']}: {_number(row['mean'], unit)}{sure}, {seeds}"


def _change(row: dict[Any, Any], unit: str, first: str) -> str:
    whom = f"{row['run']} less {first}"
    if not math.isfinite(row["change"]):
        return f"{whom}: not comparable, {row['how']}"
    points = " points" if unit == "%" else ""
    value = f"{whom}: {_number(row['change'], unit)}{points}"
    if not math.isfinite(row["p"]):
        return f"{value}; one seed says nothing of chance"
    ends = f" [{_number(row['low'], unit)}, {_number(row['high'], unit)}]" if math.isfinite(row["low"]) else ""
    shown = row["state"].upper() if row["state"] == "regression" else row["state"]
    return f"{value}{ends}, {row['how']}, {_probability(row['adjusted'])} (Holm): {shown}"


def _probability(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _number(value: float, unit: str) -> str:
    return f"{100 * value:.2f}" if unit == "%" else f"{value:.4g}"
