"""Measure trials per hour of a linear head on a frozen pretrained network: the harness against two common scripts.

    HARNESS_WEIGHTS=FOLDER python benchmarks/speed/trials.py --data DIR [--rounds 3]

All three do the same work: trials of 8 epochs of a linear head on the features of mobilenetv2_100 at 224 px.

    loader   Optuna around a plain PyTorch loop: torchvision's ImageFolder and a DataLoader, float32, frozen network.
             It times one epoch over part of the photos and scales it by their number, because a whole trial takes minutes.
    by hand  features cached once (bf16, channels_last), then one head after another in a plain loop.
    harness  harness run --profile features --only-search, from an empty cache, and again with the features cached, for
             --trials trials and for --trials + --more. Eight trials are asked together, so that all workers are busy.

The loop by hand is counted without its start, so "harness, a further trial" is the one to compare it with: the seconds that
--more further trials take. They run in turn (A B C A B C ...). The script prints medians, with the smallest and the largest
value.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from harness_plugins._timm import import_timm

from harness.training.device import set_up_device

MODEL, SIZE, EPOCHS, BATCH = "mobilenetv2_100", 224, 8, 64
ROOT = Path(__file__).parents[2]


def network(weights: Path) -> torch.nn.Module:
    model = import_timm().create_model(
        MODEL, pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": str(weights)}
    )
    return model.eval().requires_grad_(False)


def folder(data: Path, split: str):
    import_timm()  # it repairs a torchvision that does not fit torch
    from torchvision import datasets, transforms

    steps = [
        transforms.Resize(256),
        transforms.CenterCrop(SIZE),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
    return datasets.ImageFolder(str(data / split), transforms.Compose(steps))


def loader(data: Path, weights: Path, part: int) -> float:
    """Return seconds per trial: one epoch over ``part`` photos, scaled to EPOCHS epochs over all."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    photos = folder(data, "train")
    subset = torch.utils.data.Subset(photos, torch.randperm(len(photos))[:part].tolist())
    model = network(weights)

    def objective(trial: optuna.Trial) -> float:
        head = torch.nn.Linear(1280, 2)
        optimizer = torch.optim.SGD(head.parameters(), lr=trial.suggest_float("lr", 1e-3, 1.0, log=True), momentum=0.9)
        for images, labels in torch.utils.data.DataLoader(subset, BATCH, shuffle=True, num_workers=2):
            loss = torch.nn.functional.cross_entropy(head(model(images)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return loss.item()

    start = time.perf_counter()
    optuna.create_study().optimize(objective, n_trials=1)
    return (time.perf_counter() - start) * EPOCHS * len(photos) / part


def by_hand(data: Path, weights: Path, trials: int) -> tuple[float, float]:
    """Return (seconds of extraction, seconds per trial)."""
    model = network(weights).to(memory_format=torch.channels_last)
    start = time.perf_counter()
    features, labels = [], []
    photos = folder(data, "train")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for images, targets in torch.utils.data.DataLoader(photos, BATCH, num_workers=2):
            features.append(model(images.to(memory_format=torch.channels_last)).float())
            labels.append(targets)
    inputs, targets = torch.cat(features), torch.cat(labels)
    extraction = time.perf_counter() - start
    start = time.perf_counter()
    for lr in np.geomspace(1e-3, 1.0, trials):
        head = torch.nn.Linear(1280, 2)
        optimizer = torch.optim.SGD(head.parameters(), lr=float(lr), momentum=0.9)
        for _ in range(EPOCHS):
            order = torch.randperm(len(targets))
            for first in range(0, len(targets), BATCH):
                chosen = order[first : first + BATCH]
                loss = torch.nn.functional.cross_entropy(head(inputs[chosen]), targets[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return extraction, (time.perf_counter() - start) / trials


def harness(data: Path, trials: int, cache: str, settings: list[str]) -> float:
    """Return the seconds of the whole command: start, all trials, and decoding and extraction if the cache lacks them."""
    with tempfile.TemporaryDirectory() as out:
        command = [
            sys.executable, "-m", "harness", "run", str(ROOT / "benchmarks" / "dogscats.toml"), "--profile", "features",
            "--data", str(data), "--out", out, "--only-search", "--set", "train.optimizers=['sgd']",
            "--set", "train.heads=['linear']", "--set", f"search.trials={trials}", "--set", f"search.epochs=[{EPOCHS}]",
            "--set", "search.together=8", *(word for setting in settings for word in ("--set", setting)),
        ]  # fmt: skip
        start = time.perf_counter()
        environment = {**os.environ, "HARNESS_CACHE": cache}
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, cwd=out)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--more", type=int, default=512)
    parser.add_argument("--part", type=int, default=128, help="photos of the loader; 0 leaves it out")
    parser.add_argument(
        "--set", action="append", default=[], help="of harness run, train.executor='inprocess' for example"
    )
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    (weights,) = Path(os.environ["HARNESS_WEIGHTS"]).glob(f"{MODEL}.*safetensors")
    device = set_up_device("cpu", "auto", 0)  # fixes threads and allocator settings for all three
    rates_by_way: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        extraction, seconds = by_hand(data, weights, arguments.trials)
        with tempfile.TemporaryDirectory() as cache:
            first, again = (harness(data, arguments.trials, cache, arguments.set) for _ in range(2))
            longer = harness(data, arguments.trials + arguments.more, cache, arguments.set)
        for name, value in {
            **({"loader": 3600 / loader(data, weights, arguments.part)} if arguments.part else {}),
            "by hand": 3600 * arguments.trials / (extraction + seconds * arguments.trials),
            "by hand, cached": 3600 / seconds,
            "harness": 3600 * arguments.trials / first,
            "harness, cached": 3600 * arguments.trials / again,
            "harness, a further trial": 3600 * arguments.more / (longer - again),
        }.items():
            rates_by_way.setdefault(name, []).append(value)
    print(
        f"{device.threads} threads, torch {torch.__version__}; trials per hour, {arguments.trials} trials of {EPOCHS} epochs"
    )
    for name, rates in rates_by_way.items():
        ratios = [rate / base for rate, base in zip(rates, rates_by_way["by hand, cached"], strict=True)]
        print(
            f"{name:>24}: {statistics.median(rates):10,.0f} ({min(rates):,.0f} to {max(rates):,.0f}), "
            f"{statistics.median(ratios):.2f} times the loop by hand on kept features"
        )


if __name__ == "__main__":
    main()
