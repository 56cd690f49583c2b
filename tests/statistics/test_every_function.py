"""Every public function of the statistics, with a valid example each, and what is generated from it.

Wrong arguments end in one line that names them; a NaN gives NaN, and never a small p-value; what does not depend on the
unit is the same in any, also where the squares of the numbers would leave the floating-point numbers.
"""

from __future__ import annotations

import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pytest

import harness.statistics
from harness.statistics.labels import Margin
from harness.statistics.pairwise import Estimate, between, excess
from harness.statistics.representation import Representation, represent
from harness.statistics.scatter import NumbersScatter

RANDOM = np.random.default_rng(0)
SCALES = (2.0**-900, 2.0**-500, 2.0**500, 2.0**900)


@dataclass(frozen=True)
class Example:
    """A valid call, and what is true of it."""

    arguments: Mapping[str, Any]
    data: tuple[str, ...] = ()  # the arguments that are measured numbers, in which a NaN may stand
    missing: bool = False  # whether a NaN is a distance that was not measured, and leaves the others
    scaled: tuple[str, ...] = ()  # the arguments that are in one unit
    degree: int | None = 0  # the power of the unit that the result is in; None where nothing follows from another unit
    also: tuple[str, ...] = ()  # arguments whose nonsense may pass: None, where it is the default, or any number


def distances(*shape: int) -> Any:
    return RANDOM.uniform(1, 2, shape)


def square(size: int = 5) -> Any:
    values = distances(size, size)
    return (values + values.T) / 2


def cloud(arms: int = 3, seeds: int = 4) -> Any:
    points = RANDOM.standard_normal((arms * seeds, 4))
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return apart.reshape(arms, seeds, arms, seeds)


A, B = RANDOM.normal(3, 1, 6), RANDOM.normal(3.5, 1, 6)
CLASSES = RANDOM.dirichlet(np.ones(3), (4, 12))
LABELS = RANDOM.integers(0, 3, 12)
X, Y = RANDOM.standard_normal((12, 3)), RANDOM.standard_normal((12, 4))
BLOCKS = {"aa": square(), "bb": square(), "ab": distances(5, 5)}
ESTIMATE = Estimate(0.1, 0.0, 0.2, 0.05, 8)
SCATTER = NumbersScatter(covariance=((0.04,),), margins=(0.5,))
P_VALUES = [0.01, 0.04, 0.03, 0.5]
REPRESENTED = {"one": represent(X), "other": represent(Y)}
HUNDRED = {"one": represent(RANDOM.standard_normal((100, 3))), "other": represent(RANDOM.standard_normal((100, 4)))}

EXAMPLES: Mapping[str, Example] = {
    "crossed.over_both": Example({"table": distances(4, 6) + np.arange(4)[:, None] + np.arange(6)}, ("table",), scaled=("table",), degree=1),
    "crossed.over_seeds": Example({"values": A}, ("values",), scaled=("values",), degree=1),
    "function.disagreement": Example({"predictions": CLASSES}, ("predictions",), True, ("predictions",)),
    "function.root_jsd": Example({"predictions": CLASSES}, ("predictions",), True),
    "function.error_kappa": Example({"predictions": CLASSES, "targets": LABELS}, ("predictions",), True, ("predictions",)),
    "function.rms_distance": Example(
        {"predictions": CLASSES[..., 0], "targets": A.repeat(2)}, ("predictions", "targets"), True,
        ("predictions", "targets"),
    ),
    "intervals.half_width": Example({"se": A, "freedom": np.full(6, 7.0)}, ("se", "freedom"), True, ("se",), 1),
    "intervals.t_interval": Example(
        {"mean": A, "sd": B, "n": np.full(6, 4)}, ("mean", "sd", "n"), True, ("mean", "sd"), 1
    ),
    "intervals.mean_interval": Example(
        {"mean": A, "sd": B, "n": np.full(6, 4)}, ("mean", "sd", "n"), True, ("mean", "sd"), 1
    ),
    "intervals.equal_numbers": Example({"mean": A, "sd": B}, (), True, ("mean", "sd")),
    "intervals.standard_deviation": Example({"values": A}, ("values",), scaled=("values",), degree=1),
    "proportions.clopper_pearson": Example({"part": A / 10, "n": np.full(6, 70)}, ("part", "n"), True),
    "proportions.wilson": Example({"part": A / 10, "n": np.full(6, 70)}, ("part", "n"), True),
    "proportions.newcombe": Example({"one": 0.5, "other": 0.4, "n": 70}, ("one", "other", "n"), also=("one", "other", "n")),
    "intervals.difference_interval": Example({"one": A, "other": B}, ("one", "other"), scaled=("one", "other"), degree=1),
    "proportions.matched_difference": Example({"better": 2, "worse": 1, "n": 20}),
    "proportions.fewest_discordant": Example({}),
    "proportions.detectable_share": Example({"n": 70, "power": 0.8}),
    "intervals.jackknife_se": Example({"without": A}, ("without",), scaled=("without",), degree=1),
    "labels.judge": Example(
        {"estimate": ESTIMATE, "margin": Margin(0.1, False), "p_same": 0.01, "p_different": 0.5}
    ),
    "labels.holm": Example({"p_values": P_VALUES}, ("p_values",), True),
    "labels.together": Example({"labels": ["similar", "different"]}),
    "labels.overall": Example({"facets": {"loss": "similar", "function": "similar"}}),
    "labels.replicates_needed": Example({"estimate": ESTIMATE, "margin": Margin(0.2, False)}),
    "omnibus.permanova": Example({"distances": cloud()}, ("distances",), scaled=("distances",)),
    "omnibus.permdisp": Example({"distances": cloud()}, (), scaled=("distances",)),
    "paired.difference": Example({"a": A, "b": B}, ("a", "b"), scaled=("a", "b"), degree=1),
    "paired.equivalence_p": Example(
        {"estimate": ESTIMATE, "margin": 0.2}, ("margin",), scaled=("estimate", "margin"), also=("margin",)
    ),
    "paired.permutation_p": Example({"a": A, "b": B}, ("a", "b"), scaled=("a", "b")),
    "pairwise.log_rho": Example(BLOCKS, ("aa", "bb", "ab"), True, tuple(BLOCKS)),
    "pairwise.excess": Example(BLOCKS, ("aa", "bb", "ab"), True, tuple(BLOCKS), 1),
    "pairwise.between": Example(BLOCKS, ("aa", "bb", "ab"), True, tuple(BLOCKS), 1),
    "pairwise.jackknife": Example(BLOCKS, ("aa", "bb", "ab"), True, tuple(BLOCKS)),
    "pairwise.equivalence_p": Example(
        {"estimate": ESTIMATE, "margin": 0.2}, ("margin",), scaled=("estimate", "margin"), also=("margin",)
    ),
    "pooling.paule_mandel": Example(
        {"effects": A, "errors": np.full(6, 0.2)}, ("effects", "errors"), scaled=("effects", "errors"), degree=1
    ),
    "pooling.random_effects": Example(
        {"effects": A, "errors": np.full(6, 0.2)}, ("effects", "errors"), scaled=("effects", "errors"), degree=1
    ),
    "pooling.within_p": Example(
        {"effects": A, "errors": np.full(6, 0.2), "margin": 5.0}, ("effects", "errors", "margin"),
        scaled=("effects", "errors", "margin"), also=("margin", "two_sided"),
    ),
    "pooling.beyond_p": Example(
        {"effects": A, "errors": np.full(6, 0.2), "margin": 2.0}, ("effects", "errors", "margin"),
        scaled=("effects", "errors", "margin"), also=("margin", "two_sided"),
    ),
    "power.replicates_for_better": Example({}),
    "looks.levels": Example({"looks": [6, 9, 12], "alpha": 0.05}),
    "paired.minimum_effect_p": Example(
        {"estimate": ESTIMATE, "margin": 0.02}, ("margin",), scaled=("estimate", "margin"), also=("margin",)
    ),
    "paired.influence": Example({"a": A, "b": B}, ("a", "b"), True, ("a", "b"), 1),
    "paired.single_searches": Example(
        {"a": A, "b": B, "margin": 0.2}, ("a", "b", "margin"), scaled=("a", "b", "margin"), also=("margin",)
    ),
    "pairwise.log_scatter": Example(BLOCKS, ("aa", "bb"), True, tuple(BLOCKS)),
    "pairwise.influence": Example(BLOCKS, ("aa", "bb", "ab"), True, tuple(BLOCKS)),
    "pairwise.minimum_effect_p": Example(
        {"estimate": ESTIMATE, "margin": 0.02}, ("margin",), scaled=("estimate", "margin"), also=("margin",)
    ),
    "permuted.names_p": Example(BLOCKS, ("aa", "bb", "ab"), True, tuple(BLOCKS)),
    "posterior.posterior": Example({"estimate": ESTIMATE, "margin": Margin(0.2, False)}),
    "power.supported": Example({"facets": {"loss": SCATTER}, "arms": 2, "looks": [4, 6], "worlds": 20}),
    "scatter.numbers_scatter": Example(
        {"numbers": distances(3, 5, 2), "margins": [0.1, 0.2]}, ("numbers",), True, also=("floors",)
    ),
    "scatter.distances_scatter": Example(
        {"within": np.stack([[square(), square()], [square(), square()]]), "across": np.stack([[square()], [square()]])},
        ("within", "across"), True,
        also=("floors", "log_rho", "log_scatter", "excess", "between", "apart"),
    ),
    "scatter.cloud_parts": Example({"spread": 0.2}, scaled=("spread",), degree=1, also=("spread",)),
    "two_means.by_pairs": Example({"before": A, "after": B}, ("before", "after")),
    "two_means.welch": Example({"before": A.tolist(), "after": B.tolist()}, ("before", "after")),  # lists, for they may be unequally long
    "variance.components": Example({"numbers": distances(5, 3) + np.arange(5)[:, None]}, ("numbers",), True, ("numbers",), 1),
    "scale.exponents": Example({"values": A}, also=("values",)),
    "scale.scaled": Example({"values": A}, also=("values",), scaled=("values",), degree=None),
    "representation.represent": Example({"activations": X}, (), scaled=("activations",), degree=None),
    "representation.hsic": Example(REPRESENTED),
    "representation.cka": Example(REPRESENTED, scaled=("one", "other")),
    "representation.cka_distance": Example({"similarity": 0.5}, ("similarity",), also=("similarity",)),
    "representation.procrustes": Example(REPRESENTED, scaled=("one", "other")),
    "representation.without_largest": Example(HUNDRED),
    "representation.within_classes": Example(
        {"whole": REPRESENTED["one"], "labels": np.arange(12) % 3}, scaled=("whole",), degree=None
    ),
    "calibration.calibrate": Example(
        {"tune": CLASSES[0], "tune_labels": LABELS, "test": CLASSES[1], "test_labels": LABELS}, ("tune", "test"),
        True,
    ),
    "calibration.fit_temperature": Example({"probabilities": CLASSES[0], "labels": LABELS}, ("probabilities",)),
    "calibration.calibrated": Example(
        {"probabilities": CLASSES[0], "temperature": 1.7}, ("probabilities", "temperature"), also=("temperature",)
    ),
    "calibration.log_loss": Example({"probabilities": CLASSES[0], "labels": LABELS}, ("probabilities",)),
    "calibration.brier": Example({"probabilities": CLASSES[0], "labels": LABELS}, ("probabilities",)),
}  # fmt: skip


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function of harness.statistics, by ``module.name``."""
    for found in pkgutil.iter_modules(harness.statistics.__path__):
        module = importlib.import_module(f"harness.statistics.{found.name}")
        for name, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and not name.startswith("_") and not found.name.startswith("_"):
                yield f"{found.name}.{name}", value


FUNCTIONS = dict(public())
NOT_TABLED = {"labels.known_or_nan", "looks.rising"}  # checks of arguments, by which the others are tested


def test_every_public_function_has_its_example():
    assert set(EXAMPLES) == set(FUNCTIONS) - NOT_TABLED


def call(name: str, **changed: Any) -> Any:
    return FUNCTIONS[name](**{**EXAMPLES[name].arguments, **changed})


COUNTS = ("replicates", "df", "studies", "same")  # fields of results that are no measured numbers


def flat(result: Any) -> Any:
    """Return all numbers of a result as one array."""
    if isinstance(result, Representation):
        return result.rows.ravel()
    if is_dataclass(result):
        return flat([getattr(result, field.name) for field in fields(result) if field.name not in COUNTS])
    if isinstance(result, list | tuple):
        return np.concatenate([flat(each) for each in result]) if len(result) else np.array([])
    return np.asarray(np.nan if result is None or isinstance(result, str) else result, dtype=float).ravel()


# --- nonsense -------------------------------------------------------------------------------------------------


def nonsense() -> dict[str, Any]:
    """Return values that hardly any argument can have, by what they are."""
    return {
        "None": None,
        "a text": "adam",
        "an empty text": "",
        "bytes": b"adam",
        "an object": object(),
        "a mapping": {"a": 1},
        "a set": {1.5, 2.5},
        "a class": int,
        "a function": len,
        "complex": 1j,
        "negative": -3,
        "negative and small": -0.5,
        "too large": 10**400,
        "a flag": True,
        "NaN": math.nan,
        "infinity": math.inf,
        "no numbers": [],
        "one number": [0.5],
        "texts": ["a", "b"],
        "unequal rows": [[1.0], [1.0, 2.0]],
        "five axes": np.ones((1, 2, 3, 2, 2)),
        "empty axes": np.ones((0, 3)),
        "objects": np.array([None, object()], dtype=object),
        "times": np.array(["2026-01-01"], dtype="datetime64[D]"),
        "a generator": (each for each in "ab"),
    }


def parameters(name: str) -> list[str]:
    return list(inspect.signature(FUNCTIONS[name]).parameters)


@pytest.mark.parametrize("name", EXAMPLES)
def test_nonsense_ends_in_one_line_that_names_the_argument(name):
    for argument in parameters(name):
        for what, value in nonsense().items():
            if argument == "statistic" and callable(value):  # a function of the caller's, with the caller's errors
                continue
            line, result = outcome(name, argument, value)
            if line:
                assert re.match(r"(\w+): must .+, got .+", line), (argument, what, line)
                assert "\n" not in line, (argument, what, line)
                assert len(line) < 200, (argument, what, line)
                named = line.split(":")[0]
                assert named in (*parameters(name), "activations"), (argument, what, line)
            else:
                assert _may_pass(name, argument, what, value), (argument, what, result)


def outcome(name: str, argument: str, value: Any) -> tuple[str, Any]:
    """Return the error of a call, or its result."""
    try:
        return "", call(name, **{argument: value})
    except (TypeError, ValueError) as error:
        return str(error), None


def _may_pass(name: str, argument: str, what: str, value: Any) -> bool:
    """Return whether a call with this value may return: it is one of the values that the argument can have."""
    default = inspect.signature(FUNCTIONS[name]).parameters[argument].default
    given = EXAMPLES[name].arguments.get(argument, default)
    if (value is None and default is None) or argument in EXAMPLES[name].also:
        return True
    single = what in (
        "negative",
        "negative and small",
        "too large",
        "a flag",
        "NaN",
        "infinity",
        "one number",
        "five axes",
    )
    elementwise = name in (
        "intervals.half_width", "intervals.t_interval", "intervals.mean_interval", "intervals.equal_numbers",
        "proportions.clopper_pearson", "proportions.wilson",
    )  # fmt: skip
    if elementwise and argument not in ("bounds", "examples", "level"):
        return single
    if name in ("intervals.jackknife_se", "intervals.standard_deviation", "intervals.difference_interval"):
        return what in ("no numbers", "one number", "five axes", "empty axes")
    if name in ("labels.holm", "labels.together"):
        return what in ("no numbers", "one number", "empty axes")
    if name in ("crossed.over_seeds", "two_means.welch"):  # a mean of one seed is known, and its standard error is not
        return what == "one number"
    if name == "labels.judge":  # a p-value that is NaN shows nothing
        return what == ("a flag" if argument == "negligible" else "NaN")
    return what == "too large" and isinstance(given, int) and not isinstance(given, bool)


# --- NaN, infinity, lengths -----------------------------------------------------------------------------------


def with_value(value: Any, number: float, place: int = 0) -> Any:
    """Return the same data with one number replaced."""
    if isinstance(value, list) and isinstance(value[0], tuple):
        return [(with_value(value[0][0], number), value[0][1]), *value[1:]]
    if isinstance(value, float | int):
        return number
    found = np.array(value, dtype=float)
    found.flat[place] = number
    return found


DATA = [(name, argument) for name, example in EXAMPLES.items() for argument in example.data]


@pytest.mark.parametrize(("name", "argument"), DATA)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_gives_nan_and_never_a_small_p_value(name, argument, number):
    """Or a ValueError. Where it may stand for what is not known, the others are as they were."""
    example = EXAMPLES[name]
    line, found = outcome(name, argument, with_value(example.arguments[argument], number, place=1))
    if line:
        assert line.startswith(f"{argument}: must ")
    elif example.missing:  # what is not known is never taken for 0, which would be no difference, or a sure one
        assert not (flat(found) == 0).any() or (flat(call(name)) == 0).any()
    elif argument != "margin" or math.isnan(number):  # an infinite margin holds everything
        assert np.isnan(flat(found)).all()


@pytest.mark.parametrize("name", ["labels.holm"])
@pytest.mark.parametrize("place", range(3))
def test_one_nan_keeps_its_place_and_the_others_are_as_if_it_were_not_there(name, place):
    (argument, *more), example = parameters(name), EXAMPLES[name].arguments
    values = np.array(example[argument], dtype=float)
    values[place] = math.nan
    kept = [i for i in range(len(values)) if i != place]
    expected = call(name, **{argument: values[kept]}, **{each: [example[each][i] for i in kept] for each in more})
    found = call(name, **{argument: values})
    assert np.isnan(found[place]).all()
    np.testing.assert_array_equal([found[i] for i in kept], expected)


@pytest.mark.parametrize("name", ["disagreement", "root_jsd", "error_kappa", "rms_distance"])
def test_a_network_with_a_nan_has_no_distance_and_changes_no_other(name):
    example, whole = EXAMPLES[f"function.{name}"].arguments, call(f"function.{name}")
    predictions = np.array(example["predictions"])
    predictions[1].flat[4] = math.nan
    found = call(f"function.{name}", predictions=predictions)
    assert np.isnan(found[1]).all()
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_array_equal(found[np.ix_([0, 2, 3], [0, 2, 3])], whole[np.ix_([0, 2, 3], [0, 2, 3])])


ARRAYS = [
    (name, argument)
    for name, example in EXAMPLES.items()
    for argument, value in example.arguments.items()
    if isinstance(value, np.ndarray) and len([v for v in example.arguments.values() if isinstance(v, np.ndarray)]) > 1
]


@pytest.mark.parametrize(("name", "argument"), ARRAYS)
def test_arguments_of_unequal_length_are_refused(name, argument):
    """Also those that numpy would broadcast."""
    value = EXAMPLES[name].arguments[argument]
    axis = 1 if argument == "predictions" else 0
    for wrong in (value.take(range(value.shape[axis] - 1), axis), value.take([0], axis), value[None], value[..., None]):
        with pytest.raises(ValueError, match=r"^\w+: must be .*\[.*, got \["):
            call(name, **{argument: wrong})


# --- other units ----------------------------------------------------------------------------------------------


def in_unit(value: Any, unit: float) -> Any:
    if isinstance(value, list):
        return [tuple(each * unit for each in pair) for pair in value]
    if isinstance(value, Estimate):
        return Estimate(*(number * unit for number in (value.value, value.low, value.high, value.se)), value.replicates)
    if isinstance(value, Representation):
        return represent(value.rows * unit)
    return value * unit


@pytest.mark.parametrize("name", [name for name, each in EXAMPLES.items() if each.scaled and each.degree is not None])
@pytest.mark.parametrize("unit", SCALES)
def test_another_unit_changes_nothing_but_the_unit(name, unit):
    example = EXAMPLES[name]
    changed = {argument: in_unit(example.arguments[argument], unit) for argument in example.scaled}
    expected, found = flat(call(name)), flat(call(name, **changed))
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(found / unit**example.degree, expected, rtol=1e-12)
    assert not (example.degree and (found == 0).any())


@pytest.mark.parametrize("statistic", [excess, between])
@pytest.mark.parametrize("unit", SCALES)
def test_the_jackknife_of_a_distance_is_in_its_unit(statistic, unit):
    expected = call("pairwise.jackknife", statistic=statistic)
    found = call("pairwise.jackknife", **{key: value * unit for key, value in BLOCKS.items()}, statistic=statistic)
    np.testing.assert_allclose(flat(found) / unit, flat(expected), rtol=1e-12)


@pytest.mark.parametrize("name", EXAMPLES)
def test_whole_numbers_and_half_precision_are_the_same_numbers(name):
    """Where the numbers are whole they may come as integers, and where they fit as float32."""
    example = EXAMPLES[name]
    for kind in (np.int64, np.float32):
        plain = {
            argument: np.round(example.arguments[argument] * 8) + 1
            for argument in example.data
            if isinstance(example.arguments[argument], np.ndarray) and argument not in ("n", "part")
        }
        if plain and not {"predictions", "probabilities", "tune"} & plain.keys():  # which add up to 1
            expected = flat(call(name, **plain))
            np.testing.assert_array_equal(flat(call(name, **{k: v.astype(kind) for k, v in plain.items()})), expected)
