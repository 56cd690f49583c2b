"""What would make a comparison unfair is refused, or said, before anything is trained."""

from __future__ import annotations

import pytest

from harness.console.progress import Reporter
from harness.errors import PluginError
from harness.running.prepare import Request, prepare

PLUGIN = """
import torch
from harness import Float, Optimizer, hookimpl

LR = {"lr": Float(1e-3, 1e-1, log=True)}


class Hidden(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - 0.01 * group["lr"]).sub_(p.grad, alpha=group["lr"])


@hookimpl
def harness_optimizers():
    return [
        Optimizer("searched", torch.optim.AdamW, {**LR, "weight_decay": Float(1e-5, 1e-1, log=True)}),
        Optimizer("preset", torch.optim.AdamW, LR, {"weight_decay": 0.05}),
        Optimizer("bare", torch.optim.AdamW, LR),
        Optimizer("hidden", Hidden, LR),
    ]
"""


@pytest.fixture
def prepared(benchmark_file, tmp_path):
    """Return a function that prepares a tiny benchmark with some optimizers of a plugin file."""

    def make(plugin: str, *replacements: tuple[str, str], optimizers: str = '"sgd", "adam"'):
        file = tmp_path / "mine.py"
        file.write_text(plugin, encoding="utf-8")
        benchmark = benchmark_file(('"sgd", "adam"', optimizers), *replacements)
        return prepare(Request(benchmark, plugins=(file,)), Reporter(quiet=True))

    return make


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("searched", r"got weight_decay in its space, 1e-05 to 0.1; pin it to 0, \[search.space.searched\]"),
        ("preset", r"got weight_decay = 0.05 in its defaults; pin it to 0"),
        ("bare", r"got weight_decay = 0.01 in its parameter groups; pin it to 0"),
        ("hidden", r"got weights that it pulls towards zero by itself; take it out"),
        (
            "sam(bare)",
            r"got weight_decay = 0.01 in its parameter groups; pin it to 0, \[search.space.\"sam\(bare\)\"\]",
        ),
    ],
)
def test_a_weight_decay_of_an_optimizers_own_is_refused_with_its_file(prepared, name, got):
    with pytest.raises(
        PluginError, match=rf"(mine.py|harness.*): optimizer .* must have no weight decay .*{got}"
    ) as error:
        prepared(PLUGIN, optimizers=f'"sgd", "{name}"')
    assert "\n" not in str(error.value)
    assert 'search.objective = "free"' in str(error.value)


WAYS = """
import functools
import torch
from harness import Float, Optimizer, hookimpl

LR = {"lr": Float(1e-3, 1e-1, log=True)}


class Grouped(torch.optim.SGD):
    # vectors have a group of their own, and matrices a decay
    def __init__(self, params, lr=0.1):
        params = list(params)
        flat = [p for p in params if p.ndim < 2]
        rest = [p for p in params if p.ndim >= 2]
        super().__init__([{"params": flat, "weight_decay": 0.0}, {"params": rest, "weight_decay": 0.02}], lr=lr)


class Nested(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr, "regularisers": {"inner": {"weight_decay": 0.03}}})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(p.grad, alpha=group["lr"])


class Shelved(torch.optim.Optimizer):
    # its optimizers stand in a dictionary
    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})
        every = [p for group in self.param_groups for p in group["params"]]
        self.parts = {"all": torch.optim.AdamW(every, lr=lr, weight_decay=0.04)}

    def step(self, closure=None):
        self.parts["all"].step()


class Renamed(torch.optim.SGD):
    # a decay by another name, which acts on what is moved alone, where the step goes towards zero
    def __init__(self, params, lr=0.1, prudence=0.05):
        super().__init__(params, lr=lr)
        self.prudence = prudence

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(1 - group["lr"] * self.prudence * (p.grad * p > 0))
        return super().step(closure)


class Rare(torch.optim.SGD):
    # it shrinks the weights in every seventh step
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)
        self.count = 0

    @torch.no_grad()
    def step(self, closure=None):
        self.count += 1
        if self.count % 7 == 0:
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(1 - 0.1 * group["lr"])
        return super().step(closure)


@hookimpl
def harness_optimizers():
    return [
        Optimizer("partial", functools.partial(torch.optim.AdamW, weight_decay=0.01), LR),
        Optimizer("nadamw", functools.partial(torch.optim.NAdam, weight_decay=0.01, decoupled_weight_decay=True), LR),
        Optimizer("grouped", Grouped, LR),
        Optimizer("nested", Nested, LR),
        Optimizer("shelved", Shelved, LR),
        Optimizer("renamed", Renamed, LR),
        Optimizer("rare", Rare, LR),
    ]
"""


@pytest.mark.parametrize(
    ("name", "got"),
    [
        ("partial", "weight_decay = 0.01 in its parameter groups"),
        ("nadamw", "weight_decay = 0.01 in its parameter groups"),
        ("grouped", "weight_decay = 0.02 in its parameter groups"),
        ("nested", "weight_decay = 0.03 in its parameter groups"),
        ("shelved", "weight_decay = 0.04 in its parameter groups"),
        ("renamed", "weights that it pulls towards zero by itself"),
        ("rare", "weights that it pulls towards zero by itself"),
    ],
)
def test_a_regulariser_is_refused_wherever_it_comes_from(prepared, name, got):
    with pytest.raises(PluginError, match=rf"mine.py: optimizer '{name}' must have no weight decay .* got {got}"):
        prepared(WAYS, optimizers=f'"sgd", "{name}"')


@pytest.mark.parametrize("name", ["partial", "nadamw"])
def test_a_regulariser_of_a_partial_can_be_pinned_to_0(prepared, name):
    pinned = ("[compare]", f"[search.space.{name}]\nweight_decay = 0\n[compare]")
    ready = prepared(WAYS, pinned, optimizers=f'"adam", "nadam", "{name}"')
    (pair,) = ready.fairness.equal
    assert (pair.name, pair.same_as) == (name, {"partial": "adam", "nadamw": "nadam"}[name])


@pytest.mark.parametrize("name", ["searched", "preset", "bare"])
def test_one_that_is_pinned_to_0_takes_part(prepared, name):
    pinned = ("[compare]", f"[search.space.{name}]\nweight_decay = 0\n[compare]")
    assert prepared(PLUGIN, pinned, optimizers=f'"sgd", "{name}"')


@pytest.mark.parametrize("name", ["searched", "preset", "bare", "hidden"])
def test_one_takes_part_where_every_arm_has_an_objective_of_its_own(prepared, name):
    free = ("[search]", '[search]\nobjective = "free"')
    assert prepared(PLUGIN, free, optimizers=f'"sgd", "{name}"')


def test_the_built_in_one_with_a_weight_decay_of_0_takes_part(prepared):
    names = '"adamw", "lion", "muon", "schedulefree", "timm:lamb", "torch:ASGD", "pytorch_optimizer:MARS"'
    assert prepared(PLUGIN, optimizers=names)


ONE_CYCLE = """
import torch
from harness import Float, Optimizer, Scheduler, hookimpl


def build(optimizer, total_steps):
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, [g["lr"] for g in optimizer.param_groups], total_steps + 1)


def heavy(parameters, lr=0.1, mass=0.5):
    return torch.optim.SGD(parameters, lr=lr, momentum=mass)


@hookimpl
def harness_schedulers():
    return [Scheduler("cycling", build)]


@hookimpl
def harness_optimizers():
    return [Optimizer("heavy", heavy, {"lr": Float(1e-3, 1.0, log=True), "mass": Float(0.1, 0.9)})]
"""
CYCLING = ("batch_size = 16", 'batch_size = 16\nschedulers = ["cycling"]')


@pytest.mark.parametrize(
    ("optimizer", "named"),
    [
        ("sgd", r"'momentum' .* got 0.85.* to 0.95 in the parameter groups' momentum"),
        ("adam", r"'beta1' .* got 0.85.* to 0.95 in the parameter groups' betas\[0\]"),
        ("heavy", r"'mass' .* got 0.85.* to 0.95 in the parameter groups' momentum"),
        ("sam(sgd)", r"'momentum' .* in the parameter groups' momentum"),
    ],
)
def test_a_schedule_that_writes_over_what_is_searched_is_refused(prepared, optimizer, named):
    with pytest.raises(
        PluginError, match=rf"mine.py: scheduler 'cycling' under '.*' must leave {named}.*cycle_momentum"
    ):
        prepared(ONE_CYCLE, CYCLING, optimizers=f'"{optimizer}"')


def test_a_schedule_that_writes_over_what_is_pinned_is_refused(prepared):
    pinned = ("[compare]", "[search.space.sgd]\nmomentum = 0.0\nnesterov = false\n[compare]")
    with pytest.raises(PluginError, match=r"must leave 'momentum' .* got 0.85.* to 0.95 in"):
        prepared(ONE_CYCLE, CYCLING, pinned, optimizers='"sgd"')


def test_a_schedule_that_moves_a_mere_default_is_said_and_recorded(prepared):
    ready = prepared(ONE_CYCLE, CYCLING, optimizers='"torch:Adam", "torch:Adagrad", "torch:Adamax"')
    arm = "lesson_cnn/torch:Adam/cycling"
    entry = ready.fairness.plain()["moved"][arm]["betas[0]"]
    assert entry == pytest.approx({"before": 0.9, "low": 0.85, "high": 0.95}, abs=2e-3)
    (note,) = [note for note in ready.fairness.notes() if "moves" in note]
    assert note.startswith("cycling moves betas[0] too, from 0.85")
    assert note.endswith(": lesson_cnn/torch:Adam/cycling, lesson_cnn/torch:Adamax/cycling")


@pytest.mark.parametrize(
    "scheduler", ["cosine", "one_cycle", "plateau", "sgdr", "wsd", "step", "linear", "exponential"]
)
def test_a_built_in_schedule_moves_the_rate_alone(prepared, scheduler):
    ready = prepared(ONE_CYCLE, (CYCLING[0], CYCLING[1].replace("cycling", scheduler)))
    assert not ready.fairness.moved


# --- two optimizers that are one


def equal(ready):
    return [(pair.name, pair.same_as, pair.weight_decay) for pair in ready.fairness.equal]


def test_two_optimizers_that_take_the_same_steps_are_said_to_be_one(prepared):
    names = (
        '"adam", "adamw", "sgd", "torch:SGD", "torch:Adam", "lion", "timm:lion", "rmsprop", "sam(adam)", "sam(adamw)"'
    )
    ready = prepared(ONE_CYCLE, optimizers=names)
    assert equal(ready) == [
        ("adamw", "adam", True),
        ("torch:Adam", "adam", True),
        ("timm:lion", "lion", True),
        ("sam(adamw)", "sam(adam)", True),
    ]
    assert ready.fairness.notes()[0] == (
        "adamw is adam here: without weight decay both take the same steps (compared over 20 steps); "
        "to give adamw a weight decay of its own, set search.objective to free"
    )


def test_optimizers_that_differ_are_not_said_to_be_one(prepared):
    free = (
        ("[search]", '[search]\nobjective = "free"'),
        ("[compare]", "[search.space.adamw]\nweight_decay = 1e-2\n[compare]"),
    )
    assert equal(prepared(ONE_CYCLE, *free, optimizers='"adam", "adamw"')) == []
    pinned = '[search.space."torch:AdamW"]\nweight_decay = 0.0\n[search.space.adam]\nweight_decay = 0.0\n[compare]'
    decay = "[search.space.adamw]\nweight_decay = { low = 1e-4, high = 1.0, log = true }\n"
    searched = ("[compare]", decay + pinned)
    assert equal(prepared(ONE_CYCLE, free[0], searched, optimizers='"adam", "adamw", "torch:AdamW"')) == [
        ("torch:AdamW", "adam", True)
    ]
    pinned = ("[compare]", "[search.space.adamw]\nbeta1 = 0.5\n[search.space.adam]\nbeta1 = 0.9\n[compare]")
    assert equal(prepared(ONE_CYCLE, pinned, optimizers='"adam", "adamw"')) == []
    others = '"sgd", "adam", "rmsprop", "adagrad", "nadam", "lion", "torch:RAdam", "torch:Adamax", "schedulefree"'
    assert equal(prepared(ONE_CYCLE, optimizers=others)) == []


TWINS = """
import torch
from harness import Float, Optimizer, hookimpl


class Again(torch.optim.Optimizer):
    # Adam, its numbers added in another order
    def __init__(self, params, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": (beta1, beta2), "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                count = state["count"] = state.get("count", 0) + 1
                m = state["m"] = first * state.get("m", torch.zeros_like(p)) + (1 - first) * p.grad
                v = state["v"] = second * state.get("v", torch.zeros_like(p)) + (1 - second) * p.grad.square()
                p.sub_(group["lr"] * (m / (1 - first**count)) / ((v / (1 - second**count)).sqrt() + group["eps"]))


class Unbiased(Again):
    # nearly Adam
    def __init__(self, params, lr=1e-3, beta1=0.9, beta2=0.998, eps=1e-8):
        super().__init__(params, lr, beta1, beta2, eps)


@hookimpl
def harness_optimizers():
    space = {"lr": Float(1e-4, 1e-1, log=True), "beta1": Float(0.5, 0.95)}
    return [Optimizer("again", Again, space, {}), Optimizer("unbiased", Unbiased, space, {})]
"""


def test_two_programs_of_one_method_are_one_but_for_rounding(prepared):
    ready = prepared(TWINS, optimizers='"adam", "again", "unbiased"')
    (pair,) = ready.fairness.equal
    assert (pair.name, pair.same_as, pair.exactly) == ("again", "adam", False)
    assert ready.fairness.notes() == [
        "again is adam here: at equal settings both take the same steps (compared over 20 steps, but for rounding)"
    ]


def test_lars_of_timm_is_momentum_only_where_a_benchmark_says_so(prepared):
    arms = '"timm:momentum", "timm:lars"'
    assert equal(prepared(ONE_CYCLE, optimizers=arms)) == []
    pinned = ("[compare]", '[search.space."timm:lars"]\nalways_adapt = false\n[compare]')
    assert equal(prepared(ONE_CYCLE, pinned, optimizers=arms)) == [("timm:lars", "timm:momentum", True)]


UNSAVED = """
import torch
from harness import Float, Optimizer, hookimpl

@hookimpl
def harness_optimizers():
    return [Optimizer("kept", torch.optim.SGD, {"lr": Float(1e-3, 1e-1, log=True)}, resumes=False)]
"""


def test_an_optimizer_whose_state_cannot_be_saved_is_said(prepared):
    ready = prepared(UNSAVED, optimizers='"adam", "kept"')
    assert ready.fairness.notes() == ["kept: its state cannot be saved, so a run that is killed begins again"]
    assert ready.fairness.plain()["unsaved"] == ("kept",)


def test_an_alias_is_meant_to_be_the_optimizer_it_stands_for(prepared):
    alias = ("batch_size = 16", 'batch_size = 16\naliases = { wide = "adam" }')
    assert equal(prepared(ONE_CYCLE, alias, optimizers='"adam", "wide"')) == []
