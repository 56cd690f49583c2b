"""What a benchmark asked for, in words: the budget of a search, the length of the comparison, the examples left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness import Records, numbers


def search_budget(search: Mapping[str, Any]) -> str:
    """Return what the search of an arm may spend: "12 trials", "96 epochs"."""
    if search["unit"] == "trials":
        return numbers.counted(search["trials"], "trial")
    return f"{search['budget']:g} {search['unit']}{' of training' if search['unit'] == 'seconds' else ''}"


def first_search(records: Records) -> str:
    """Return which searches are shown where one of each arm is: the search, or the first of several replicates."""
    replicates = records.meta.planned_replicates
    return (
        "the search of each arm"
        if replicates == 1
        else f"the search of each arm in the first of {replicates} replicates"
    )


def comparison_length(benchmark: Mapping[str, Any]) -> str:
    """Return how long the comparison trains: "40 epochs", and in brackets the heads that have a number of their own."""
    exceptions = []
    wanted = benchmark["train"].get("heads") or []
    for head, sections in benchmark.get("heads", {}).items():
        epochs = sections.get("compare", {}).get("epochs")
        if epochs and list(wanted) == [head]:
            return numbers.counted(epochs, "epoch")
        if epochs:
            exceptions.append(f"{head} {epochs}")
    length = numbers.counted(benchmark["compare"]["epochs"], "epoch")
    return f"{length} ({numbers.joined(exceptions)})" if exceptions else length


def training_precision(records: Records) -> str:
    """Return the precision that the runs were trained in; "bf16 and fp32" where they differ."""
    precisions = sorted({str(precision) for precision in records.runs["precision"]})
    return numbers.joined(precisions or [str(records.meta.environment["hardware"]["precision"])])


def machines(records: Records) -> str:
    """Return the processors or GPUs that the runs were trained on, by name; the driver's before any run has ended."""
    environments = records.meta.environments
    ended = records.runs[records.runs["state"] != "waiting"]
    hashes = {name for names in ended["environment"] for name in str(names).split("+")}
    devices = sorted({str(environments[name]["hardware"]["device"]) for name in hashes & set(environments)})
    return numbers.joined(devices or [str(records.meta.environment["hardware"]["device"])])


def split_sizes(records: Records) -> str:
    """Return the sizes of the splits: "1,024 train, 512 tune, 4,096 test"."""
    counts = records.meta.data["counts"]
    return f"{counts['train']:,} train, {counts['tune']:,} tune, {counts['test']:,} test"


def excluded_names(records: Records) -> dict[str, list[str]]:
    """Return the names of the examples that the benchmark excludes, by split."""
    excluded = records.meta.data.get("excluded", {})
    return {split: excluded.get(split, []) for split in ("train", "tune", "test")}


def exclusion(records: Records) -> str:
    """Return in a sentence what the benchmark excludes; "" where it excludes nothing."""
    excluded = {split: names for split, names in excluded_names(records).items() if names}
    if not excluded:
        return ""
    by_split = numbers.joined([f"{len(names)} of {split}" for split, names in excluded.items()])
    total = numbers.counted(sum(len(names) for names in excluded.values()), "example")
    tested = "; every test score is still over the whole test split" if "test" in excluded else ""
    return f"{total} excluded by {records.meta.data['excluded']['file']}: {by_split}{tested}."
