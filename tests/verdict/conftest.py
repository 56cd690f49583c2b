"""Records of a comparison made up in memory: networks are points, and everything measured is a function of the points."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from harness.testing.comparisons import NETWORK, SCORES, Rules, arm_name, made_records, restart_row, run_row

RHOS = (0.001, 0.002, 0.005)
SPLITS = ("test", "tune")
FACETS = ("loss", "function", "representation", "connectivity", "geometry")


@dataclass
class World:
    """A comparison to be made up; every field may be changed before ``records()``.

    A network is a point in each facet. Replicate r has the seeds ``seeds * r`` and so on.
    """

    optimizers: tuple[str, ...] = ("sgd", "adam")
    network: str = NETWORK
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
    tune_scores: tuple[float, ...] = SCORES[:4]  # of every arm's trials but the last, in their order
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
                predictions = np.stack([1 - p, p], axis=1).astype(np.float32)
                kept |= dict.fromkeys(((row["run_id"], split) for split in SPLITS), predictions)
        rows += self.restarts(rows)
        arms = [arm_name(optimizer, self.network) for optimizer in self.optimizers]
        scores = dict.fromkeys(arms, (*self.tune_scores, SCORES[-1]))
        if self.alarming:
            scores[arm_name(self.alarming, self.network)] = (*self.tune_scores, 0.99)
        rules = Rules(self.looks or (self.replicates,))
        truths = dict(zip(SPLITS, truth, strict=True))
        return made_records(arms, rows, self.measured(at, rows), kept, truths, rules, self.seeds, scores, self.convex)

    def run(self, optimizer, s, point):
        role = {"~again": "aa", "~noise": "different"}.get(optimizer[-6:], "fresh")
        arm, of = arm_name(optimizer, self.network), arm_name(optimizer.split("~")[0], self.network)
        replicate, last = s // self.seeds, (s + 1) % self.seeds == 0
        state = self.lost.get((optimizer, replicate), "done") if last else "done"
        quality = self.scatter * point[0]
        numbers = {
            "test_accuracy": 0.95 - quality, "tune_accuracy": 0.95 - quality, "test_loss": 0.15 * math.exp(10 * quality),
            "tune_loss": 0.15 * math.exp(10 * quality), "train_loss": 0.02 + quality, "train_error": 0.001,
            "train_objective": 0.1 + quality, "start_objective": 0.8,
            "gradient_norm.relative": self.gradients.get(optimizer, 1e-5), "gradient_norm.excess": 1e-6,
        }  # fmt: skip
        row = run_row(f"{self.network}.{optimizer}.{s}", arm, replicate, s, numbers, state)
        return {**row, "role": role, "of": of}

    def restarts(self, rows):
        again = []
        for row in rows:
            if row["role"] == "fresh" and row["init_seed"] == 0 and not self.convex:
                gain = self.restart_gain.get(row["arm"].split("/")[1], 0.0)
                after = {name: row[name] - gain for name in ("train_loss", "train_objective")}
                again.append(restart_row(row, after))
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
        return found


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
        kept = {key: predictions for part in parts for key, predictions in part.kept.items()}
        return replace(first, **tables, meta=meta, kept=kept)

    return join
