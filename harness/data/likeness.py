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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.console.progress import Reporter
from harness.data.impressions import Impression, look_at_pixels
from harness.plugin.contracts import Data, Photo

NEAR = 6  # bits of 64
ALIKE = 0.98  # Pearson's correlation
FLAT = 2.0  # standard deviation of grey values, in [0, 255], below which a photo is one colour
ROWS = 256  # of the table of distances, at a time
SPLITS = ("train", "tune", "test")
VERSION = 1  # raised whenever the same data give other findings


def likeness(data: Data, reporter: Reporter) -> dict[str, Any]:
    """Return the findings as plain values: duplicates, near duplicates, leaks between splits, conflicts of labels."""
    photos, impressions = [], []
    total = sum(len(getattr(data, split_name)) for split_name in SPLITS)
    for split_name in SPLITS:
        split = getattr(data, split_name)
        for name, target, pixels in zip(split.names, split.targets, split.inputs, strict=True):
            photos.append(Photo(name, data.classes[int(target)], Path(name).read_bytes, split_name))
            impressions.append(look_at_pixels(pixels))
            reporter.preparing("comparing photos", len(impressions), total)
    all_findings = findings(photos, impressions)
    return {
        "version": VERSION,
        "fingerprint": data.fingerprint,
        **{kind: all_findings[kind] for kind in ("duplicates", "near_duplicates", "leaks", "label_conflicts")},
        "rules": {**all_findings["rules"], "duplicates": "equal pixels (SHA-256)"},
    }


@dataclass(frozen=True)
class Pair:
    """Two photos that are nearly the same."""

    first: int
    second: int
    bits: int  # in which their hashes differ
    correlation: float


def findings(photos: Sequence[Photo], impressions: Sequence[Impression]) -> dict[str, Any]:
    """Return what is wrong: broken photos, equal ones, nearly equal ones, leaks between splits and conflicts of labels."""

    def describe(members: Sequence[int]) -> list[dict[str, str]]:
        return [{"name": photos[i].name, "split": photos[i].split, "label": photos[i].label} for i in members]

    equal = _group_equal(impressions)
    near = _near_pairs_of_different(impressions, equal)
    groups = _connect([*_edges(equal), *((pair.first, pair.second) for pair in near)], len(photos))
    described = [describe(group) for group in groups]
    return {
        "broken": [{**describe([i])[0], "reason": one.broken} for i, one in enumerate(impressions) if one.broken],
        "duplicates": [describe(group) for group in equal],
        "near_duplicates": [
            {
                "photos": describe([pair.first, pair.second]),
                "bits": pair.bits,
                "correlation": round(pair.correlation, 4),
            }
            for pair in near
        ],
        "leaks": [group for group in described if _differ(group, "split")],
        "label_conflicts": [group for group in described if _differ(group, "label")],
        "rules": {
            "duplicates": "equal bytes (SHA-256)",
            "near_duplicates": {"bits": NEAR, "of": 64, "correlation": ALIKE, "flat": FLAT},
            "leaks": "equal or nearly equal, in more than one split",
            "label_conflicts": "equal or nearly equal, of more than one class",
        },
    }


def _edges(groups: Iterable[Sequence[int]]) -> Iterator[tuple[int, int]]:
    """Yield edges that connect the members of every group."""
    for first, *rest in groups:
        yield from ((first, member) for member in rest)


def _near_pairs_of_different(impressions: Sequence[Impression], equal: Iterable[Sequence[int]]) -> list[Pair]:
    """Return the pairs that are nearly the same; of equal photos only the first takes part."""
    repeated = {member for _, member in _edges(equal)}
    positions = [i for i, impression in enumerate(impressions) if impression.grey is not None and i not in repeated]
    pairs = near_pairs([impressions[i] for i in positions])
    return [Pair(positions[a], positions[b], bits, correlation) for a, b, bits, correlation in pairs]


def _differ(group: Iterable[Mapping[str, str]], key: str) -> bool:
    return len({photo[key] for photo in group}) > 1


def _group_equal(impressions: Sequence[Impression]) -> list[list[int]]:
    """Return the groups of photos with equal bytes."""
    groups = defaultdict(list)
    for i, impression in enumerate(impressions):
        if not impression.broken:
            groups[impression.sha256].append(i)
    return [group for group in groups.values() if len(group) > 1]


def near_pairs(impressions: Sequence[Impression]) -> Iterator[tuple[int, int, int, float]]:
    """Yield (position, position, bits that differ, correlation) of every two photos that are nearly the same.

    All are compared with all, ``N^2 / 2`` times: a second for 25,000. Photos of one colour are left out.
    """
    import numpy as np

    if not impressions:
        return
    squares = np.stack([impression.grey for impression in impressions if impression.grey is not None])
    grey = squares.astype(np.float32).reshape(len(impressions), -1)
    grey -= grey.mean(axis=1, keepdims=True)
    spread = grey.std(axis=1)
    patterned = spread >= FLAT
    hashes = np.array([impression.hash for impression in impressions], dtype=np.uint64)
    for start in range(0, len(impressions), ROWS):
        stop = min(start + ROWS, len(impressions))
        bits = np.bitwise_count(hashes[start:stop, None] ^ hashes[None, start:])
        rows, columns = np.nonzero(np.triu(bits <= NEAR, k=1))
        for a, b in zip((rows + start).tolist(), (columns + start).tolist(), strict=True):
            if patterned[a] and patterned[b]:
                correlation = float(grey[a] @ grey[b] / (spread[a] * spread[b] * grey.shape[1]))
                if correlation >= ALIKE:
                    yield a, b, int(bits[a - start, b - start]), correlation


def _connect(edges: Sequence[tuple[int, int]], count: int) -> list[list[int]]:
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
    connected = {a for a, _ in edges} | {b for _, b in edges}
    for i in sorted(connected):
        groups[find(i)].append(i)
    return list(groups.values())
