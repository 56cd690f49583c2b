"""Which photos of a dataset are the same, or nearly the same.

Two photos are the same where their bytes are, and nearly the same where two tests agree: their difference hashes (64 bits
from 9 x 8 grey pixels: is a pixel brighter than the next?) differ in at most ``NEAR`` bits, and their 32 x 32 grey pixels
correlate by ``ALIKE`` or more. The first finds candidates quickly, the second leaves out those that only look alike when
they are that small. Photos that were mirrored, turned or cut are not found.

``likeness`` applies the same rules to open data, where only decoded pixels are left: photos of equal bytes have equal
pixels, and so have others that only their wrapping tells apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.console.progress import Reporter
from harness.data.images import Look, look_at_pixels
from harness.plugin.contracts import Data, Photo

NEAR = 6  # bits of 64
ALIKE = 0.98  # Pearson's correlation
FLAT = 2.0  # standard deviation of grey values, in [0, 255], below which a photo is one colour
ROWS = 256  # of the table of distances, at a time
SPLITS = ("train", "tune", "test")
VERSION = 1  # raised whenever the same data give other findings


def likeness(data: Data, reporter: Reporter) -> dict[str, Any]:
    """Return the findings as plain values: duplicates, near duplicates, leaks between splits, conflicts of labels."""
    photos, looks = [], []
    total = sum(len(getattr(data, which)) for which in SPLITS)
    for which in SPLITS:
        split = getattr(data, which)
        for name, target, pixels in zip(split.names, split.targets, split.inputs, strict=True):
            photos.append(Photo(name, data.classes[int(target)], Path(name).read_bytes, which))
            looks.append(look_at_pixels(pixels))
            reporter.preparing("comparing photos", len(looks), total)
    found = findings(photos, looks)
    return {
        "version": VERSION,
        "fingerprint": data.fingerprint,
        **{kind: found[kind] for kind in ("duplicates", "near_duplicates", "leaks", "label_conflicts")},
        "rules": {**found["rules"], "duplicates": "equal pixels (SHA-256)"},
    }


@dataclass(frozen=True)
class Pair:
    """Two photos that are nearly the same."""

    first: int
    second: int
    bits: int  # in which their hashes differ
    correlation: float


def findings(photos: Sequence[Photo], looks: Sequence[Look]) -> dict[str, Any]:
    """Return what is wrong: broken photos, equal ones, nearly equal ones, and what that means for splits and labels."""

    def about(members: Sequence[int]) -> list[dict[str, str]]:
        return [{"name": photos[i].name, "split": photos[i].split, "label": photos[i].label} for i in members]

    equal = _equal(looks)
    again = {i for group in equal for i in group[1:]}
    once = [i for i, look in enumerate(looks) if not look.broken and i not in again]
    near = [Pair(once[a], once[b], bits, how) for a, b, bits, how in near_pairs([looks[i] for i in once])]
    edges = [(group[0], i) for group in equal for i in group[1:]] + [(pair.first, pair.second) for pair in near]
    alike = _connected(edges, len(photos))
    return {
        "broken": [{**about([i])[0], "reason": look.broken} for i, look in enumerate(looks) if look.broken],
        "duplicates": [about(group) for group in equal],
        "near_duplicates": [
            {"photos": about([p.first, p.second]), "bits": p.bits, "correlation": round(p.correlation, 4)} for p in near
        ],
        "leaks": [about(group) for group in alike if len({photos[i].split for i in group}) > 1],
        "label_conflicts": [about(group) for group in alike if len({photos[i].label for i in group}) > 1],
        "rules": {
            "duplicates": "equal bytes (SHA-256)",
            "near_duplicates": {"bits": NEAR, "of": 64, "correlation": ALIKE, "flat": FLAT},
            "leaks": "equal or nearly equal, in more than one split",
            "label_conflicts": "equal or nearly equal, of more than one class",
        },
    }


def _equal(looks: Sequence[Look]) -> list[list[int]]:
    """Return the groups of photos with equal bytes."""
    groups = defaultdict(list)
    for i, look in enumerate(looks):
        if not look.broken:
            groups[look.sha256].append(i)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(looks: Sequence[Look]) -> Iterator[tuple[int, int, int, float]]:
    """Yield (position, position, bits that differ, correlation) of every two photos that are nearly the same.

    All are compared with all, ``N^2 / 2`` times: a second for 25,000. Photos of one colour are left out.
    """
    import numpy as np

    if not looks:
        return
    grey = np.stack([look.grey for look in looks if look.grey is not None]).astype(np.float32).reshape(len(looks), -1)
    grey -= grey.mean(axis=1, keepdims=True)
    spread = grey.std(axis=1)
    patterned = spread >= FLAT
    hashes = np.array([look.hash for look in looks], dtype=np.uint64)
    for start in range(0, len(looks), ROWS):
        stop = min(start + ROWS, len(looks))
        bits = np.bitwise_count(hashes[start:stop, None] ^ hashes[None, start:])
        rows, columns = np.nonzero(np.triu(bits <= NEAR, k=1))
        for a, b in zip((rows + start).tolist(), (columns + start).tolist(), strict=True):
            if patterned[a] and patterned[b]:
                correlation = float(grey[a] @ grey[b] / (spread[a] * spread[b] * grey.shape[1]))
                if correlation >= ALIKE:
                    yield a, b, int(bits[a - start, b - start]), correlation


def _connected(edges: Sequence[tuple[int, int]], count: int) -> list[list[int]]:
    """Return the groups of two or more that the edges connect, each in rising order."""
    head = list(range(count))

    def find(i: int) -> int:
        while head[i] != i:
            head[i] = head[head[i]]
            i = head[i]
        return i

    for a, b in edges:
        low, high = sorted((find(a), find(b)))
        head[high] = low
    groups = defaultdict(list)
    for i in sorted({i for edge in edges for i in edge}):
        groups[find(i)].append(i)
    return list(groups.values())
