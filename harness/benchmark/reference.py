"""The reference of the benchmark file, ``docs/benchmark-file.md``, from the model and the meanings that stand in it.

``python -m harness.benchmark.reference FILE.md`` writes it. A test compares the page with what is generated here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from harness.benchmark.keys import Kind, kinds_of
from harness.benchmark.meaning import (
    BASELINE,
    IDENTITY,
    PROTOCOL,
    Key,
    Meaning,
    meaning_of,
    named_section_of,
    section_of,
)
from harness.benchmark.sections import TABLES, Benchmark
from harness.benchmark.sections.workload import WorkloadSection
from harness.benchmark.toml import to_toml
from harness.benchmark.workloads import WORKLOAD
from harness.console.numbers import with_article
from harness.plugin.registry import Registry

OWN = "optimizer-harness"  # the distribution whose plugins the page describes
PLACEHOLDERS: Mapping[Key, tuple[str, ...]] = {
    ("heads",): ("NAME",),
    ("search", "space", "*", "*"): ("NAME", "PARAMETER"),
}  # by table: what stands for the names that the user chooses
INTRODUCTION = """\
# The benchmark file

<!-- Written by `python -m harness.benchmark.reference docs/benchmark-file.md`. Change the meaning at the key, in
harness/benchmark/sections/, and write the page again. -->

A benchmark is one TOML file. It says what is learned from, which arms are compared, how they are tuned and how the
verdict is reached. Only `name` is required: every other key has a default. This file is a whole benchmark:

```toml
name = "first"

[train]
optimizers = ["sgd", "adam"]

[search]
trials = 6

[compare]
looks = [6, 12]
```

`harness new benchmark first` writes such a file with every other key in it as a comment. `harness run first.toml` carries
it out, and `harness plan first.toml` says beforehand what it will do and how long that takes.

## Profiles and `--set`

`[profiles.NAME.SECTION]` holds other values for the same keys. `harness run FILE.toml --profile NAME` lays them over the
file. `--set KEY=VALUE` lays single values over both, as in `--set compare.epochs=20`, and may be given several times. Its
value is TOML; what is not TOML is taken as a string. A table is merged key by key, and anything else is replaced.

A file with [workloads](#workload) has several benchmarks in it. What lies over what: the
file, the workload, the profile, each `--set`.

The file must be right as it stands and with each of its profiles. A setting that `--set` or a profile leaves without a
use, such as the search space of an optimizer that takes no part, is left out, and a notice says so.

## What another value changes

Runs are kept in a folder `NAME-HASH`. The same benchmark goes on in the same folder and trains nothing twice. Below each
key stands what another value does:

- **A new run folder**: the value is part of the recipe, of the data or of the machine that the hash is made from.
- **The same run folder**: the value changes no run that is there. A larger total, of trials or of seeds for example,
  adds runs to them. Controls, measurements and reports are added or made again.

A [baseline](search.md#baselines) is a file with arms that were trained elsewhere. It is refused when it differs in a key
that says so. The [protocol](protocol.md) is what a verdict is registered with before the comparison begins. When a key
that belongs to it is changed later, the verdict is registered a second time, and every report says when.

## What is checked, and when

Every value is checked before anything is trained: first against the file alone, then against the installed plugins, then
against the open data and the device. A wrong one gets one line, `FILE:LINE: key: must be X, got Y; what to do`, and exit
code 2.
"""


def reference(registry: Registry) -> str:
    """Return the page; the plugins that it describes are those of this distribution."""
    blocks = [INTRODUCTION.rstrip(), "## Keys at the top", "They stand above all sections."]
    blocks += _section_blocks(Benchmark, ())
    blocks += _workload_blocks()
    blocks += _plugin_blocks(registry)
    return "\n\n".join(blocks) + "\n"


def _section_blocks(model: type[BaseModel], above: Key) -> Iterator[str]:
    """Yield the entries of a section's keys, and then its sections, each under a heading."""
    inner: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        named = named_section_of(field.annotation)
        if section := section_of(field.annotation):
            inner.append((name, section))
            continue
        if named:
            inner.append((name, named))
            continue
        yield from _key_blocks((*above, name), field)
        yield from _table_entries((*above, name))
    for name, section in inner:
        key = (*above, name)
        is_named = named_section_of(model.model_fields[name].annotation) is not None
        place = (*key, "NAME") if is_named else key
        title, text = _heading(section)
        yield f"{'#' * min(2 + len(above), 3)} {title}"
        yield text
        if is_named:
            yield _effect_sentences(meaning_of(model.model_fields[name]))
        yield from _section_blocks(section, place)


def _workload_blocks() -> Iterator[str]:
    """Yield the heading of ``[[workload]]`` and the keys that it has of its own."""
    title, text = _heading(WorkloadSection)
    yield f"## {title}"
    yield text
    yield from _section_blocks(WorkloadSection, (WORKLOAD,))


def _table_entries(key: Key) -> Iterator[str]:
    """Yield the entries of a table that the model leaves open, as ``search.space.NAME.PARAMETER.low``."""
    for table, models in TABLES.items():
        if table[: len(key)] != key or "*" in key:
            continue
        place = (*key, *PLACEHOLDERS.get(table, ()))
        fields = [item for model in reversed(models) for item in model.model_fields.items()]
        by_name = dict(fields)  # a key that two tables have is described once, as the first one does
        for name in dict.fromkeys(name for model in models for name in model.model_fields):
            yield from _key_blocks((*place, name), by_name[name], in_table=True)


def _heading(section: type[BaseModel]) -> tuple[str, str]:
    """Return the title and the text of a section, from its docstring: "``[data]``: the data that ..."."""
    title, _, text = (section.__doc__ or "").partition(": ")
    text = "\n".join(line.strip() for line in text.strip().splitlines()).replace("``", "`")
    return title.replace("``", "`"), text[:1].upper() + text[1:]


def _key_blocks(key: Key, field: FieldInfo, in_table: bool = False) -> Iterator[str]:
    """Yield the heading of a key, what it means, what may stand there, and what another value changes."""
    meaning = meaning_of(field)
    yield f"### `{'.'.join(key)}`"
    yield meaning.text
    value = value_words(kinds_of(field.annotation, field.metadata, field.description))
    example = f"`{key[-1]} = {to_toml(meaning.example)}`"
    facts = f"**Value**: {value}. **Default**: {default_words(field)}. **Example**: {example}."
    yield facts if in_table else f"{facts}\\\n{_effect_sentences(meaning)}"


def _effect_sentences(meaning: Meaning) -> str:
    """Return what another value of a key changes, in sentences."""
    effect = meaning.effect
    sentences = [f"Only in the {_regime_words(meaning.regimes)}."] if meaning.regimes else []
    sentences += [IDENTITY[effect.identity], BASELINE[effect.baseline], PROTOCOL[effect.protocol]]
    return " ".join(sentence for sentence in sentences if sentence)


def _regime_words(regimes: Sequence[str]) -> str:
    names = " and ".join(f'"{regime}"' for regime in regimes)
    return f"regimes {names}" if len(regimes) > 1 else f"regime {names}"


def default_words(field: FieldInfo) -> str:
    """Return the default of a key in TOML, or that there is none."""
    if field.default is PydanticUndefined:
        return "none, it must be given"
    return "none" if field.default is None else f"`{to_toml(field.default)}`"


# --- what may stand at a key


def value_words(kinds: Sequence[Kind]) -> str:
    """Return what may stand at a key, in words for a reader."""
    if [kind.type for kind in kinds] == ["bool"]:
        return "`true` or `false`"
    return _either_of([_kind_words(kind) for kind in kinds])


def _either_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _kind_words(kind: Kind) -> str:
    if kind.choices:
        return _either_of([f"`{to_toml(choice)}`" for choice in kind.choices])
    if kind.description:
        return kind.description
    if kind.type in ("int", "float"):
        return f"{'a whole number' if kind.type == 'int' else 'a number'}{_range_words(kind)}"
    if kind.type == "list":
        return _list_words(kind)
    if kind.type == "table":
        return _table_words(kind)
    if kind.type == "str":
        empty = "" if kind.shortest or not kind.name_of else ", or empty"
        return f"the name of {with_article(kind.name_of)}{empty}" if kind.name_of else "a string"
    return "`true`, `false`" if kind.type == "bool" else "a value"


def _range_words(kind: Kind) -> str:
    """Return the ends of a number: `` from 1 to 100``, `` above 0 and at most 1``."""
    if kind.ge is not None and kind.le is not None:
        return f" from {_number_words(kind.ge)} to {_number_words(kind.le)}"
    low = f"above {_number_words(kind.gt)}" if kind.ge is None else f"of at least {_number_words(kind.ge)}"
    high = f"below {_number_words(kind.lt)}" if kind.le is None else f"at most {_number_words(kind.le)}"
    return f" {low} and {high}"


def _number_words(value: float | None) -> str:
    assert value is not None
    return f"{value:,.15g}" if abs(value) < 1e12 else f"{value:g}"


def _list_words(kind: Kind) -> str:
    if kind.shortest and kind.shortest == kind.longest:
        length = f"{kind.shortest} "
    elif kind.longest:
        length = f"{kind.shortest} to {kind.longest:,} " if kind.shortest else f"at most {kind.longest:,} "
    else:
        length = ""
    if kind.name_of:
        return f"a list of {length}names of {kind.name_of}s"
    return f"a list of {length}entries, each {value_words(kind.items)}"


def _table_words(kind: Kind) -> str:
    if kind.items[0].type == "any":
        return "a table of options"
    return f"a table; for each name {value_words(kind.items)}"


# --- what the plugins of this distribution bring


def _plugin_blocks(registry: Registry) -> Iterator[str]:
    """Yield the tables of the options and hyperparameters that this distribution's plugins have."""
    yield "## Options and hyperparameters of the built-in plugins"
    yield "Other plugins have others. What a plugin brings stands in its file."
    yield "### Options of datasets, in `data.options`"
    yield _options_table(registry, "dataset")
    yield "### Options of executors, in `train.executor_options`"
    yield _options_table(registry, "executor")
    yield "### Options of probes, in `compare.probe_options.NAME`"
    yield _options_table(registry, "probe")
    yield "### Options of listeners, in `report.listener_options.NAME`"
    yield _options_table(registry, "listener")
    yield "### Hyperparameters of optimizers, in `search.space.NAME`"
    yield _hyperparameters_table(registry, "optimizer")
    yield "### Hyperparameters of schedules, in `search.space.NAME`"
    yield _hyperparameters_table(registry, "scheduler")


def _own_offers(registry: Registry, kind: Any) -> Iterator[Any]:
    for name in sorted(registry.offers[kind]):
        entry = registry.offers[kind][name]
        if entry.origin.startswith(OWN):
            yield entry.offer


def _options_table(registry: Registry, kind: str) -> str:
    offers = [offer for offer in _own_offers(registry, kind) if offer.options]
    rows = [f"| `{offer.name}` | {_assignments_toml(offer.options)} |" for offer in offers]
    return "\n".join(["| name | options and their defaults |", "| --- | --- |", *rows])


def _hyperparameters_table(registry: Registry, kind: str) -> str:
    rows = ["| name | searched | defaults |", "| --- | --- | --- |"]
    for offer in _own_offers(registry, kind):
        searched = ", ".join(f"`{name} = {_distribution_toml(space)}`" for name, space in offer.space.items())
        if searched or offer.defaults:
            rows.append(f"| `{offer.name}` | {searched} | {_assignments_toml(offer.defaults)} |")
    return "\n".join(rows)


def _assignments_toml(values: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name} = {to_toml(value)}`" for name, value in values.items())


def _distribution_toml(space: Any) -> str:
    """Return a distribution as the benchmark file would have it."""
    if hasattr(space, "choices"):
        return to_toml({"choices": list(space.choices)})
    ends = {"low": space.low, "high": space.high}
    return to_toml({**ends, "log": True} if space.log else ends)


def main(arguments: list[str]) -> None:
    """Write the page to the file that is named, or print it."""
    from harness.plugin.discovery import discover

    page = reference(discover())
    if arguments:
        Path(arguments[0]).write_text(page, encoding="utf-8")
    else:
        sys.stdout.write(page)


if __name__ == "__main__":
    main(sys.argv[1:])
