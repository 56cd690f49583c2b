"""The temperature against scipy's minimum of the loss, and what has no minimum; losses and scores written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from harness.statistics.calibration import (
    HIGHEST,
    LOWEST,
    SMALLEST,
    Temperature,
    brier,
    calibrate,
    calibrated,
    fit_temperature,
    log_loss,
)


def logits(random, examples=300, classes=4, sure=1.0):
    """Return logits [N, C] and labels [N] that are drawn from their softmax, before they are made surer."""
    plain = random.normal(0, 1.5, (examples, classes))
    labels = (plain + random.gumbel(size=plain.shape)).argmax(1)
    return sure * plain, labels


def softmax(values):
    return np.exp(log_softmax(values, axis=1))


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("classes", [2, 4, 30])
@pytest.mark.parametrize("sure", [0.3, 1.0, 2.2, 8.0])
def test_the_temperature_is_scipys_minimum_of_the_loss(random, classes, sure):
    values, labels = logits(random, 400, classes, sure)
    found = fit_temperature(softmax(values), labels)

    def loss(log_temperature):
        return -log_softmax(values / math.exp(log_temperature), axis=1)[np.arange(400), labels].mean()

    best = minimize_scalar(
        loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded", options={"xatol": 1e-9}
    )
    assert found == Temperature(pytest.approx(math.exp(best.x), rel=1e-5))
    assert found.value == pytest.approx(sure, rel=0.25)  # the labels were drawn at a temperature of 1
    assert log_loss(calibrated(softmax(values), found.value), labels) <= best.fun + 1e-12


def test_of_one_logit_it_is_the_odds_of_being_right():
    """All are 99 % sure and three in four are right: log 99 / log 3."""
    sure = np.array([[0.99, 0.01]] * 400)
    found = fit_temperature(sure, np.arange(400) % 4 == 0)
    assert found.value == pytest.approx(math.log(99) / math.log(3), rel=1e-9)


def test_the_temperature_moves_with_the_logits_and_not_with_what_all_classes_have(random):
    values, labels = logits(random)
    plain = fit_temperature(softmax(values), labels).value
    assert fit_temperature(softmax(2.5 * values + 7), labels).value == pytest.approx(2.5 * plain, rel=1e-9)


def test_a_calibrated_prediction_wants_a_temperature_of_one_and_gives_the_same_answers(random):
    values, labels = logits(random, sure=3.0)
    scaled = calibrated(softmax(values), fit_temperature(softmax(values), labels).value)
    assert fit_temperature(scaled, labels).value == pytest.approx(1, rel=1e-9)
    assert np.array_equal(scaled.argmax(1), values.argmax(1))
    assert np.allclose(scaled.sum(1), 1)


def test_a_temperature_of_one_changes_nothing_and_temperatures_multiply(random):
    p = softmax(logits(random)[0])
    np.testing.assert_allclose(calibrated(p, 1.0), p, rtol=1e-12)
    np.testing.assert_allclose(calibrated(calibrated(p, 1.5), 2.0), calibrated(p, 3.0), rtol=1e-12)


def test_float32_that_has_reached_zero_and_one_has_a_temperature(random):
    """What a network predicts where its logits are up to 70 apart: the smaller probabilities are numbers still."""
    values, labels = logits(random, sure=8.0)
    rounded = softmax(values.astype(np.float32))
    assert (rounded == 1).any()
    exact = fit_temperature(softmax(values), labels)
    assert fit_temperature(rounded, labels).value == pytest.approx(exact.value, rel=1e-4)
    hopeless = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    assert math.isfinite(fit_temperature(hopeless, [0, 1, 1]).value)
    assert log_loss(hopeless, [1, 1, 0]) == pytest.approx(-math.log(SMALLEST) / 3)


# --- where there is no minimum


def test_where_every_example_is_right_nothing_is_changed(random):
    values, _ = logits(random)
    assert fit_temperature(softmax(values), values.argmax(1)) == Temperature(1.0, "every example is right")


def test_predictions_that_are_all_alike_have_the_temperature_of_the_shares_of_the_classes():
    labels = np.arange(100) % 10 < 7  # seven in ten are class 1
    assert fit_temperature(np.full((100, 2), 0.5), labels) == Temperature(1.0, "all classes are as probable")
    prior = fit_temperature(np.tile([0.1, 0.9], (100, 1)), labels)
    assert calibrated([[0.1, 0.9]], prior.value)[0, 1] == pytest.approx(0.7)


def test_predictions_that_say_the_opposite_are_nearly_switched_off(random):
    values, labels = logits(random, sure=3.0)
    found = fit_temperature(softmax(-values), labels)
    assert found == Temperature(HIGHEST, "the predictions are no better than none")
    assert log_loss(calibrated(softmax(-values), found.value), labels) == pytest.approx(math.log(4), abs=0.1)


def test_a_minimum_beyond_the_lowest_temperature_is_not_followed():
    values = np.tile([0.05, -0.05], (1000, 1))
    values[0] = [-1e-6, 1e-6]  # the one that is wrong, hardly
    found = fit_temperature(softmax(values), np.zeros(1000))
    assert found == Temperature(LOWEST, "the loss still falls where predictions are 20 times as sure")


def test_one_prediction_that_is_no_number_leaves_nothing_known():
    broken = [[0.5, 0.5], [math.nan, 0.5]]
    assert math.isnan(fit_temperature(broken, [0, 1]).value)
    assert np.isnan(calibrated(broken, 2.0)).all()
    assert math.isnan(log_loss(broken, [0, 1]))
    assert math.isnan(brier(broken, [0, 1]))


# --- losses


def test_losses_and_scores_are_written_out(random):
    values, labels = logits(random, 50)
    p = softmax(values)
    assert log_loss(p, labels) == pytest.approx(
        -np.mean([math.log(row[label]) for row, label in zip(p, labels, strict=True)])
    )
    assert brier(p, labels) == pytest.approx(
        np.mean([((row - np.eye(4)[label]) ** 2).sum() for row, label in zip(p, labels, strict=True)])
    )
    assert brier(np.eye(4)[labels], labels) == 0
    assert brier(np.eye(4)[(labels + 1) % 4], labels) == 2


def test_a_split_is_scored_with_the_temperature_of_the_other(random):
    (tune, tune_labels), (test, labels) = logits(random, sure=2.5), logits(random, sure=2.5)
    found = calibrate(softmax(tune), tune_labels, softmax(test), labels)
    assert found.temperature == fit_temperature(softmax(tune), tune_labels)
    scaled = calibrated(softmax(test), found.temperature.value)
    assert (found.raw_loss, found.loss, found.brier) == (
        log_loss(softmax(test), labels), log_loss(scaled, labels), brier(scaled, labels)
    )  # fmt: skip
    assert found.loss < found.raw_loss


def test_how_sure_a_network_is_does_not_change_its_calibrated_loss(random):
    """The raw loss of the surer one is a quarter higher at equal answers; the calibrated one is the same."""
    (tune, tune_labels), (test, labels) = logits(random, sure=1.6), logits(random, sure=1.6)
    one, surer = (calibrate(softmax(k * tune), tune_labels, softmax(k * test), labels) for k in (1.0, 1.3))
    assert surer.raw_loss > 1.1 * one.raw_loss
    assert surer.loss == pytest.approx(one.loss, rel=1e-9)
    assert surer.brier == pytest.approx(one.brier, rel=1e-9)


@pytest.mark.parametrize(
    ("probabilities", "labels", "line"),
    [
        ([[0.5, 0.6]], [0], "probabilities: must be probabilities, which add up to 1 over the classes"),
        ([[1.5, -0.5]], [0], "probabilities: must be probabilities, which add up to 1 over the classes"),
        ([[0.5, 0.5]], [2], "labels: must be classes, whole numbers from 0 to 1"),
        ([[0.5, 0.5]], [0.5], "labels: must be classes, whole numbers from 0 to 1"),
        ([[0.5, 0.5]], [0, 1], r"labels: must be \[N\] with N = 1 as in probabilities, got \[2\]"),
    ],
)
def test_what_is_no_distribution_or_no_class_is_refused(probabilities, labels, line):
    for function in (fit_temperature, log_loss, brier):
        with pytest.raises(ValueError, match=line):
            function(probabilities, labels)
