"""Is mine better than adam? The arms compared with one reference arm, and a sentence for each of them.

The rows are those of the table ``differences``. Several arms that are compared with one reference are several tests, so their
p-values are adjusted by Holm within each measure. An arm is called better or worse where the adjusted p-value is below .05 and
the interval excludes zero. An arm whose search is in doubt is never called worse, neither is a reference whose search is.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.benchmark.lines import refusal
from harness.console import numbers
from harness.errors import did_you_mean, shown
from harness.plugin.meta import sign_of
from harness.plugin.runs import named_arms, short_arm_names
from harness.records import Records
from harness.results.tables.leaderboard import ranked
from harness.statistics.labels import ALPHA, holm
from harness.verdict.arms import network_of
from harness.verdict.in_doubt import LABEL
from harness.verdict.judging import LOST_ALLOWED

if TYPE_CHECKING:
    from pandas import DataFrame

BETTER, WORSE, NOT_APART = "better", "worse", "not told apart"
LOST_RUNS = "inconclusive (lost runs)"
NOT_TESTED = "not tested"
ALIKE = 0.01  # of the work of a step: what differs by less is not told
ONE_SEARCH = "Each arm had one search, so this holds for the settings that it chose: no interval covers another search."

Row = Mapping[Any, Any]


def reference_arms(records: Records, name: str | None = None, where: str = "--against") -> list[str]:
    """Return the arm that the others are compared with: the named one, else that of ``report.against``, else the best one.

    The name may be short. An optimizer's name stands for its arm in each of several networks, and then the list has one arm of
    each. It is empty where nothing was compared. Raises BenchmarkError for a name that no arm has.
    """
    arms = list(records.meta.arms)
    if name is not None:
        return checked_reference(name, arms, where)
    if named := records.meta.benchmark.get("report", {}).get("against", ""):
        return named_arms(named, arms)
    return ranked(records)[:1]


def checked_reference(name: str, arms: Sequence[str], where: str) -> list[str]:
    """Return the arms that a name is of; raises BenchmarkError where there are none."""
    references = named_arms(name, arms)
    if not references:
        hint = did_you_mean(name, short_arm_names(arms).values())
        raise refusal(where, "be an arm of the run", shown(name), hint)
    return references


def rows_against(differences: DataFrame, references: Sequence[str], doubted: Collection[str]) -> DataFrame:
    """Return the rows of these references, with p-values adjusted by Holm and a word for each row.

    With several references, one in each network, an arm is compared with that of its own network.

    - ``p_holm`` is adjusted for the number of ``arms`` that are compared in the same measure.
    - ``word`` is better, worse, not told apart, inconclusive (tuning) where the search of the worse one is in doubt,
      inconclusive (lost runs) where the better one lost more replicates than a verdict allows, or not tested.
    """
    rows = differences[differences["reference"].isin(references) & ~differences["arm"].isin(references)]
    if len(references) > 1:
        rows = rows[rows["arm"].map(network_of) == rows["reference"].map(network_of)]
    rows = rows.copy()
    place = list(rows.columns).index("p") + 1
    adjusted = {index: p for _, of_measure in rows.groupby("measure") for index, p in _holm(of_measure)}
    tested = rows.groupby("measure")["p"].transform("count")
    rows.insert(place, "p_holm", [adjusted[index] for index in rows.index])
    rows.insert(place + 1, "arms", tested.astype(int))
    rows.insert(place + 2, "word", [_word(row, doubted) for row in rows.to_dict("records")])
    return rows.reset_index(drop=True)


def _holm(rows: DataFrame) -> list[tuple[Any, float]]:
    return list(zip(rows.index, holm([float(p) for p in rows["p"]]), strict=True))


def _word(row: Row, doubted: Collection[str]) -> str:
    """Return in a word how the arm compares with its reference in a measure."""
    if not math.isfinite(row["p_holm"]) or math.isnan(row["low"]) or not row["goal"]:
        return NOT_TESTED
    if not (row["p_holm"] < ALPHA and _excludes_zero(row)):
        return NOT_APART
    is_better = sign_of(row["goal"]) * row["difference"] > 0
    best_lost = row["lost"] if is_better else row["lost_reference"]
    if (row["reference"] if is_better else row["arm"]) in doubted:
        return LABEL
    if best_lost > LOST_ALLOWED:
        return LOST_RUNS
    return BETTER if is_better else WORSE


def _excludes_zero(row: Row) -> bool:
    return bool(row["low"] > 0 or row["high"] < 0)


# --- in words ------------------------------------------------------------------------------------------------


def sentence(row: Row, names: Mapping[str, str]) -> str:
    """Return how an arm compares with its reference."""
    arm, reference, title = names[row["arm"]], names[row["reference"]], _title(row)
    if math.isnan(row["difference"]):
        return f"{arm} is not compared with {reference}: {row['detail']}.{_lost(row, names)}"
    size, word = numbers.difference(abs(row["difference"]), row["unit"]), row["word"]
    if word in (BETTER, WORSE):
        return f"{arm} is {size} {word} than {reference} in {title} ({_evidence(row)}).{_lost(row, names)}"
    clause = f"{title} is {size} {'higher' if row['difference'] > 0 else 'lower'}"
    clause = clause if row["difference"] else f"{title} is the same"
    if word == NOT_TESTED:
        draws = numbers.counted(row["draws"], row["draw"])
        return f"{arm} is compared with {reference} in {draws}: its {clause}, without an interval: {row['detail']}.{_lost(row, names)}"
    if word == NOT_APART:
        return f"{arm} cannot be told apart from {reference}: its {clause} ({_evidence(row)}).{_missed(row)}{_lost(row, names)}"
    clause = f"the {clause} with {arm} ({_evidence(row)})"
    is_better = sign_of(row["goal"]) * row["difference"] > 0
    best, worst = (arm, reference) if is_better else (reference, arm)
    if word == LABEL:
        return f"{worst} is {LABEL}, not worse than {best}: {clause}, but the search of {worst} is in doubt.{_lost(row, names)}"
    return f"{best} is not called better than {worst}, because it lost runs: {clause}.{_lost(row, names)}"


def _title(row: Row) -> str:
    return str(row["measure"]).replace("_", " ")


def _evidence(row: Row) -> str:
    """Return the interval of a difference, its adjusted p-value, and how many draws it is over."""
    ends = numbers.difference_interval(row["low"], row["high"], row["unit"])
    parts = [f"95 % interval of the difference {ends}", numbers.counted(row["draws"], row["draw"])]
    if row["arms"] > 1:
        parts.insert(1, f"{numbers.with_p(row['p_holm'])} by Holm for {row['arms']} arms")
    return ", ".join(parts)


def _missed(row: Row) -> str:
    """Return in a sentence how large a difference would have been found."""
    alone = (
        " The interval excludes zero, but not when the number of arms is allowed for." if _excludes_zero(row) else ""
    )
    if not math.isfinite(row["detectable"]):
        return alone
    least = numbers.difference(row["detectable"], row["unit"])
    return f"{alone} A true difference of {least} would have been found four times in five."


def _lost(row: Row, names: Mapping[str, str]) -> str:
    """Return a sentence on the draws that are left out; "" where there are none."""
    lost = ((row["arm"], row["lost"]), (row["reference"], row["lost_reference"]))
    parts = [f"{names[arm]} lost {numbers.counted(count, row['draw'])}" for arm, count in lost if count]
    return f" {numbers.joined(parts)}, which are left out." if parts else ""


def remarks(rows: Sequence[Row], records: Records) -> Iterator[str]:
    """Yield what holds for all of these rows: the adjustment, and that there was one search."""
    if rows and max(row["arms"] for row in rows) > 1:
        yield "The p-values are adjusted by Holm for the number of arms that are compared; the intervals are not."
    if rows and records.meta.planned_replicates == 1:
        yield ONE_SEARCH


def beside(rows: Sequence[Row]) -> str:
    """Return the other measures of one arm in a line: losses, steps to the target, and the work of a step."""
    return "; ".join(text for row in rows if (text := _beside(row)))


def _beside(row: Row) -> str:
    title, difference = _title(row), row["difference"]
    if math.isnan(difference):
        return f"{title}: {row['detail']}" if row["measure"] == "steps_to_target" else ""
    means = f"{numbers.number(row['mean'])} instead of {numbers.number(row['mean_reference'])}"
    if not row["goal"]:
        return f"{title}: {means}" if abs(difference) > ALIKE * row["mean_reference"] else ""
    if row["measure"] == "seconds_to_target":
        return ""  # it hangs on the machine, and on what else ran there
    ends = numbers.difference_interval(row["low"], row["high"], row["unit"])
    return f"{title}: {means}" + (f" (95 % interval of the difference {ends})" if ends else "")
