"""The tables of several workloads: each run's verdict in a row, the words of all together, and the effects behind them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from harness.plugin.contracts import Results
from harness.records.workloads import Member, Workbook
from harness.verdict.doubts import Doubt, ranked, read_doubts
from harness.verdict.pooling import AGREEMENT, PREDICTION, PooledVerdict, Together, plain_effect, pool
from harness.verdict.protocol import FACETS, standing_protocol
from harness.verdict.reading import ProtocolVerdict
from harness.verdict.stating import NO_VERDICT

if TYPE_CHECKING:
    from pandas import DataFrame

WORKLOADS = (
    "workload", "folder", "dataset", "networks", "regime", "arms", "replicates", "statement", *FACETS, "doubt", "problem",
)  # fmt: skip
WORDS = ("facet", "word", "rests_on")
POOLED = (
    "facet", "measure", "arm", "other", "word", "rests_on", "workloads", "mean", "se", "low", "high", "tau", "predicted_low",
    "predicted_high", "p_within", "p_beyond", "level",
)  # fmt: skip
EFFECTS = (
    "workload", "facet", "measure", "arm", "other", "effect", "se", "label", "below_floor", "barred", "pooled",
)  # fmt: skip
UNKNOWN = dict.fromkeys(("mean", "se", "low", "high", "tau", "predicted_low", "predicted_high"), math.nan)


def workloads_table(
    workbook: Workbook,
    results: Mapping[str, Results],
    verdicts: Mapping[str, ProtocolVerdict],
    unread: Mapping[str, str],
) -> DataFrame:
    """Return a row a workload, in the order of the benchmark: its verdict, or why there is none."""
    import pandas as pd

    rows = []
    for member in workbook.members:
        result, verdict = results.get(member.name), verdicts.get(member.name)
        problem = member.problem or unread.get(member.name, "")
        rows.append({**_facts(member, result, problem), **_stated(verdict)})
    return pd.DataFrame(rows, columns=list(WORKLOADS))


def _facts(member: Member, result: Results | None, problem: str) -> dict[str, Any]:
    """Return what a run is of; nothing where there is no run."""
    facts = {"workload": member.name, "folder": member.folder if result else "", "problem": problem}
    if result is None:
        return {**facts, "dataset": "", "networks": "", "regime": "", "arms": 0, "replicates": 0}
    meta, arms = result.records.meta, result.records.arms
    networks = dict.fromkeys(str(network) for network in arms["network"]) if "network" in arms else {}
    return {
        **facts,
        "dataset": str(meta.data["name"]),
        "networks": ", ".join(networks),
        "regime": str(meta.benchmark["train"]["regime"]),
        "arms": len(arms),
        "replicates": 0,
    }


def _stated(verdict: ProtocolVerdict | None) -> dict[str, Any]:
    """Return what a run's standing verdict says on all of its networks."""
    if verdict is None:
        return {"statement": NO_VERDICT, **dict.fromkeys(FACETS, "not measured"), "doubt": ""}
    row = verdict.pooled
    return {
        "statement": str(row["statement"]),
        **{facet: str(row[facet]) for facet in FACETS},
        "replicates": int(row["replicates"]),
        "doubt": _gravest_doubt(verdict),
    }


def _gravest_doubt(verdict: ProtocolVerdict) -> str:
    """Return the gravest doubt about any of a run's networks, without its kind; "" for none."""
    doubts: list[Doubt] = []
    for network in verdict.networks:
        doubts += read_doubts(str(network.row["doubts"]))
    return next((doubt.text for doubt in ranked(doubts)), "")


def pooled_tables(verdicts: Mapping[str, ProtocolVerdict], level: float) -> dict[str, DataFrame]:
    """Return the tables ``words``, ``pooled`` and ``effects`` of the runs' standing verdicts; ``level`` is of each test."""
    import pandas as pd

    pooled = pool(verdicts, level) if verdicts else None
    words = _word_rows(pooled) if pooled else []
    entries = pooled.together if pooled else ()
    effects = [plain_effect(effect) for entry in entries for effect in entry.effects]
    together = [_together_row(entry, pooled.level) for entry in entries] if pooled else []
    return {
        "words": pd.DataFrame(words, columns=list(WORDS)),
        "pooled": pd.DataFrame(together, columns=list(POOLED)),
        "effects": pd.DataFrame(effects, columns=list(EFFECTS)),
    }


def _word_rows(pooled: PooledVerdict) -> list[tuple[str, str, str]]:
    """Return the statement and the word of each facet, with what it rests on."""
    rests_on = PREDICTION if PREDICTION in pooled.rests_on.values() else AGREEMENT
    facets = [(facet, word, pooled.rests_on[facet]) for facet, word in pooled.words.items()]
    return [("statement", pooled.statement, rests_on), *facets]


def _together_row(entry: Together, level: float) -> dict[str, Any]:
    """Return what the workloads say together of one pair on one measure."""
    numbers = {name: getattr(entry.pooled, name) for name in UNKNOWN} if entry.pooled else UNKNOWN
    return {
        "facet": entry.facet, "measure": entry.role, "arm": entry.pair[0], "other": entry.pair[1], "word": entry.word,
        "rests_on": entry.rests_on, "workloads": entry.workloads, **numbers, "p_within": entry.p_within,
        "p_beyond": entry.p_beyond, "level": level,
    }  # fmt: skip


def level_of(results: Iterable[Results]) -> float:
    """Return the level of the tests of all workloads together.

    They are looked at as often as a run is, each time with all that is there. So the level of all looks is divided by their
    number; where the runs' protocols differ, the smallest one holds.
    """
    registered = [standing_protocol(result.records.meta) for result in results]
    protocols = [entry.protocol for entry in registered if entry]
    return min((protocol.alpha / len(protocol.looks) for protocol in protocols), default=1.0)
