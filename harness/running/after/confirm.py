"""Confirming what cached features gave: the whole network, from pixels to probabilities, on the test photos.

In the regime ``features`` the backbone's numbers are computed once and read back ever after, so a mistake in what was
kept would be in every score alike. Here each tuned arm's backbone and head are loaded from their files, the way
``harness predict`` does, and run end to end; the features are computed anew, once for all heads of a backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.benchmark.plan import Setting
from harness.console import interruption
from harness.console.progress import Reporter
from harness.models.predict import BATCH
from harness.models.trained import load_frozen, load_trained, origin_of
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.process_settings import kept
from harness.plugin.registry import Registry
from harness.records import Records, Store, open_records, schema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 1024  # test photos
TOLERANCE = {"fp32": 1e-3, "bf16": 0.1}  # of the largest prediction, at least 1: bf16 has 8 bits, and batches differ


def confirm(setting: Setting, store: Store, registry: Registry, reporter: Reporter) -> list[str]:
    """Confirm every arm by its first seed that ended well, once; return a line for each that disagrees or failed."""
    if not setting.features or not setting.plan.benchmark.compare.confirm:
        return []
    records = open_records(store.folder)
    confirmed: dict[str, Any] = store.noted("confirmations") or {}
    unconfirmed = {
        arm: run_id
        for arm, run_id in _runs(records).items()
        if not store.is_recorded("confirmations", {"run_id": run_id}, part=arm)
    }
    lines = []
    for backbone in setting.plan.backbones:
        runs = {arm: run for arm, run in unconfirmed.items() if setting.plan.competitor(arm).arm.backbone == backbone}
        try:
            with (
                Boundary("backbone", backbone, "confirm its features", everything=True),
                kept(f"backbone '{backbone}' or a head of it"),
            ):
                new = _confirm(setting, records, registry, backbone, runs, reporter) if runs else {}
        except PluginFailed as error:  # the results are kept all the same
            lines.append(f"the whole network of {backbone} could not be run to confirm its features: {error.why}")
            continue
        confirmed |= new
        if new:
            store.note("confirmations", confirmed)
            reporter.say(_line(backbone, new))
    return lines + [
        f"{arm}: the whole network disagrees with the cached features, by up to {confirmation['largest']:.3g} in a "
        "prediction; delete the features in the cache and run again, into another --out"
        for arm, confirmation in confirmed.items()
        if not confirmation["agrees"] and arm in records.meta.arms
    ]


def _line(backbone: str, new: Mapping[str, Mapping[str, Any]]) -> str:
    examples = next(iter(new.values()))["examples"]
    largest = max(confirmation["largest"] for confirmation in new.values())
    return (
        f"{backbone}: the whole network was run on {examples} test photos for {len(new)} arms; it differs from the cached "
        f"features by at most {largest:.2g} in a prediction"
    )


def _runs(records: Records) -> dict[str, str]:
    """Return by arm the first seed's run that ended well and brought its weights and predictions."""
    runs = records.compared().query("state == 'done'").sort_values("seed", ascending=False)
    trained = set(records.meta.arms) - set((records.meta.baseline or {}).get("arms", ()))
    return {
        str(arm): str(run_id)
        for arm, run_id in zip(runs["arm"], runs["run_id"], strict=True)
        if arm in trained
        and schema.solution(records.folder, run_id).is_file()
        and schema.prediction(records.folder, run_id).is_file()
    }


def _confirm(
    setting: Setting, records: Records, registry: Registry, name: str, runs: Mapping[str, str], reporter: Reporter
) -> dict[str, dict[str, Any]]:
    """Run one backbone over the test photos, and the heads of all these runs on what comes out of it."""
    import numpy as np
    import torch

    from harness.training.batches import put_on_device

    plan, device = setting.plan, setting.device
    test, weights = setting.data.test, plan.weights[name]
    rows = np.arange(len(test)) if len(test) <= MOST else np.linspace(0, len(test) - 1, MOST).round().astype(int)
    photos = put_on_device(test, device, weights.mean, weights.std)
    origin = origin_of(records)
    body, shape = load_frozen(origin, name, registry, device, photos.input_shape)
    batches = []
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=device.precision == "bf16"):
        for start in range(0, len(rows), BATCH):
            interruption.check()
            chosen = torch.from_numpy(rows[start : start + BATCH]).to(device.name)
            batches.append(body(photos.batch(chosen)[0]).float())
            reporter.preparing(f"confirming {name} by the whole network", start + len(chosen), len(rows))
    features, targets = torch.cat(batches), np.asarray(test.targets)[rows]
    confirmed = {}
    for arm, run_id in runs.items():
        competitor = plan.competitor(arm)
        file, outputs = schema.solution(records.folder, run_id), plan.task.outputs(setting.data)
        (head,) = load_trained(origin, competitor.arm.head, [file], registry, device, shape, outputs)
        with torch.no_grad():
            predictions = [plan.task.predict(head(batch).float()) for batch in torch.split(features, 512)]
            predicted = torch.cat(predictions).cpu().numpy()
        cached = records.predictions(run_id)[rows]
        comparison = _compare(predicted, cached, TOLERANCE[device.precision])
        scores = {
            "whole": float(plan.goal.compute(predicted, targets)),
            "cached": float(plan.goal.compute(cached, targets)),
        }
        run = {"run_id": run_id, "examples": len(rows), "all": len(test), "precision": device.precision}
        confirmed[arm] = {**run, **comparison, **scores}
    return confirmed


def _compare(whole: NDArray[np.float32], cached: NDArray[np.float32], tolerance: float) -> dict[str, Any]:
    """Return the largest difference, how many have the same most probable class, and whether they agree."""
    largest = float(abs(whole - cached).max())
    tolerance *= max(1.0, float(abs(cached).max()))  # predictions need not be probabilities
    classes = whole.ndim == 2 and whole.shape[1] > 1
    same_classes = int((whole.argmax(axis=1) == cached.argmax(axis=1)).sum()) if classes else None
    return {"largest": largest, "same": same_classes, "agrees": bool(largest <= tolerance), "tolerance": tolerance}
