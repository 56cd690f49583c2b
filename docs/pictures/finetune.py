"""Draw docs/pictures/finetune.svg: the learning rates of a run in stages, by the code that trains one.

python docs/pictures/finetune.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from harness import Optimizer, Scheduler
from harness.plugin.discovery import discover
from harness.training.stages import build_optimizer, build_schedule

STEPS, HEAD_EPOCHS, EPOCHS, FACTOR = 16, 2, 6, 0.3
NAMES = ["head", "late body", "early body"]


def main() -> None:
    registry = discover()
    adam, cosine = registry.get("optimizer", "adam", Optimizer), registry.get("scheduler", "cosine", Scheduler)
    groups = [[torch.nn.Parameter(torch.zeros(1))] for _ in NAMES]  # from the input to the head
    rates = []  # by step: those of the head, the late body and the early body
    for trained, epochs in ((groups[-1:], HEAD_EPOCHS), (groups, EPOCHS - HEAD_EPOCHS)):
        optimizer = build_optimizer(adam, {**adam.defaults, "lr": 2e-3}, trained, FACTOR)
        schedule = build_schedule(cosine, cosine.defaults, optimizer, epochs * STEPS, trained, FACTOR)
        for _ in range(epochs * STEPS):
            current = [group["lr"] for group in optimizer.param_groups]
            rates.append(current + [float("nan")] * (3 - len(current)))
            optimizer.step()
            schedule.step()
    figure, axes = plt.subplots(figsize=(6.4, 2.6), layout="constrained")
    for name, line in zip(NAMES, zip(*rates, strict=True), strict=True):
        axes.plot([step / STEPS for step in range(len(line))], line, label=name)
    axes.axvline(HEAD_EPOCHS, color="grey", linestyle=":")
    axes.text(HEAD_EPOCHS + 0.05, 2.05e-3, "the body is released", color="grey", va="bottom")
    axes.set(xlabel="epoch", ylabel="learning rate", ylim=(0, 2.3e-3))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(Path(__file__).with_suffix(".svg"))


if __name__ == "__main__":
    main()
