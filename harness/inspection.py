"""``harness data inspect``: what a dataset's photos are, and what is wrong with them.

Two photos are the same where their bytes are, and nearly the same where two tests agree: their difference hashes (64 bits
from 9 x 8 grey pixels: is a pixel brighter than the next?) differ in at most ``NEAR`` bits, and their 32 x 32 grey pixels
correlate by ``ALIKE`` or more. The first finds candidates quickly, the second leaves out those that only look alike when
they are that small. Photos that were mirrored, turned or cut are not found.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import config
from harness.config import Benchmark
from harness.console.progress import Reporter
from harness.data.images import Look, look_at_photos
from harness.data.photos import Skipped
from harness.data.places import find_root
from harness.errors import DataError, PluginError, UnknownName, printable, shown
from harness.plan import data_request
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Dataset, Photo
from harness.plugin.discovery import discover

INSPECT_VERSION = 1  # of the JSON document
NEAR = 6  # bits of 64
ALIKE = 0.98  # Pearson's correlation
FLAT = 2.0  # standard deviation of grey values, in [0, 255], below which a photo is one colour
ROWS = 256  # of the table of distances, at a time
SPLITS = ("train", "tune", "test")


@dataclass(frozen=True)
class Pair:
    """Two photos that are nearly the same."""

    first: int
    second: int
    bits: int  # in which their hashes differ
    correlation: float


def inspect(
    file: Path | None, profile: str | None, data: Path | None, plugins: Sequence[Path], overrides: Sequence[str],
    reporter: Reporter,
) -> dict[str, Any]:  # fmt: skip
    """Return counts, sizes and findings as plain values, ready for JSON; splits as the benchmark would make them.

    A look runs nothing: the plugins that the benchmark file lists are not imported, only those named here. Raises
    DataError where the dataset has no photos, or they cannot be found, and PluginError where a listed plugin may have it.
    """
    benchmark = config.load(file, profile, overrides)[0] if file else Benchmark(name="dogscats")
    registry = discover(plugins, benchmark.block, check_block=False)
    try:
        dataset = registry.get("dataset", benchmark.data.dataset, Dataset, "data.dataset")
    except UnknownName as error:
        if listed := [name for name in benchmark.plugins if Path(name).stem not in registry.origins]:
            raise PluginError(
                f"data.dataset: must name a dataset, got '{benchmark.data.dataset}'; 'harness data inspect' runs no plugin "
                f"that {file} lists, so name the file that has it with --plugin: {', '.join(listed)}"
            ) from error
        raise
    if dataset.photos is None:
        raise DataError(f"data.dataset: must be one of photos, got {shown(dataset.name)}, which has none to look at")
    root = find_root(data, dataset.name)
    skipped = Skipped(root.path)
    request = data_request(dataset, benchmark.data, root, skipped=skipped)
    with ExitStack() as stack:
        with Boundary("dataset", dataset.name, "give its photos"):
            where, photos = stack.enter_context(dataset.photos(request))
        looks, counts = look_at_photos(photos, reporter.preparing), _counts(photos)
        return {
            "schema_version": INSPECT_VERSION,
            "dataset": dataset.name,
            "source": printable(str(where)),
            "photos": len(photos),
            "counts": counts,
            "largest_share": {split: max(of.values()) / sum(of.values()) for split, of in counts.items() if of},
            "skipped": skipped.by_reason,
            **_looks(looks),
            **findings(photos, looks),
        }


def _counts(photos: Sequence[Photo]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    for photo in photos:
        of_split = counts.setdefault(photo.split, {})
        of_split[photo.label] = of_split.get(photo.label, 0) + 1
    return counts


def _looks(looks: Sequence[Look]) -> dict[str, Any]:
    """Return sizes ``[width, height]`` by the number of pixels, and how many photos have which format and mode."""
    good = [each for each in looks if not each.broken]
    sizes = sorted((each.size for each in good), key=lambda size: (size[0] * size[1], size))
    found = {"min": sizes[0], "median": sizes[len(sizes) // 2], "max": sizes[-1]} if sizes else {}
    return {
        "sizes": {name: list(size) for name, size in found.items()},
        "formats": dict(Counter(each.format for each in good).most_common()),
        "modes": dict(Counter(each.mode for each in good).most_common()),
    }


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


def lines(found: Mapping[str, Any], limit: int | None = 10) -> list[str]:
    """Return the inspection for a person: a table, and at most ``limit`` lines of each kind of finding."""
    out = [f"{found['dataset']}: {found['photos']:,} photos in {found['source']}", ""]
    labels = sorted({label for counts in found["counts"].values() for label in counts})
    table = [["split", *labels, "all", "largest class"]]
    for split, counts in found["counts"].items():
        share = f"{100 * found['largest_share'][split]:.1f} %" if split in found["largest_share"] else ""
        table.append([split, *(f"{counts.get(label, 0):,}" for label in labels), f"{sum(counts.values()):,}", share])
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        out.append("  ".join([f"  {row[0].ljust(widths[0])}", *cells]))
    sizes = ", ".join(f"{name} {width} x {height}" for name, (width, height) in found["sizes"].items())
    out += ["", f"  sizes    {sizes or 'none'}"]
    for what in ("formats", "modes"):
        out.append(
            f"  {what.ljust(7)}  {', '.join(f'{name} {count:,}' for name, count in found[what].items()) or 'none'}"
        )
    rule = found["rules"]["near_duplicates"]
    near = f"hashes differ in at most {rule['bits']} of {rule['of']} bits, grey pixels correlate by {rule['correlation']} or more"
    passed = [f"{name}: {reason}" for reason, names in found["skipped"].items() for name in names]
    reasons = ", ".join(f"{reason} {len(names):,}" for reason, names in found["skipped"].items())
    sections = [
        ("passed over", reasons, passed),
        ("broken", "", [f"{_name(each)}: {each['reason']}" for each in found["broken"]]),
        ("equal", found["rules"]["duplicates"], [" = ".join(map(_name, group)) for group in found["duplicates"]]),
        ("nearly equal", near, [
            f"{' ~ '.join(map(_name, pair['photos']))} ({pair['bits']} bits, {pair['correlation']:.3f})"
            for pair in found["near_duplicates"]
        ]),
        ("leaks", found["rules"]["leaks"], [_members(group, "split") for group in found["leaks"]]),
        ("label conflicts", found["rules"]["label_conflicts"], [_members(g, "label") for g in found["label_conflicts"]]),
    ]  # fmt: skip
    for title, meaning, findings in sections:
        out += ["", f"{title}: {len(findings) or 'none'}{f' ({meaning})' if meaning else ''}"]
        out += [f"  {line}" for line in findings[:limit]]
        if limit is not None and len(findings) > limit:
            out.append(f"  ... and {len(findings) - limit} more; --all shows them")
    return out


def _name(photo: Mapping[str, str]) -> str:
    return photo["name"]


def _members(group: Sequence[Mapping[str, str]], what: str) -> str:
    return ", ".join(f"{photo['name']} ({photo[what]})" for photo in group)
