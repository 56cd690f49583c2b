"""The power of a design: that of the whole statement, from a registered scatter or from the first look."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.benchmark.loading import load
from harness.benchmark.sections import as_plain
from harness.verdict.power import design_power
from harness.verdict.protocol import resolve

METRICS = ("accuracy", "error", "loss")
ARMS = ("lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine")
SCATTER = {
    "accuracy": 0.001, "test_loss": 0.01, "train_loss": 0.001, "objective": 0.001, "function": 0.05, "representation": 0.05,
    "barrier": 0.003, "sharpness": 0.05,
}  # fmt: skip


@pytest.fixture
def protocol(tmp_path):
    """Return a function to the protocol of a benchmark with all probes, registered scatter and other settings."""

    def make(scatter=SCATTER, *overrides):
        probes = 'compare.probes=["representation", "connectivity", "sharpness"]'
        sizes = [f"verdict.scatter.{key}={size}" for key, size in scatter.items()]
        file = tmp_path / "mine.toml"
        file.write_text('name = "mine"\n')
        benchmark = as_plain(load(file, overrides=["compare.looks=[6]", probes, *sizes, *overrides])[0])
        return resolve(benchmark, ARMS, METRICS, classes=2)

    return make


def test_a_registered_scatter_gives_the_power_beforehand(protocol):
    assert design_power(protocol(), 3) > 0.8
    assert design_power(protocol({**SCATTER, "accuracy": 0.02}), 3) == 0.0


@pytest.mark.parametrize("key", SCATTER)
def test_every_facet_takes_part(protocol, key):
    wide = {"barrier": 0.03, "function": 0.4, "representation": 0.4, "train_loss": 0.02, "objective": 0.02}
    less = design_power(protocol({**SCATTER, key: wide.get(key, 10 * SCATTER[key])}), 3)
    assert less < design_power(protocol(), 3) - 0.1


@pytest.mark.parametrize("key", ["accuracy", "function", "barrier", "sharpness"])
def test_what_is_not_registered_is_not_known_beforehand(protocol, key):
    assert math.isnan(design_power(protocol({other: SCATTER[other] for other in SCATTER if other != key}), 3))


def test_what_is_not_measured_and_what_is_frozen_have_no_part(protocol):
    few = {key: size for key, size in SCATTER.items() if key not in ("representation", "barrier", "sharpness")}
    assert math.isnan(design_power(protocol(few), 3))
    assert design_power(protocol(few), 3, probes=()) > 0.8
    frozen = {key: size for key, size in SCATTER.items() if key != "representation"}
    assert design_power(protocol(frozen), 3, convex=True) > 0.8


def test_wider_margins_and_more_replicates_give_more(protocol):
    wide = {**SCATTER, "accuracy": 0.003}
    plain = design_power(protocol(wide), 3)
    assert design_power(protocol(wide, "verdict.margins.accuracy=0.01"), 3) > plain + 0.1
    assert design_power(protocol(wide, "compare.looks=[12]"), 3) > plain + 0.1


def test_one_arm_supports_nothing(protocol):
    assert design_power(protocol(), 1) == 0.0


def test_the_first_look_gives_what_was_not_registered(world, stated):
    found = stated(world(replicates=12, looks=(6, 12)).records())
    assert 0.0 <= found["power"] <= 1.0
    less = stated(world(replicates=12, looks=(6, 12), scatter=0.02).records())
    assert less["power"] < found["power"]


def test_before_the_first_look_it_is_not_known(world, stated):
    found = stated(world(replicates=4, looks=(6,)).records())
    assert math.isnan(found["power"])
    assert not found["exploratory"]


def test_the_power_of_the_first_look_is_that_of_the_pairs_that_were_measured(world, stated):
    records = world(replicates=12, offsets=(1, 2)).records()
    few = replace(records, meta=replace(records.meta, probes={"representation": {"groups": 2}}))
    assert stated(few)["power"] <= stated(records)["power"]
