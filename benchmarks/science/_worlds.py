"""Records of comparisons that were made up from arrays, and the verdict's own analyses of them.

What is measured of every network is drawn, with a truth that is known. Everything after that is the project's own code:
``words`` gives what the verdict says of each facet. The tests of ``tests/verdict/test_operating_characteristics.py`` and the
script ``operating_characteristics.py`` beside this file draw their worlds here.

Shapes: k arms, R replicates, S seeds in each.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.testing.comparisons import (
    InMemory,
    Measurement,
    Rules,
    arm_name,
    made_records,
    registered,
    restart_row,
    run_row,
)
from harness.verdict.course import Course
from harness.verdict.design import networks_of
from harness.verdict.gate import judge_gate
from harness.verdict.judging import Examined, examine
from harness.verdict.protocol import FACETS, registered_protocols
from harness.verdict.tables import verdict
from harness.verdict.words import NO_WORD

Array = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What was measured in a made-up comparison of k arms in R replicates with S seeds each."""

    numbers: Mapping[str, Array] = field(default_factory=dict)  # column of the comparison -> [k, R, S]; else ``QUIET``
    sharpness: Mapping[str, Array] = field(default_factory=dict)  # number of the probe -> [k, R, S]
    distances: Mapping[tuple[str, str], Array] = field(default_factory=dict)  # probe and number -> [k, R, k, R]
    logits: Mapping[str, Array] = field(default_factory=dict)  # split -> [k, R, S, N] of the second of two classes
    truth: Mapping[str, Array] = field(default_factory=dict)  # split -> targets [N]
    lost: NDArray[np.bool_] | None = None  # [k, R, S]: runs that diverged
    restarted: Array | None = None  # [k]: the objective after the restart, over that before; 1 where nothing is won

    @property
    def shape(self) -> tuple[int, int, int]:
        """The numbers of arms, replicates and seeds."""
        arrays = [
            *self.numbers.values(),
            *self.sharpness.values(),
            *(logits[..., 0] for logits in self.logits.values()),
        ]
        arms, replicates, seeds = arrays[0].shape
        return arms, replicates, seeds


def words(world: World, rules: Rules) -> dict[str, str]:
    """Return the verdict's word on each facet, and under "statement" that on the claim; by the project's own analyses."""
    row = verdict.compute(records(world, rules)).iloc[0]
    return {name: str(row[name]) for name in (*(rules.primaries or FACETS), "statement")}


def course_of(world: World, rules: Rules, until: str = "") -> Course:
    """Return the course of a comparison over its looks, as the verdict has it, but without tuning alarms.

    The alarms are all quiet here, and take most of the time. With ``until`` it stops at the look that gives this facet
    its word.
    """
    found = records(world, rules)
    (registered,) = registered_protocols(found.meta)
    (network,) = networks_of(found, registered.protocol)
    gates = {arm: judge_gate(network.at(1), arm, found.meta) for arm in network.arms}
    examined: list[Examined] = []
    for look in range(1, network.look + 1):
        examined.append(examine(found, network.at(look), {}, gates))
        if until and examined[-1].word_in_facet(until) != NO_WORD:
            break
    return Course(tuple(examined))


def records(world: World, rules: Rules) -> InMemory:
    """Return a world's records, with a protocol that was registered before the comparison."""
    arms = [arm_name(f"optimizer{arm}") for arm in range(world.shape[0])]
    kept, truth = _predictions(world)
    found = made_records(arms, _rows(world, arms), _measured(world), kept, truth, rules, world.shape[2])
    return registered(found, rules)


def run_id(arm: int, replicate: int, seed: int) -> str:
    """Return the id of a run."""
    return f"optimizer{arm}.{replicate}.{seed}"


def _rows(world: World, arms: Sequence[str]) -> list[dict[str, Any]]:
    _, replicates, seeds = world.shape
    rows = []
    for (a, arm), r, s in ((pair, r, s) for pair in enumerate(arms) for r in range(replicates) for s in range(seeds)):
        state = "done" if world.lost is None or not world.lost[a, r, s] else "diverged"
        numbers = {name: float(values[a, r, s]) for name, values in world.numbers.items()}
        if "test_accuracy" in numbers:
            numbers["tune_accuracy"] = numbers["test_accuracy"]
        rows.append(run_row(run_id(a, r, s), arm, r, seeds * r + s, numbers, state))
    return rows + _restarts(world, rows)


def _restarts(world: World, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one restart of each arm, of its first run that ended well."""
    restarts: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["state"] == "done" and row["arm"] not in restarts:
            part = 1.0 if world.restarted is None else float(world.restarted[len(restarts)])
            after = {name: row[name] * part for name in ("train_objective", "train_loss")}
            restarts[row["arm"]] = restart_row(row, after)
    return list(restarts.values())


def _predictions(world: World) -> tuple[dict[tuple[str, str], Any], dict[str, Any]]:
    kept = {}
    for split, logits in world.logits.items():
        second = 1 / (1 + np.exp(-logits))
        both = np.stack([1 - second, second], axis=-1).astype(np.float32)
        for a, r, s in np.ndindex(both.shape[:3]):
            kept[run_id(a, r, s), split] = both[a, r, s]
    return kept, {split: np.asarray(targets, dtype=np.int64) for split, targets in world.truth.items()}


def _measured(world: World) -> Iterator[Measurement]:
    """Yield what probes measured: of every network, and of pairs of the first networks of different replicates."""
    replicates = world.shape[1]
    for name, values in world.sharpness.items():
        for a, r, s in np.ndindex(values.shape):
            yield "sharpness", run_id(a, r, s), "", name, float(values[a, r, s])
    beside = {"bn_recalibrated": 1.0, "endpoint_gap": 0.0, "movable": 1.0}
    for (probe, name), values in world.distances.items():
        places = [(a, r) for a in range(len(values)) for r in range(replicates)]
        for i, (a, r) in enumerate(places):
            for b, t in places[:i]:
                if r == t:
                    continue
                pair = run_id(a, r, 0), run_id(b, t, 0)
                yield probe, *pair, name, float(values[a, r, b, t])
                if probe == "connectivity":
                    yield from ((probe, *pair, other, number) for other, number in beside.items())


# --- what is drawn


@dataclass(frozen=True)
class Accuracy:
    """How the test accuracy of equal arms scatters: by the draw of searches and of seeds, as parts of 1."""

    searches: float = 0.003  # SD between searches
    seeds: float = 0.0055  # SD between seeds of one search
    shared: float = 0.6  # correlation of two arms over seeds
    shape: str = "normal"  # of searches: "normal", "t3" or "skewed"
    arms: int = 3

    def draw(
        self,
        random: np.random.Generator,
        replicates: int,
        ahead: Sequence[float] = (),
        wider: float = 1.0,
        seeds: int = 2,
    ) -> Array:
        """Return accuracies [k, R, S]: the first arms are so much ahead, and the last one scatters so many times as widely."""
        searches = self.searches * _standard(random, self.shape, (self.arms, replicates, 1))
        common, own = (
            random.standard_normal(shape) for shape in ((1, replicates, seeds), (self.arms, replicates, seeds))
        )
        rest = searches + self.seeds * (math.sqrt(self.shared) * common + math.sqrt(1 - self.shared) * own)
        rest[-1] *= wider
        shifts = np.array([*ahead, *[0.0] * (self.arms - len(ahead))])
        return 0.92 + shifts[:, None, None] + rest


def _standard(random: np.random.Generator, shape: str, size: tuple[int, ...]) -> Array:
    """Return draws with mean 0 and variance 1."""
    if shape == "t3":
        return random.standard_t(3, size) / math.sqrt(3)
    if shape == "skewed":  # most searches end well, and a few end badly
        return 1.0 - random.exponential(1.0, size)
    return random.standard_normal(size)


ACCURACY_ALONE: Mapping[str, tuple[str, ...]] = {"loss": ("accuracy",)}


def word_on_accuracy(
    random: np.random.Generator, scatter: Accuracy, rules: Rules, ahead: Sequence[float] = (), wider: float = 1.0
) -> str:
    """Return the word on the loss of one made-up comparison, where the rules judge the accuracy alone."""
    world = World(numbers={"test_accuracy": scatter.draw(random, rules.looks[-1], ahead, wider)})
    return course_of(world, rules, until="loss").word("loss")


# --- worlds with every facet


@dataclass(frozen=True)
class Everything:
    """How all facets of equal arms scatter: every network is a point in each of them, and what is measured follows from points.

    Each arm has searches of its own, which move its points by ``searches`` for each replicate.
    """

    arms: int = 3
    replicates: int = 6
    seeds: int = 2
    searches: float = 0.5  # SD of a search's part of a point, in SDs of a seed's
    dimensions: int = 100
    examples: int = 1000
    accuracy: float = 0.001  # SD over seeds
    wider: Mapping[str, float] = field(default_factory=dict)  # facet -> how many times as widely the last arm scatters
    away: Mapping[str, float] = field(default_factory=dict)  # facet -> how far the last arm lies away
    barrier: float = 0.0  # added to every barrier
    unsure: float = 0.7  # how much a point moves a logit, of which the examples' own scatter by 3
    hotter: float = 1.0  # how many times as large the last arm's logits are

    def draw(self, random: np.random.Generator) -> World:
        """Return one comparison."""
        at = {
            facet: self._points(random, facet)
            for facet in ("loss", "function", "representation", "connectivity", "geometry")
        }
        quality = self.accuracy * at["loss"][..., 0]
        within, curved = (self._apart(at[facet]) for facet in ("representation", "connectivity"))
        sharp = np.exp(0.05 * at["geometry"][..., 0])
        splits = {split: self._logits(random, at["function"]) for split in ("test", "tune")}
        return World(
            numbers={
                "test_accuracy": 0.92 + quality,
                "train_loss": 0.02 - quality,
                "train_objective": 0.1 - quality,
                "test_loss": _log_loss(*splits["test"]),
            },
            sharpness={f"value_{rho:g}": 5e4 * rho**2 * sharp for rho in (0.001, 0.002, 0.005)},
            distances={
                ("representation", "cka_within_penultimate"): 0.02 * within,
                ("representation", "procrustes_within_penultimate"): 0.024 * within,
                ("connectivity", "aligned_error"): self.barrier + 0.0005 * curved,
            },
            logits={split: logits for split, (logits, _) in splits.items()},
            truth={split: targets for split, (_, targets) in splits.items()},
        )

    def _points(self, random: np.random.Generator, facet: str) -> Array:
        """Return points [k, R, S, d]: what the seed's start decides, the search's part, and the rest."""
        shape = (self.arms, self.replicates, self.seeds, self.dimensions)
        start = 0.5 * random.standard_normal((1, *shape[1:]))
        search = self.searches * random.standard_normal((*shape[:2], 1, shape[3]))
        points = start + search + random.standard_normal(shape)
        points[-1] *= self.wider.get(facet, 1.0)
        points[-1, ..., 0] += self.away.get(facet, 0.0)
        return points

    def _apart(self, points: Array) -> Array:
        """Return distances [k, R, k, R] between the first networks of all replicates."""
        first = points[:, :, 0]
        return np.linalg.norm(first[:, :, None, None] - first[None, None], axis=-1)

    def _logits(self, random: np.random.Generator, points: Array) -> tuple[Array, Array]:
        """Return logits [k, R, S, N] and the targets [N] of one split."""
        axes = random.standard_normal((self.dimensions, self.examples)) / math.sqrt(self.dimensions)
        base = random.normal(0, 3, self.examples)
        logits = base + self.unsure * (points @ axes)
        logits[-1] *= self.hotter
        return logits, (random.random(self.examples) < 1 / (1 + np.exp(-base))).astype(float)


def _log_loss(logits: Array, targets: Array) -> Array:
    """Return the mean log loss [k, R, S] of logits [k, R, S, N] of the second of two classes."""
    loss: Array = np.logaddexp(0.0, np.where(targets == 1, -logits, logits)).mean(axis=-1)
    return loss
