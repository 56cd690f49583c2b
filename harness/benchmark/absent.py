"""Settings of a benchmark file for arms and choices that take no part in this run are left out, and that is said.

A file has settings for the arms it names. When ``--set`` names fewer arms, or a profile does, the settings of the others
have nothing to be for. They are no mistake, so they are left out. A setting for an arm that the file never names stays,
and is refused as the slip that it probably is; so is one that was given by ``--set`` itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.benchmark.toml import Path_, Source, copied

Table = Mapping[str, Any]
OPTIONS: Mapping[Path_, Path_] = {
    ("data", "dataset"): ("data", "options"),
    ("search", "sampler"): ("search", "sampler_options"),
    ("search", "pruner"): ("search", "pruner_options"),
}  # by choice: the options that are its own
REGIMES: Mapping[Path_, Sequence[str]] = {
    ("train", "heads"): ("features",),
    ("train", "pretrained"): ("features", "finetune"),
    ("train", "head_epochs"): ("finetune",),
    ("train", "layer_factor"): ("finetune",),
    ("train", "batch_norm"): ("finetune",),
    ("search", "layer_factor"): ("finetune",),
}  # by setting: the only regimes that it is for


def without_absent(source: Source, defaults: Table) -> Source:
    """Return the source without the settings of what takes no part, and with a notice that names them.

    ``defaults`` are those of a benchmark, for what the file does not say.
    """
    cut = _Cut(source, defaults)
    for above in ((), *(("heads", head) for head in cut.names("heads"))):
        for part in cut.names(*above, "search", "space"):
            if part not in cut.chosen("optimizers", "schedulers"):
                cut.drop(cut.written("optimizers", "schedulers", "aliases"), part, *above, "search", "space", part)
    for alias in cut.names("train", "aliases"):
        if alias not in cut.chosen("optimizers"):
            cut.drop(cut.written("optimizers"), alias, "train", "aliases", alias)
    features = cut.value("train", "regime") == "features"
    for head in cut.names("heads"):
        if features and head not in cut.chosen("heads"):
            cut.drop(cut.written("heads"), head, "heads", head)
    others: list[Path_] = [key for key, regimes in REGIMES.items() if cut.value("train", "regime") not in regimes]
    others += [] if features else [("heads", head) for head in cut.names("heads")]
    for other in others:
        if cut.replaced("train", "regime") or (cut.relaid("train", "regime") and not cut.laid(*other)):
            cut.drop([other], other, *other)
    for choice, options in OPTIONS.items():
        if cut.replaced(*choice):
            for name in cut.names(*options):
                cut.drop([name], name, *options, name)
    if cut.replaced("baseline", "file") and not cut.value("baseline", "file"):
        for key in ("arms", "environment"):
            cut.drop([key], key, "baseline", key)
    notices = []
    if cut.dropped:
        names = ", ".join(".".join(key) for key in cut.dropped)
        notices.append(f"settings of the file that are left out, because what they are for takes no part: {names}")
    aa, optimizers = cut.value("compare", "aa"), cut.chosen("optimizers")
    if (
        isinstance(aa, str)
        and aa not in optimizers
        and aa in cut.written("optimizers")
        and not cut.overridden("compare", "aa")
    ):
        cut.values["compare"]["aa"] = True
        notices.append(f"compare.aa is '{aa}', which takes no part: the first optimizer takes part twice instead")
    twins, seeds = cut.value("compare", "twins"), cut.value("compare", "seeds")
    fewer = cut.replaced("compare", "seeds") and not cut.overridden("compare", "twins")
    if fewer and _is_count(twins) and _is_count(seeds) and twins > seeds:
        cut.values["compare"]["twins"] = seeds
        notices.append(f"compare.twins is {twins}, but there are {seeds} seeds: each seed has its twin")
    return replace(source, values=cut.values, notices=tuple(notices))


def names_in(source: Source, defaults: Table, *key: str) -> set[str]:
    """Return the names that a key has anywhere in the file, its profiles included, or by default."""
    return {name for table in (*source.written, defaults) for name in _names(_get(table, key))}


class _Cut:
    """A source's values, of which some are taken out; nothing of them has been checked yet."""

    def __init__(self, source: Source, defaults: Table) -> None:
        self.values = copied(source.values)
        self.dropped: list[Path_] = []
        self._source = source
        self._defaults = defaults

    def value(self, *key: str) -> Any:
        """Return what a key says, in the file or by default."""
        value = _get(self.values, key)
        return _get(self._defaults, key) if value is None else value

    def names(self, *key: str) -> list[str]:
        """Return the keys of a table; none where it is none."""
        table = _get(self.values, key)
        return list(table) if isinstance(table, Mapping) else []

    def chosen(self, *keys: str) -> set[str]:
        """Return the names that keys of ``[train]`` have now."""
        return {name for key in keys for name in _names(self.value("train", key))}

    def written(self, *keys: str) -> set[str]:
        """Return the names that keys of ``[train]`` have anywhere in the file, its profiles included, or by default."""
        return {name for key in keys for name in names_in(self._source, self._defaults, "train", key)}

    def laid(self, *key: str) -> bool:
        """Return whether the chosen profile says the key."""
        return _get(self._source.profile, key) is not None

    def relaid(self, *key: str) -> bool:
        """Return whether the chosen profile has chosen otherwise than the file."""
        before = _get(self._source.written[0], key) if self._source.written else None
        return self.laid(*key) and _get(self._source.profile, key) != (
            _get(self._defaults, key) if before is None else before
        )

    def overridden(self, *key: str) -> bool:
        """Return whether a ``--set`` says the key, or something below it."""
        places = self._source.places
        return any(place == "--set" and at[: len(key)] == key for at, place in places.items())

    def replaced(self, *key: str) -> bool:
        """Return whether a ``--set`` has chosen otherwise than the file and its profile."""
        before = _get(self._source.chosen, key)
        return bool(self.value(*key) != (_get(self._defaults, key) if before is None else before))

    def drop(self, known: Iterable[Any], name: Any, *key: str) -> None:
        """Take a key out that belongs to a name, if the file knows the name and no ``--set`` says the key."""
        table = _get(self.values, key[:-1])
        if name in known and isinstance(table, dict) and key[-1] in table and not self.overridden(*key):
            del table[key[-1]]
            self.dropped.append(key)


def _get(table: Any, key: Path_) -> Any:
    for part in key:
        if not isinstance(table, Mapping):
            return None
        table = table.get(part)
    return table


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _names(value: Any) -> list[str]:
    """Return the names in a list or a table, or the one that a string is."""
    return (
        [value] if isinstance(value, str) else [str(name) for name in value] if isinstance(value, list | dict) else []
    )
