"""Numbers in words: every function against numbers whose words are known, and one place for all of them."""

from __future__ import annotations

import ast
import doctest
import math
from collections.abc import Iterator, Mapping

import pytest

from harness.console import numbers
from harness.console.numbers import counted, duration, joined, p_value, percent, plain


def test_the_examples_of_the_docstrings_run() -> None:
    outcome = doctest.testmod(numbers)
    assert outcome.attempted > 10
    assert outcome.failed == 0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.4, "0.400 s"),
        (89.0, "89.0 s"),
        (119.9, "120 s"),
        (120.0, "2 min"),
        (200.0, "3 min 20 s"),
        (300.0, "5 min"),
        (7199.0, "119 min 59 s"),
        (7200.0, "2 h"),
        (7500.0, "2 h 5 min"),
        (3.6e6, "1,000 h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_what_is_not_known_is_a_dash_and_certainty_is_never_claimed() -> None:
    assert (percent(0.0), percent(1.0)) == ("0.01\u00a0%", "99.99\u00a0%")
    assert (p_value(math.nan), p_value(0.0), p_value(1.0)) == (numbers.NOTHING, "< .001", "1")
    assert plain(None, "%") == plain(math.nan, "%") == numbers.NOTHING
    assert (joined([]), joined(["a", "b"]), counted(0, "seed")) == ("", "a and b", "0 seeds")


def test_two_ends_of_a_narrow_interval_read_apart() -> None:
    for width in (1e-1, 1e-3, 1e-5):
        low, high = numbers.span(0.97, 0.97 + width, "%").split(" to ")
        assert float(low) < float(high)


def _formats_a_duration(function: ast.FunctionDef) -> bool:
    """Whether a function makes minutes or hours of seconds and writes them: f"{seconds / 60:.0f} min"."""
    texts = [
        part.value
        for node in ast.walk(function)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    units = any(text.lstrip().startswith(("min", "h ")) or text.strip() in ("min", "h") for text in texts)
    by_sixty = any(isinstance(node, ast.Constant) and node.value in (60, 3600) for node in ast.walk(function))
    return units and by_sixty


def _functions(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Yield every function of the product, with its file."""
    for file, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield file, node


def test_one_function_of_the_tree_writes_a_duration(trees: Mapping[str, ast.Module]) -> None:
    """Two functions with two rules showed one time in two ways."""
    writers = {
        f"{file}:{function.name}"
        for file, function in _functions(trees)
        if function.name.endswith("duration") or _formats_a_duration(function)
    }
    assert writers == {"harness/console/numbers.py:duration"}


def _writes_a_percentage(function: ast.FunctionDef) -> bool:
    """Whether a function writes f"{100 * value:.2f}", which made a percentage of a fraction in five places."""
    for node in ast.walk(function):
        if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.BinOp) and node.format_spec is not None:
            factors = (node.value.left, node.value.right)
            hundred = any(isinstance(factor, ast.Constant) and factor.value == 100 for factor in factors)
            if hundred and ast.unparse(node.format_spec).strip("f'\"") == ".2":
                return True
    return False


def test_no_other_function_writes_a_score_in_percent(trees: Mapping[str, ast.Module]) -> None:
    """The console, the notebook and the model card write a score as the page does."""
    assert not {f"{file}:{function.name}" for file, function in _functions(trees) if _writes_a_percentage(function)}
