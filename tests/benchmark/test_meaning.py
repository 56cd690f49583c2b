"""Every key of the benchmark file says what it means, and what is derived from it is what it was when it was a list."""

from __future__ import annotations

import ast
import copy
import typing

import pytest

from harness.benchmark.meaning import BASELINE, IDENTITY, PROTOCOL, Meaning, key_meanings, meaning_of, select_values
from harness.benchmark.sections import TABLES, Benchmark, Section, as_plain, identity
from harness.plugin.runs import digest
from harness.verdict import protocol

KEYS = {key: (field, meaning) for key, field, meaning in key_meanings(Benchmark)}
OF_TABLES = {
    (*above, *key): (field, meaning)
    for above, models in TABLES.items()
    for model in models
    for key, field, meaning in key_meanings(model)
}
REGIMES = typing.get_args(Benchmark.model_fields["train"].annotation.model_fields["regime"].annotation)


@pytest.mark.parametrize("key", [*KEYS, *OF_TABLES], ids=".".join)
def test_every_key_has_a_meaning_with_all_its_parts(key):
    _, meaning = {**KEYS, **OF_TABLES}[key]
    assert isinstance(meaning, Meaning)
    assert meaning.text[0].isupper() or meaning.text[0] in "`1["
    assert meaning.text.endswith(".")
    assert meaning.example is not None
    assert meaning.effect.identity in IDENTITY
    assert meaning.effect.baseline in BASELINE
    assert meaning.effect.protocol in PROTOCOL
    assert isinstance(meaning.effect.compared, bool)
    assert set(meaning.regimes) <= set(REGIMES)
    assert meaning.belongs_to in {(), *KEYS}


def test_a_key_without_a_meaning_is_no_key():
    class Careless(Section):
        number: int = 3

    with pytest.raises(TypeError, match="must have a Meaning"):
        list(key_meanings(Careless))
    with pytest.raises(TypeError, match="must have a Meaning"):
        meaning_of(Careless.model_fields["number"])


def laid(key, value):
    """Return the values of a benchmark file with one key set, under a name that there is in place of each star."""
    values = {"name": "x", "train": {"regime": "features"}} if key[0] == "heads" else {"name": "x"}
    if key[:2] == ("report", "target"):
        values["report"] = {"target": {"metric": "accuracy", "value": 0.5}}
    table = values
    for part in key[:-1]:
        table = table.setdefault("linear" if part == "*" else part, {})
    table[key[-1]] = copy.deepcopy(value)
    return values


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_example_is_allowed_and_is_not_the_default(key):
    field, meaning = KEYS[key]
    Benchmark.model_validate(laid(key, meaning.example))
    assert meaning.example != field.default


def test_the_keys_of_an_open_table_mean_what_the_table_means():
    for key, (_, meaning) in OF_TABLES.items():
        table = KEYS[key[:2]][1]
        assert meaning.effect == table.effect, key


# --- what is derived ------------------------------------------------------------------------------------------

OUT = {
    "search.trials", "search.unit", "search.budget", "search.confirm",
    "train.executor", "train.executor_options", "train.threads", "train.workers", "train.crew",
    "train.max_seconds", "train.max_memory",
    "data.exclude",
    "compare.looks", "compare.seeds", "budget",
    "compare.untuned", "compare.twins", "compare.aa", "compare.label_noise", "compare.gate",
    "compare.fit", "compare.probes", "compare.probe_options", "compare.probe_sizes",
    "compare.snapshots", "compare.confirm", "compare.folds",
    "plugins", "block",
}  # fmt: skip
SECTIONS_OUT = {"verdict", "baseline", "report"}


def test_the_run_folder_is_named_after_everything_but_totals_and_what_decides_no_run():
    for key, (_, meaning) in KEYS.items():
        left_out = ".".join(key) in OUT or key[0] in SECTIONS_OUT
        assert (meaning.effect.identity != "in") == left_out, key


def test_run_folders_keep_their_names():
    """The hash of an identity, from before it was derived. A new key of the recipe changes it, and every run folder."""
    assert digest(identity(Benchmark(name="any"))) == "da470b92c92bdb23a530ca9bc0b45c51762a0d971c9824118e6451eaaaead88e"
    rich = Benchmark.model_validate(
        {
            "name": "any",
            "train": {"regime": "features", "heads": ["linear", "mlp"]},
            "search": {"space": {"sgd": {"lr": 0.1}}},
            "budget": "1h",
            "compare": {"probe_options": {"sharpness": {"steps": 1}}},
            "heads": {"linear": {"train": {"l2": 0.1}}},
        }
    )
    assert identity(rich)["heads"] == {"linear": {"train": {"l2": 0.1}, "search": {}, "compare": {}}}
    assert digest(identity(rich)) == "1184258f73d0248e49ed851adceb67492b292aa9cdf52346bbd418cab3f815c0"


def test_the_design_of_a_protocol_is_the_search_and_the_controls():
    plain = as_plain(Benchmark(name="any"))
    design = protocol.resolve(plain, ["a/sgd/cosine"], ["accuracy"]).design
    assert design["compare"].keys() == {"aa", "label_noise", "gate", "twins"}
    assert design["search"].keys() == {"trials", "together", "seeds", "objective", "confirm"}
    plain["search"] |= {"unit": "epochs", "budget": 9.0}
    design = protocol.resolve(plain, ["a/sgd/cosine"], ["accuracy"]).design
    assert design["search"].keys() == {"unit", "budget", "together", "seeds", "objective", "confirm"}
    assert protocol._shown_keys() == {"compare.twins"}


def test_a_rule_of_the_protocol_is_a_part_of_it():
    """Another value of a rule is another protocol, and so is one of the design, but not one of anything else."""
    plain = as_plain(Benchmark(name="any"))
    registered = protocol.resolve(plain, ["a/sgd/cosine"], ["accuracy"]).hash
    for key, (_, meaning) in KEYS.items():
        if "*" in key or meaning.effect.protocol == "probe" or key in {("search", "unit"), ("search", "budget")}:
            continue
        changed = copy.deepcopy(plain)
        table = changed
        for part in key[:-1]:
            table = table[part]
        table[key[-1]] = meaning.example
        is_part = meaning.effect.protocol in ("rule", "design", "shown")
        assert (protocol.resolve(changed, ["a/sgd/cosine"], ["accuracy"]).hash != registered) == is_part, key


def test_what_makes_no_difference_between_runs_is_the_name_the_plugin_files_and_the_report():
    silent = {key[0] for key, (_, meaning) in KEYS.items() if not meaning.effect.compared}
    assert silent == {"name", "plugins", "block", "report"}


def test_a_section_of_which_nothing_is_kept_is_left_out_and_an_empty_one_stays():
    plain = as_plain(Benchmark(name="any"))
    assert select_values(Benchmark, plain, lambda _: True) == plain
    assert select_values(Benchmark, plain, lambda _: False) == {}


# --- one place ------------------------------------------------------------------------------------------------


def text_lists(tree):
    """Yield the literal lists, tuples, sets and tables of a module that consist of three texts or more."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            parts = node.elts
        elif isinstance(node, ast.Dict):
            parts = node.keys
        else:
            continue
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if len(texts) >= 3 and len(texts) == len(parts):
            yield node.lineno, texts


# Lists of keys that are no meaning of a key: which tables have settings of probes, what is searched alike for all arms,
# which settings a trained network may be used with, what a small search is tried with, what a preset sets, which
# arguments of ``harness.fit`` stand for keys, and what a made-up comparison says it was made with.
OTHER_PURPOSES = {
    "harness/benchmark/checks/names.py",
    "harness/benchmark/first_trial.py",
    "harness/benchmark/sections/presets.py",
    "harness/benchmark/spaces.py",
    "harness/models/predict.py",
    "harness/running/python/fitting.py",
    "harness/running/search/dry_run.py",
    "harness/testing/comparisons.py",
}


def test_no_other_module_has_a_list_of_keys(trees):
    """What a key means is said at the key: a list beside it is forgotten when a key is added."""
    names = [{".".join(key) for key in KEYS}]
    names += [{key[-1] for key in KEYS if key[0] == section} for section in ("data", "train", "search", "compare")]
    lists = []
    for path, tree in trees.items():
        for line, texts in text_lists(tree) if path.startswith("harness/") else ():
            lists += [f"{path}:{line} {texts}"] if any(set(texts) <= known for known in names) else []
    assert [found for found in lists if found.split(":")[0] not in OTHER_PURPOSES] == []
