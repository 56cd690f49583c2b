"""Several runs side by side: what differs between them, and what that did to every arm they share.

The later runs are compared with the first. A difference has an interval over seeds where both runs saw the same data in
the same regime: paired by seed where the same seeds began with the same initial weights, else Welch's (1947,
doi:10.1093/biomet/34.1-2.28). A regression is a difference for the worse that is larger than the margin and whose p-value,
adjusted for all differences shown (Holm 1979), is below .05.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.console.safe_text import impersonal, impersonal_table
from harness.errors import HarnessError, arguments
from harness.plugin.contracts import Several
from harness.plugin.meta import Deciding
from harness.plugin.runs import digest
from harness.records import Records, open_records, schema
from harness.records.promised import summary
from harness.results.analysis import analyse
from harness.statistics.intervals import (
    EQUAL,
    LEVEL,
    UNBOUNDED,
    difference_interval,
    half_width,
    mean_interval,
    newcombe,
    standard_deviation,
)
from harness.statistics.labels import ALPHA, holm
from harness.statistics.paired import difference, permutation_p
from harness.verdict.protocol import FACETS, standing_protocol
from harness.verdict.reading import read_verdicts
from harness.verdict.tables import verdict

if TYPE_CHECKING:
    pass

POINTS = 0.005  # the margin of a metric in "%", where the first run has no protocol
PART = 0.1  # the margin of any other metric there: so much of the first run's mean
CELL = ("arm", "run", "n", "planned", "mean", "low", "high", "sd", "state", "tuned")
CHANGE = (
    "arm", "run", "how", "seeds", "before", "after", "change", "low", "high", "p", "adjusted", "margin", "state",
)  # fmt: skip
VERDICT = ("run", "network", "regime", "facet", "label")
NOTHING = "\N{EN DASH}"
NOT_FINITE = "not finite"  # the state of an arm with a run that ended well and has no number to show for it


@dataclass(frozen=True)
class Difference:
    """The later mean less the earlier one, with its 95 % interval and two-sided p-value; NaN where seeds are too few."""

    value: float
    low: float
    high: float
    p: float
    same: bool = False  # no seed differs


def open_several(folders: Sequence[Path], margin: float | None = None) -> Several:
    """Return runs side by side; the first is what the others are compared with.

    ``margin`` is how large a difference in the deciding metric may be and still not matter, in points for one in "%".
    Raises HarnessError for fewer than two runs, for a folder that is none, for runs that are decided by
    different metrics, and for runs without an arm in common.
    """
    folders = [arguments.path("folders", folder) for folder in arguments.items("folders", folders, "run folders")]
    margin = None if margin is None else arguments.number("margin", margin, 0)
    if len(folders) < 2:
        raise HarnessError(
            f"compare: must be two runs or more, got {len(folders)}; name the run folders one after another"
        )
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise HarnessError("compare: must be different run folders, got one of them twice; name each once")
    records = tuple(_for_readers(open_records(folder)) for folder in folders)
    labels = _labels(folders)
    deciding = _deciding(records, labels)
    shared = set.intersection(*({str(arm) for arm in each.arms["arm"]} for each in records))
    if not shared:
        first = ", ".join(map(str, records[0].arms["arm"]))
        raise HarnessError(f"compare: must have an arm in common, got none; {labels[0]} has {first}")
    import pandas as pd

    allowed = None if margin is None else margin / 100 if deciding.is_share else margin
    scores = [cell for label, each in zip(labels, records, strict=True) for cell in _cells(label, each, deciding.name)]
    return Several(
        labels,
        records,
        deciding.name,
        deciding.goal,
        deciding.unit,
        pd.DataFrame(_differs(records, labels, shared), columns=["group", "what", *labels]),
        pd.DataFrame(scores, columns=list(CELL)),
        pd.DataFrame(_changes(records, labels, deciding, allowed), columns=list(CHANGE)),
        pd.DataFrame(_verdicts(records, labels), columns=list(VERDICT)),
    )


def _for_readers(records: Records) -> Records:
    """Return records as they may be given away: no home folder, user name or host name is in what they say of the run."""
    return replace(
        records,
        meta=records.meta.mapped(impersonal),
        runs=impersonal_table(records.runs),
        comparison=impersonal_table(records.comparison),
    )


def _labels(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return the folders' names; with as many folders above them as it takes to tell them apart."""
    paths = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            break
    return tuple(names)


def _deciding(records: Sequence[Records], labels: Sequence[str]) -> Deciding:
    """Return the deciding metric of the first run; its name and its goal must be the same in all runs."""
    metrics = [each.deciding for each in records]
    if len({(metric.name, metric.goal) for metric in metrics}) > 1:
        pairs = ", ".join(f"{metric.name} in {label}" for metric, label in zip(metrics, labels, strict=True))
        raise HarnessError(
            f"compare: must be runs decided by one metric, got {pairs}; compare runs of one search.metric"
        )
    return metrics[0]


# --- what differs --------------------------------------------------------------------------------------------


def _differs(records: Sequence[Records], labels: Sequence[str], arms: set[str]) -> list[dict[str, str]]:
    """Return what is not the same in all runs, by group, as text; of plugins and spaces, those of the shared arms."""
    rows = []
    for group, facts in _facts(records, arms):
        for what in dict.fromkeys(key for each in facts for key in each):
            values = [_said(each.get(what)) for each in facts]
            if len(set(values)) > 1:
                rows.append({"group": group, "what": what, **dict(zip(labels, values, strict=True))})
    return rows


def _facts(records: Sequence[Records], arms: set[str]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Yield the groups of facts, each with a mapping per run, those that a score hangs on most first."""
    yield "files", [{"gone or damaged": summary(each.lacking) or None} for each in records]
    about = ("name", "source", "fingerprint", "counts", "classes", "input_shape", "interpolation", "crop")
    yield "data", [dict(_flat({key: each.meta.data.get(key) for key in about})) for each in records]
    yield "benchmark", [_settings(each.meta.benchmark) for each in records]
    yield "search spaces", [_spaces(each, arms) for each in records]
    yield (
        "weights",
        [{name: about["sha256"] for name, about in each.meta.weights.items()} for each in records],
    )
    yield "source of plugins", [_sources(each, arms) for each in records]
    environments = [each.meta.environment for each in records]
    yield "versions", [each["versions"] for each in environments]
    yield "hardware", [each["hardware"] for each in environments]


def _settings(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """Return a benchmark's values by dotted key, without those that make no difference between runs."""
    from harness.benchmark.meaning import select_values
    from harness.benchmark.sections import Benchmark

    return dict(_flat(select_values(Benchmark, benchmark, lambda meaning: meaning.effect.compared)))


def _flat(value: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings under dotted keys."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{before}.{key}" if before else str(key))
    else:
        yield before, value


def _spaces(records: Records, arms: set[str]) -> dict[str, str]:
    return {
        f"{arm}: {name}": json.dumps(said, sort_keys=True)
        for arm, space in records.meta.spaces.items()
        if arm in arms
        for name, said in space.items()
    }


def _sources(records: Records, arms: set[str]) -> dict[str, str]:
    """Return the SHA-256 of what took part in the arms, by arm and part; probes measure, and change no score."""
    found: dict[str, str] = {}
    runs = records.compared()
    for run_id in runs.loc[runs["arm"].isin(arms), "run_id"]:
        recipe = records.recipes[run_id]
        arm = recipe["arm"]
        for part, sha256 in recipe["plugins"].items():
            if not part.startswith("probe "):
                found.setdefault(f"{part} {arm.get(part) or recipe.get(part) or ''}".rstrip(), sha256)
    return found


def _said(value: Any) -> str:
    """Return a fact as text; of a hash the first twelve digits."""
    if value is None:
        return NOTHING
    if isinstance(value, str):
        return value[:12] if len(value) in (40, 64) and set(value) <= set("0123456789abcdef") else value
    return json.dumps(value)


# --- how the arms did ----------------------------------------------------------------------------------------


def _cells(label: str, records: Records, metric: str) -> Iterator[dict[str, Any]]:
    """Yield a row per arm: the deciding test metric over the seeds that ended well, and what the arm was tuned to."""
    import numpy as np

    planned = int(records.meta.benchmark["compare"]["seeds"])
    compared = records.compared()
    for about in records.arms.to_dict("records"):
        values = np.array([value for value, _ in _seeds(records, about["arm"], metric).values()], dtype=float)
        n = len(values)
        mean, sd = (float(values.mean()) if n else math.nan), (float(standard_deviation(values)) if n else math.nan)
        about_metric = (records.bounds_of(f"test_{metric}"), records.examples_of(f"test_{metric}"))
        low, high = map(float, mean_interval(mean, sd, n, *about_metric))
        states = compared.loc[compared["arm"] == about["arm"], "state"]
        lost = [state for state in (schema.FAILED, schema.DIVERGED) if (states == state).any()]
        lost += [NOT_FINITE] if int((states == schema.DONE).sum()) > n else []
        yield {
            "arm": about["arm"], "run": label, "n": n, "planned": planned, "mean": mean, "low": low,
            "high": high, "sd": sd, "tuned": dict(about["tuned_params"]),
            "state": "done" if n == planned else lost[0] if lost else "unfinished",
        }  # fmt: skip


def _seeds(records: Records, arm: str, metric: str) -> dict[int, tuple[float, str]]:
    """Return an arm's value by seed, of the runs that ended well with a finite one, each with what it began with."""
    runs, column = records.compared(), f"test_{metric}"
    if column not in runs:
        return {}
    mine = runs[(runs["arm"] == arm) & (runs["state"] == schema.DONE)]
    found = zip(mine["seed"], mine["run_id"], mine[column], strict=True)
    return {
        int(seed): (float(value), _start(records.recipes[run])) for seed, run, value in found if math.isfinite(value)
    }


def _start(recipe: Mapping[str, Any]) -> str:
    """Return a hash of everything that the initial weights and the data come from."""
    sources = {part: sha256 for part, sha256 in recipe["plugins"].items() if part in ("backbone", "head", "task")}
    arm = {part: recipe["arm"].get(part, "") for part in ("backbone", "head")}
    return digest([arm, sources, recipe.get("weights", ""), recipe["init_seed"], recipe["data"]])


# --- what changed --------------------------------------------------------------------------------------------


def _changes(
    records: Sequence[Records], labels: Sequence[str], deciding: Deciding, margin: float | None
) -> list[dict[str, Any]]:
    """Return a row per shared arm and later run."""
    rows = []
    for label, later in zip(labels[1:], records[1:], strict=True):
        why = _incomparable(records[0], later)
        there = set(map(str, later.arms["arm"]))
        for arm in (each for each in map(str, records[0].arms["arm"]) if each in there):
            before, after = (_seeds(each, arm, deciding.name) for each in (records[0], later))
            allowed = margin if margin is not None else _margin(records[0], [v for v, _ in before.values()])
            about = (later.bounds_of(deciding.column), later.examples_of(deciding.column))
            rows.append({"arm": arm, "run": label, "margin": allowed, **_change(before, after, why, *about)})
    known = [row for row in rows if math.isfinite(row["p"])]
    for row, adjusted in zip(known, holm([row["p"] for row in known]), strict=True):
        row["adjusted"] = adjusted
    for row in rows:
        row["state"] = _state(row, deciding.sign)
    return rows


def _incomparable(first: Records, later: Records) -> str:
    """Return why a difference between these runs is none of the arms; "" where it is."""
    if first.meta.data["fingerprint"] != later.meta.data["fingerprint"]:
        return "other data"
    of = [each.meta.benchmark["train"] for each in (first, later)]
    return next((f"another {key}" for key in ("regime", "task") if of[0].get(key) != of[1].get(key)), "")


def _margin(records: Records, values: Sequence[float]) -> float:
    """Return how large a difference may be and still not matter: by the standing protocol, or what stands above."""
    deciding, mean = records.deciding, sum(values) / len(values) if values else math.nan
    if standing := standing_protocol(records.meta):
        return standing.protocol.margin_in(deciding.unit, mean)
    return POINTS if deciding.is_share else PART * abs(mean)


def _change(
    before: Mapping[int, tuple[float, str]],
    after: Mapping[int, tuple[float, str]],
    why: str,
    bounds: tuple[float, float],
    examples: int,
) -> dict[str, Any]:
    """Return the difference of the means, by the pairs of equal start where every seed of the smaller run has one."""
    import numpy as np

    nothing = dict.fromkeys(("before", "after", "change", "low", "high", "p", "adjusted"), math.nan)
    if why or not before or not after:
        return {**nothing, "how": why or "no result", "seeds": 0, "same": False}
    pairs = sorted(seed for seed in before if seed in after and before[seed][1] == after[seed][1])
    paired = len(pairs) >= 2 and len(pairs) == min(len(before), len(after))
    seeds = (pairs, pairs) if paired else (sorted(before), sorted(after))
    one, other = (np.array([of[s][0] for s in each]) for of, each in zip((before, after), seeds, strict=True))
    found = (by_pairs if paired else welch)(one, other, bounds, examples)
    return {
        **nothing, "how": "paired by seed" if paired else "Welch", "seeds": min(len(one), len(other)),
        "before": float(one.mean()), "after": float(other.mean()), "change": found.value, "low": found.low,
        "high": found.high, "p": found.p, "same": found.same,
    }  # fmt: skip


def by_pairs(before: Any, after: Any, bounds: tuple[float, float] = UNBOUNDED, examples: int = 0) -> Difference:
    """Return the mean of ``after - before`` [S], with Student's paired interval and p-value.

    Where all differences are equal, the interval is ``difference_interval``'s, and the p-value that of exchanging the two
    within seeds: two seeds prove nothing, however much alike their differences are.
    """
    from scipy import stats

    before, after = arguments.arrays(("before", before, "S"), ("after", after, "S"))
    found = difference(after, before, LEVEL)
    low, high = difference_interval(after, before, bounds, examples)
    if found.se <= EQUAL * max(map(abs, (*before, *after))):
        return Difference(found.value, low, high, permutation_p(after, before), list(before) == list(after))
    p = 2 * float(stats.t.sf(abs(found.value) / found.se, found.seeds - 1))
    return Difference(found.value, low, high, p)


def welch(before: Any, after: Any, bounds: tuple[float, float] = UNBOUNDED, examples: int = 0) -> Difference:
    """Return the difference of two means, [S] and [T], with Welch's interval and p-value; NaN for one seed in either.

    Where neither spreads, the interval is Newcombe's of two proportions of ``examples``, NaN for other numbers, and the
    p-value that of exchanging seeds between the two.
    """
    from scipy import stats

    before, after = arguments.arrays(("before", before, "S"), ("after", after, "T"))
    bounds, examples = arguments.ends("bounds", bounds), arguments.whole("examples", examples)
    value = float(after.mean() - before.mean())
    if min(len(before), len(after)) < 2 or not math.isfinite(value):
        return Difference(value, math.nan, math.nan, math.nan)
    sds = [float(standard_deviation(each)) for each in (before, after)]
    size = max(sds)
    if size == 0:
        ends = newcombe(float(after[0]), float(before[0]), examples) if examples else (math.nan, math.nan)
        orders = math.comb(len(before) + len(after), len(before))
        return Difference(value, *ends, 1.0 if value == 0 else min(1.0, 2 / orders), value == 0)
    parts = [(sd / size) ** 2 / len(each) for sd, each in zip(sds, (before, after), strict=True)]
    freedom = sum(parts) ** 2 / sum(p**2 / (len(x) - 1) for p, x in zip(parts, (before, after), strict=True))
    se = size * math.sqrt(sum(parts))
    half, most = float(half_width(se, freedom, LEVEL)), bounds[1] - bounds[0]
    low, high = (min(max(end, -most), most) for end in (value - half, value + half))
    return Difference(value, low, high, 2 * float(stats.t.sf(abs(value) / se, freedom)))


def _state(row: Mapping[str, Any], sign: int) -> str:
    """Return in words what a change is."""
    if row["how"] not in ("paired by seed", "Welch") or not math.isfinite(row["p"]):
        return "not comparable"
    if row["same"]:
        return "identical"
    if not row["adjusted"] < ALPHA:
        return "not shown"
    if not abs(row["change"]) > row["margin"]:
        return "within the margin"
    return "improvement" if sign * row["change"] > 0 else "regression"


# --- the claim -----------------------------------------------------------------------------------------------


def _verdicts(records: Sequence[Records], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the statement and the facets' labels of every run and network, by its standing protocol."""
    rows: list[dict[str, Any]] = []
    for label, run in zip(labels, records, strict=True):
        verdicts = read_verdicts(run.meta, analyse(run, [verdict.ANALYSIS]).tables)
        for network in verdicts[0].networks if verdicts else ():
            place = {"run": label, "network": network.network, "regime": network.row["regime"]}
            rows += [{**place, "facet": facet, "label": network.row[facet]} for facet in ("statement", *FACETS)]
    return rows
