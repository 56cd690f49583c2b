"""``harness data inspect [FILE.toml]``: what a dataset's photos are, and what is wrong with them.

The rules of what is equal, nearly equal or a leak are in ``harness.data.likeness``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import AsJson, DataFolder, Overrides, PluginFiles, Profile, WorkloadName, print_result
from harness.console.numbers import counted
from harness.data.splits import count_aside
from harness.errors import PluginError, UnknownName, printable, shown
from harness.plugin.boundary import Boundary
from harness.plugin.contracts import DataRequest, Dataset, Photo

if TYPE_CHECKING:
    from harness.benchmark.sections import Benchmark
    from harness.console.progress import Reporter
    from harness.data.impressions import Impression

INSPECT_VERSION = 1  # of the JSON document
MOST_LINES = 10  # of each kind of finding, unless all are asked for
MOST_CLASSES = 12  # that the table of counts has a column for
CUT = {"test": "valid", "tune": "tune"}  # the splits that may be cut out of train, with their keys in [data]


def command(
    file: Annotated[Path | None, typer.Argument(metavar="FILE.toml", help="A benchmark file, whose section [data] says how to split; without one the defaults.")] = None,
    profile: Profile = None,
    data: DataFolder = None,
    plugin: PluginFiles = None,
    set_: Overrides = None,
    workload: WorkloadName = None,
    all_: Annotated[bool, typer.Option("--all", help="Every finding, not the first ten of each kind.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Count photos; find broken, equal and leaking ones.

    A photo leaks where it is in two splits, also if it is scaled or greyed in one. What is found is no failure, and nothing is
    removed.
    """
    from harness.console.progress import Reporter

    with Reporter(quiet=as_json) as reporter:
        document = inspect(file, profile, data, plugin or [], set_ or [], reporter, workload)
    print_result(document, lines(document, None if all_ else MOST_LINES), as_json)


def inspect(
    file: Path | None, profile: str | None, data: Path | None, plugins: Sequence[Path], overrides: Sequence[str],
    reporter: Reporter, workload: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return counts, sizes and findings as plain values, ready for JSON; splits as the benchmark would make them.

    Nothing is run: the plugins that the benchmark file lists are not imported, only those named here. Raises BenchmarkError
    where the file is wrong, or a profile is named without a file, DataError where the data cannot be found, and PluginError
    where a listed plugin may have the dataset.
    """
    from harness.benchmark.data_request import data_request
    from harness.data.likeness import findings
    from harness.data.photos import Skipped
    from harness.data.places import find_root

    benchmark = _benchmark(file, profile, overrides, workload)
    dataset = _find_dataset(benchmark, file, plugins)
    root = find_root(data, dataset.name)
    skipped = Skipped(root.path)
    request = data_request(dataset, benchmark.data, root, skipped=skipped, progress=reporter.preparing)
    with reporter.during(f"reading the data of '{dataset.name}'"):
        source, photos, impressions = (_photos if dataset.photos else _rows)(dataset, request, reporter)
    with reporter.during("comparing every photo with every other" if dataset.photos else "looking for equal rows"):
        suspects = findings(photos, impressions)
    counts = _count_classes(photos)
    return {
        "schema_version": INSPECT_VERSION,
        "dataset": dataset.name,
        "kind": "photos" if dataset.photos else "examples",
        "source": printable(source),
        "photos": len(photos),
        "shares": _shares(benchmark, file, profile, counts),
        "counts": counts,
        "largest_share": {split: _largest_share(classes) for split, classes in counts.items() if any(classes)},
        "skipped": skipped.by_reason,
        **_describe_impressions(impressions),
        **suspects,
    }


def _benchmark(file: Path | None, profile: str | None, overrides: Sequence[str], workload: str | None) -> Benchmark:
    """Return the benchmark of a file, or of no file the defaults; raises BenchmarkError."""
    from harness.benchmark import loading
    from harness.benchmark.lines import refusal

    if file:
        return loading.load(file, profile, tuple(overrides), workload)[0]
    for option, value in (("--profile", profile), ("--workload", workload)):
        if value is not None:
            hint = f"name the file first, as in: harness data inspect dogscats {option} {value}"
            raise refusal(option, "come with a benchmark file that has it", f"{shown(value)} and no file", hint)
    return loading.without_file("dogscats", tuple(overrides))


def _photos(
    dataset: Dataset, request: DataRequest, reporter: Reporter
) -> tuple[str, Sequence[Photo], Sequence[Impression]]:
    """Return where a dataset's photos are, the photos, and a look at each; nothing is decoded into a store."""
    from harness.data.impressions import look_at_photos

    assert dataset.photos is not None
    with ExitStack() as stack:
        with Boundary("dataset", dataset.name, "give its photos"):
            source, photos = stack.enter_context(dataset.photos(request))
        return str(source), photos, look_at_photos(photos, reporter.preparing)


def _rows(
    dataset: Dataset, request: DataRequest, reporter: Reporter
) -> tuple[str, Sequence[Photo], Sequence[Impression]]:
    """Return the same of a dataset that has no photos: its source, and each row as a photo whose picture nobody sees."""
    from harness.data.impressions import look_at_pixels, look_at_row
    from harness.data.likeness import SPLITS

    with Boundary("dataset", dataset.name, "open"):
        data = dataset.open(request)
    look_at = look_at_pixels if data.train.inputs.ndim == 4 else look_at_row
    rows, impressions = [], []
    for split_name in SPLITS:
        split = getattr(data, split_name)
        for name, target, values in zip(split.names, split.targets, split.inputs, strict=True):
            label = data.classes[int(target)] if data.classes else ""
            rows.append(Photo(name, label, bytes, split_name))
            impressions.append(look_at(values))
    return data.source, rows, impressions


def _find_dataset(benchmark: Benchmark, file: Path | None, plugins: Sequence[Path]) -> Dataset:
    """Return the benchmark's dataset; where it is unknown, the error names the plugin files that may have it."""
    from harness.plugin.discovery import discover

    registry = discover(plugins, benchmark.block, check_block=False)
    try:
        return registry.get("dataset", benchmark.data.dataset, Dataset, "data.dataset")
    except UnknownName as error:
        if listed := [name for name in benchmark.plugins if Path(name).stem not in registry.origins]:
            raise PluginError(
                f"data.dataset: must name a dataset, got '{benchmark.data.dataset}'; 'harness data inspect' runs no plugin "
                f"that {file} lists, so name the file that has it with --plugin: {', '.join(listed)}"
            ) from error
        raise


def _shares(
    benchmark: Benchmark, file: Path | None, profile: str | None, counts: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Return the benchmark, and by key of [data] the share that was cut out of train; None where the dataset has the split."""
    left: Counter[str] = Counter()
    for classes in counts.values():
        left.update(classes)
    shares: dict[str, Any] = {"benchmark": str(file or ""), "profile": profile or ""}
    for split, key in CUT.items():  # test first: tune is cut out of what it leaves
        share, taken = getattr(benchmark.data, key), counts[split]
        is_cut = all(taken.get(label, 0) == count_aside(share, members) for label, members in left.items())
        shares[key] = share if is_cut else None
        left.subtract(taken)
    return shares


def _count_classes(photos: Sequence[Photo]) -> dict[str, dict[str, int]]:
    """Return by split, and in it by class, how many photos there are."""
    from harness.data.likeness import SPLITS

    counts: dict[str, dict[str, int]] = {split: {} for split in SPLITS}
    for photo in photos:
        classes = counts.setdefault(photo.split, {})
        classes[photo.label] = classes.get(photo.label, 0) + 1
    return counts


def _largest_share(classes: Mapping[str, int]) -> float:
    return max(classes.values()) / sum(classes.values())


def _describe_impressions(impressions: Sequence[Impression]) -> dict[str, Any]:
    """Return sizes ``[width, height]`` by the number of pixels, and how many photos have which format and mode."""
    readable = [impression for impression in impressions if not impression.broken]
    sizes = sorted((impression.size for impression in readable), key=lambda size: (size[0] * size[1], size))
    named = {"min": sizes[0], "median": sizes[len(sizes) // 2], "max": sizes[-1]} if sizes else {}
    return {
        "sizes": {name: list(size) for name, size in named.items()},
        "formats": dict(Counter(impression.format for impression in readable).most_common()),
        "modes": dict(Counter(impression.mode for impression in readable).most_common()),
    }


def lines(document: Mapping[str, Any], limit: int | None = MOST_LINES) -> list[str]:
    """Return the inspection for a person: a table, and at most ``limit`` lines of each kind of finding."""
    are_photos = document["kind"] == "photos"
    what = "photos in" if are_photos else "examples,"
    out = [f"{document['dataset']}: {document['photos']:,} {what} {document['source']}", "", *_count_lines(document)]
    out += ["", *_share_lines(document["shares"])]
    out += _picture_lines(document) if are_photos else []
    for title, meaning, members in _finding_sections(document):
        explained = f" ({meaning})" if meaning else ""
        out += ["", f"{title}: {len(members) or 'none'}{explained}"]
        out += [f"  {line}" for line in members[:limit]]
        if limit is not None and len(members) > limit:
            out.append(f"  ... and {len(members) - limit} more; --all shows them")
    return out


def _share_lines(shares: Mapping[str, Any]) -> list[str]:
    """Return by which shares splits were cut out of train, and who says so."""
    words = [
        f"{split} as the dataset has it" if shares[key] is None else f"{split} by data.{key} = {shares[key]:g}"
        for split, key in CUT.items()
    ]
    profile = f", profile {shares['profile']}" if shares["profile"] else ""
    origin = f"{shares['benchmark']}{profile}" or "no benchmark file: the defaults, and what --set says"
    return [f"  splits   {', '.join(words)} ({origin})"]


def _picture_lines(document: Mapping[str, Any]) -> list[str]:
    """Return the sizes, formats and modes of the photos."""
    sizes = ", ".join(f"{name} {width} x {height}" for name, (width, height) in document["sizes"].items())
    return [
        "",
        f"  sizes    {sizes or 'none'}",
        f"  formats  {_counted_names(document['formats'])}",
        f"  modes    {_counted_names(document['modes'])}",
    ]


def _count_lines(document: Mapping[str, Any]) -> list[str]:
    """Return a table, a line a split: how many photos of each class, of all, and the share of the largest class."""
    from harness.data.photo_sets import in_order

    labels = in_order({label for classes in document["counts"].values() for label in classes if label})
    few = len(labels) <= MOST_CLASSES
    columns = labels if few else ["classes", "fewest", "median", "most"]
    rows = [["split", *columns, "all", "largest class"]]
    for split, classes in document["counts"].items():
        share = document["largest_share"].get(split)
        numbers = [classes.get(label, 0) for label in labels] if few else _summary(classes)
        counts = [f"{number:,}" for number in (*numbers, sum(classes.values()))]
        rows.append([split, *counts, "" if share is None else f"{100 * share:.1f} %"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    out = []
    for split, *cells in rows:
        aligned = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        out.append("  ".join([f"  {split.ljust(widths[0])}", *aligned]))
    return out


def _summary(classes: Mapping[str, int]) -> list[int]:
    """Return the number of classes, and the smallest, the middle and the largest number of photos of one."""
    counts = sorted(classes.values()) or [0]
    return [len(classes), counts[0], counts[len(counts) // 2], counts[-1]]


def _counted_names(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _finding_sections(document: Mapping[str, Any]) -> Iterable[tuple[str, str, list[str]]]:
    """Yield each kind of finding: its title, what it means, and a line for each."""
    rules, near = document["rules"], document["rules"]["near_duplicates"]
    passed_over = []
    for reason, names in document["skipped"].items():
        passed_over += [f"{name}: {reason}" for name in names]
    yield "passed over", _passed_over_counts(document), passed_over
    yield "broken", "", [f"{photo['name']}: {photo['reason']}" for photo in document["broken"]]
    yield "equal", rules["duplicates"], [_joined_names(group, " = ") for group in document["duplicates"]]
    nearly = (
        f"hashes differ in at most {near['bits']} of {near['of']} bits, "
        f"grey pixels correlate by {near['correlation']} or more"
    )
    yield "nearly equal", nearly, [_near_line(pair) for pair in document["near_duplicates"]]
    yield "leaks", rules["leaks"], [_names_with(group, "split") for group in document["leaks"]]
    conflicts = [_names_with(group, "label") for group in document["label_conflicts"]]
    yield "label conflicts", rules["label_conflicts"], conflicts


def _passed_over_counts(document: Mapping[str, Any]) -> str:
    return ", ".join(f"{reason} {len(names):,}" for reason, names in document["skipped"].items())


def _near_line(pair: Mapping[str, Any]) -> str:
    return f"{_joined_names(pair['photos'], ' ~ ')} ({counted(pair['bits'], 'bit')}, {pair['correlation']:.3f})"


def _joined_names(photos: Iterable[Mapping[str, str]], sign: str) -> str:
    return sign.join(photo["name"] for photo in photos)


def _names_with(photos: Iterable[Mapping[str, str]], key: str) -> str:
    """Return the photos' names, each with its split or its label."""
    return ", ".join(f"{photo['name']} ({photo[key]})" for photo in photos)
