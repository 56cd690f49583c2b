"""Records made up from a seeded generator, in the shape that ``open_records`` gives."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness import Meta, Records, Results
from harness.records import FolderRecords
from harness.records.checked import save_arrays


def analyses_of(module: Any) -> list[Any]:
    """Return the analyses of a module: the core's, which a plugin registers, or those of a plugin."""
    return [module.ANALYSIS] if hasattr(module, "ANALYSIS") else module.harness_analyses()


CLASSIFICATION = {
    "accuracy": {"goal": "max", "unit": "%", "each": True},
    "error": {"goal": "min", "unit": "%", "each": True},
    "loss": {"goal": "min", "unit": "nats", "each": True},
}
SPACE = {
    "lr": {"low": 0.0001, "high": 1.0, "log": True},
    "momentum": {"low": 0.5, "high": 0.98, "log": False},
    "nesterov": {"choices": [False, True]},
    "epochs": {"low": 4, "high": 12, "log": False},
}
META: dict[str, Any] = {
    "benchmark": {
        "name": "made-up",
        "data": {"dataset": "dogscats", "size": 32},
        "train": {"task": "classification", "regime": "scratch", "batch_size": 64, "l2": 5e-4},
        "search": {"trials": 12, "unit": "trials", "sampler": "tpe", "epochs": [4, 12]},
        "compare": {"looks": [1], "seeds": 8, "epochs": 40},
    },
    "data": {
        "name": "dogscats",
        "source": "drawn with seed 0",
        "notice": "These are DRAWINGS of cats and dogs, not photos: no photos were found.",
        "fingerprint": "0123456789abcdef",
        "classes": ["cat", "dog"],
        "left_out": [],
        "skipped": {},
        "counts": {"train": 1024, "tune": 512, "test": 4096},
        "input_shape": [32, 32, 3],
    },
    "environment": {
        "hash": "feedbeef",
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "hardware": {"device": "A processor", "cores": 2, "threads": 2, "precision": "bf16", "system": "Linux x86_64"},
    },
    "references": {"sgd": "Sutskever et al. 2013"},
    "plugins": {"harness_plugins.optimizers.sgd": {"origin": "optimizer-harness 0.1.0", "sha256": "ab" * 32}},
    "broken_plugins": {},
    "command": ["harness", "run", "benchmarks/dogscats.toml"],
    "schema_version": 1,
}
GOOD = {"accuracy": 0.9, "error": 0.1, "loss": 0.25}  # where the made-up runs end


def _scores(metrics: Mapping[str, Any], split: str, shift: float) -> dict[str, float]:
    """Return made-up values of every metric, worse by ``shift``."""
    found = {}
    for name, about in metrics.items():
        sign = -1 if about["goal"] == "max" else 1
        found[f"{split}_{name}"] = GOOD.get(name, 1.0) + sign * shift
    return found


def _compare_run(arm: str, seed: int, place: int, metrics: Any, epochs: int, random: Any) -> tuple[Any, list[Any]]:
    """Return a comparison run and its epochs."""
    about = {"run_id": f"{arm}-{seed}".replace("/", "-"), "arm": arm, "phase": "compare", "seed": seed}
    shift = 0.012 * place + random.normal(0, 0.006)
    final = {
        **_scores(metrics, "tune", shift),
        **_scores(metrics, "train", shift - 0.05),
        **_scores(metrics, "test", shift),
    }
    run = {
        **about, "precision": "bf16", "state": "done", "reason": "", "seconds": 20.0 + place + seed / 10, "started": "2026-11-22T10:00:00+00:00",
        "ended": "2026-11-22T10:01:00+00:00", "environment": "feedbeef", "taken_from": "", "schema_version": 1,
        "train_loss": 0.1, **final, "gradient_norm.value": 0.01 * (1 + place),
    }  # fmt: skip
    rows = []
    for epoch in range(1, epochs + 1):
        decay = float(np.exp(-epoch / (4 + place)))
        noise = random.normal(0, 0.006)
        rows.append(
            {
                **about,
                "epoch": epoch,
                "steps": 16 * epoch,
                "gradients": 16 * epoch,
                "lr": 0.1,
                "seconds": 0.5 * epoch,
                "running_loss": 0.05 + decay * (1 + noise),
            }
            | _scores(metrics, "tune", shift + 0.4 * decay + noise)
        )
    return run, rows


def _trial(arm: str, number: int, place: int, goal: str, random: Any) -> dict[str, Any]:
    """Return a trial; beyond a learning rate of 0.5 it has diverged."""
    lr = float(10 ** random.uniform(-4, 0))
    params = {"lr": lr, "momentum": 0.9, "nesterov": True, "epochs": 12}
    diverged = lr > 0.5
    far = abs(np.log10(lr) + 2)
    value = 0.92 - 0.08 * far - 0.01 * place if goal == "max" else 0.2 + 0.3 * far
    return {
        "arm": arm, "number": number, "generation": number, "run_id": f"{arm}-t{number}",
        "state": "diverged" if diverged else "done", "value": None if diverged else value,
        "reason": "epoch 2: the training loss must be finite, got nan" if diverged else "",
        "seconds": 6.0, "trained": 1 if diverged else 12, "params": params, "epochs": 12,
    }  # fmt: skip


RUN = [
    "run_id",
    "arm",
    "phase",
    "seed",
    "precision",
    "state",
    "reason",
    "seconds",
    "started",
    "ended",
    "environment",
    "schema_version",
]
EPOCH = ["run_id", "arm", "phase", "seed", "epoch", "steps", "gradients", "lr", "seconds"]
TRIAL = ["arm", "number", "generation", "params", "run_id", "state", "value", "reason", "seconds", "trained", "epochs"]


def build(
    optimizers: Sequence[str] = ("sgd", "adam", "rmsprop"),
    seeds: int = 8,
    trials: int = 12,
    epochs: int = 12,
    metrics: Mapping[str, Any] | None = None,
    compared: bool = True,
    schedulers: Sequence[str] = ("cosine",),
    networks: Sequence[str] = ("lesson_cnn",),
) -> Records:
    """Return records of a finished benchmark; ``compared=False`` is one of which only the search was run."""
    random = np.random.default_rng(0)
    metrics = metrics or CLASSIFICATION
    deciding = next(iter(metrics))
    goal = metrics[deciding]["goal"]
    parts = [
        (f"{network}/{optimizer}/{scheduler}", network, *network.partition("+")[::2], optimizer, scheduler)
        for network in networks
        for optimizer in optimizers
        for scheduler in schedulers
    ]
    asks = [_trial(arm, k, i, goal, random) for i, (arm, *_) in enumerate(parts) for k in range(trials)]
    pairs = [
        _compare_run(arm, seed, i, metrics, epochs, random)
        for i, (arm, *_) in enumerate(parts)
        for seed in range(seeds if compared else 0)
    ]
    arms = [
        _arm(part, position, [a for a in asks if a["arm"] == part[0]], goal, compared)
        for position, part in enumerate(parts)
    ]
    notes = copy.deepcopy(META)
    notes["benchmark"]["search"]["trials"] = trials
    notes["benchmark"]["compare"] = {"looks": [1], "seeds": seeds, "epochs": epochs}
    meta = Meta(
        **notes,
        metrics=dict(metrics),
        metric=deciding,
        search_metric=deciding,
        arms=[part[0] for part in parts],
        spaces={part[0]: dict(SPACE) for part in parts},
        compare_runs=[run["run_id"] for run, _ in pairs],
    )
    columns = [
        "arm",
        "network",
        "backbone",
        "head",
        "optimizer",
        "scheduler",
        "position",
        "tuned_trial",
        "tuned_params",
        "tuned_value",
    ]
    return FolderRecords(
        folder=Path("runs/made-up-01234567"),
        meta=meta,
        arms=pd.DataFrame(arms, columns=columns),
        trials=pd.DataFrame(asks, columns=TRIAL).assign(confirmation="", confirmation_state="", confirmed=np.nan),
        runs=pd.DataFrame([run for run, _ in pairs]) if pairs else pd.DataFrame(columns=RUN),
        epochs=pd.DataFrame([row for _, rows in pairs for row in rows]) if pairs else pd.DataFrame(columns=EPOCH),
    )


def _arm(part: tuple[str, ...], position: int, asks: list[dict[str, Any]], goal: str, tuned: bool) -> tuple[Any, ...]:
    good = [ask for ask in asks if ask["state"] == "done"]
    best = (max if goal == "max" else min)(good, key=lambda ask: ask["value"]) if good and tuned else None
    chosen = (best["number"], best["params"], best["value"]) if best else (None, {}, None)
    return (*part, position, *chosen)


def spoil(
    records: Records, arm: str, seeds: Sequence[int], state: str = "diverged", reason: str = "too far"
) -> Records:
    """Return the records with some seeds of an arm without a result."""
    runs = records.runs.copy()
    lost = (runs["arm"] == arm) & runs["seed"].isin(seeds)
    numbers = [c for c in runs.columns if c.startswith(("test_", "train_", "tune_")) or "." in c]
    runs.loc[lost, "state"], runs.loc[lost, "reason"] = state, reason
    runs.loc[lost, numbers] = np.nan
    return replace(records, runs=runs)


def score(records: Records, folder: Path, scores: Mapping[str, Any]) -> Records:
    """Return the records with per-example scores of these runs, ``[N]`` each, and the metric that is their mean."""
    file = folder / "predictions" / "scores.safetensors"
    file.parent.mkdir(parents=True, exist_ok=True)
    save_arrays(file, {run: np.asarray(each, np.float32) for run, each in scores.items()})
    runs = records.runs.copy()
    means = runs["run_id"].map({run: float(np.mean(each)) for run, each in scores.items()})
    name = records.deciding.column
    runs[name] = means.fillna(runs[name])
    return replace(records, folder=folder, runs=runs)


@pytest.fixture(scope="session")
def scored() -> Callable[..., Records]:
    """Return ``score``, which gives records their per-example scores."""
    return score


@pytest.fixture(scope="session")
def make_records() -> Callable[..., Records]:
    """Return ``build``, which makes up the records of a benchmark."""
    return build


@pytest.fixture(scope="session")
def spoiled() -> Callable[..., Records]:
    """Return ``spoil``, which takes the results of some seeds away."""
    return spoil


@pytest.fixture(scope="session")
def analysed() -> Callable[[Records], Results]:
    """Return a function from records to what a report is made from, with the built-in analyses."""
    from harness_plugins.analyses.scores import curves, lead
    from harness_plugins.analyses.search import sensitivity

    from harness.results.analysis import analyse
    from harness.results.tables import differences, leaderboard

    offers = [
        offer for module in (curves, differences, lead, leaderboard, sensitivity) for offer in analyses_of(module)
    ]
    return lambda records: analyse(records, offers)
