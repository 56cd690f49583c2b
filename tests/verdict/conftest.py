"""Records of a comparison made up in memory: networks are points, and everything measured is a function of the points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness import HarnessError, Meta
from harness.benchmark.sections.verdict import VerdictSection
from harness.records import FolderRecords

NET = "lesson_cnn"
METRICS = {
    "accuracy": {"goal": "max", "unit": "%", "each": True},
    "error": {"goal": "min", "unit": "%", "each": True},
    "loss": {"goal": "min", "unit": "nats", "each": True},
}
VERDICT = VerdictSection().model_dump()  # the rules of a file that says nothing of them
RHOS = (0.001, 0.002, 0.005)
FACETS = ("loss", "function", "representation", "connectivity", "geometry")


@dataclass(frozen=True)
class InMemory(FolderRecords):
    """Records whose predictions lie in memory."""

    kept: dict[str, Any] = field(default_factory=dict)  # of the test split, by run
    truth: Any = None
    tune_kept: dict[str, Any] = field(default_factory=dict)
    tune_truth: Any = None

    def predictions(self, run_id, split="test"):
        kept = self.tune_kept if split == "tune" else self.kept
        if run_id not in kept:
            raise HarnessError(f"{run_id}: no predictions")
        return kept[run_id]

    @property
    def targets(self):
        return self.truth

    @property
    def tune_targets(self):
        return self.tune_truth


def name(optimizer, network=NET):
    """Return an arm's name."""
    return f"{network}/{optimizer}/cosine"


@dataclass
class World:
    """A comparison to be made up; every field may be changed before ``records()``.

    A network is a point in each facet. Replicate r has the seeds ``seeds * r`` and so on.
    """

    optimizers: tuple[str, ...] = ("sgd", "adam")
    network: str = NET
    replicates: int = 8
    seeds: int = 2  # of each replicate
    looks: tuple[int, ...] = ()  # one look at all replicates where empty
    seed: int = 0  # of the draws
    shift: dict[tuple[str, str], float] = field(default_factory=dict)  # (optimizer, facet) -> how far it is moved away
    noise: dict[tuple[str, str], float] = field(default_factory=dict)  # -> how much wider its networks scatter
    searches: float = 0.0  # how much the searches of an arm scatter, in SDs of a network
    aa: bool = False  # an A/A arm of the first optimizer
    different: bool = False  # a known-different arm of it
    convex: bool = False
    offsets: tuple[int, ...] = ()  # between the replicates of the pairs that probes measured; all where empty
    lost: dict[tuple[str, int], str] = field(
        default_factory=dict
    )  # (optimizer, replicate) -> the state of its last run
    unchosen: tuple[tuple[str, int], ...] = ()  # (optimizer, replicate) whose search chose nothing
    restart_gain: dict[str, float] = field(default_factory=dict)  # by optimizer; nats
    probes: tuple[str, ...] = ("representation", "connectivity", "sharpness")
    gradients: dict[str, float] = field(default_factory=dict)
    barrier: float = 0.002  # train error that a unit of distance is worth
    movable: float = 1.0
    examples: int = 400
    dimensions: int = 20
    tune_scores: tuple[float, ...] = (0.80, 0.90, 0.85, 0.84)  # of every arm's trials, in their order
    alarming: str = ""  # the optimizer whose last trial is by far its best
    scatter: float = 0.001  # of accuracy over networks

    def names(self):
        every = list(self.optimizers)
        every += [f"{self.optimizers[0]}~again"] if self.aa else []
        return every + ([f"{self.optimizers[0]}~noise"] if self.different else [])

    def moved(self, optimizer, facet):
        """Return shift and spread of an optimizer in a facet; the known-different arm is far away in all."""
        far = 30.0 if optimizer.endswith("~noise") else 0.0
        return self.shift.get((optimizer, facet), far), self.noise.get((optimizer, facet), 1.0)

    def points(self, random, facet):
        """Return [R * S, d] by optimizer: a start that all share, a draw of its own, moved along the first axis."""
        shape = self.replicates, self.seeds, self.dimensions
        start = random.standard_normal(shape) * 0.5
        found = {}
        for optimizer in self.names():
            shift, noise = self.moved(optimizer, facet)
            luck = self.searches * random.standard_normal((self.replicates, 1, self.dimensions))
            places = start + noise * (random.standard_normal(shape) + luck)
            places[..., 0] += shift
            found[optimizer] = places.reshape(-1, self.dimensions)
        return found

    def records(self):
        random = np.random.default_rng(self.seed)
        at = {facet: self.points(random, facet) for facet in FACETS}
        axes = random.standard_normal((self.dimensions, self.examples)) / math.sqrt(self.dimensions)
        base = random.normal(0, 3, self.examples)
        truth = random.integers(0, 2, (2, self.examples))  # nobody knows it, so no shift of the function costs any loss
        rows, kept = [], {}
        for optimizer in self.names():
            for s in range(self.replicates * self.seeds):
                if (optimizer, s // self.seeds) in self.unchosen:
                    continue
                row = self.run(optimizer, s, at["loss"][optimizer][s])
                rows.append(row)
                p = 1 / (1 + np.exp(-(base + at["function"][optimizer][s] @ axes)))
                kept[row["run_id"]] = np.stack([1 - p, p], axis=1).astype(np.float32)
        rows += self.restarts(rows)
        return InMemory(
            folder=Path("runs/made-up"),
            meta=self.meta(),
            arms=pd.DataFrame([{"arm": name(o, self.network), "backbone": self.network, "optimizer": o, "scheduler": "cosine"} for o in self.optimizers]),
            trials=self.trials(),
            runs=pd.DataFrame([{**row, "phase": "compare", "seed": row["init_seed"]} for row in rows if row["role"] == "fresh"]),
            epochs=pd.DataFrame(),
            comparison=pd.DataFrame(rows),
            measured=self.measured(at, rows),
            kept=kept,
            truth=truth[0],
            tune_kept=kept,
            tune_truth=truth[1],
        )  # fmt: skip

    def run(self, optimizer, s, point):
        role = {"~again": "aa", "~noise": "different"}.get(optimizer[-6:], "fresh")
        arm, of = name(optimizer, self.network), name(optimizer.split("~")[0], self.network)
        replicate, last = s // self.seeds, (s + 1) % self.seeds == 0
        state = self.lost.get((optimizer, replicate), "done") if last else "done"
        quality = self.scatter * point[0]
        numbers = {
            "test_accuracy": 0.95 - quality, "tune_accuracy": 0.95 - quality, "test_loss": 0.15 * math.exp(10 * quality),
            "tune_loss": 0.15 * math.exp(10 * quality), "train_loss": 0.02 + quality, "train_error": 0.001,
            "train_objective": 0.1 + quality, "start_objective": 0.8,
            "gradient_norm.relative": self.gradients.get(optimizer, 1e-5), "gradient_norm.excess": 1e-6,
        }  # fmt: skip
        numbers = numbers if state == "done" else dict.fromkeys(numbers, math.nan)
        about = {
            "run_id": f"{self.network}.{optimizer}.{s}",
            "arm": arm,
            "role": role,
            "of": of,
            "replicate": replicate,
        }
        return {**about, "init_seed": s, "order_seed": s, "state": state, **numbers}

    def restarts(self, rows):
        again = []
        for row in rows:
            if row["role"] == "fresh" and row["init_seed"] == 0 and not self.convex:
                gain = self.restart_gain.get(row["arm"].split("/")[1], 0.0)
                after = {name: row[name] - gain for name in ("train_loss", "train_objective")}
                again.append({**row, "run_id": row["run_id"] + ".restart", "role": "restart", **after, "state": "done"})
        return again

    def measured(self, at, rows):
        runs = [row for row in rows if row["role"] != "restart" and row["state"] == "done"]
        found = []
        for row in runs if "sharpness" in self.probes else ():
            optimizer, s = row["arm"].split("/")[1], row["init_seed"]
            value = 0.05 * math.exp(0.05 * at["geometry"][optimizer][s][0])
            found += [("sharpness", row["run_id"], "", f"value_{rho:g}", value * (rho / 0.001) ** 2) for rho in RHOS]
        firsts = [row for row in runs if row["init_seed"] % self.seeds == 0]
        for one, other in combinations(firsts, 2):
            (a, s), (b, t) = ((row["arm"].split("/")[1], row["init_seed"]) for row in (one, other))
            apart = (one["replicate"] - other["replicate"]) % self.replicates
            if not apart or (self.offsets and not {apart, self.replicates - apart} & set(self.offsets)):
                continue
            pair = one["run_id"], other["run_id"]
            if "representation" in self.probes:
                d = float(np.linalg.norm(at["representation"][a][s] - at["representation"][b][t])) / 20
                numbers = {
                    f"{kind}{way}_penultimate": factor * d
                    for kind, factor in (("cka", 1.0), ("procrustes", 1.2))
                    for way in ("", "_within")
                }
                found += [
                    ("representation", *pair, key, value) for key, value in {**numbers, "cka_block1": d / 2}.items()
                ]
            if "connectivity" in self.probes:
                d = float(np.linalg.norm(at["connectivity"][a][s] - at["connectivity"][b][t]))
                numbers = {
                    "aligned_error": self.barrier * d, "naive_error": 0.3, "bn_recalibrated": 1.0, "endpoint_gap": 0.0,
                    "movable": self.movable,
                }  # fmt: skip
                found += [("connectivity", *pair, key, value) for key, value in numbers.items()]
        table = pd.DataFrame(found, columns=["probe", "one", "other", "name", "value"]).astype({"value": float})
        return table.assign(third="")

    def trials(self):
        rows = []
        for optimizer in self.optimizers:
            scores = (*self.tune_scores, 0.99) if optimizer == self.alarming else (*self.tune_scores, 0.80)
            for number, value in enumerate(scores):
                rate = (0.001, 0.01, 0.02, 0.005, 0.012)[number]
                rows.append(
                    {
                        "arm": name(optimizer, self.network), "number": number, "state": "done", "value": value,
                        "params": {"lr": rate}, "epochs": 12, "run_id": f"{optimizer}.t{number}", "reason": "",
                    }
                )  # fmt: skip
        return pd.DataFrame(rows)

    def meta(self):
        arms = [name(optimizer, self.network) for optimizer in self.optimizers]
        return Meta(
            benchmark={
                "name": "made-up", "train": {"regime": "scratch"}, "search": {"trials": 5, "sampler": "random"},
                "compare": {"looks": list(self.looks or (self.replicates,)), "seeds": self.seeds, "fit": 0.01},
                "verdict": VERDICT,
            },
            data={"name": "points", "counts": {"tune": 500}, "classes": ["cat", "dog"], "notice": ""},
            metrics=METRICS, metric="accuracy", search_metric="accuracy", arms=arms, convex={self.network: self.convex},
            spaces={arm: {"lr": {"low": 1e-4, "high": 1.0, "log": True}} for arm in arms},
        )  # fmt: skip


@pytest.fixture(scope="session")
def world():
    """Return ``World``, from which records are made up."""
    return World


@pytest.fixture(scope="session")
def stated():
    """Return a function from records to the verdict's row of the network."""
    from harness.verdict.tables import verdict

    return lambda records: verdict.compute(records).iloc[0]


@pytest.fixture(scope="session")
def labels():
    """Return a function from records, facet and kind of pair to the labels of the primary measures."""
    from harness.verdict.tables import facets

    def find(records, facet, pair="arms"):
        table = facets.compute(records)
        rows = table[(table["facet"] == facet) & (table["pair"] == pair) & table["primary"].astype(bool)]
        return list(rows["label"])

    return find


@pytest.fixture(scope="session")
def joined():
    """Return a function that puts the records of several networks together."""

    def join(*parts):
        first = parts[0]
        tables = {
            key: pd.concat([getattr(p, key) for p in parts], ignore_index=True)
            for key in ("arms", "trials", "runs", "comparison", "measured")
        }
        meta = replace(
            first.meta,
            arms=[arm for part in parts for arm in part.meta.arms],
            convex={network: value for part in parts for network, value in part.meta.convex.items()},
            spaces={arm: space for part in parts for arm, space in part.meta.spaces.items()},
        )
        kept, tune_kept = ({k: v for p in parts for k, v in getattr(p, name).items()} for name in ("kept", "tune_kept"))
        return replace(first, **tables, meta=meta, kept=kept, tune_kept=tune_kept)

    return join
