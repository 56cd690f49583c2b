"""Twenty and more wrong values of every key of the benchmark file: each is refused in one line, and nothing is written.

The keys, their types and their ends come from the model of the file and from the limits of the plugins, so a new key, and a
new plugin's option, is tried without a word here, and fails here where it has no type, no range or too few wrong values.
"""

from __future__ import annotations

import copy
import math
import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

import pytest
import tomli_w
import typer

from harness import cli, config, keys, preparation, rules
from harness.commands import estimate
from harness.discovery import discover
from harness.keys import Kind

# --- the generator -------------------------------------------------------------------------------------------

BIG = 10**30  # beyond what TOML's whole numbers can be
LONG = "x" * 5000
NAMES = ("nonesuch", "none such", "NONE", "adam;rm", "../adam")
POOL: tuple[Any, ...] = (
    True, False, 0, 1, -1, 7, 2**31, 2**63, -(2**63) - 1, BIG, 0.5, 1.0, 1.5, -1.0, 1e308, -1e308, 5e-324, math.nan,
    math.inf, -math.inf, "", "1", "0.5", "true", "yes", "nan", "two\nlines", "\x1b[31mred", "\u202eback", LONG, [], [1],
    [True], ["a"], [[1]], [math.nan], {}, {"x": 1}, {"": 1}, {"low": 0.1, "high": 0.2}, date(2026, 1, 1), time(12, 0),
    datetime(2026, 1, 1, 12),  # noqa: DTZ001 - as a file may say it
)  # fmt: skip
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def allowed(kinds: Sequence[Kind], value: Any) -> bool:
    """Return whether one of the kinds lets a value stand: an oracle of its own, that asks neither pydantic nor a plugin."""
    return any(_allowed(kind, value) for kind in kinds)


def _allowed(kind: Kind, value: Any) -> bool:
    if isinstance(value, str) and (UNPRINTABLE.search(value) or len(value) > 4096):
        return False
    if kind.type == "any":
        return _sayable(value)
    if kind.choices:
        return any(type(choice) is type(value) and choice == value for choice in kind.choices)
    if kind.type == "bool":
        return isinstance(value, bool)
    if kind.type in ("int", "float"):
        number = isinstance(value, int) if kind.type == "int" else isinstance(value, int | float)
        if not number or isinstance(value, bool) or not math.isfinite(value) or not -(2**63) <= value < 2**63:
            return isinstance(value, float) and kind.type == "float" and math.isfinite(value) and _inside(kind, value)
        return _inside(kind, value)
    if kind.type == "str":
        fits = isinstance(value, str) and kind.shortest <= len(value) <= (kind.longest or math.inf)
        return fits and bool(re.fullmatch(kind.pattern or r".*", value))
    if kind.type == "list":
        fits = isinstance(value, list) and kind.shortest <= len(value) <= (kind.longest or math.inf)
        return fits and all(allowed(kind.items, item) for item in value)
    if not isinstance(value, dict) or len(value) > (kind.longest or math.inf):
        return False
    names = all(name and allowed(kind.names, name) for name in value) if kind.names else True
    return names and all(allowed(kind.items, item) for item in value.values())


def _sayable(value: Any) -> bool:
    """Return whether a value is one that may stand where the model leaves open what may."""
    if isinstance(value, dict):
        return all(name and _sayable(name) and _sayable(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(_sayable, value))
    if isinstance(value, str):
        return not UNPRINTABLE.search(value) and len(value) <= 4096
    return (
        isinstance(value, bool | int | float)
        and math.isfinite(value)
        and abs(value) < (2**63 if isinstance(value, int) else math.inf)
    )


def _inside(kind: Kind, value: float) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
        and (kind.lt is None or value < kind.lt)
    )


def right(kinds: Sequence[Kind]) -> Iterator[Any]:
    """Yield values that must be accepted: both ends of each range, the longest and the shortest, every choice."""
    for kind in kinds:
        if kind.choices:
            yield from kind.choices
        elif kind.type == "bool":
            yield from (True, False)
        elif kind.type in ("int", "float"):
            yield from (low(kind), high(kind))
        elif kind.type == "str":
            yield from _texts(kind)
        elif kind.type == "list":
            yield from _lists(kind)
        elif kind.type == "table":
            yield {}


def low(kind: Kind) -> Any:
    """Return the least number of a kind."""
    if kind.ge is not None:
        return int(kind.ge) if kind.type == "int" else kind.ge
    assert kind.gt is not None
    return int(kind.gt) + 1 if kind.type == "int" else math.nextafter(kind.gt, math.inf)


def high(kind: Kind) -> Any:
    """Return the greatest number of a kind."""
    if kind.le is not None:
        return int(kind.le) if kind.type == "int" else kind.le
    assert kind.lt is not None
    return int(kind.lt) - 1 if kind.type == "int" else math.nextafter(kind.lt, -math.inf)


def _texts(kind: Kind) -> Iterator[str]:
    if kind.pattern:
        yield from (text for text in ("a", "a" * 64, "auto", "cuda:7", "A.b-1") if re.fullmatch(kind.pattern, text))
        return
    yield "a" * kind.shortest
    yield "a" * (kind.longest or 100)


def _lists(kind: Kind) -> Iterator[list[Any]]:
    items = list(right(kind.items))
    for length in {kind.shortest, min(kind.longest or 1, len(items))}:
        yield sorted(items)[:length] if kind.items[0].type in ("int", "float") else items[:length]


def wrong(kinds: Sequence[Kind]) -> list[Any]:
    """Return twenty or more values that must be refused: of other types, beyond the ends by one unit and by far, near misses."""
    found: list[Any] = []
    for value in (*_near(kinds), *POOL):
        if not allowed(kinds, value) and not any(_same(value, other) for other in found):
            found.append(value)
    return found


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and repr(one) == repr(other)


def _near(kinds: Sequence[Kind]) -> Iterator[Any]:
    """Yield values that are nearly right."""
    for kind in kinds:
        if kind.type == "int":
            yield from (low(kind) - 1, high(kind) + 1, -high(kind) - 2, high(kind) * 10 + 1, float(low(kind)))
            yield from (str(low(kind)), [low(kind)], {"value": low(kind)}, low(kind) + 0.5)
        elif kind.type == "float":
            yield from (math.nextafter(low(kind), -math.inf), math.nextafter(high(kind), math.inf))
            yield from (-high(kind) - 1, 2 * high(kind) + 1, 1e6 * high(kind) + 1, str(high(kind)), [high(kind)])
        for choice in kind.choices:
            if isinstance(choice, str):
                yield from (
                    choice.upper(),
                    choice.title(),
                    f"{choice} ",
                    f" {choice}",
                    choice[:-1],
                    choice * 2,
                    [choice],
                )
        if kind.type == "str":
            yield from (
                "a" * ((kind.longest or 4096) + 1),
                ["a"],
                {"a": "a"},
                *(["ä", "a b", ".", "-a", "a/b"] * bool(kind.pattern)),
            )
            yield from (f"a{mark}b" for mark in ("\r", "\t", "\x7f", "\x85", "\u2028"))
        if kind.type == "list":
            items = list(right(kind.items))
            yield from ([item] * 2 for item in items[:1])
            yield from ([*items[:1], item] for item in wrong(kind.items))
            yield ",".join(map(str, items[:2]))
            yield [f"{a}{b}" for a in string.ascii_letters for b in string.ascii_letters][: (kind.longest or 1000) + 1]
        if kind.type == "table":
            names = [name for name in wrong(kind.names) if isinstance(name, str)] if kind.names else [""]
            values = list(right(kind.items))[:1] or [1]
            yield from ({name: values[0]} for name in names)
            yield from ({"a": item} for item in wrong(kind.items))
            yield {f"a{number}": values[0] for number in range((kind.longest or 1000) + 1)}


# --- the keys ------------------------------------------------------------------------------------------------

USED = {
    ("train", "aliases", "*"): "mine",
    ("search", "space", "*"): "sgd",
    ("search", "space", "*", "*"): "lr",
    ("compare", "probe_options", "*"): "hessian",
    ("compare", "probe_options", "*", "*"): "images",
    ("compare", "probe_sizes", "*"): "hessian",
    ("compare", "probe_budgets", "*"): "hessian",
    ("heads", "*"): "linear",
    ("heads", "*", "search", "space", "*"): "sgd",
    ("heads", "*", "search", "space", "*", "*"): "lr",
    ("data", "options", "*"): "train",
    ("report", "target", "*"): "value",
}  # a name that there is, for each that users choose
OF_OPTUNA = (
    ("search", "sampler_options", "*"),
    ("search", "pruner_options", "*"),
)  # their own classes say what they take
MODEL = dict(keys.keys(config.Benchmark))
OPEN = {key for key, kinds in MODEL.items() if kinds[0].type == "any"}
HEADS = ("heads", "*")


def concrete(key: tuple[str, ...]) -> tuple[str, ...]:
    """Return a key of the model with a name that there is in place of each star."""
    return tuple(USED[key[: i + 1]] if part == "*" else part for i, part in enumerate(key))


def of_tables() -> dict[tuple[str, ...], tuple[Kind, ...]]:
    """Return the keys of the tables that the model leaves open, such as search.space.sgd.lr.low."""
    found = {}
    for above, models in config.TABLES.items():
        for model in models:
            found |= {(*above, *key): kinds for key, kinds in keys.keys(model)}
    return found


def of_plugins() -> dict[tuple[str, ...], tuple[Kind, ...]]:
    """Return the keys that built-in plugins bring, with what their limits say, or their spaces and defaults."""
    registry, found = discover(), {}
    for above, kind in (
        (("data", "options"), "dataset"),
        (("compare", "probe_options"), "probe"),
        (("search", "space"), "optimizer"),
        (("search", "space"), "scheduler"),
    ):
        for offer in registry.all(kind):
            names = {**getattr(offer, "options", {}), **getattr(offer, "space", {}), **getattr(offer, "defaults", {})}
            for name in {**names, **offer.limits}:
                place = (*above, name) if kind == "dataset" else (*above, offer.name, name)
                found[("plugin", kind, offer.name, *place)] = (
                    _kind_of(rules.limit_of(offer, name), name in offer.limits),
                )
    return found


def _kind_of(limit: Any, ends: bool) -> Kind:
    """Return a plugin's limit, or a default of the same type, as a kind."""
    if hasattr(limit, "choices"):
        choices = tuple(limit.choices)
        return Kind("bool") if set(choices) == {True, False} else Kind("str", choices=choices)
    if hasattr(limit, "low"):
        low_end, high_end = (limit.low, limit.high) if ends else (None, None)
        return Kind("float" if isinstance(limit.low, float) else "int", ge=low_end, le=high_end)
    return Kind({bool: "bool", int: "int", float: "float", str: "str"}[type(limit)])


PLUGINS = of_plugins()
TABLES = of_tables()
EVERY = {
    **{key: kinds for key, kinds in MODEL.items() if key not in OPEN},
    **TABLES,
    **PLUGINS,
}


def test_every_key_has_a_type_and_every_number_two_ends():
    for key, kinds in EVERY.items():
        for kind in (*kinds, *(item for each in kinds for item in each.items)):
            if kind.type in ("int", "float"):
                assert kind.ge is not None or kind.gt is not None, key
                assert kind.le is not None or kind.lt is not None, key
            if kind.type in ("str", "list", "table") and not kind.choices:
                assert kind.longest or kind.pattern or key[0] == "plugin", key


def test_a_table_that_the_model_leaves_open_is_checked_elsewhere():
    elsewhere = {*OF_OPTUNA, *config.TABLES, ("report", "target", "*")}
    elsewhere |= {("data", "options", "*"), ("compare", "probe_options", "*", "*")}  # by the limits of plugins, below
    assert {key for key in OPEN if key[:2] != HEADS} == {*elsewhere} - {("report", "target")}
    assert {key[2:] for key in OPEN if key[:2] == HEADS} <= elsewhere


@pytest.mark.parametrize("key", EVERY, ids=".".join)
def test_every_key_has_twenty_wrong_values(key):
    assert len(wrong(EVERY[key])) >= 20


# --- what comes of them --------------------------------------------------------------------------------------

TINY = {
    "name": "tiny",
    "data": {"size": 16, "options": {"train": 64, "tune": 32, "test": 64}},
    "train": {"optimizers": ["sgd", "adam"], "batch_size": 16, "precision": "fp32", "threads": 1, "device": "cpu"},
    "search": {"trials": 3, "epochs": [1, 2], "sampler_options": {"n_startup_trials": 2}},
    "compare": {"seeds": 2, "epochs": 2},
    "report": {"paths": False},
}
REGISTRY = discover()
COMMANDS = typer.main.get_command(cli.app)  # building them takes longer than all that a command does with a wrong value


def benchmark(key: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return the tiny benchmark with a value at a key, and with what makes the key one that counts."""
    said = copy.deepcopy(TINY)
    if key[0] == "plugin":
        _, kind, name, *place = key
        if kind in ("optimizer", "scheduler"):
            said["train"][f"{kind}s"] = [name]
            said["search"]["objective"] = "free"  # a weight decay of an optimizer's own is no mistake then
        if kind == "dataset":
            said["data"] = {"dataset": name, "size": 16, "options": {}}
        if kind == "probe":
            said["compare"]["probes"] = [name]
    else:
        place = list(concrete(key))
        if key in TABLES and key[:2] == ("search", "space"):
            said["search"]["space"] = {"sgd": {"lr": {"low": 0.1, "high": 0.2}}}
        if key in TABLES and key[:2] == ("report", "target"):
            said["report"]["target"] = {"metric": "accuracy", "value": 0.9}
        if key[-1] == "choices":
            said["search"]["space"]["sgd"]["lr"] = {}
        if place[:2] == ["compare", "probe_sizes"]:
            said["compare"]["probes"] = ["hessian"]
    table = said
    for part in place[:-1]:
        table = table.setdefault(part, {})
    table[place[-1]] = value
    return said


@pytest.fixture
def refusal(tmp_path, capsys, monkeypatch):
    """Return a function that gives a benchmark to a command, and returns what is wrong with how it was refused, or ``""``."""
    file, out = tmp_path / "tiny.toml", tmp_path / "runs"
    monkeypatch.chdir(tmp_path)

    def registry(files=(), block=()):
        return discover(files, block) if files or block else REGISTRY  # looking for plugins takes a quarter of a second

    def accepted(*_):
        raise AssertionError("accepted")

    monkeypatch.setattr(cli, "app", COMMANDS)
    monkeypatch.setattr(preparation, "discover", registry)
    monkeypatch.setattr(estimate, "contention", accepted)  # the first that is done with a benchmark that is right

    def call(command: str, said: dict[str, Any], place: Sequence[str]) -> str:
        try:
            text = tomli_w.dumps(said)
        except ValueError:  # a number of too many digits
            return ""
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(SystemExit) as ended:
            cli.main([command, str(file), "--out", str(out)])
        _, err = capsys.readouterr()
        line = err.removesuffix("\n").replace(str(file), "FILE")
        if ended.value.code != 2:
            return f"exit code {ended.value.code}, not 2: {line[:200]}"
        if strange := [c for c in line if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs")]:
            return f"{strange[0]!r} in the line {line[:200]!r}"
        if not line.startswith("error: FILE") or ": must " not in line or len(line) > 400:
            return f"must be one line, 'error: FILE:N: KEY: must ...', got {line[:500]!r}"
        if not any(".".join(place[:length]) in line for length in range(max(1, len(place) - 1), len(place) + 1)):
            return f"the key is not named: {line}"
        return f"{[path.name for path in tmp_path.iterdir()]}" if out.exists() else ""

    return call


def place_of(key: tuple[str, ...]) -> tuple[str, ...]:
    return key[3:] if key[0] == "plugin" else concrete(key)


@pytest.mark.parametrize("key", EVERY, ids=".".join)
def test_a_wrong_value_is_refused_in_one_line_that_names_its_key(refusal, key):
    values = wrong(EVERY[key])
    values = values if key[0] != "plugin" else values[:2]
    found = {repr(value)[:60]: refusal("plan", benchmark(key, value), place_of(key)) for value in values}
    assert not {value: why for value, why in found.items() if why}
