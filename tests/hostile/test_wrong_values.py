"""Twenty and more wrong values of every key of the benchmark file: each is refused in one line, and nothing is written.

The keys, their types and their ends come from the model of the file and from the limits of the plugins, so a new key, and a
new plugin's option, is tried without a word here, and fails here where it has no type, no range or too few wrong values.
"""

from __future__ import annotations

import copy
import math
import random
import re
import string
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from functools import cache
from typing import Any

import pytest
import tomli_w
import typer
from optuna.distributions import FloatDistribution

from harness import Float, Optimizer
from harness.benchmark import keys, loading, sections
from harness.benchmark.keys import Kind
from harness.benchmark.plan import resolve
from harness.cli import app
from harness.errors import BenchmarkError
from harness.plugin import validate
from harness.plugin.discovery import discover
from harness.plugin.limits import fault, limit_of
from harness.running import prepare, start

REGISTRY = discover()
COMMANDS = typer.main.get_command(app.app)  # building them takes longer than all that a command does with a wrong value

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


@cache
def known(of: str) -> tuple[str, ...]:
    """Return some names that there are: of plugins of a kind, of metrics, samplers or pruners."""
    some = {
        "metric": ("accuracy", "error", "loss", "balanced_accuracy"),
        "sampler": ("tpe", "random"),
        "pruner": ("none",),
    }
    some["optimizer"] = ("sgd", "adam")  # of the tiny benchmark
    return some[of] if of in some else tuple(REGISTRY.offers[of])[:3]


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
    if kind.name_of and isinstance(value, str):
        return value in known(kind.name_of) or not (value or kind.shortest)
    if (
        kind.name_of
        and isinstance(value, list)
        and not all(isinstance(item, str) and item in known(kind.name_of) for item in value)
    ):
        return False
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
            yield from known(kind.name_of) if kind.name_of else _texts(kind)
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
    items = list(known(kind.name_of) if kind.name_of else right(kind.items))
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
        if kind.name_of:
            names = (
                *NAMES,
                *(name.upper() for name in known(kind.name_of)),
                *(f"{name} " for name in known(kind.name_of)),
            )
            yield from names[:12] if kind.type == "str" else ([name] for name in names[:12])
        if kind.type == "list":
            items = list(known(kind.name_of) if kind.name_of else right(kind.items))
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
    ("search", "space", "*", "*", "when", "*"): "momentum",
    ("compare", "probe_options", "*"): "hessian",
    ("compare", "probe_options", "*", "*"): "images",
    ("compare", "probe_sizes", "*"): "hessian",
    ("search", "constraints", "*"): "sgd",
    ("heads", "*"): "linear",
    ("heads", "*", "search", "space", "*"): "sgd",
    ("heads", "*", "search", "space", "*", "*"): "lr",
    ("report", "listener_options", "*"): "mlflow",
    ("report", "listener_options", "*", "*"): "uri",
    ("data", "options", "*"): "train",
    ("report", "target", "*"): "value",
}  # a name that there is, for each that users choose
OF_OPTUNA = (
    ("search", "sampler_options", "*"),
    ("search", "pruner_options", "*"),
)  # their own classes say what they take
MODEL = dict(keys.keys(sections.Benchmark))
OPEN = {key for key, kinds in MODEL.items() if kinds[0].type == "any"}
HEADS = ("heads", "*")


def concrete(key: tuple[str, ...]) -> tuple[str, ...]:
    """Return a key of the model with a name that there is in place of each star."""
    return tuple(USED[key[: i + 1]] if part == "*" else part for i, part in enumerate(key))


def of_tables() -> dict[tuple[str, ...], tuple[Kind, ...]]:
    """Return the keys of the tables that the model leaves open, such as search.space.sgd.lr.low."""
    found = {}
    for above, models in sections.TABLES.items():
        for model in models:
            found |= {(*above, *key): kinds for key, kinds in keys.keys(model)}
    return found


def of_plugins() -> dict[tuple[str, ...], tuple[Kind, ...]]:
    """Return the keys that built-in plugins bring, with what their limits say, or their spaces and defaults."""
    found = {}
    for above, kind in (
        (("data", "options"), "dataset"),
        (("compare", "probe_options"), "probe"),
        (("search", "space"), "optimizer"),
        (("search", "space"), "scheduler"),
    ):
        for offer in REGISTRY.all(kind):
            names = {**getattr(offer, "options", {}), **getattr(offer, "space", {}), **getattr(offer, "defaults", {})}
            for name in {**names, **offer.limits}:
                place = (*above, name) if kind == "dataset" else (*above, offer.name, name)
                found[("plugin", kind, offer.name, *place)] = (_kind_of(limit_of(offer, name), name in offer.limits),)
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


def wrong_of(key: tuple[str, ...]) -> list[Any]:
    """Return the wrong values of a key; a hyperparameter may also be searched, in a range."""
    searched = key[:2] in (("plugin", "optimizer"), ("plugin", "scheduler"))
    return [value for value in wrong(EVERY[key]) if not (searched and isinstance(value, dict) and "low" in value)]


def test_every_key_has_a_type_and_every_number_two_ends():
    for key, kinds in EVERY.items():
        for kind in (*kinds, *(item for each in kinds for item in each.items)):
            if kind.type in ("int", "float"):
                assert kind.ge is not None or kind.gt is not None, key
                assert kind.le is not None or kind.lt is not None, key
                assert abs(low(kind)) <= 1e12, key  # an end beyond is none
                assert abs(high(kind)) <= 1e12, key
            if kind.type in ("str", "list", "table") and not kind.choices:
                assert kind.longest or kind.pattern or key[0] == "plugin", key


def test_a_table_that_the_model_leaves_open_is_checked_elsewhere():
    elsewhere = {*OF_OPTUNA, *sections.TABLES, ("report", "target", "*")}
    elsewhere |= {("data", "options", "*"), ("compare", "probe_options", "*", "*")}  # by the limits of plugins, below
    elsewhere |= {("train", "executor_options", "*")}  # by the limits of the executor
    elsewhere |= {("report", "listener_options", "*", "*")}  # by those of the listener
    assert {key for key in OPEN if key[:2] != HEADS} == {*elsewhere} - {("report", "target")}
    assert {key[2:] for key in OPEN if key[:2] == HEADS} <= elsewhere


@pytest.mark.parametrize("key", EVERY, ids=".".join)
def test_every_key_has_twenty_wrong_values(key):
    assert len(wrong_of(key)) >= 20


# --- what comes of them --------------------------------------------------------------------------------------

TINY = {
    "name": "tiny",
    "data": {"size": 16, "options": {"train": 64, "tune": 32, "test": 64}},
    "train": {"optimizers": ["sgd", "adam"], "batch_size": 16, "precision": "fp32", "threads": 1, "device": "cpu"},
    "search": {"trials": 3, "epochs": [1, 2], "sampler_options": {"n_startup_trials": 2}},
    "compare": {"seeds": 2, "looks": [1], "epochs": 2},
    "report": {"paths": False},
}


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
        return (
            discover(files, block) if files or block else REGISTRY
        )  # looking for plugins takes longer than the refusal

    def accepted(*_):
        raise AssertionError("accepted")

    monkeypatch.setattr(app, "app", COMMANDS)
    monkeypatch.setattr(prepare, "discover", registry)
    monkeypatch.setattr(
        "harness.training.device.contention", accepted
    )  # the first that is done with a benchmark that is right
    monkeypatch.setattr(start, "_run_in_folder", accepted)

    def call(command: str, said: dict[str, Any], place: Sequence[str]) -> str:
        try:
            text = tomli_w.dumps(said)
        except ValueError:  # a number of too many digits
            return ""
        file.write_text(text, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(SystemExit) as ended:
            app.main([command, str(file), "--out", str(out)])
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
    values = wrong_of(key)
    most = 3 if key[0] == "plugin" else 36  # of a plugin's key all of them: see below
    values = random.Random(".".join(key)).sample(values, min(most, len(values)))
    found = {repr(value)[:60]: refusal("plan", benchmark(key, value), place_of(key)) for value in values}
    assert not {value: why for value, why in found.items() if why}


def test_a_run_with_a_wrong_value_makes_nothing(refusal):
    every = [(key, value) for key in EVERY for value in wrong_of(key)]
    assert len(every) >= 2000
    found = {}
    for key, value in random.Random(0).sample(every, 300):
        found[".".join(key), repr(value)[:60]] = refusal("run", benchmark(key, value), place_of(key))
    assert len(found) >= 290
    assert not {value: why for value, why in found.items() if why}


@pytest.mark.parametrize("key", list(PLUGINS), ids=".".join)
def test_a_plugins_limits_refuse_what_is_wrong_and_take_their_own_ends(key):
    _, kind, name, *_, option = key
    offer = REGISTRY.offers[kind][name].offer
    for value in wrong(PLUGINS[key]):
        if isinstance(value, bool | int | float | str) and allowed(
            [Kind("any")], value
        ):  # the others are refused before
            assert fault(offer, option, value), value
    for value in right(PLUGINS[key]):
        assert not fault(offer, option, value), value


def test_what_the_built_in_plugins_take_has_ends():
    without = {
        f"{kind} {offer.name}: {name}"
        for kind in ("dataset", "probe", "optimizer", "scheduler")
        for offer in REGISTRY.all(kind)
        for name in {**getattr(offer, "options", {}), **getattr(offer, "space", {}), **getattr(offer, "defaults", {})}
        if name not in offer.limits and not isinstance(limit_of(offer, name), str | bool)
    }
    assert not without


MODELS = [key for key in MODEL if key not in OPEN and key != ("name",)]


@pytest.mark.parametrize("key", MODELS, ids=".".join)
def test_both_ends_of_a_range_are_accepted(key):
    for value in right(MODEL[key]):
        said: dict[str, Any] = {"name": "tiny"}
        table = said
        for part in concrete(key)[:-1]:
            table = table.setdefault(part, {})
        table[concrete(key)[-1]] = value
        assert sections.Benchmark.model_validate(said)


def test_a_kind_of_key_that_has_no_end_would_be_noticed():
    for kind in (Kind("int"), Kind("float", ge=0), Kind("float", lt=1)):
        with pytest.raises(AssertionError):
            list(right([kind]))


# --- what no type and no range says: values that do not go together -------------------------------------------

TOGETHER = {
    "flags for numbers": ("[search.space.sgd]\nlr = true", "search.space.sgd.lr: must be a number >= 1e-12 and <= 1000, got true"),
    "a text for a flag": ('[search.space.sgd]\nnesterov = "cosine"', "search.space.sgd.nesterov: must be false or true, got 'cosine'"),
    "flags for ends": ("[search.space.sgd]\nlr = { low = false, high = true }", "search.space.sgd.lr.low: must be a number"),
    "a text for log": ('[search.space.sgd]\nlr = { low = 0.1, high = 1.0, log = "yes" }', "search.space.sgd.lr.log: must be true or false, got 'yes'"),
    "a logarithm of zero": ("[search.space.sgd]\nmomentum = { low = 0.0, high = 0.9, log = true }", "search.space.sgd.momentum: must have a low above 0 where log = true"),
    "equal choices": ("[search.space.sgd]\nmomentum = { choices = [0.9, 0.9] }", "search.space.sgd.momentum.choices: must name each only once, got 0.9 twice"),
    "equal choices of two types": ("[search.space.sgd]\nmomentum = { choices = [0, 0.0] }", "must name each only once"),
    "a step that leaves something over": ("[search.space.sgd]\nlr = { low = 0.1, high = 1.0, step = 0.4 }", "search.space.sgd.lr: must have a step that divides the range"),
    "a step and a logarithm": ("[search.space.sgd]\nlr = { low = 0.1, high = 1.0, step = 0.1, log = true }", "must have log = true or a step, got both"),
    "half a step between whole numbers": ("[search.space.sgdr]\ncycles = { low = 1, high = 3, step = 0.5 }", "search.space.sgdr.cycles.step: must be a whole number"),
    "ends the wrong way round": ("[search.space.sgd]\nlr = { low = 1.0, high = 0.1 }", "search.space.sgd.lr: must be a range with low < high"),
    "a mean that forgets": ("[search.space.rmsprop]\nalpha = 1e6", "search.space.rmsprop.alpha: must be a number >= 0 and <= 0.999999, got 1000000.0"),
    "a choice beyond": ("[search.space.rmsprop]\nalpha = { choices = [0.9, 1e6] }", "search.space.rmsprop.alpha: must be a number >= 0 and <= 0.999999, got 1000000.0"),
    "an end beyond": ("[search.space.sgd]\nmomentum = { low = 0.5, high = 1.5 }", "search.space.sgd.momentum: must be a number >= 0 and <= 0.999999, got 1.5"),
    "a rise before the beginning": ("[search.space.cosine]\nwarmup = -1", "search.space.cosine.warmup: must be a number >= 0 and <= 1, got -1"),
    "parts of a run beyond it": ('[search.space.step]\nat = "0.5 2.0"', "search.space.step.at: must be what 'step' takes, got ValueError: at must be parts of the run"),
    "heads without features": ('[train]\nheads = ["mlp"]', "train.heads: must be ['linear'] in the regime 'scratch', got ['mlp']; it needs regime = \"features\""),
    "weights from scratch": ('[train]\npretrained = "weights"', "train.pretrained: must be true in the regime 'scratch', got 'weights'"),
    "arms of no baseline": ('[baseline]\narms = ["sgd"]', "baseline.arms: must go with baseline.file, got none"),
    "the environment of no baseline": ('[baseline]\nenvironment = "any"', "baseline.environment: must go with baseline.file, got none"),
    "snapshots of no cycles": ("[compare]\nsnapshots = true", "compare.snapshots: must be false where no schedule has cycles, got true with cosine"),
    "an A/A arm without a name": ('[compare]\naa = ""', "compare.aa: must be true or false or a string of 1 to 100 characters, got ''"),
    "equal formats": ('[report]\nformats = ["html", "html"]', "report.formats: must name each only once, got 'html' twice"),
    "an accuracy of 99": ('[report]\ntarget = { metric = "accuracy", value = 99 }', "report.target.value: must be a number >= 0 and <= 1 for the metric 'accuracy', got 99"),
    "a loss below zero": ('[report]\ntarget = { metric = "loss", value = -1 }', "report.target.value: must be a number >= 0 for the metric 'loss', got -1"),
    "looks that fall": ("[compare]\nlooks = [6, 3]", "compare.looks: must be whole numbers that rise, got [6, 3]"),
    "equal looks": ("[compare]\nlooks = [6, 6]", "compare.looks: must be whole numbers that rise, got [6, 6]"),
    "no look": ("[compare]\nlooks = []", "compare.looks: must be a list of 1 to 100 entries, got []"),
    "a look at nothing": ("[compare]\nlooks = [0, 6]", "compare.looks: must be a whole number >= 1 and <= 100, got 0"),
    "a look at half a replicate": ("[compare]\nlooks = [6.5]", "compare.looks: must be a whole number >= 1 and <= 100, got 6.5"),
    "a budget of no time": ("budget = 0.0", "budget: must be a number > 0 and <= 1000000000 or a time such as \"90s\", \"5min\" or \"1h30m\" (\"none\": no limit), got 0.0"),
    "more twins than seeds": ("[compare]\ntwins = 3", "compare.twins: must be at most 2, the seeds of the first look (compare.seeds times compare.looks[0]), got 3"),
    "a margin for everything": ("[verdict.margins]\nfunction = 1e308", "verdict.margins.function: must be a number > 1 and <= 10, got 1e+308"),
    "a floor for everything": ("[verdict.floors]\nsharpness = 1e308", "verdict.floors.sharpness: must be a number >= 0 and <= 1, got 1e+308"),
    "a gate for everything": ("[verdict.gate]\nnats = 1e308", "verdict.gate.nats: must be a number >= 0 and <= 1, got 1e+308"),
    "options of a probe not asked for": ("[compare.probe_options.hessian]\nimages = 8", "compare.probe_options.hessian: must be one of compare.probes, got 'hessian'"),
    "sizes of a probe not asked for": ("[compare.probe_sizes]\nhessian = 8", "compare.probe_sizes.hessian: must be one of compare.probes, got 'hessian'"),
    "an odd number of drawings": ("[data.options]\ntrain = 63", "data.options.train: must be a whole number >= 2 and <= 1000000 in steps of 2 from 2, got 63"),
    "a profile that is not chosen": ("[profiles.other.train]\nl2 = -1", "train.l2: must be a number >= 0 and <= 100, got -1 (in the profile 'other')"),
    "a key of a profile that is not chosen": ("[profiles.other.trian]\nl2 = 1", "trian: must be a known key, got 'trian'; did you mean 'train'? (in the profile 'other')"),
    "a profile that does not go together": ("[profiles.other.compare]\ntwins = 9", "compare.twins: must be at most 2, the seeds of the first look"),
    "a name of a profile that is not chosen": ('[profiles.other.train]\noptimizers = ["sdg"]', "train.optimizers: must name an optimizer, got 'sdg'; did you mean 'sgd'? (in the profile 'other')"),
    "a limit in a profile that is not chosen": ("[profiles.other.search.space.sgd]\nmomentum = 2", "search.space.sgd.momentum: must be a number"),
    "a profile in a profile": ("[profiles.other.profiles.more.train]\nl2 = 1", "profiles: must be a known key, got 'profiles'"),
    "profiles that are no tables": ("[profiles]\nother = 3", "profiles: must be tables"),
}  # fmt: skip


def laid(text: str) -> dict[str, Any]:
    """Return the tiny benchmark with a piece of TOML laid over it."""
    said = copy.deepcopy(TINY)
    parts = {"rmsprop": "optimizers", "step": "schedulers", "sgdr": "schedulers"}
    for name, kind in parts.items():
        if f"space.{name}]" in text:
            said["train"][kind] = [name]

    def lay(top: dict[str, Any], below: dict[str, Any]) -> None:
        for key, value in top.items():
            if isinstance(value, dict) and isinstance(below.get(key), dict):
                lay(value, below[key])
            else:
                below[key] = value

    lay(tomllib.loads(text), said)
    return said


@pytest.mark.parametrize("case", TOGETHER)
def test_what_does_not_go_together_is_refused(refusal, case, capsys, tmp_path):
    text, message = TOGETHER[case]
    assert refusal("plan", laid(text), ("",)) == ""
    with pytest.raises(SystemExit):
        app.main(["plan", str(tmp_path / "tiny.toml")])
    assert message in capsys.readouterr().err


SETS = {
    "two lines": (["train.l2=1\ntrain.batch_size=8"], "--set: train.l2: must be a value on one line"),
    "a table lost": (["train=3", "train.l2=3"], "--set: train.l2: must be below a table, got it beside --set train=3"),
    "a space lost": (["search.space.sgd=3", "search.space.sgd.lr=1"], "--set: search.space.sgd.lr: must be below a table"),
    "a whole table": (["train=3"], "--set: train: must be a table, got 3"),
    "a table with a wrong key": (["train={ l3 = 1 }"], "--set: train.l3: must be a known key, got 'l3'"),
    "an empty key": (['""=3'], "must have keys with a name, got an empty one"),
    "an empty key below": (['train.""=3'], "train: must have keys with a name, got an empty one"),
    "no key": (["=3"], "--set: must be KEY=VALUE"),
    "dots in quotes": (['"train.l2"=3'], "--set: train.l2: must be a known key, got 'train.l2'"),
    "a date": (["train.l2=2026-01-01"], "--set: train.l2: must be a string, a number, true or false, a list or a table"),
    "a control character": (['name="a\\u001b[31m"'], "--set: name: must be a string on one line without control characters, got U+001B"),
    "twins beside few seeds": (["compare.seeds=1", "compare.twins=2"], "--set: compare.twins: must be at most 1, the seeds of the first look"),
}  # fmt: skip


@pytest.mark.parametrize("case", SETS)
@pytest.mark.usefixtures("refusal")
def test_a_wrong_set_is_refused_in_one_line(case, capsys, tmp_path):
    settings, message = SETS[case]
    (tmp_path / "tiny.toml").write_text(tomli_w.dumps(TINY), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        app.main(["plan", "tiny.toml", *(part for each in settings for part in ("--set", each))])
    _, err = capsys.readouterr()
    assert message in err
    assert (ended.value.code, err.count("\n")) == (2, 1)


def test_settings_that_a_set_or_a_profile_leaves_without_use_are_left_out(tmp_path):
    file = tmp_path / "tiny.toml"

    def load(said, profile=None, settings=()):
        file.write_text(tomli_w.dumps(said), encoding="utf-8")
        return loading.load(file, profile, settings)

    twins = laid("[compare]\nseeds = 4\ntwins = 3")
    benchmark, source = load(twins, settings=["compare.seeds=2"])
    assert benchmark.compare.twins == 2
    assert source.notices == ("compare.twins is 3, but the first look has 2 seeds: each seed has its twin",)
    features = laid('[train]\nregime = "features"\nheads = ["mlp"]\n[profiles.whole.train]\nregime = "scratch"')
    assert load(features, "whole")[0].train.heads == ["linear"]
    assert load(features, settings=['train.regime="scratch"'])[0].train.heads == ["linear"]
    both = laid('[train]\nregime = "features"\n[profiles.whole.train]\nregime = "scratch"\nheads = ["mlp"]')
    with pytest.raises(BenchmarkError, match=r"train\.heads: must be \['linear'\] in the regime 'scratch'"):
        load(both)


def test_a_range_between_whole_numbers_is_one_of_all_numbers_where_the_hyperparameter_is_one(tmp_path):
    file = tmp_path / "tiny.toml"
    text = "[search.space.sgd]\nlr = { low = 1, high = 2 }\n[search.space.adam]\nlr = 1"
    file.write_text(tomli_w.dumps(laid(text)), encoding="utf-8")
    sgd = resolve(*loading.load(file), REGISTRY).competitors[0]
    assert sgd.space["lr"] == FloatDistribution(1, 2)


LOOSE = """
import torch

from harness import Choice, Float, Optimizer, Scheduler, hookimpl


class Growing(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, growth=1.0):
        super().__init__(params, {"lr": lr, "growth": growth})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad, alpha=group["lr"] * group["growth"])


def fall(optimizer, total_steps, depth=0.5):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - depth * step / total_steps)


@hookimpl
def harness_optimizers():
    return [Optimizer("growing", Growing, {"lr": Float(0.01, 0.1)}, {"growth": 1.0})]


@hookimpl
def harness_schedulers():
    return [Scheduler("fall", fall, defaults={"depth": 0.5})]
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[search.space.growing]\ngrowth = 1e12", "growing.growth: must be what 'growing' takes, got ValueError: weights that are not finite"),
        ("[search.space.growing]\ngrowth = { choices = [1.0, 1e12, 2.0] }", "weights that are not finite after five steps"),
        ("[search.space.growing]\ngrowth = true", "growing.growth: must be a number, got true"),
        ('[search.space.growing]\ngrowth = "much"', "growing.growth: must be a number, got 'much'"),
        ("[search.space.fall]\ndepth = 2.0", "fall.depth: must be what 'fall' takes, got ValueError: a learning rate of -0.0"),
        ("[search.space.fall]\ndepth = [1]", "fall.depth: must be a value, {low, high, log, step} or {choices}, got [1]"),
    ],
)  # fmt: skip
def test_a_plugin_without_limits_is_tried_with_what_the_file_says(refusal, text, message, tmp_path, capsys):
    (tmp_path / "loose.py").write_text(LOOSE, encoding="utf-8")
    said = laid(text) | {"plugins": ["loose.py"]}
    said["train"] |= {"optimizers": ["growing"], "schedulers": ["fall"]}
    assert refusal("plan", said, ("search",)) == ""
    with pytest.raises(SystemExit):
        app.main(["plan", str(tmp_path / "tiny.toml")])
    assert message in capsys.readouterr().err


def test_an_offer_outside_its_own_limits_is_refused():
    space, limits = {"lr": Float(0.1, 2.0)}, {"lr": Float(0.0, 1.0), "momentum": Float(0.0, 0.9)}
    assert validate.check(Optimizer("x", dict, space, limits=limits)) == (
        "optimizer 'x': space['lr'] must be a number >= 0 and <= 1, got 2.0, as limits say"
    )
    assert validate.check(Optimizer("x", dict, {}, {"momentum": 1}, limits)).startswith(
        "optimizer 'x': defaults['momentum'] must"
    )
