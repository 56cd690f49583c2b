"""The rules of a search space: conditions, constraints, and the setting near to a wanted one that keeps them."""

from __future__ import annotations

import random

import pytest

from harness import Choice, Float, Int, Optimizer
from harness.plugin.rules import Constraint, Rules, allowed_near, constraint_fault, every_setting
from harness.plugin.validate import check


@pytest.mark.parametrize(
    ("text", "settings", "holds"),
    [
        ("b > a", {"a": 1, "b": 2}, True),
        ("b > a", {"a": 2, "b": 2}, False),
        ("a < b < 1", {"a": 0.5, "b": 0.9}, True),
        ("a < b < 1", {"a": 0.5, "b": 1.0}, False),
        ("a * 2 + 1 <= b / 2 - -1", {"a": 1, "b": 4}, True),
        ("mode == 'fast' or a >= 3", {"mode": "slow", "a": 3}, True),
        ("mode == 'fast' and a >= 3", {"mode": "slow", "a": 3}, False),
        ("a != b", {"a": 1}, True),  # b is not in force
        ("a / b > 1", {"a": 1, "b": 0}, False),
        ("a > 1", {"a": "text"}, True),
    ],
)
def test_a_constraint_compares_as_it_reads(text, settings, holds):
    assert constraint_fault(text) == ""
    assert Constraint(text).holds(settings) is holds
    assert Constraint(text, "schedule.").holds({f"schedule.{key}": value for key, value in settings.items()}) is holds


@pytest.mark.parametrize(
    "text",
    ["", "a", "1 < 2", "a = b", "import os", "f(a) > 1", "a.b > 1", "a[0] > 1", "a ** b > 1", "a > b" * 60, 3, None,
     "a in (1, 2)", "not a > 1", "lambda: a > 1", "a > (1"],
)  # fmt: skip
def test_what_is_no_constraint_is_refused(text):
    assert constraint_fault(text).startswith(" must compare hyperparameters and numbers")


SPACE = {
    "lr": Float(1e-4, 1e-1, log=True), "a": Float(0.5, 0.99), "b": Float(0.5, 0.999), "n": Int(1, 9),
    "mode": Choice(["x", "y"]), "depth": Int(1, 4),
}  # fmt: skip
RULES = Rules({"depth": {"mode": ("y",)}, "n": {"depth": (2, 3)}}, (Constraint("b > a"), Constraint("n < 10 * b")))


def test_what_depends_on_what_is_out_of_force_is_out_of_force_too():
    wanted = {"lr": 0.1, "a": 0.5, "b": 0.9, "n": 3, "mode": "x", "depth": 2}
    assert set(RULES.in_force(wanted)) == {"lr", "a", "b", "mode"}
    assert set(RULES.in_force({**wanted, "mode": "y"})) == set(wanted)
    assert set(RULES.in_force({**wanted, "mode": "y", "depth": 1})) == set(wanted) - {"n"}
    order = RULES.order(SPACE)
    assert order.index("mode") < order.index("depth") < order.index("n")


def test_a_setting_that_keeps_the_rules_stays_and_any_other_moves_only_what_constraints_name():
    generator = random.Random(0)
    for number in range(40):
        wanted = {
            "lr": 10 ** generator.uniform(-4, -1), "a": generator.uniform(0.5, 0.99), "b": generator.uniform(0.5, 0.999),
            "n": generator.randint(1, 9), "mode": generator.choice("xy"), "depth": generator.randint(1, 4),
        }  # fmt: skip
        near = allowed_near(SPACE, RULES, wanted)
        assert RULES.broken(near) == ""
        assert number > 5 or near == allowed_near(SPACE, RULES, wanted)  # it draws nothing of its own
        assert near == RULES.in_force(near)
        if not RULES.broken(wanted):
            assert near == RULES.in_force(wanted)
        assert {name: near[name] for name in ("lr", "mode")} == {name: wanted[name] for name in ("lr", "mode")}
        assert all(0.5 <= near[name] <= 0.999 for name in ("a", "b"))
        assert all(isinstance(near[name], int) for name in ("n", "depth") if name in near)


def test_there_is_no_such_setting_where_none_keeps_the_rules():
    assert allowed_near({"a": Float(2, 3)}, Rules({}, (Constraint("a < 1"),)), {"a": 2.5}) is None


def test_every_setting_is_there_once():
    rules = Rules({"x": {"on": (True,)}}, (Constraint("b > a"),))
    settings = every_setting({"a": [1, 2], "b": [1, 2], "on": [False, True], "x": [7, 8, 9]}, rules)
    assert settings == [
        {"a": 1, "b": 2, "on": False}, *({"a": 1, "b": 2, "on": True, "x": x} for x in (7, 8, 9)),
    ]  # fmt: skip


def offer(**rules):
    defaults = {"a": 0.9, "b": 0.99, "on": False}
    space = {"a": Float(0.5, 0.95), "b": Float(0.5, 0.999), "on": Choice([False, True]), "x": Float(0, 1)}
    return Optimizer("mine", lambda parameters: None, space=space, defaults=defaults, **rules)


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ({"when": {"y": {"on": True}}}, "when['y'] must be for a hyperparameter of its space, got 'y'"),
        ({"when": {"x": {"off": True}}}, "when['x'] must depend on another hyperparameter of its space, got 'off'"),
        ({"when": {"x": {"x": 1}}}, "when['x'] must depend on another hyperparameter of its space, got 'x'"),
        ({"when": {"x": {"on": 1}}}, "when['x'] must depend on values that 'on' can have, got 1"),
        ({"when": {"x": True}}, "when must be a mapping of mappings, {'x': {'amsgrad': True}}, got {'x': True}"),
        ({"when": {"x": {"a": 0.9}, "a": {"x": 1.0}}}, "when must not go in a circle, got one through 'x'"),
        ({"constraints": "b > a"}, "constraints must be a tuple of texts, ('beta2 > beta1',), got 'b > a'"),
        (
            {"constraints": ("b >",)},
            "constraints must compare hyperparameters and numbers, as in 'beta2 > beta1', got 'b >'",
        ),
        ({"constraints": ("b > c",)}, "constraints must name what is in its space or its defaults, got 'c' in 'b > c'"),
    ],
)
def test_rules_that_cannot_be_are_refused_when_the_plugin_is_loaded(rules, fault):
    assert check(offer(**rules)) == f"optimizer 'mine': {fault}"


def test_defaults_that_break_a_constraint_are_refused():
    broken = Optimizer(
        "mine", lambda parameters: None, space={"a": Float(0, 1)}, defaults={"a": 0.5, "b": 0.1}, constraints=("b > a",)
    )
    assert check(broken) == "optimizer 'mine': defaults must keep its constraints, got ones that break 'b > a'"
    assert check(offer(when={"x": {"on": (True,)}}, constraints=("b > a",))) == ""
