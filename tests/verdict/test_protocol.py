"""What is promised beforehand is entered once, and never taken back."""

from __future__ import annotations

import copy

import pytest

from harness import Meta
from harness.benchmark.loading import load
from harness.benchmark.sections import as_plain, identity
from harness.errors import BenchmarkError
from harness.verdict.protocol import NEVER, Protocol, register, registered_protocols, resolve

ARMS = ["net/sgd/cosine", "net/adam/cosine"]
METRICS = ["accuracy", "error", "loss"]


def meta_of(benchmark, **notes):
    """Return what a run of that benchmark is about."""
    metrics = {key: {} for key in METRICS}
    return Meta(
        benchmark=benchmark,
        data={},
        metrics=metrics,
        metric="accuracy",
        search_metric="loss",
        arms=ARMS,
        spaces={},
        **notes,
    )


class Notes:
    """A meta table in memory."""

    def __init__(self):
        self.noted_values = {}

    def note(self, key, value):
        self.noted_values[key] = copy.deepcopy(value)

    def noted(self, key):
        return copy.deepcopy(self.noted_values.get(key))


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('name = "mine"\n')
    return file


def protocol(file, *overrides):
    return resolve(as_plain(load(file, overrides=overrides)[0]), ARMS, METRICS)


def test_the_defaults_are_those_of_the_page(file):
    found = protocol(file)
    assert found.margins == {
        "accuracy": 0.005, "test_loss": 1.10, "train_loss": 0.02, "objective": 0.02, "function": 1.10,
        "representation": 1.10, "scatter": 1.25, "barrier": 0.02, "sharpness": 1.25,
    }  # fmt: skip
    assert found.floors["disagreement"] == 0.002
    assert (found.alpha, found.fit, found.looks, found.seeds) == (0.05, 0.01, (6,), 2)
    assert found.gate.items() >= {"gain": 0.05, "spread": 0.001, "nats": 0.005, "gradient": 1e-4}.items()
    assert found.primaries["loss"] == ("objective", "train_loss", "accuracy", "calibrated_loss")
    numbers = resolve(as_plain(load(file)[0]), ARMS, ["mse", "loss"]).primaries
    assert numbers["loss"] == ("objective", "train_loss", "test_loss")
    assert numbers["function"] == ("prediction_distance", "function_scatter")


@pytest.mark.parametrize(("classes", "within"), [(2, True), (10, True), (11, False)])
def test_of_few_classes_representations_are_compared_within_them(file, classes, within):
    names = resolve(as_plain(load(file)[0]), ARMS, METRICS, classes=classes).primaries["representation"]
    way = "_within" if within else ""
    assert names == (f"cka{way}_penultimate", f"procrustes{way}_penultimate", "representation_scatter")


def test_the_levels_of_all_looks_together_are_alpha(file):
    found = protocol(file, "compare.looks=[6, 9, 12, 16, 24]")
    assert [round(level, 4) for level in found.levels] == [0.0063, 0.0052, 0.0062, 0.0095, 0.0228]
    assert sum(found.levels) == pytest.approx(0.05)
    assert found.most_replicates == 24
    assert protocol(file).levels == (0.05,)


@pytest.mark.parametrize(
    "change",
    [
        "verdict.margins.function=1.2",
        "compare.looks=[6, 9]",
        "compare.seeds=3",
        "compare.fit=0.02",
        "verdict.alpha=0.01",
    ],
)
def test_any_change_is_another_protocol_of_the_same_run_folder(file, change):
    assert protocol(file).hash != protocol(file, change).hash
    assert identity(load(file)[0]) == identity(load(file, overrides=[change])[0])


def test_a_protocol_is_entered_once_and_a_changed_one_beside_it(file):
    notes = Notes()
    first = register(notes, protocol(file), 0)
    assert register(notes, protocol(file), 5) == first
    second = register(notes, protocol(file, "compare.looks=[6, 9]"), 16)
    assert [entry["hash"] for entry in notes.noted("protocols")] == [first, second]
    found = registered_protocols(meta_of({}, protocols=notes.noted("protocols")))
    assert [each.when for each in found] == ["before the comparison", "after 16 comparison runs had ended"]
    assert [each.protocol.hash for each in found] == [first, second]
    assert isinstance(found[0].protocol, Protocol)


@pytest.mark.parametrize(
    "change",
    [
        "compare.aa=true",
        "compare.label_noise=0.5",
        "compare.gate=false",
        "compare.twins=2",
        "search.trials=7",
        "search.seeds=2",
        'search.objective="free"',
        "compare.probe_options.sharpness.steps=3",
        "compare.probe_sizes.sharpness=8",
    ],
)
def test_the_design_is_part_of_what_is_promised(file, change):
    probed = 'compare.probes=["sharpness"]'
    one, two = protocol(file, probed), protocol(file, probed, change)
    assert one.hash != two.hash
    meta = meta_of(as_plain(load(file, overrides=[probed, change])[0]))
    key = change.split("=")[0].replace("compare.probe_options.sharpness", "probes.sharpness.options")
    key = key.replace("compare.probe_sizes.sharpness", "probes.sharpness.size")
    assert one.changed(meta) == ([] if key == "compare.twins" else [key])
    assert two.changed(meta) == []


def test_a_time_limit_decides_nothing_and_what_it_left_of_the_searches_is_part_of_it(file):
    assert protocol(file, "budget=1h").hash == protocol(file).hash
    plain = as_plain(load(file)[0])
    whole, part = (resolve(plain, ["a/sgd/b"], ["accuracy"], fitted=fitted) for fitted in (None, 3.0))
    assert part.plain()["design"]["search"] == {**whole.plain()["design"]["search"], "fitted": 3.0}
    assert part.hash != whole.hash


def test_the_budget_counts_in_its_own_unit(file):
    epochs = ('search.unit="epochs"', "search.budget=90.0")
    assert protocol(file, *epochs).hash == protocol(file, *epochs, "search.trials=7").hash
    assert protocol(file, *epochs).hash != protocol(file, epochs[0], "search.budget=91.0").hash


def test_versions_and_extensions_are_part_of_it_and_unknown_versions_are_no_change(file):
    benchmark = as_plain(load(file, overrides=['compare.probes=["sharpness"]'])[0])
    plain, known, extended = (
        resolve(benchmark, ARMS, METRICS, *more) for more in ((), ({"sharpness": "a" * 64},), ({}, [{"arm": ARMS[0]}]))
    )
    assert len({plain.hash, known.hash, extended.hash}) == 3
    assert known.changed(meta_of(benchmark)) == []
    assert known.changed(meta_of(benchmark, probes={"sharpness": {"version": "a" * 16}})) == []
    assert known.changed(meta_of(benchmark, probes={"sharpness": {"version": "b" * 16}})) == [
        "probes.sharpness.version"
    ]
    assert extended.changed(meta_of(benchmark)) == ["extensions"]
    never_asked = as_plain(load(file)[0])  # the probe of a facet is part of the protocol all the same
    assert known.changed(meta_of(never_asked)) == []


def test_without_a_registration_it_says_so(file):
    meta = meta_of(as_plain(load(file)[0]))
    (found,) = registered_protocols(meta)
    assert (found.when, found.protocol.hash) == (NEVER, protocol(file).hash)
    del meta.benchmark["verdict"]
    assert registered_protocols(meta) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("verdict.margins.function=0.9", "must be a number > 1 and <= 10, got 0.9"),
        ("verdict.margins.funktion=1.2", "did you mean 'function'"),
        ("verdict.alpha=0.7", "must be a number >= 1e-06 and < 0.5, got 0.7"),
    ],
)
def test_impossible_margins_stop_before_anything_runs(file, change, complaint):
    with pytest.raises(BenchmarkError, match=complaint):
        load(file, overrides=[change])
