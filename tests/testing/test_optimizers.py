"""Every fault is caught by the check that names it, and by no other than those listed; honest ones pass."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from harness_plugins.optimizers import lbfgs

from harness import Float, Optimizer
from harness.testing import checks
from harness.testing.driving import CPU, distance, start, step, weights
from harness.testing.optimizers.declared import require_captured
from harness.testing.problems import NETWORK, slope
from harness.testing.tape import TapeRecorder
from harness.testing.work import work_of


class Momentum(torch.optim.Optimizer):
    """SGD with momentum, written as an honest author would; the faulty ones below change one thing each."""

    def __init__(self, params, lr=0.1, momentum=0.9):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, p.grad, group)

    def move(self, p, gradient, group):
        velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
        velocity.mul_(group["momentum"]).add_(gradient)
        p.sub_(group["lr"] * velocity)


class IgnoresLr(Momentum):
    def move(self, p, gradient, group):
        super().move(p, gradient, {**group, "lr": 0.05})


class IgnoresSchedule(Momentum):
    """Keeps the rate it was built with."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.rates = [group["lr"] for group in self.param_groups]

    def move(self, p, gradient, group):
        place = next(i for i, each in enumerate(self.param_groups) if each is group)
        super().move(p, gradient, {**group, "lr": self.rates[place]})


class Forgets(Momentum):
    """Keeps its velocity where state_dict() does not look."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.velocities = {}

    def move(self, p, gradient, group):
        velocity = self.velocities.setdefault(p, torch.zeros_like(p))
        velocity.mul_(0.9).add_(gradient)
        p.sub_(group["lr"] * velocity)


class Notes:
    """What an optimizer keeps: a count, a generator, and what is made anew in every step."""

    def __init__(self):
        self.counts = {"steps": [0]}
        self.draws = torch.Generator().manual_seed(1)
        self.of_step = None


class ForgetsADeepCount(Momentum):
    """Counts in an attribute's attribute, and does something by the count only after a thousand steps."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.notes = Notes()
        self.began = object()  # another one in every training, like a time

    def step(self, closure=None):
        super().step()
        self.notes.counts["steps"][0] += 1
        self.notes.of_step = [group["lr"] for group in self.param_groups]


class HalfState(Momentum):
    """Keeps its velocity in half precision, which load_state_dict() turns into float32."""

    def move(self, p, gradient, group):
        velocity = self.state[p].setdefault("velocity", torch.zeros_like(p, dtype=torch.bfloat16))
        velocity.mul_(0.9).add_(gradient)
        p.sub_(group["lr"] * velocity)


class PickledState(Momentum):
    def move(self, p, gradient, group):
        self.state[p]["what"] = torch.float32
        super().move(p, gradient, group)


class MutatesGradients(Momentum):
    def move(self, p, gradient, group):
        super().move(p, gradient.mul_(0.5), group)


class Normalised(Momentum):
    """Divides by the size of the gradient, and by nothing else."""

    def move(self, p, gradient, group):
        super().move(p, gradient / gradient.norm(), group)


class FirstGroupsRate(Momentum):
    def move(self, p, gradient, group):
        super().move(p, gradient, self.param_groups[0])


class FirstGroupOnly(Momentum):
    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                self.move(p, p.grad, self.param_groups[0])


OWN = random.Random(1)


class Noisy(Momentum):
    """Draws from a generator of its own, which nobody seeds."""

    def move(self, p, gradient, group):
        super().move(p, gradient * (1 + 0.01 * OWN.random()), group)


class HidesNan(Momentum):
    """Takes NaN out of the gradients themselves."""

    def move(self, p, gradient, group):
        super().move(p, gradient.nan_to_num_(), group)


class Sign(Momentum):
    """signSGD: the sign of NaN is 0 in PyTorch."""

    def move(self, p, gradient, group):
        p.sub_(group["lr"] * gradient.sign())


class SignOfMomentum(Momentum):
    """Lion's like: NaN stays in its state."""

    def move(self, p, gradient, group):
        velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
        p.sub_(group["lr"] * velocity.lerp_(gradient, 0.1).sign())


class Ascends(Momentum):
    def move(self, p, gradient, group):
        super().move(p, -gradient, group)


class WantsAllGradients(Momentum):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                self.move(p, torch.zeros_like(p) + 1e-3 if p.grad is None else p.grad, group)


class Flattens(Momentum):
    """Takes weights to lie in memory row by row."""

    def move(self, p, gradient, group):
        p.view(-1).sub_(group["lr"] * gradient.view(-1))


class ForgetsNames(Momentum):
    """Takes one of two (name, parameter) pairs for a rate."""

    def __init__(self, params, lr=0.1):
        pairs = [each for each in params if isinstance(each, tuple)]
        super().__init__([p for _, p in pairs] or params, lr / 2 if pairs else lr)


class HalfWeights(Momentum):
    def move(self, p, gradient, group):
        super().move(p, gradient, group)
        p.data = p.data.bfloat16()


class Evaluates(Momentum):
    """Has weights of its own for evaluation, and does not say so."""

    def train(self):
        self.shift(-1)

    def eval(self):
        self.shift(1)

    @torch.no_grad()
    def shift(self, sign):
        if self.param_groups[0].get("shifted", -1) != sign:
            self.param_groups[0]["shifted"] = sign
            for p in self.param_groups[0]["params"]:
                p.add_(0.01 * sign)


class ComesBackElsewhere(Evaluates):
    def train(self):
        pass


def offer(class_, space=None, **declared):
    return Optimizer(
        class_.__name__.lower(),
        class_,
        {"lr": Float(1e-3, 1.0, log=True)} if space is None else space,
        {"lr": 0.1},
        **declared,
    )


DESCENTS = {"descends_quadratic", "descends_valley", "descends_network", "trains_in_bf16"}
FAULTS = [  # who, the check that names the fault, and what else may fail for it
    (offer(IgnoresLr), "obeys_lr", {"obeys_schedule", "several_groups"}),
    (offer(IgnoresSchedule), "obeys_schedule", set()),
    (offer(Forgets), "continues_from_state", {"keeps_attributes"}),
    (offer(ForgetsADeepCount), "keeps_attributes", set()),
    (offer(HalfState), "state_round_trip", {"continues_from_state", "trains_in_bf16"}),
    (offer(PickledState), "state_round_trip", {"continues_from_state", "keeps_attributes"}),
    (offer(MutatesGradients), "keeps_gradients", set()),
    (offer(Normalised), "zero_gradient", set()),
    (offer(FirstGroupsRate), "several_groups", set()),
    (offer(FirstGroupOnly), "several_groups", set()),
    (offer(Noisy), "deterministic", {"continues_from_state", "several_groups", "named_parameters"}),
    (offer(HidesNan), "nan_gradient", set()),
    (offer(Ascends), "descends_quadratic", DESCENTS),
    (offer(WantsAllGradients), "without_gradient", set()),
    (offer(Flattens), "channels_last", set()),
    (offer(ForgetsNames), "named_parameters", set()),
    (offer(HalfWeights), "trains_in_bf16", None),
    (offer(Evaluates), "switches", set()),
    (offer(ComesBackElsewhere, switches=True), "switches", set()),
    (offer(Momentum, switches=True), "switches", None),
    (offer(Momentum, {"lr": Float(1e-3, 1.0), "rho": Float(0, 1)}), "builds", None),
    (offer(Momentum, {"lr": Float(1e-3, 1e-2, log=True)}), "defaults_in_space", set()),
    (offer(Momentum, known_failures={"obey_lr": "a slip of the pen"}), "known_failures", set()),
    (offer(Momentum, known_failures={"obeys_lr": "was mended"}), "obeys_lr", set()),
]  # fmt: skip


def failures(optimizer, quick=True):
    outcomes = {check.name: check.outcome() for check in checks(optimizer, quick)}
    return {name: outcome.text for name, outcome in outcomes.items() if outcome.status == "FAILED"}


@pytest.mark.parametrize(("faulty", "named", "others"), FAULTS, ids=lambda x: getattr(x, "name", None))
def test_a_fault_is_caught_by_the_check_that_names_it(faulty, named, others):
    found = failures(faulty)
    assert named in found
    assert others is None or set(found) <= {named, *others}
    assert all("must" in text and "\n" not in text for text in found.values())


def outcome_of(optimizer, name):
    """Return what comes of one check."""
    (check,) = [check for check in checks(optimizer) if check.name == name]
    return check.outcome()


def test_what_a_state_loses_is_named_by_its_place():
    lost = outcome_of(offer(ForgetsADeepCount), "keeps_attributes").text
    assert "lost 'notes.counts['steps'][0]' (8, and 1 after a stop)" in lost


class DrawsByItself(Momentum):
    """Draws from a generator of its own, and gives its state away, or does not."""

    gives = True

    def __init__(self, params, lr=0.1):
        super().__init__(params, lr)
        self.generator = torch.Generator().manual_seed(0)
        self.cache = None  # made with the first step

    def move(self, p, gradient, group):
        self.cache = torch.ones(())
        super().move(p, gradient * torch.rand((), generator=self.generator), group)

    def state_dict(self):
        drawn = {"generator": self.generator.get_state()} if self.gives else {}
        return {**super().state_dict(), **drawn}

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        if self.gives:
            self.generator.set_state(state_dict["generator"])


class DrawsAndForgets(DrawsByItself):
    gives = False


def test_a_generator_is_state_and_what_is_made_anew_is_none():
    assert outcome_of(offer(DrawsByItself), "keeps_attributes").status == "ok"
    assert "lost 'generator'" in outcome_of(offer(DrawsAndForgets), "keeps_attributes").text


def test_one_whose_state_cannot_be_saved_is_not_asked_for_it():
    unsaved = offer(PickledState, resumes=False)
    for name in ("state_round_trip", "continues_from_state", "keeps_attributes"):
        assert (outcome_of(unsaved, name).status, outcome_of(unsaved, name).text.partition(",")[0]) == (
            "n/a", "its state cannot be saved",
        )  # fmt: skip


@pytest.mark.parametrize(("ends", "status"), [((1e-2, 10.0), "ok"), ((1e-3, 1.0), "FAILED"), ((1e-2, 1e-1), "FAILED")])
def test_a_best_rate_outside_the_space_or_at_its_end_is_not_ok(ends, status):
    """The reviewer's SGD was best at the end of its space, which was told as ok."""
    low, high = ends
    ranged = Optimizer("sgd", torch.optim.SGD, {"lr": Float(low, high, log=True)}, {})
    outcome = outcome_of(ranged, "space_brackets_best_lr")
    assert outcome.status == status
    assert "good at lr=" in outcome.text if status == "ok" else "widen it" in outcome.text


class TwoGradients(Momentum):
    """Evaluates the objective twice, and multiplies matrices."""

    def step(self, closure=None):
        for _ in range(2):
            with torch.enable_grad():
                objective = closure()
        torch.ones(2, 3) @ torch.ones(3, 5)
        super().step()
        return objective


def test_work_is_counted_and_not_timed():
    """Of SGD one operation a weight; of momentum in three functions of torch five, and 60 of the product."""
    plain = Optimizer("plain", torch.optim.SGD, {}, {"lr": 0.1})
    one, two = (work_of(start(each, NETWORK), 4) for each in (plain, offer(TwoGradients, closure=True)))
    weights_ = sum(p.numel() for p in start(plain, NETWORK).parameters)
    assert (one.gradients, one.operations) == (1, weights_)
    assert two.gradients == 2
    assert two.operations > 2 * 2 * 3 * 5 + 3 * weights_
    assert two == work_of(start(offer(TwoGradients, closure=True), NETWORK), 4)
    text = outcome_of(offer(TwoGradients, closure=True), "cost").text
    assert text.startswith("state 1.0 x the weights; a step: 2 gradients and ")
    assert text.endswith("; plain SGD's: 1 gradient and 1 operation a weight")


def test_an_honest_one_passes_everything():
    assert failures(offer(Momentum), quick=None) == {}


class CountsSteps(torch.optim.SGD):
    """Steps every other time, which a graph does not."""

    def __init__(self, parameters, **settings):
        super().__init__(parameters, **settings)
        self.count = [0]

    def step(self, closure=None):
        self.count[0] += 1
        if self.count[0] % 2:
            super().step()


def test_steps_that_a_graph_cannot_have_are_found():
    """On a tape, which is a graph without a GPU."""
    fused = Optimizer("fused", torch.optim.SGD, {}, {"lr": 0.1}, captured={"fused": True})
    require_captured(fused, CPU, TapeRecorder())
    reads = Optimizer("reads", torch.optim.SGD, {}, {"lr": 0.1}, captured={"foreach": True})  # its rate, as a number
    for wrong, said in (
        (reads, "cannot be captured"),
        (replace(fused, name="counts", build=CountsSteps), "other numbers"),
    ):
        with pytest.raises(AssertionError, match=f"must take steps that a graph can have, got forward .* {said}"):
            require_captured(wrong, CPU, TapeRecorder())


def test_without_a_gpu_or_without_the_declaration_graphs_are_not_checked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (captured,) = [each.outcome() for each in checks(offer(Momentum, captured={})) if each.name == "captured_steps"]
    (eager,) = [each.outcome() for each in checks(offer(Momentum)) if each.name == "captured_steps"]
    assert (captured.status, captured.text) == ("n/a", "there is no GPU here")
    assert (eager.status, eager.text) == ("n/a", "it declares no captured=, so that on a GPU it steps eagerly")


(LBFGS,) = lbfgs.harness_optimizers()  # the one with a line search


def test_a_line_search_is_judged_on_all_rows_at_once():
    """On batches its best rate is another one on every processor; with all rows any rate comes to the minimum."""
    (outcome,) = [each.outcome() for each in checks(LBFGS) if each.name == "space_brackets_best_lr"]
    assert outcome.status == "ok"
    assert float(outcome.text.rpartition("loss ")[2]) < 1e-3  # about 1e-7, anywhere


@pytest.mark.parametrize("lr", [0.1, 0.5, 0.95, 1.0])
def test_a_line_search_meets_a_lowest_point(lr):
    """On a straight slope it went on to 1e8, where float32 ends, and stood still there or not, by the processor."""
    parts = start(LBFGS, slope(LBFGS), {"lr": lr})
    step(parts, 2)
    before = weights(parts)
    step(parts, 10)
    assert 1e-3 < distance(before, weights(parts)) < 10  # it is near the minimum by then, and comes nearer
    assert all(float(each.abs().max()) < 100 for each in weights(parts))


@pytest.mark.parametrize(
    ("class_", "said"),
    [
        (Momentum, ""),
        (
            Sign,
            "weights stay finite after a NaN gradient: the loop cannot see it from the weights; it looks at the gradient",
        ),
        (SignOfMomentum, "weights stay finite after a NaN gradient, though its state does not: the loop cannot see it"),
    ],
)
def test_weights_that_stay_finite_are_a_property_and_no_failure(class_, said):
    (check,) = [check for check in checks(offer(class_), True) if check.name == "nan_gradient"]
    outcome = check.outcome()
    assert outcome.status == "ok"
    assert outcome.text.startswith(said)
    assert bool(outcome.text) == bool(said)


class NoOptimizer:
    def __init__(self, params, lr):
        self.param_groups = torch.optim.SGD(params, lr=lr).param_groups


def test_what_is_no_optimizer_is_told_so_by_every_check():
    found = failures(offer(NoOptimizer))
    assert {"builds", "obeys_lr", "common_objective"} <= set(found)
    assert all("nooptimizer': must be a torch.optim.Optimizer, got NoOptimizer" in text for text in found.values())
