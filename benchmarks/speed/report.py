"""Measure what a report of many trials costs: seconds and memory of ``harness report`` on synthetic records.

    python benchmarks/speed/report.py [--trials 10000] [--epochs 20] [--arms 10] [--sampler random] [--profile] [--keep DIR]

The records are a whole run folder, written by the harness's own store: every trial with its curve, and a comparison of
eight seeds with predictions of 4,096 test examples and their scores. Then ``harness report`` runs in a fresh process on
one thread. With ``--profile`` it runs under cProfile, which prints where the time goes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.sections import Benchmark, as_plain
from harness.plugin.runs import Arm, Run
from harness.records import Store, schema
from harness.records.store import save_arrays

SPACE = {
    "lr": {"low": 1e-4, "high": 1.0, "log": True},
    "momentum": {"low": 0.5, "high": 0.98, "log": False},
    "nesterov": {"choices": [False, True]},
    "epochs": {"low": 4, "high": 20, "log": False},
}
METRICS = {
    "accuracy": {"goal": "max", "unit": "%", "each": True},
    "error": {"goal": "min", "unit": "%", "each": True},
    "loss": {"goal": "min", "unit": "nats", "each": True},
}
TESTED, COMPARED = 4096, 40  # test examples; epochs of a comparison run


def write_records(
    folder: Path, trials: int, epochs: int, arms: int, seeds: int = 8, sampler: str = "random", tested: int = TESTED
) -> None:
    """Write a run folder with ``trials`` trials in all, and of each arm so many replicates of one seed.

    The arms differ a little in score; a trial with a rate above 0.5 diverges. The search of the first replicate alone is there.
    """
    random = np.random.default_rng(0)
    names = [Arm("lesson_cnn", f"optimizer-{i}", "cosine") for i in range(arms)]
    trials_per_arm = trials // arms
    folder.mkdir(parents=True, exist_ok=True)
    with Store(folder) as store:
        store.describe(_benchmark(trials_per_arm, epochs, seeds, names, sampler), _meta(names, tested))
        store.work_begins({"hash": "feedbeef", "versions": {"python": "3"}, "hardware": _hardware()}, ["harness"])
        store.db.execute("BEGIN")
        for place, arm in enumerate(names):
            _search(store, arm, place, trials_per_arm, epochs, random)
        runs = [_compared(store, arm, place, seed, random) for place, arm in enumerate(names) for seed in range(seeds)]
        store.note("compare_runs", [run.id for run in runs])
        store.note("comparison", [ComparisonRun(run, "fresh", run.arm.name, run.init_seed).plain() for run in runs])
        store.note("counted", dict.fromkeys((arm.name for arm in names), trials_per_arm))
        store.db.execute("COMMIT")
    _predictions(folder, [run.id for run in runs], seeds, tested, random)


def _benchmark(trials: int, epochs: int, seeds: int, arms: list[Arm], sampler: str) -> dict[str, Any]:
    values = {
        "name": "many-trials",
        "data": {"dataset": "dogscats", "size": 32},
        "train": {"backbones": ["lesson_cnn"], "schedulers": ["cosine"], "optimizers": [arm.optimizer for arm in arms]},
        "search": {"trials": trials, "sampler": sampler, "epochs": [min(4, epochs), epochs]},
        "compare": {"looks": [seeds], "seeds": 1, "epochs": COMPARED},
    }
    return as_plain(Benchmark.model_validate(values))


def _meta(arms: list[Arm], tested: int) -> dict[str, Any]:
    names = [arm.name for arm in arms]
    return {
        "data": {
            "name": "dogscats", "source": "made up", "notice": "", "fingerprint": "0123456789abcdef", "classes": ["cats", "dogs"],
            "left_out": [], "skipped": {}, "excluded": {"file": ""}, "counts": {"train": 1024, "tune": 512, "test": tested},
            "input_shape": [32, 32, 3],
        },
        "weights": {}, "metrics": METRICS, "metric": "accuracy", "search_metric": "accuracy", "arms": names, "plugins": {}, "broken_plugins": {},
        "spaces": dict.fromkeys(names, SPACE), "references": {arm.optimizer: "" for arm in arms},
    }  # fmt: skip


def _hardware() -> dict[str, Any]:
    return {"device": "A processor", "cores": 1, "threads": 1, "precision": "fp32", "system": "Linux"}


def _run(phase: Any, arm: Arm, params: dict[str, Any], epochs: int, seed: int) -> Run:
    chosen = {name: value for name, value in params.items() if name != "epochs"}
    return Run(
        phase, arm, chosen, {}, epochs, 64, 5e-4, (), "fp32", "classification", seed, seed, "0123456789abcdef",
        {"backbone": "ab" * 32, "optimizer": "cd" * 32},
    )  # fmt: skip


def _curve(end: float, epochs: int, random: np.random.Generator) -> list[dict[str, float]]:
    """Return an accuracy that rises to ``end``, and a loss that falls, epoch by epoch."""
    rise = 1 - np.exp(-np.arange(1, epochs + 1) / 4)
    accuracy = np.clip(0.5 + (end - 0.5) * rise + random.normal(0, 0.01, epochs), 0, 1)
    running = 0.7 * np.exp(-3 * rise) + np.abs(random.normal(0, 0.01, epochs))
    return [
        {"running_loss": r, "tune_accuracy": a, "tune_error": 1 - a, "tune_loss": 1.2 - a}
        for a, r in zip(accuracy.tolist(), running.tolist(), strict=True)
    ]


def _enter(store: Store, run: Run, state: str, curve: list[dict[str, float]], final: dict[str, float]) -> None:
    """Enter an ended run and its epochs into the open transaction."""
    ended = "2026-01-01T00:00:00+00:00"
    reason = "" if state == schema.DONE else "epoch 3: the training loss must be finite, got nan"
    row = {
        "run_id": run.id, "arm": run.arm.name, "phase": run.phase, "seed": run.init_seed, "recipe": json.dumps(run.recipe()),
        "state": state, "reason": reason, "metrics": json.dumps(final), "seconds": 0.5 * len(curve), "started": ended,
        "ended": ended, "environment": "feedbeef", "schema_version": schema.VERSION,
    }  # fmt: skip
    _insert(store, "runs", row)
    store.db.executemany(
        "INSERT INTO epochs VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(run.id, i, 16 * i, 16 * i, 0.1, 0.5 * i, json.dumps(metrics)) for i, metrics in enumerate(curve, 1)],
    )


def _search(store: Store, arm: Arm, place: int, trials: int, epochs: int, random: np.random.Generator) -> None:
    """Enter an arm's trials, and the best of them as the tuned one."""
    best: tuple[float, int, dict[str, Any]] | None = None
    for number in range(trials):
        lr = float(10 ** random.uniform(-4, 0))
        params = {
            "lr": lr, "momentum": float(random.uniform(0.5, 0.98)), "nesterov": bool(random.integers(2)), "epochs": epochs,
        }  # fmt: skip
        run = _run("search", arm, params, epochs, 1_000_000)
        end = 0.93 - 0.004 * place - 0.06 * (np.log10(lr) + 1.8) ** 2 + random.normal(0, 0.01)
        curve = _curve(float(np.clip(end, 0.5, 1)), epochs, random)
        diverged = lr > 0.5
        value = None if diverged else curve[-1]["tune_accuracy"]
        state = schema.DIVERGED if diverged else schema.DONE
        _enter(store, run, state, curve[:2] if diverged else curve, {} if diverged else curve[-1])
        ask = {
            "study": arm.name, "number": number, "generation": number // 8, "params": json.dumps(params), "run_id": run.id,
            "state": state, "value": value, "seconds": 10.0, "trained": epochs,
        }  # fmt: skip
        _insert(store, "asks", ask)
        if value is not None and (best is None or value > best[0]):
            best = value, number, params
    chosen = {"tuned_trial": best[1], "tuned_params": json.dumps(best[2]), "tuned_value": best[0]} if best else {}
    row = {
        "study": arm.name, "arm": arm.name, "replicate": 0, "network": arm.network, "backbone": arm.backbone, "head": arm.head,
        "optimizer": arm.optimizer, "scheduler": arm.scheduler, "position": place,
    }  # fmt: skip
    _insert(store, "searches", {**row, **chosen})


def _insert(store: Store, table: str, row: dict[str, Any]) -> None:
    places = ", ".join("?" * len(row))
    store.db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", tuple(row.values()))


def _compared(store: Store, arm: Arm, place: int, seed: int, random: np.random.Generator) -> Run:
    """Enter one comparison run and return it."""
    chosen = store.db.execute("SELECT tuned_params FROM searches WHERE study = ?", (arm.name,)).fetchone()[0]
    run = _run("compare", arm, json.loads(chosen), COMPARED, seed)
    end = float(0.94 - 0.004 * place + random.normal(0, 0.005))
    curve = _curve(end, COMPARED, random)
    parts = {
        f"{split}_{name}": value
        for split, better in (("train", 0.03), ("test", 0.0))
        for name, value in (("accuracy", end + better), ("error", 1 - end - better), ("loss", 1.2 - end - better))
    }
    _enter(store, run, schema.DONE, curve, {**curve[-1], **parts})
    return run


def _predictions(folder: Path, ids: list[str], seeds: int, tested: int, random: np.random.Generator) -> None:
    """Write targets, predictions and scores. An example is equally hard for all arms, and slightly harder for later ones."""
    targets = random.integers(0, 2, tested)
    save_arrays(schema.targets(folder), {"targets": targets})
    ease = random.normal(2, 1.5, tested)
    scores: dict[str, np.ndarray[Any, Any]] = {}
    for place, run in enumerate(ids):
        margin = ease - 0.05 * (place // seeds) + random.normal(0, 0.5, tested)
        right = 1 / (1 + np.exp(-margin))
        both = np.stack([np.where(targets == 0, right, 1 - right), np.where(targets == 1, right, 1 - right)], axis=1)
        save_arrays(schema.prediction(folder, run), {"predictions": both.astype(np.float32)})
        scores[run] = (margin > 0).astype(np.float32)
    save_arrays(schema.scores(folder), scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--sampler", default="random", help="random gives bands and duels, tpe neither")
    parser.add_argument("--format", default="html")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--keep", type=Path, help="write the records there, or use existing ones")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch) / "many-trials"
        if not schema.database(folder).is_file():
            write_records(folder, arguments.trials, arguments.epochs, arguments.arms, sampler=arguments.sampler)
        alone = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        traced = ["-m", "cProfile", "-s", "cumulative"] if arguments.profile else []
        command = [sys.executable, *traced, "-m", "harness", "report", str(folder), "--format", arguments.format]
        begun = time.perf_counter()
        subprocess.run(command, check=True, env={**os.environ, **alone})
        seconds = time.perf_counter() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        memory, worked = used.ru_maxrss / 1024**2, used.ru_utime + used.ru_stime  # kilobytes, on Linux; seconds
        size = sum(file.stat().st_size for file in folder.glob("report.*")) / 1e6
        what = f"{arguments.trials:,} trials x {arguments.epochs} epochs"
        print(f"{what}: {seconds:.1f} s ({worked:.1f} s of processor), {memory:.2f} GiB at most, {size:.1f} MB")


if __name__ == "__main__":
    main()
