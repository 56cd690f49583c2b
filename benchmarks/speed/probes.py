"""Measure what one measurement of each probe costs, on a CPU or a GPU; with an older tree beside it, old against new.

    python benchmarks/speed/probes.py [--backbone lesson_cnn] [--size 32] [--device auto] [--threads 1] [--rounds 3]
        [--probes connectivity representation ...] [--options flagship] [--against TREE]

Some small networks are trained once, on the drawings of the data set dogscats, with seeds of their own. Then each probe
measures them: single networks one after the other, pairs in the order in which a run meets them, so that what a probe
keeps of a network for its next pair is kept here as well. ``first`` is the first measurement, which warms up; ``each`` is
the mean of the others. On a CPU they are seconds of the process's own work, which other programs disturb less, and with
one thread the same on a quiet machine. With ``--against`` the same weights are measured by the code of another checkout, in processes of
their own that take turns (old, new, old, new, ...), and the largest difference of a number is printed beside the ratio.
``--options flagship`` measures as benchmarks/dogscats.toml does, ``defaults`` as the probes do by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import Arm, Backbone, DataRequest, Dataset, Optimizer, Probe, Run, Scheduler, Split, Task
from harness.plugin.discovery import discover
from harness.training.batches import mix_seeds, put_on_device, seed_all
from harness.training.device import Device, environment, set_up_device
from harness.training.loop import train
from harness.training.parts import Ingredients, Parts, assemble

ROOT = Path(__file__).parents[2]
PROBES = ("connectivity", "representation", "sharpness", "stability", "surface", "gradient_norm", "distance")
DRAWINGS = {"train": 1024, "tune": 64, "test": 2048}
RATES = {"sgd": {"lr": 0.05, "momentum": 0.9}, "adam": {"lr": 0.003}}
EPOCHS = 6


@dataclass(frozen=True)
class Case:
    """What is measured: networks of a backbone on photos of a size."""

    backbone: str = "lesson_cnn"
    size: int = 32
    networks: int = 4
    batch_size: int = 64
    drawings: int = DRAWINGS["train"]  # of the train split


@dataclass(frozen=True)
class Cost:
    """What the measurements of a probe cost in seconds, and what they gave."""

    first: float
    each: float
    measured: Sequence[Mapping[str, float]]


def drawn(case: Case) -> dict[str, Split]:
    """Return the splits of the drawings."""
    dataset = discover().get("dataset", "dogscats", Dataset)
    options = {**dataset.options, **DRAWINGS, "train": case.drawings}
    request = DataRequest(None, required=False, size=case.size, tune=0.2, seed=0, on_bad_image="skip", options=options)
    data = dataset.open(request)
    return {"train": data.train, "tune": data.tune, "test": data.test}


def parts_of(case: Case, splits: Mapping[str, Split], device: Device) -> list[Parts]:
    """Return as many untrained networks as the case has: half by SGD, half by Adam, each with seeds of its own."""
    registry = discover()
    resident = {name: put_on_device(split, device) for name, split in splits.items()}
    result = []
    for number in range(case.networks):
        optimizer = list(RATES)[number % 2]
        run = Run(
            phase="compare", arm=Arm(case.backbone, optimizer, "cosine"), optimizer=RATES[optimizer], scheduler={},
            epochs=EPOCHS, batch_size=case.batch_size, l2=5e-4, augment=(), precision=device.precision,
            task="classification", init_seed=number // 2, order_seed=number // 2, data="", plugins={},
        )  # fmt: skip
        use = Ingredients(
            task=registry.get("task", "classification", Task),
            backbone=registry.get("backbone", case.backbone, Backbone, "--backbone"),
            optimizer=registry.get("optimizer", optimizer, Optimizer),
            scheduler=registry.get("scheduler", "cosine", Scheduler),
            outputs=2,
            **resident,
        )
        result.append(assemble(run, use, device))
    return result


def trained(case: Case, splits: Mapping[str, Split], device: Device) -> list[dict[str, torch.Tensor]]:
    """Return the final weights of the case's networks."""
    weights = []
    for parts in parts_of(case, splits, device):
        for _ in train(parts.run, parts):
            pass
        weights.append({name: tensor.detach().cpu().clone() for name, tensor in parts.model.state_dict().items()})
    return weights


def options_of(probe: Probe, which: str) -> dict[str, Any]:
    """Return a probe's options: its own, or those of the flagship's file."""
    if which == "defaults":
        return dict(probe.options)
    file = tomllib.loads((ROOT / "benchmarks" / "dogscats.toml").read_text(encoding="utf-8"))
    return {**probe.options, **file["compare"]["probe_options"].get(probe.name, {})}


def measure(probe: Probe, options: Mapping[str, Any], networks: Sequence[Parts], most: int) -> Cost:
    """Measure networks, pairs or triples, at most so many of them, and return what that costs."""
    seconds, measured = [], []
    for chosen in list(combinations(networks, probe.networks))[:most]:
        seed_all(mix_seeds(*(parts.run.order_seed for parts in chosen)))
        start = _seconds(networks[0].device)
        numbers = probe.measure(*chosen, **options)
        seconds.append(_seconds(networks[0].device) - start)
        measured.append({name: float(value) for name, value in numbers.items() if not getattr(value, "ndim", 0)})
    return Cost(seconds[0], statistics.mean(seconds[1:] or seconds), measured)


def probe_costs(
    case: Case, device: Device, probes: Sequence[str] = PROBES, options: str = "flagship", most: int = 6
) -> dict[str, Cost]:
    """Train the networks of a case and return what every probe costs on them, by name."""
    splits = drawn(case)
    return costs_of(case, splits, trained(case, splits, device), device, probes, options, most)


def costs_of(
    case: Case,
    splits: Mapping[str, Split],
    weights: Sequence[Mapping[str, torch.Tensor]],
    device: Device,
    probes: Sequence[str],
    options: str,
    most: int,
) -> dict[str, Cost]:
    """Return what every probe costs on networks with these weights, by name."""
    registry = discover()
    costs = {}
    for name in probes:
        probe = registry.get("probe", name, Probe, "--probes")
        networks = parts_of(case, splits, device)
        for parts, state in zip(networks, weights, strict=True):
            parts.model.load_state_dict(state)
            parts.model.eval()
        costs[name] = measure(probe, options_of(probe, options), networks, most)
    return costs


def _seconds(device: Any) -> float:
    """Return a time: of the clock on a GPU, once its work is done, and of this process's work on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device.name)
        return time.perf_counter()
    return time.process_time()


# --- old against new ------------------------------------------------------------------------------------------


def measure_in_a_process(tree: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, Cost]:
    """Measure the weights of a folder by the code of a tree, in a new process."""
    command = [
        sys.executable, str(Path(__file__).resolve()), "--weights", str(folder), "--device", arguments.device,
        "--threads", str(arguments.threads), "--options", arguments.options, "--most", str(arguments.most),
        "--probes", *arguments.probes,
    ]  # fmt: skip
    path = os.pathsep.join(map(str, (tree, tree / "plugins", tree / "reports")))
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, check=True, text=True, cwd=folder
    )
    return {name: Cost(**cost) for name, cost in json.loads(done.stdout.splitlines()[-1]).items()}


def keep(folder: Path, case: Case, splits: Mapping[str, Split], weights: Sequence[Mapping[str, torch.Tensor]]) -> None:
    """Write a case, its data and its weights into a folder."""
    (folder / "case.json").write_text(json.dumps(vars(case)))
    for name, split in splits.items():
        np.savez(folder / f"{name}.npz", inputs=split.inputs, targets=split.targets)
    torch.save([dict(state) for state in weights], folder / "weights.pt")


def kept(folder: Path) -> tuple[Case, dict[str, Split], list[dict[str, torch.Tensor]]]:
    """Read what ``keep`` has written."""
    splits = {}
    for name in DRAWINGS:
        with np.load(folder / f"{name}.npz") as arrays:
            names = tuple(map(str, range(len(arrays["targets"]))))
            splits[name] = Split(arrays["inputs"], arrays["targets"], names)
    case = Case(**json.loads((folder / "case.json").read_text()))
    return case, splits, torch.load(folder / "weights.pt", weights_only=True)


def difference(one: Cost, other: Cost) -> str:
    """Return the number that differs most between two trees, relative to its size or to a thousandth."""
    largest, where = 0.0, ""
    for before, after in zip(one.measured, other.measured, strict=True):
        if before.keys() != after.keys():
            return f"other numbers: {sorted(before.keys() ^ after.keys())}"
        for name, value in before.items():
            apart = abs(after[name] - value) / max(abs(value), 1e-3)
            if apart > largest:
                largest, where = apart, name
    return f"{largest:.1g} ({where})" if where else "0"


def compare(arguments: argparse.Namespace, case: Case, device: Device) -> None:
    """Print what the probes cost in this tree, and in the older one where there is one."""
    trees = {"new": ROOT} if arguments.against is None else {"old": arguments.against.resolve(), "new": ROOT}
    splits = drawn(case)
    rounds: dict[str, list[dict[str, Cost]]] = {name: [] for name in trees}
    with tempfile.TemporaryDirectory() as folder:
        keep(Path(folder), case, splits, trained(case, splits, device))
        for _ in range(arguments.rounds):
            for name, tree in trees.items():
                rounds[name].append(measure_in_a_process(tree, Path(folder), arguments))
    for probe in arguments.probes:
        each = {name: [costs[probe].each for costs in rounds[name]] for name in trees}
        first = {name: [costs[probe].first for costs in rounds[name]] for name in trees}
        line = f"{probe:>15}:"
        for name in trees:
            line += f" {name} first {_median(first[name])}, each {_median(each[name])};"
        if "old" in trees:
            ratios = [old / new for old, new in zip(each["old"], each["new"], strict=True)]
            apart = difference(rounds["old"][0][probe], rounds["new"][0][probe])
            line += f" old / new {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f});"
            line += f" largest difference {apart}"
        print(line)


def _median(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.3g} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="lesson_cnn")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--networks", type=int, default=4)
    parser.add_argument("--drawings", type=int, default=DRAWINGS["train"])
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--probes", nargs="+", default=list(PROBES))
    parser.add_argument("--options", choices=["flagship", "defaults"], default="flagship")
    parser.add_argument("--most", type=int, default=6, help="measurements of each probe")
    parser.add_argument("--against", type=Path, help="a checkout with the older code")
    parser.add_argument("--weights", type=Path, help="used by the script itself: what to measure")
    arguments = parser.parse_args()
    device = set_up_device(arguments.device, "fp32", arguments.threads)
    if arguments.weights:
        case, splits, weights = kept(arguments.weights)
        costs = costs_of(case, splits, weights, device, arguments.probes, arguments.options, arguments.most)
        print(json.dumps({name: vars(cost) for name, cost in costs.items()}))
        return
    case = Case(arguments.backbone, arguments.size, arguments.networks, arguments.batch_size, arguments.drawings)
    print(f"{environment(device)['hardware']['device']}, {device.threads} threads, torch {torch.__version__}")
    print(f"{case.networks} networks of {case.backbone} at {case.size} px, options: {arguments.options}")
    compare(arguments, case, device)


if __name__ == "__main__":
    main()
