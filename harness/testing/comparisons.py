"""Records of comparisons that are made up in memory, so that the verdict's own analyses can be tried on a known truth.

Whoever makes up a comparison draws what is measured: a row of numbers for each run, the predictions, and what probes measured.
``made_records`` makes records of it, as a run folder's would be. ``benchmarks/science/`` and ``tests/verdict/`` draw theirs here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.benchmark.sections.verdict import VerdictSection
from harness.errors import RunFolderError
from harness.plugin.meta import Meta
from harness.records import FolderRecords
from harness.verdict.arms import network_of
from harness.verdict.protocol import BEFORE, registered_protocols

if TYPE_CHECKING:
    from pandas import DataFrame

NETWORK = "lesson_cnn"
METRICS = {
    "accuracy": {"goal": "max", "unit": "%", "each": True},
    "error": {"goal": "min", "unit": "%", "each": True},
    "loss": {"goal": "min", "unit": "nats", "each": True},
}
VERDICT: Mapping[str, Any] = VerdictSection().model_dump()  # the rules of a file that says nothing of them
RATES = (0.001, 0.01, 0.02, 0.005, 0.012)  # of the trials of each arm
SCORES = (0.80, 0.90, 0.85, 0.84, 0.80)  # their tune scores, which raise no alarm
QUIET: Mapping[str, float] = {
    "train_objective": 0.1, "start_objective": 0.8, "train_loss": 0.02, "train_error": 0.001, "test_accuracy": 0.92,
    "tune_accuracy": 0.92, "test_loss": 0.25, "tune_loss": 0.25, "gradient_norm.relative": 1e-3, "gradient_norm.excess": 1e-6,
}  # fmt: skip
# what a run at a minimum has, which raises no doubt

Row = dict[str, Any]
Measurement = tuple[str, str, str, str, float]  # probe, one run, the other run or "", name, value


@dataclass(frozen=True)
class InMemory(FolderRecords):
    """Records whose predictions lie in memory."""

    kept: Mapping[tuple[str, str], Any] = field(default_factory=dict)  # by run_id and split, [N, K]
    truth: Mapping[str, Any] = field(default_factory=dict)  # targets by split, [N]

    def predictions(self, run_id: str, split: str = "test") -> Any:
        """Return a run's predictions ``[N, K]``."""
        if (run_id, split) not in self.kept:
            raise RunFolderError(f"{run_id}: no predictions")
        return self.kept[run_id, split]

    @property
    def targets(self) -> Any:
        """The test targets ``[N]``."""
        return self.truth["test"]

    @property
    def tune_targets(self) -> Any:
        """The targets of the tune split ``[N]``."""
        return self.truth["tune"]


@dataclass(frozen=True)
class Rules:
    """The rules that a verdict is reached by; without ``primaries`` those that the harness registers for two classes."""

    looks: tuple[int, ...] = (6,)
    primaries: Mapping[str, tuple[str, ...]] | None = None
    margins: Mapping[str, float] = field(default_factory=dict)  # that differ from the defaults


def arm_name(optimizer: str, network: str = NETWORK) -> str:
    """Return an arm's name."""
    return f"{network}/{optimizer}/cosine"


def run_row(run_id: str, arm: str, replicate: int, seed: int, numbers: Mapping[str, float], state: str = "done") -> Row:
    """Return the row of a comparison run; what is not among its numbers is as in ``QUIET``, and all are NaN if it is not done."""
    values = {**QUIET, **numbers}
    if state != "done":
        values = dict.fromkeys(values, math.nan)
    return {
        "run_id": run_id, "arm": arm, "role": "fresh", "of": arm, "replicate": replicate, "seed": seed,
        "init_seed": seed, "order_seed": seed, "state": state, "reason": "", **values,
    }  # fmt: skip


def restart_row(row: Mapping[str, Any], after: Mapping[str, float]) -> Row:
    """Return the row of a run's restart, which ends with these numbers in the place of the run's own."""
    return {**row, "run_id": f"{row['run_id']}.restart", "role": "restart", **after, "state": "done"}


def measured_table(rows: Iterable[Measurement]) -> DataFrame:
    """Return measurements of probes as the records have them."""
    from pandas import DataFrame

    table = DataFrame(list(rows), columns=["probe", "one", "other", "name", "value"]).astype({"value": float})
    return table.assign(third="")


def made_records(
    arms: Sequence[str],
    rows: Sequence[Row],
    measured: Iterable[Measurement],
    kept: Mapping[tuple[str, str], Any],
    truth: Mapping[str, Any],
    rules: Rules,
    seeds: int,
    scores: Mapping[str, Sequence[float]] | None = None,
    convex: bool = False,
) -> InMemory:
    """Return the records of a comparison; nothing is registered yet.

    Args:
        arms: Their names.
        rows: A row for each comparison run, by ``run_row`` and ``restart_row``.
        measured: What probes measured.
        kept: Predictions by run and split.
        truth: Targets by split.
        rules: The rules of the verdict.
        seeds: Of each replicate.
        scores: The tune scores of an arm's trials; ``SCORES`` of an arm without any.
        convex: Whether the objective is convex.
    """
    from pandas import DataFrame

    fresh = [{**row, "phase": "compare", "seed": row["init_seed"]} for row in rows if row["role"] == "fresh"]
    parts = [(arm, *arm.split("/")) for arm in arms]
    return InMemory(
        folder=Path("runs/made-up"),
        meta=_meta(arms, rules, seeds, convex),
        arms=DataFrame(parts, columns=["arm", "backbone", "optimizer", "scheduler"]),
        trials=DataFrame([row for arm in arms for row in _trials(arm, (scores or {}).get(arm, SCORES))]),
        runs=DataFrame(fresh),
        epochs=DataFrame(),
        comparison=DataFrame(list(rows)),
        measured=measured_table(measured),
        kept=kept,
        truth=truth,
    )


def registered(records: InMemory, rules: Rules) -> InMemory:
    """Return records whose protocol, with the rules' own primary measures, was registered before the comparison."""
    entries = []
    for described in registered_protocols(records.meta):
        protocol = described.protocol
        if rules.primaries is not None:
            protocol = replace(protocol, primaries=dict(rules.primaries))
        entries.append({"hash": protocol.hash, "protocol": protocol.plain(), "registered": BEFORE})
    return replace(records, meta=replace(records.meta, protocols=entries))


def _trials(arm: str, scores: Sequence[float]) -> list[Row]:
    return [
        {
            "arm": arm, "number": number, "state": "done", "value": score, "params": {"lr": rate}, "epochs": 12,
            "run_id": f"{arm}.t{number}", "reason": "", "seconds": 1.0, "trained": 12,
        }
        for number, (rate, score) in enumerate(zip(RATES, scores, strict=True))
    ]  # fmt: skip


def _meta(arms: Sequence[str], rules: Rules, seeds: int, convex: bool) -> Meta:
    verdict = {**VERDICT, "margins": {**VERDICT["margins"], **rules.margins}}
    return Meta(
        benchmark={
            "name": "made-up", "train": {"regime": "scratch"},
            "search": {"trials": len(RATES), "sampler": "random", "metric": "accuracy", "objective": "common", "unit": "trials"},
            "compare": {"seeds": seeds, "looks": list(rules.looks), "fit": 0.01, "metric": "accuracy"}, "verdict": verdict,
        },
        data={"name": "points", "counts": {"tune": 500}, "classes": ["cat", "dog"], "notice": ""},
        metrics=METRICS, metric="accuracy", search_metric="accuracy", arms=list(arms),
        convex=dict.fromkeys(map(network_of, arms), convex),
        spaces={arm: {"lr": {"low": 1e-4, "high": 1.0, "log": True}} for arm in arms},
    )  # fmt: skip
