"""A run on one screen, as HTML for a notebook: verdict, answer, a dot for every seed, the doubts, and the leaderboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.console.numbers import measure
from harness.console.safe_text import impersonal
from harness.plugin.contracts import Results
from harness.plugin.registry import Registry
from harness.plugin.runs import short_arm_names
from harness.records import Records
from harness.results.analysis import own_tables
from harness.results.pictures.plain_svg import Dots, dot_plot
from harness.results.reports import DOUBT, doubts_in
from harness.results.tables import leaderboard
from harness.verdict.finite_runs import finite_runs, finite_values
from harness.verdict.reading import TABLES, ProtocolVerdict, plain_verdict, read_verdicts, verdict_lines

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_DOUBTS = 5


def verdicts_of(records: Records, tables: Mapping[str, DataFrame], registry: Registry) -> list[ProtocolVerdict]:
    """Return the verdicts of a run, the standing one first; none where nothing was compared."""
    core = own_tables(Results(records, tables), TABLES, registry)
    return read_verdicts(records.meta, core.tables)


def verdict_line(verdicts: list[ProtocolVerdict]) -> str:
    """Return the line of the standing verdict as ``harness show`` has it; "" where there is none."""
    plain = plain_verdict(verdicts)
    return verdict_lines(plain)[0] if plain else ""


def render_summary(records: Records, tables: Mapping[str, DataFrame], registry: Registry, lines: Sequence[str]) -> str:
    """Return a run as HTML; ``lines`` are its question, its answer and what limits the answer."""
    from markupsafe import Markup

    verdicts = verdicts_of(records, tables, registry)
    question, answer, *limits = [*(line for line in lines if not line.startswith(DOUBT)), "", ""]
    parts = [Markup("<p><small>{}</small><br>{}</p>").format(records.name, question)]
    parts.append(Markup("<p><strong>{}</strong></p>").format(answer or question))
    if statement := verdict_line(verdicts):
        parts.append(Markup("<p><strong>{}</strong></p>").format(statement))
    if notice := records.meta.data["notice"]:
        parts.append(Markup("<p><em>{}</em></p>").format(impersonal(notice)))
    parts.append(seeds_picture(records))
    parts.append(_render_doubts(doubts_in(lines) or _own_doubts(verdicts)))
    parts.append(_render_leaderboard(records, tables, registry))
    parts += [Markup("<p><small>{}</small></p>").format(line) for line in limits if line]
    return str(Markup("").join(parts))


def seeds_picture(records: Records) -> Any:
    """Return a dot for every seed that ended well, by arm, on the deciding test metric; rings are untuned seeds."""
    from markupsafe import Markup

    deciding, names = records.deciding, short_arm_names(records.meta.arms)
    untuned = records.comparison[records.comparison["role"] == "untuned"]
    rows = []
    for arm, name in names.items():
        scores = finite_runs(records, arm, deciding.column)
        of_control = finite_values(untuned[untuned["of"] == arm], deciding.column)
        rows.append(Dots(name, *([value for _, value in by_seed.values()] for by_seed in (scores, of_control))))
    title = f"Test {deciding.name.replace('_', ' ')} of every seed. A ring is a seed with the optimizer's own defaults."
    picture = dot_plot(rows, title, deciding.unit)
    return Markup("{}<p><small>{}</small></p>").format(picture, title) if picture else picture


def _own_doubts(verdicts: list[ProtocolVerdict]) -> list[str]:
    """Return the gravest doubts of the standing verdict, for where no report has a headline with doubts."""
    networks = verdicts[0].networks if verdicts else ()
    doubts = [
        f"{network.network}: {doubt.text}" if len(networks) > 1 else doubt.text
        for network in networks
        for doubt in network.doubts
    ]
    hidden = len(doubts) - MOST_DOUBTS
    return [*doubts[:MOST_DOUBTS], *([f"and {hidden} more, in the report"] if hidden > 0 else [])]


def _render_doubts(doubts: list[str]) -> Any:
    """Return doubts as a list; nothing where there are none."""
    from markupsafe import Markup

    if not doubts:
        return Markup("")
    items = Markup("").join(Markup("<li>{}</li>").format(text) for text in doubts)
    return Markup("<p><small>Doubts, the gravest first:</small></p><ul>{}</ul>").format(items)


def _render_leaderboard(records: Records, tables: Mapping[str, DataFrame], registry: Registry) -> Any:
    """Return the leaderboard of the deciding metric as an HTML table; nothing where there is none."""
    from markupsafe import Markup

    table = own_tables(Results(records, tables), [leaderboard.ANALYSIS], registry).tables.get(leaderboard.ANALYSIS.name)
    if table is None:
        return Markup("")
    metric, names = records.deciding.column, short_arm_names(records.meta.arms)
    titles = ("arm", f"mean {metric.replace('_', ' ')}", "95 % from", "to", "seeds")
    heads = Markup("").join(Markup("<th>{}</th>").format(title) for title in titles)
    cells = Markup("<td style='text-align:left' title='{}'>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>")
    rows = []
    for row in table[table["metric"] == metric].to_dict("records"):
        numbers = [measure(row[column], row["unit"]) for column in ("mean", "low", "high")]
        line = cells.format(row["arm"], names.get(row["arm"], row["arm"]), *numbers, f"{row['n']} of {row['planned']}")
        rows.append(Markup("<tr>{}</tr>").format(line))
    body = Markup("").join(rows)
    table_html = "<table style='font-variant-numeric:tabular-nums'><thead><tr>{}</tr></thead><tbody>{}</tbody></table>"
    return Markup(table_html).format(heads, body)
