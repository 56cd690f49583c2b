"""Settings of the file for arms and choices that take no part in this run are left out, and a notice names them.

A file has settings for the arms that it names. When ``--set``, a profile or a workload names fewer arms, the settings of the
others are not used. They are no mistake, so they are left out. A setting for an arm that the file never names stays, and is
refused later, for it is probably a slip. So is a setting that ``--set`` itself gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.benchmark.facets import FACET_PROBES
from harness.benchmark.meaning import key_meanings
from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import KeyPath, OptionName, Source, copy_table
from harness.console.numbers import first_of

Table = Mapping[str, Any]

MOST_NAMED = 3  # settings that the notice names; of more it says how many


def without_absent(source: Source, defaults: Table) -> Source:
    """Return the source without the settings of what takes no part, and with a notice that names them.

    ``defaults`` are the values of a benchmark for which the file says nothing.
    """
    cut = _Cut(source, defaults)
    _drop_spaces(cut)
    _drop_aliases(cut)
    _drop_regimes(cut)
    _drop_options(cut)
    _drop_probes(cut)
    _drop_baseline(cut)
    _drop_listener_options(cut)
    _drop_reference(cut)
    notices = list(source.notices)
    if cut.dropped:
        notices.append(_left_out_line([".".join(key) for key in cut.dropped]))
    notices += _replace_aa(cut)
    notices += _cap_twins(cut)
    return replace(source, values=cut.values, notices=tuple(notices))


def _left_out_line(keys: Sequence[str]) -> str:
    """Return a line that names the first keys that are left out, and how many more there are."""
    if len(keys) == 1:
        return f"the file's setting {keys[0]} is left out: what it is for takes no part"
    return f"the file's settings {first_of(keys, MOST_NAMED)} are left out: what they are for takes no part"


def names_in(source: Source, defaults: Table, *key: str) -> set[str]:
    """Return the names that a key has anywhere in the file, its workloads and profiles included, or by default."""
    names: set[str] = set()
    for table in (*source.written, defaults):
        names.update(_names_of(_value_at(table, key)))
    return names


def _drop_spaces(cut: _Cut) -> None:
    """Leave out the search spaces, and the constraints, of optimizers and schedules that take no part."""
    written = cut.written_names("optimizers", "schedulers", "aliases")
    for part in cut.table_keys("search", "constraints"):
        if part not in cut.chosen_names("optimizers", "schedulers"):
            cut.drop_key(written, part, "search", "constraints", part)
    for above in ((), *(("heads", head) for head in cut.table_keys("heads"))):
        for part in cut.table_keys(*above, "search", "space"):
            if part not in cut.chosen_names("optimizers", "schedulers"):
                cut.drop_key(written, part, *above, "search", "space", part)


def _drop_aliases(cut: _Cut) -> None:
    """Leave out the aliases that take no part."""
    for alias in cut.table_keys("train", "aliases"):
        if alias not in cut.chosen_names("optimizers"):
            cut.drop_key(cut.written_names("optimizers"), alias, "train", "aliases", alias)


def _drop_regimes(cut: _Cut) -> None:
    """Leave out the settings of heads that take no part, and those of another regime than the one that was chosen."""
    regime = cut.value("train", "regime")
    if regime == "features":
        for head in cut.table_keys("heads"):
            if head not in cut.chosen_names("heads"):
                cut.drop_key(cut.written_names("heads"), head, "heads", head)
    for key in _keys_of_other_regimes(cut, regime):
        if cut.changed_by_set("train", "regime") or cut.replaced(("train", "regime"), key):
            cut.drop_key([key], key, *key)


def _keys_of_other_regimes(cut: _Cut, regime: Any) -> list[KeyPath]:
    """Return the keys that may only be set in regimes other than this one."""
    keys: list[KeyPath] = []
    for key, _, meaning in key_meanings(Benchmark):
        if not meaning.regimes or regime in meaning.regimes:
            continue
        if key == ("heads",):
            keys += [("heads", head) for head in cut.table_keys("heads")]
        elif key[0] != "heads":
            keys.append(key)
    return keys


def _drop_options(cut: _Cut) -> None:
    """Leave out the options of a dataset, a sampler or a pruner when another one was chosen than the file's."""
    for key, _, meaning in key_meanings(Benchmark):
        for name in cut.table_keys(*key) if meaning.belongs_to else ():
            if cut.changed_by_set(*meaning.belongs_to) or cut.replaced(meaning.belongs_to, (*key, name)):
                cut.drop_key([name], name, *key, name)


def _drop_probes(cut: _Cut) -> None:
    """Leave out the settings of probes that ``--set`` took away, but for those that the protocol has anyway."""
    if not cut.changed_by_set("compare", "probes"):
        return
    chosen = _names_of(cut.value("compare", "probes"))
    for setting in ("probe_options", "probe_sizes"):
        for probe in cut.table_keys("compare", setting):
            if probe not in chosen and probe not in FACET_PROBES.values():
                cut.drop_key([probe], probe, "compare", setting, probe)


def _drop_baseline(cut: _Cut) -> None:
    """Leave out what else ``[baseline]`` says when ``--set`` took its file away."""
    if cut.changed_by_set("baseline", "file") and not cut.value("baseline", "file"):
        for key in ("arms", "environment"):
            cut.drop_key([key], key, "baseline", key)


def _drop_listener_options(cut: _Cut) -> None:
    """Leave out the options of listeners that take no part, because ``--listen`` or another profile names others."""
    for name in cut.table_keys("report", "listener_options"):
        if name not in _names_of(cut.value("report", "listeners")):
            cut.drop_key(cut.names_anywhere("report", "listeners"), name, "report", "listener_options", name)


def _drop_reference(cut: _Cut) -> None:
    """Leave out the arm that the others are compared with where its optimizer takes no part."""
    named = cut.value("report", "against")
    if isinstance(named, str) and named not in cut.chosen_names("optimizers"):
        cut.drop_key(cut.written_names("optimizers"), named, "report", "against")


def _replace_aa(cut: _Cut) -> list[str]:
    """Let the first optimizer be the A/A arm when the named one takes no part; return the notice."""
    aa = cut.value("compare", "aa")
    absent = isinstance(aa, str) and aa not in cut.chosen_names("optimizers") and aa in cut.written_names("optimizers")
    if not absent or cut.set_by_hand("compare", "aa"):
        return []
    cut.values["compare"]["aa"] = True
    return [f"compare.aa is '{aa}', which takes no part: the first optimizer takes part twice instead"]


def _cap_twins(cut: _Cut) -> list[str]:
    """Let each seed of the first look have one twin when ``--set`` asks for fewer seeds than twins; return the notice."""
    twins, seeds = cut.value("compare", "twins"), cut.value("compare", "seeds")
    looks = cut.value("compare", "looks")
    first = looks[0] if isinstance(looks, list) and looks else None
    changed = cut.changed_by_set("compare", "seeds") or cut.changed_by_set("compare", "looks")
    if not changed or cut.set_by_hand("compare", "twins") or not all(map(_is_count, (twins, seeds, first))):
        return []
    if twins <= seeds * first:
        return []
    cut.values["compare"]["twins"] = seeds * first
    return [f"compare.twins is {twins}, but the first look has {seeds * first} seeds: each seed has its twin"]


class _Cut:
    """A source's values, without those that are taken out. Nothing about them has been checked yet."""

    def __init__(self, source: Source, defaults: Table) -> None:
        self.values = copy_table(source.values)
        self.dropped: list[KeyPath] = []
        self._source = source
        self._defaults = defaults

    def value(self, *key: str) -> Any:
        """Return the value of a key, in the file or by default."""
        value = _value_at(self.values, key)
        return _value_at(self._defaults, key) if value is None else value

    def table_keys(self, *key: str) -> list[str]:
        """Return the keys of a table; none where the value is no table."""
        table = _value_at(self.values, key)
        return list(table) if isinstance(table, Mapping) else []

    def chosen_names(self, *keys: str) -> set[str]:
        """Return the names that keys of ``[train]`` have now."""
        names: set[str] = set()
        for key in keys:
            names.update(_names_of(self.value("train", key)))
        return names

    def written_names(self, *keys: str) -> set[str]:
        """Return the names that keys of ``[train]`` have anywhere in the file, its workloads and profiles included, or by default."""
        names: set[str] = set()
        for key in keys:
            names |= names_in(self._source, self._defaults, "train", key)
        return names

    def names_anywhere(self, *key: str) -> set[str]:
        """Return the names that a key has anywhere in the file, its workloads and profiles included, or by default."""
        return names_in(self._source, self._defaults, *key)

    def replaced(self, choice: KeyPath, key: KeyPath) -> bool:
        """Return whether a workload or a profile made another choice than the file, and left the key to the file."""
        laid = _value_at(self._source.laid, choice)
        before = _value_at(self._source.written[0], choice) if self._source.written else None
        changed = laid is not None and laid != self._or_default(before, choice)
        return changed and _value_at(self._source.laid, key) is None

    def changed_by_set(self, *key: str) -> bool:
        """Return whether a ``--set`` has given another value than the file with its profile."""
        return bool(self.value(*key) != self._or_default(_value_at(self._source.chosen, key), key))

    def set_by_hand(self, *key: str) -> bool:
        """Return whether a ``--set`` gave the key, or something below it."""
        places = self._source.places
        return any(
            (place == "--set" or isinstance(place, OptionName)) and path[: len(key)] == key
            for path, place in places.items()
        )

    def drop_key(self, known: Iterable[Any], name: Any, *key: str) -> None:
        """Take a key out that belongs to a name, if the file knows the name and no ``--set`` gave the key."""
        table = _value_at(self.values, key[:-1])
        if name in known and isinstance(table, dict) and key[-1] in table and not self.set_by_hand(*key):
            del table[key[-1]]
            self.dropped.append(key)

    def _or_default(self, value: Any, key: KeyPath) -> Any:
        return _value_at(self._defaults, key) if value is None else value


def _value_at(table: Any, key: KeyPath) -> Any:
    """Return the value at a key of nested tables; None where there is none."""
    for part in key:
        if not isinstance(table, Mapping):
            return None
        table = table.get(part)
    return table


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _names_of(value: Any) -> list[str]:
    """Return the names in a list or a table, or the one that a string is."""
    if isinstance(value, str):
        return [value]
    return [str(name) for name in value] if isinstance(value, list | dict) else []
