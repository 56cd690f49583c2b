"""``harness data inspect``: what a dataset's photos are, and what is wrong with them; ``data.likeness`` has the rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.benchmark import loading
from harness.benchmark.plan import data_request
from harness.benchmark.sections import Benchmark
from harness.console.progress import Reporter
from harness.data.images import Look, look_at_photos
from harness.data.likeness import SPLITS, findings
from harness.data.photos import Skipped
from harness.data.places import find_root
from harness.errors import DataError, PluginError, UnknownName, printable, shown
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import Dataset, Photo
from harness.plugin.discovery import discover

INSPECT_VERSION = 1  # of the JSON document


def inspect(
    file: Path | None, profile: str | None, data: Path | None, plugins: Sequence[Path], overrides: Sequence[str],
    reporter: Reporter,
) -> dict[str, Any]:  # fmt: skip
    """Return counts, sizes and findings as plain values, ready for JSON; splits as the benchmark would make them.

    A look runs nothing: the plugins that the benchmark file lists are not imported, only those named here. Raises
    DataError where the dataset has no photos, or they cannot be found, and PluginError where a listed plugin may have it.
    """
    benchmark = loading.load(file, profile, overrides)[0] if file else Benchmark(name="dogscats")
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
    for title, meaning, members in sections:
        out += ["", f"{title}: {len(members) or 'none'}{f' ({meaning})' if meaning else ''}"]
        out += [f"  {line}" for line in members[:limit]]
        if limit is not None and len(members) > limit:
            out.append(f"  ... and {len(members) - limit} more; --all shows them")
    return out


def _name(photo: Mapping[str, str]) -> str:
    return photo["name"]


def _members(group: Sequence[Mapping[str, str]], what: str) -> str:
    return ", ".join(f"{photo['name']} ({photo[what]})" for photo in group)
