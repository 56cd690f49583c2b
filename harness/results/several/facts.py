"""What differs between runs: everything that is recorded of how they were made and that a score may depend on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.console.numbers import NOTHING
from harness.records import Records
from harness.records.promised import summary

DATA = ("name", "source", "fingerprint", "counts", "classes", "input_shape", "interpolation", "crop")
HASH_DIGITS = 12  # that are shown of a hash


def list_differences(records: Sequence[Records], labels: Sequence[str], arms: set[str]) -> list[dict[str, str]]:
    """Return what is not the same in all runs, by group, as text; of plugins and spaces, those of the shared arms."""
    rows = []
    for group, facts in _facts(records, arms):
        names = dict.fromkeys(name for run_facts in facts for name in run_facts)
        for name in names:
            values = [_text(run_facts.get(name)) for run_facts in facts]
            if len(set(values)) > 1:
                rows.append({"group": group, "what": name, **dict(zip(labels, values, strict=True))})
    return rows


def _facts(records: Sequence[Records], arms: set[str]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """Yield groups of facts, each with a mapping per run; the groups that decide most about a score come first."""
    metas = [run.meta for run in records]
    yield "files", [{"gone or damaged": summary(run.lacking) or None} for run in records]
    yield "data", [_data_facts(meta.data) for meta in metas]
    yield "benchmark", [_settings(meta.benchmark) for meta in metas]
    yield "search spaces", [_spaces(meta.spaces, arms) for meta in metas]
    yield "weights", [_weight_hashes(meta.weights) for meta in metas]
    yield "source of plugins", [_plugin_hashes(run, arms) for run in records]
    yield "versions", [meta.environment["versions"] for meta in metas]
    yield "hardware", [meta.environment["hardware"] for meta in metas]


def _data_facts(data: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_flatten({key: data.get(key) for key in DATA}))


def _settings(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """Return a benchmark's values by dotted key, without those that make no difference between runs."""
    from harness.benchmark.meaning import select_values
    from harness.benchmark.sections import Benchmark

    return dict(_flatten(select_values(Benchmark, benchmark, lambda meaning: meaning.effect.compared)))


def _flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested mappings under dotted keys."""
    if not isinstance(value, Mapping):
        yield prefix, value
        return
    for key, inner in value.items():
        yield from _flatten(inner, f"{prefix}.{key}" if prefix else str(key))


def _spaces(spaces: Mapping[str, Mapping[str, Any]], arms: set[str]) -> dict[str, str]:
    """Return the range of every hyperparameter of the shared arms, as text."""
    texts = {}
    for arm in (name for name in spaces if name in arms):
        for name, space in spaces[arm].items():
            texts[f"{arm}: {name}"] = json.dumps(space, sort_keys=True)
    return texts


def _weight_hashes(weights: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {backbone: file["sha256"] for backbone, file in weights.items()}


def _plugin_hashes(records: Records, arms: set[str]) -> dict[str, str]:
    """Return the SHA-256 of the plugins of the arms, by arm and part."""
    hashes: dict[str, str] = {}
    runs = records.compared()
    for run_id in runs.loc[runs["arm"].isin(arms), "run_id"]:
        recipe = records.recipes[run_id]
        arm = recipe["arm"]
        for part, sha256 in recipe["plugins"].items():
            hashes.setdefault(f"{part} {arm.get(part) or recipe.get(part) or ''}".rstrip(), sha256)
    return hashes


def _text(value: Any) -> str:
    """Return a fact as text; of a hash its first digits."""
    if value is None:
        return NOTHING
    if not isinstance(value, str):
        return json.dumps(value)
    is_hash = len(value) in (40, 64) and set(value) <= set("0123456789abcdef")
    return value[:HASH_DIGITS] if is_hash else value
