"""The rules of a search space: which hyperparameters are in force, and which relations hold between them.

A plugin declares them beside its space, and a benchmark file may replace them:

- ``when={"x": {"amsgrad": True}}``: x is chosen and passed on only where amsgrad is True. Several values are a tuple.
- ``constraints=("beta2 > beta1",)``: a setting that breaks a constraint is never tried.

A constraint is a text, so that it can stand in a file, in the records and in an error. It compares names, numbers and texts,
with ``+ - * /`` between numbers and ``and`` and ``or`` between comparisons.
"""

from __future__ import annotations

import ast
import math
import operator
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any

from harness.plugin.contracts.spaces import When

DRAWS = 2000  # random settings among which one is looked for that keeps the constraints
HALVINGS = 20  # of the way from such a setting to the one that is wanted
LONGEST = 200  # characters of a constraint

_COMPARISONS: Mapping[type, Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}  # fmt: skip
_OPERATIONS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
FORM = "compare hyperparameters and numbers, as in 'beta2 > beta1'"


@dataclass(frozen=True)
class Constraint:
    """A relation between hyperparameters, as a text; the names of a schedule's have a ``prefix`` in the settings.

    >>> Constraint("beta2 > beta1").holds({"beta1": 0.9, "beta2": 0.5})
    False
    >>> Constraint("beta2 > beta1").holds({"beta2": 0.5})  # what is not in force restricts nothing
    True
    """

    text: str
    prefix: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters that it names, as they are called in the settings."""
        tree = _parsed(self.text)
        return tuple(dict.fromkeys(f"{self.prefix}{node.id}" for node in ast.walk(tree) if isinstance(node, ast.Name)))

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Return whether settings keep it; they do where one of its hyperparameters has no value."""
        values = {name.removeprefix(self.prefix): settings.get(name) for name in self.names}
        if None in values.values():
            return True
        try:
            return bool(_value(_parsed(self.text), values))
        except ZeroDivisionError:
            return False
        except TypeError:  # a text beside a number
            return True


def constraint_fault(text: object) -> str:
    """Return what is wrong with the text of a constraint, ``must ..., got ...``, or ``""``."""
    wrong = f" must {FORM}, got {text!r:.80}"
    if not isinstance(text, str) or len(text) > LONGEST:
        return wrong
    try:
        tree = _parsed(text)
        _check(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return wrong
    comparisons = any(isinstance(node, ast.Compare) for node in ast.walk(tree))
    names = any(isinstance(node, ast.Name) for node in ast.walk(tree))
    return "" if comparisons and names else wrong


@lru_cache(maxsize=256)
def _parsed(text: str) -> ast.expr:
    return ast.parse(text.strip(), mode="eval").body


def _check(node: ast.AST) -> None:
    """Raise ValueError where an expression has a part that a constraint may not have."""
    allowed: tuple[type, ...] = (ast.Name, ast.Load, ast.And, ast.Or, ast.BoolOp, ast.Compare, ast.BinOp)
    allowed += (ast.UnaryOp, ast.USub, *_COMPARISONS, *_OPERATIONS)
    for part in ast.walk(node):
        constant = isinstance(part, ast.Constant) and isinstance(part.value, bool | int | float | str)
        if not constant and not isinstance(part, allowed):
            raise ValueError(f"{type(part).__name__} is no part of a constraint")


def _value(node: ast.AST, values: Mapping[str, Any]) -> Any:
    """Return the value of an expression."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.BoolOp):
        parts = (bool(_value(part, values)) for part in node.values)
        return all(parts) if isinstance(node.op, ast.And) else any(parts)
    if isinstance(node, ast.UnaryOp):
        return -_value(node.operand, values)
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_value(node.left, values), _value(node.right, values))
    assert isinstance(node, ast.Compare)
    operands = [_value(part, values) for part in (node.left, *node.comparators)]
    pairs = zip(node.ops, operands, operands[1:], strict=False)
    return all(_COMPARISONS[type(sign)](left, right) for sign, left, right in pairs)


@dataclass(frozen=True)
class Rules:
    """The rules of one arm's search space.

    >>> rules = Rules({"x": {"amsgrad": (True,)}}, (Constraint("beta2 > beta1"),))
    >>> rules.in_force({"amsgrad": False, "x": 0.1})
    {'amsgrad': False}
    >>> rules.broken({"beta1": 0.9, "beta2": 0.5})
    'beta2 > beta1'
    """

    when: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)  # hyperparameters that are not searched, with their values

    def __bool__(self) -> bool:
        """Return whether there is any rule."""
        return bool(self.when or self.constraints)

    def is_in_force(self, name: str, settings: Mapping[str, Any]) -> bool:
        """Return whether a hyperparameter is in force beside the other settings."""
        return all(
            above in settings and is_among(settings[above], values) and self.is_in_force(above, settings)
            for above, values in self.when.get(name, {}).items()
        )

    def in_force(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of the settings that are in force."""
        if not self.when:
            return dict(settings)
        return {name: value for name, value in settings.items() if self.is_in_force(name, settings)}

    def broken(self, settings: Mapping[str, Any]) -> str:
        """Return the first constraint that settings break; "" where they keep all."""
        values = {**self.others, **self.in_force(settings)}
        return next((rule.text for rule in self.constraints if not rule.holds(values)), "")

    def order(self, space: Iterable[str]) -> list[str]:
        """Return the names of a space in an order in which those that others depend on come first."""
        return sorted(space, key=self._depth)

    def _depth(self, name: str) -> int:
        return 1 + max(map(self._depth, self.when[name]), default=0) if name in self.when else 0


def is_among(value: Any, values: Sequence[Any]) -> bool:
    """Return whether a value is one of several; a flag is no number."""
    return any(value == allowed and isinstance(value, bool) == isinstance(allowed, bool) for allowed in values)


def as_values(value: Any) -> tuple[Any, ...]:
    """Return the values under which a condition is met: several, or the one that is given alone."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


NO_RULES = Rules()


# --- settings that keep the rules


def allowed_near(space: Mapping[str, Any], rules: Rules, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the setting near to a wanted one that keeps the rules; None where none is known to keep them.

    What is not in force is left out. Where the wanted setting breaks a constraint, the hyperparameters that the constraints name
    take the values of the nearest of some random settings, moved back as far as the constraints allow. All others stay. The
    result depends on the arguments alone.
    """
    first = rules.in_force(wanted)
    if not rules.broken(first):
        return first
    named = {name for rule in rules.constraints for name in rule.names}
    searched = {name: distribution for name, distribution in space.items() if name in wanted and name in named}
    target = {name: _place(distribution, wanted[name]) for name, distribution in searched.items()}
    generator = random.Random(0)
    best: dict[str, float] | None = None
    for _ in range(DRAWS):
        drawn = {name: generator.random() for name in searched}
        if rules.broken(_setting(searched, drawn, wanted)):
            continue
        if best is None or math.dist(drawn.values(), target.values()) < math.dist(best.values(), target.values()):
            best = drawn
    if best is None:
        return None
    return rules.in_force(_setting(searched, _moved(searched, rules, wanted, best, target), wanted))


def _moved(
    space: Mapping[str, Any], rules: Rules, wanted: Mapping[str, Any], start: Mapping[str, float],
    target: Mapping[str, float],
) -> Mapping[str, float]:  # fmt: skip
    """Return the places of a setting that is moved from ``start`` towards a target as far as the constraints allow."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        part = (low + high) / 2
        between = {name: start[name] + part * (target[name] - start[name]) for name in space}
        if rules.broken(_setting(space, between, wanted)):
            high = part
        else:
            low = part
    return {name: start[name] + low * (target[name] - start[name]) for name in space}


def _setting(space: Mapping[str, Any], places: Mapping[str, float], wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {**wanted, **{name: _at(distribution, places[name]) for name, distribution in space.items()}}


def _place(distribution: Any, value: Any) -> float:
    """Return where a value lies in a distribution, from 0 to 1; the middle of its part for a choice."""
    choices = getattr(distribution, "choices", None)
    if choices:
        return (choices.index(value) + 0.5) / len(choices) if value in choices else 0.0
    low, high = distribution.low, distribution.high
    if not high > low:
        return 0.0
    if distribution.log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return float((value - low) / (high - low))


def _at(distribution: Any, place: float) -> Any:
    """Return the value of a distribution at a place from 0 to 1."""
    choices = getattr(distribution, "choices", None)
    if choices:
        return choices[min(int(place * len(choices)), len(choices) - 1)]
    low, high = distribution.low, distribution.high
    value = low * (high / low) ** place if distribution.log else low + (high - low) * place
    if distribution.step and not distribution.log:
        value = low + distribution.step * round((value - low) / distribution.step)
    return type(low)(round(value)) if isinstance(low, int) else min(max(float(value), low), high)


def every_setting(values: Mapping[str, Sequence[Any]], rules: Rules) -> list[dict[str, Any]]:
    """Return every combination of finitely many values that keeps the rules, each once, without what is not in force."""
    settings: dict[tuple[tuple[str, Any], ...], dict[str, Any]] = {}
    for combination in product(*values.values()):
        setting = rules.in_force(dict(zip(values, combination, strict=True)))
        if not rules.broken(setting):
            settings.setdefault(tuple((name, repr(value)) for name, value in setting.items()), setting)
    return list(settings.values())


# --- what a plugin declares


def declared_fault(
    space: Mapping[str, Any], defaults: Mapping[str, Any], when: When, constraints: Sequence[str]
) -> str:
    """Return what is wrong with the rules that a plugin declares for its space, or ``""``."""
    for name, conditions in when.items():
        if name not in space:
            return f"when[{name!r}] must be for a hyperparameter of its space, got {name!r}"
        for above, values in conditions.items():
            if fault := _condition_fault(name, above, values, space, defaults):
                return f"when[{name!r}]{fault}"
    if circle := circle_of(when):
        return f"when must not go in a circle, got one through {circle!r}"
    names_known = {*space, *defaults}
    for text in constraints:
        if unknown := [name for name in Constraint(text).names if name not in names_known]:
            return f"constraints must name what is in its space or its defaults, got {unknown[0]!r} in {text!r}"
    rules = Rules(
        {name: _all_values(conditions) for name, conditions in when.items()}, tuple(map(Constraint, constraints))
    )
    if set(space) <= set(defaults) and (broken := rules.broken(defaults)):
        return f"defaults must keep its constraints, got ones that break {broken!r}"
    return ""


def _condition_fault(
    name: str, above: str, values: Any, space: Mapping[str, Any], defaults: Mapping[str, Any]
) -> str:  # fmt: skip
    if above == name or (above not in space and above not in defaults):
        return f" must depend on another hyperparameter of its space, got {above!r}"
    choices = getattr(space.get(above), "choices", None)
    strange = [value for value in as_values(values) if choices and not is_among(value, choices)]
    return f" must depend on values that {above!r} can have, got {strange[0]!r}" if strange else ""


def _all_values(others: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {above: as_values(values) for above, values in others.items()}


def circle_of(when: When) -> str:
    """Return a hyperparameter that depends on itself; "" where none does."""
    for name in when:
        seen, below = set[str](), list(when[name])
        while below:
            parameter = below.pop()
            if parameter == name:
                return name
            if parameter not in seen:
                seen.add(parameter)
                below += when.get(parameter, {})
    return ""
