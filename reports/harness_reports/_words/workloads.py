"""What several workloads say together, in words, for their page, for Markdown and for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from harness import Workloads, numbers
from harness.verdict.protocol import FACETS
from harness.verdict.stating import NO_VERDICT
from harness_reports._words.names import shortened
from harness_reports._words.outcome import table_rows

PREDICTION = "prediction interval"  # what a word rests on from five workloads on
NO_WORDS = ("not measured", "not applicable")  # which rest on nothing
FEWEST_BLOCKS = 6  # workloads of a critical-difference diagram
MEANING = (
    "An effect is a difference between two arms over the margin that was registered for it, so 1 is on the margin. From five "
    "workloads on, a word is that of the prediction interval of a random-effects model: it says what one more workload will "
    "show. Of fewer workloads the word is theirs where they agree, else “mixed”."
)


@dataclass(frozen=True)
class Member:
    """One workload in a row."""

    name: str
    link: str  # to its own page; "" where it has none
    about: str  # its data, networks and size
    statement: str
    words: list[str]  # of the facets
    doubt: str
    problem: str  # why it has no run


@dataclass(frozen=True)
class FacetWord:
    """The word of a facet over all workloads."""

    facet: str
    word: str
    basis: str


def question(workloads: Workloads) -> str:
    """Return what is asked."""
    many = numbers.counted(len(workloads.tables["workloads"]), "workload")
    return f"Do different optimizers reach almost the same minima? {many}, each tuned and compared by itself."


def answer(workloads: Workloads) -> str:
    """Return the statement on all workloads, and what it rests on."""
    statement = workloads.word("statement")
    judged = sum(row["statement"] != NO_VERDICT for row in table_rows(workloads.tables["workloads"]))
    if not judged:
        return "No workload has a verdict"
    counted = numbers.counted(judged, "workload")
    if _rests_on(workloads).get("statement") == PREDICTION:
        return f"For one more workload like these {judged}: {statement}"
    if statement == "mixed":
        return f"Mixed: the {counted} disagree"
    everywhere = {1: "the only workload", 2: "both workloads"}.get(judged, f"all {counted}")
    return f"{statement.capitalize()}, in {everywhere}"


def _rests_on(workloads: Workloads) -> dict[str, str]:
    return {row["facet"]: row["rests_on"] for row in table_rows(workloads.tables["words"])}


def facet_words(workloads: Workloads) -> list[FacetWord]:
    """Return the word of each facet over all workloads."""
    rests_on, words = _rests_on(workloads), {facet: workloads.word(facet) for facet in FACETS}
    return [FacetWord(facet, word, "" if word in NO_WORDS else rests_on[facet]) for facet, word in words.items()]


def members(workloads: Workloads, extension: str = "html") -> list[Member]:
    """Return a row per workload, in the order of the benchmark, with a link to its report of that extension."""
    rows = []
    for row in table_rows(workloads.tables["workloads"]):
        folder = workloads.folders.get(str(row["workload"]), "")
        rows.append(
            Member(
                name=str(row["workload"]),
                link=f"{quote(folder)}/report.{extension}" if folder else "",
                about=_about(row),
                statement=str(row["statement"]),
                words=[str(row[facet]) for facet in FACETS],
                doubt=str(row["doubt"]),
                problem=str(row["problem"]),
            )
        )
    return rows


def _about(row: Mapping[str, Any]) -> str:
    """Return what a workload is: its data, its networks, and how many arms and replicates it has."""
    if not row["dataset"]:
        return ""
    arms = numbers.counted(int(row["arms"]), "arm")
    replicates = f", {numbers.counted(int(row['replicates']), 'replicate')}" if row["replicates"] else ""
    return f"{row['dataset']}, {shortened(str(row['networks']))} ({row['regime']}), {arms}{replicates}"


def pooled_rows(workloads: Workloads) -> list[dict[str, str]]:
    """Return a row per pair and measure with what the workloads say of it together."""
    return [_pooled_row(row) for row in table_rows(workloads.tables["pooled"])]


def _pooled_row(row: Mapping[str, Any]) -> dict[str, str]:
    pooled = row["mean"] == row["mean"]
    return {
        "facet": str(row["facet"]),
        "measure": str(row["measure"]),
        "pair": pair_name(row),
        "word": str(row["word"]),
        "basis": str(row["rests_on"]),
        "workloads": str(int(row["workloads"])),
        "mean": _span(row["mean"], row["low"], row["high"]) if pooled else numbers.NOTHING,
        "predicted": _ends(row["predicted_low"], row["predicted_high"]) if pooled else numbers.NOTHING,
        "tau": numbers.number(float(row["tau"])) if pooled else numbers.NOTHING,
        "p_within": numbers.p_value(row["p_within"]),
        "p_beyond": numbers.p_value(row["p_beyond"]),
    }


def pair_name(row: Mapping[str, Any]) -> str:
    """Return two arms without the schedule that they share."""
    first, second = str(row["arm"]), str(row["other"])
    schedule = first.rpartition("/")[2]
    if second.endswith(f"/{schedule}"):
        first, second = (name.removesuffix(f"/{schedule}") for name in (first, second))
    return f"{first} and {second}"


def _span(middle: float, low: float, high: float) -> str:
    return f"{numbers.number(middle)} ({_ends(low, high)})"


def _ends(low: float, high: float) -> str:
    return f"{numbers.number(low)} to {numbers.number(high)}"


def no_ranks(workloads: Workloads) -> str:
    """Return why there is no critical-difference diagram."""
    many = numbers.counted(len(workloads.records), "workload")
    return (
        f"A critical-difference diagram needs {FEWEST_BLOCKS} workloads or more, and three arms that all of them have; there "
        f"are {many}. Seeds are not blocks, for they are not different problems."
    )


def lines(workloads: Workloads) -> list[str]:
    """Return the answer, the word of each facet and the statement of each workload, a line each."""
    sentences = [question(workloads), answer(workloads)]
    sentences += [f"{entry.facet}: {entry.word} ({entry.basis})" for entry in facet_words(workloads) if entry.basis]
    for member in members(workloads):
        sentences.append(f"{member.name}: {member.problem or member.statement}")
    return sentences


def problems(workloads: Workloads) -> Sequence[str]:
    """Return a line for each workload without a run, and for whatever went wrong."""
    without = [f"{member.name} is left out: {member.problem}" for member in members(workloads) if member.problem]
    return [*without, *workloads.problems]
