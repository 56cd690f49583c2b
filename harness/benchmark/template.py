"""The file that ``harness new benchmark`` writes: a small run that works at once, and every other key as a comment."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from harness.benchmark.meaning import Key, meaning_of, named_section_of, section_of
from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import to_toml
from harness.errors import HarnessError, shown

WIDTH = 110  # characters of a line of prose
# What stands in the file without a comment sign: a comparison of two optimizers that takes about a minute.
SMALL: Mapping[Key, Any] = {
    ("data", "options"): {"train": 512, "tune": 256, "test": 512},
    ("train", "optimizers"): ["sgd", "adam"],
    ("train", "threads"): 1,  # more wait for each other with a network this small
    ("search", "trials"): 4,
    ("search", "epochs"): [2, 4],
    ("compare", "looks"): [1],
    ("compare", "seeds"): 3,
    ("compare", "epochs"): 6,
}
HEADS = "linear"  # the name for which the settings of a head are shown
BEGINNING = """\
# {name}: which question does this benchmark answer? Say it here.
#
#     harness plan {name}.toml     says what it will do, and how long that takes
#     harness run {name}.toml      carries it out, and writes the report
#
# As it stands it compares two optimizers on drawings of cats and dogs, in about a minute. That is long enough to see a
# report, and far too short for a verdict: raise search.trials, compare.looks and compare.epochs for one.
# With photos of your own, a folder for each class, begin with a pretrained network instead:
#
#     harness run dogscats --profile photos --preset quick --data DIR --set data.dataset=folder
#
# Every other key stands here as a comment, with its meaning and its default. To change one, take the "#" away and write
# another value. `harness docs benchmark-file` says more about each.
"""


def new_benchmark(name: str) -> str:
    """Return the text of a benchmark file with that name; raises HarnessError for a name that no benchmark may have."""
    try:
        Benchmark(name=name)
    except ValidationError as error:
        must = Benchmark.model_fields["name"].description
        raise HarnessError(f"new: must be a name of {must}, got {shown(name)}; take another name") from error
    blocks = [BEGINNING.format(name=name).rstrip(), *_key_blocks(Benchmark, (), {("name",): name})]
    for section, key in _sections_of(Benchmark, ()):
        blocks += _section_blocks(section, key)
    return "\n\n".join(blocks) + "\n"


def _sections_of(model: type[BaseModel], above: Key) -> Iterator[tuple[type[BaseModel], Key]]:
    """Yield every section of a model, each before the sections in it."""
    for name, field in model.model_fields.items():
        key = (*above, name)
        if section := section_of(field.annotation):
            yield section, key
            yield from _sections_of(section, key)
        elif section := named_section_of(field.annotation):
            yield from _sections_of(section, (*key, HEADS))


def _section_blocks(section: type[BaseModel], key: Key) -> Iterator[str]:
    """Yield the title of a section and its keys; of a head, all as comments."""
    prose = (section.__doc__ or "").replace("``", "").split("\n", 1)[0]
    commented = key[0] == "heads"
    yield f"{_comment_lines(prose)}\n{'#' if commented else ''}[{'.'.join(key)}]"
    yield from _key_blocks(section, key, SMALL)


def _key_blocks(model: type[BaseModel], above: Key, active: Mapping[Key, Any]) -> Iterator[str]:
    """Yield the keys of a section that are no sections themselves, each with its meaning above it."""
    for name, field in model.model_fields.items():
        if section_of(field.annotation) or named_section_of(field.annotation):
            continue
        key = (*above, name)
        prose = _comment_lines(meaning_of(field).text)
        if key in active:
            yield f"{prose}{_default_note(field)}\n{name} = {to_toml(active[key])}"
        else:
            yield f"{prose}\n{_commented_key(name, field)}"


def _default_note(field: FieldInfo) -> str:
    return "" if field.is_required() else f"\n# By default: {to_toml(field.default)}"


def _commented_key(name: str, field: FieldInfo) -> str:
    """Return a key with its default as a comment, with an example where the default is empty or none."""
    example = to_toml(meaning_of(field).example)
    if field.default is None:
        return f"# There is no default.\n#{name} = {example}"
    hint = f"# For example: {name} = {example}\n" if field.default in ([], {}, "") else ""
    return f"{hint}#{name} = {to_toml(field.default)}"


def _comment_lines(text: str) -> str:
    """Return prose as comments; a link to a page becomes the command that prints it."""
    text = re.sub(r"\[[\w-]+\.md\]\(([\w-]+)\.md\)", r"`harness docs \1`", text)
    return "\n".join(textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# "))
