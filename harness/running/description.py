"""What a run is about, written into its folder before anything is trained."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from harness.benchmark import sections
from harness.benchmark.arms import describe_space
from harness.benchmark.plan import Setting
from harness.console.safe_text import impersonal
from harness.plugin.contracts import Data
from harness.records import Store, schema
from harness.records.checked import save_arrays
from harness.running.after.photos import name_examples
from harness.running.prepare import Prepared, cut_of
from harness.training.constant_answer import constant_scores


def describe_run(store: Store, setting: Prepared) -> None:
    """Write down what the run is about: data, weights, metrics, arms and plugins, and the targets that predictions are scored by."""
    plan = setting.plan
    plugins: dict[str, Any] = {}
    for entries in setting.registry.offers.values():
        plugins |= {entry.plugin: entry for entry in entries.values()}
    store.describe(
        sections.as_plain(plan.benchmark),
        {
            "data": _data(setting),
            "weights": weights_of(setting),
            "metrics": _metrics(setting),
            "metric": plan.metric,
            "search_metric": plan.searched.name,
            "constant": constant_scores(plan.task, setting.data),
            "arms": [c.name for c in plan.competitors],
            "spaces": {c.name: describe_space(c) for c in plan.competitors},
            "optimizers": {c.name: c.arm.optimizer for c in plan.competitors},
            "references": {c.arm.optimizer: c.optimizer.reference for c in plan.competitors},
            "scheduler_references": {c.arm.scheduler: c.scheduler.reference for c in plan.competitors},
            "roles": plan.roles,
            "convex": {c.arm.network: c.network.convex for c in plan.competitors},
            "plugins": {
                name: {"origin": impersonal(entry.origin), "sha256": entry.sha256}
                for name, entry in sorted(plugins.items())
            },
            "broken_plugins": impersonal(setting.registry.broken),
            "fairness": setting.fairness.plain(),
            "preset": setting.preset,
        },
    )
    name_examples(setting.data, store)
    if not schema.targets(store.folder).is_file():
        targets = {"targets": setting.data.test.targets, "tune": setting.data.tune.targets}
        save_arrays(schema.targets(store.folder), targets)
        store.promise([schema.targets(store.folder)])


def _data(setting: Setting) -> dict[str, Any]:
    data, plan = setting.data, setting.plan
    excluded = {split: list(names) for split, names in data.excluded.items()}
    return {
        "name": data.name,
        "source": impersonal(data.source),
        "notice": impersonal(data.notice),
        "fingerprint": data.fingerprint,
        "classes": list(data.classes),
        "left_out": impersonal(list(data.left_out)),
        "skipped": {reason: len(names) for reason, names in data.skipped.items()},
        "excluded": {"file": impersonal(plan.benchmark.data.exclude), **excluded},
        "counts": {"train": len(data.train), "tune": len(data.tune), "test": len(data.test)},
        "class_counts": _class_counts(data),
        "input_shape": list(data.train.inputs.shape[1:]),
        "interpolation": cut_of(plan).interpolation,
        "crop": cut_of(plan).crop,
    }


def weights_of(setting: Setting) -> dict[str, dict[str, Any]]:
    """Return by backbone what it starts from, and how much of it came from there."""
    weights = {}
    for name, file in setting.plan.weights.items():
        fit = asdict(setting.fits[name]) if name in setting.fits else {}
        weights[name] = {
            "file": str(file.file.resolve()),
            "sha256": file.sha256,
            "mean": list(file.mean),
            "std": list(file.std),
            **fit,
        }
    return weights


def _metrics(setting: Setting) -> dict[str, dict[str, Any]]:
    """Return the goal and the unit of each metric; the loss is measured for every task."""
    metrics = {
        name: {"goal": metric.goal, "unit": metric.unit, "each": metric.each is not None}
        for name, metric in setting.plan.task.metrics.items()
    }
    return metrics if "loss" in metrics else {**metrics, "loss": {"goal": "min", "unit": "", "each": False}}


def _class_counts(data: Data) -> dict[str, list[int]]:
    """Return by split how many examples each class has, in the order of the classes; nothing where there are none."""
    splits = {"train": data.train, "tune": data.tune, "test": data.test}
    if not data.classes or any(
        split.targets.ndim != 1 or split.targets.dtype.kind not in "iu" for split in splits.values()
    ):
        return {}
    return {name: np.bincount(split.targets, minlength=len(data.classes)).tolist() for name, split in splits.items()}
