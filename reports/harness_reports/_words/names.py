"""Names of arms and metrics as a reader sees them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

from harness import Records, numbers

PARTS = ("network", "optimizer", "scheduler")
MOST_NAMED = 3  # arms in a sentence; further ones are counted
LONGEST_FILE_NAME = 80  # characters of a part of a file's name
LONGEST_LABEL = 40  # characters of a label; the full name stands in the table of arms


@dataclass(frozen=True)
class ArmParts:
    """An arm by its parts; the network is the backbone, with the head where one is trained on it."""

    arm: str
    network: str
    optimizer: str
    scheduler: str

    def part(self, name: str) -> str:
        """Return a part by its name, which is one of ``PARTS``."""
        return str(getattr(self, name))


def arm_parts(records: Records) -> list[ArmParts]:
    """Return the parts of every arm, in the order of the arms."""
    parts = []
    for row in records.arms.to_dict("records"):
        arm, optimizer, scheduler = str(row["arm"]), str(row["optimizer"]), str(row["scheduler"])
        parts.append(ArmParts(arm, arm.removesuffix(f"/{optimizer}/{scheduler}"), optimizer, scheduler))
    return parts


def differing_parts(records: Records) -> list[str]:
    """Return the names of the parts in which the arms differ."""
    arms = arm_parts(records)
    return [name for name in PARTS if any(arm.part(name) != arms[0].part(name) for arm in arms)]


def arm_labels(records: Records) -> dict[str, str]:
    """Return a short, unique label for every arm; it names only the parts in which the arms differ."""
    shown_parts = differing_parts(records) or ["optimizer"]
    backbone = _shared_backbone(records)
    labels: dict[str, str] = {}
    for arm in arm_parts(records):
        words = [arm.part(name) for name in shown_parts]
        if backbone and "network" in shown_parts:
            words[shown_parts.index("network")] = arm.network.removeprefix(f"{backbone}+")
        label = shortened("/".join(words))
        duplicates = sum(other == label or other.startswith(f"{label} (") for other in labels.values())
        labels[arm.arm] = f"{label} ({duplicates + 1})" if duplicates else label
    return labels


def _shared_backbone(records: Records) -> str:
    """Return the backbone that several heads share; "" where there is one head only, or more than one backbone."""
    networks = {arm.network for arm in arm_parts(records)}
    backbones = {network.partition("+")[0] for network in networks}
    return backbones.pop() if len(networks) > 1 and len(backbones) == 1 else ""


def shared_parts(records: Records) -> str:
    """Return in words what all arms have in common; "" where they share nothing."""
    arms, differing = arm_parts(records), differing_parts(records)
    if not arms:
        return ""
    first, words = arms[0], []
    if backbone := _shared_backbone(records):
        words.append(f"backbone {backbone}")
    elif "network" not in differing:
        words.append(f"network {first.network}")
    if "scheduler" not in differing:
        words.append(f"scheduler {first.scheduler}")
    return numbers.joined(words) if words else ""


def shortened(text: str) -> str:
    """Return one printable line of at most ``LONGEST_LABEL`` characters; the middle of a longer text is left out."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    half = LONGEST_LABEL // 2
    return text if len(text) <= LONGEST_LABEL else f"{text[: half - 1]}…{text[-half:]}"


def file_names(texts: Iterable[str]) -> dict[str, str]:
    """Return each text as a part of a file's name: letters of English, digits, ``_`` and ``-``.

    No two are equal, not even where capitals count for nothing.
    """
    names: dict[str, str] = {}
    for text in texts:
        name = re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:LONGEST_FILE_NAME] or "unnamed"
        taken = {other.casefold() for other in names.values()}
        variants = (f"{name}-{i}" if i > 1 else name for i in count(1))
        names[text] = next(variant for variant in variants if variant.casefold() not in taken)
    return names


def some_names(labels: list[str]) -> str:
    """Return the first of these names, and how many others there are."""
    first = labels[: MOST_NAMED - 1]
    return numbers.joined(labels if len(labels) <= MOST_NAMED else [*first, f"{len(labels) - len(first)} others"])


def capitalized(text: str) -> str:
    """Return a text that begins with a capital; the other letters stay as they are."""
    return text[:1].upper() + text[1:]


def metric_title(metric: str) -> str:
    """Return the column of a metric in words: ``test_accuracy`` is "test accuracy"."""
    if metric == "seconds":
        return "time per run"
    if metric.startswith("tta_"):
        return f"{metric_title(metric.removeprefix('tta_'))} with TTA"
    return metric.replace("_", " ").replace(".value", "").replace(".", " ")


def title_with_unit(title: str, unit: str) -> str:
    """Return ``title (unit)``, or the title alone where there is no unit."""
    return f"{title} ({unit})" if unit else title
