"""What went into the run, in a few lines."""

from __future__ import annotations

from harness import numbers
from harness_reports._page._section import Page
from harness_reports._words.benchmark import comparison_length, machines, search_budget, training_precision
from harness_reports._words.names import shared_parts

MOST_CLASSES = 4  # that are named
PICTURES = ("photos", "drawings")  # the first word of where such data came from


def tiles(page: Page) -> list[tuple[str, str, str]]:
    """Return a title, a value and a remark for each line."""
    records = page.records
    meta, benchmark = records.meta, records.meta.benchmark
    counts, hardware = meta.data["counts"], meta.environment["hardware"]
    search, compare = benchmark["search"], benchmark["compare"]
    epochs = " to ".join(map(str, search["epochs"]))
    threads = numbers.counted(hardware["threads"], "thread")
    seeds = numbers.counted(compare["seeds"], "seed")
    shared = shared_parts(records).replace("+", "+\u200b")  # where a line may end
    return [
        ("Data", meta.data["name"], _data_in_words(page)),
        ("Examples", f"{counts['train']:,} train", f"{counts['tune']:,} tune, {counts['test']:,} test"),
        ("Arms", f"{len(records.arms)}", shared),
        ("Search", search_budget(search), f"per arm and replicate, {epochs} epochs, {search['sampler']}"),
        (
            "Comparison",
            numbers.counted(meta.planned_replicates, "replicate"),
            f"of each arm, each with {seeds}, {comparison_length(benchmark)}, regime {benchmark['train']['regime']}",
        ),
        ("Device", machines(records), f"{training_precision(records)}, {threads}"),
    ]


def _data_in_words(page: Page) -> str:
    """Return the kind of the data, its classes, and the shape of an example."""
    data = page.records.meta.data
    kind = data["source"].partition(" ")[0]
    classes, sides = data["classes"], data["input_shape"]
    names = ", ".join(classes[:MOST_CLASSES]) + (", …" if len(classes) > MOST_CLASSES else "")
    shape = " x ".join(map(str, sides)) if len(sides) > 1 else f"{numbers.counted(sides[0], 'number')} each"
    return f"{f'{kind}: ' if kind in PICTURES else ''}{f'{names}; ' if classes else ''}{shape}"
