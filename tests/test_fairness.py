"""What would make a comparison unfair is refused, or said, before anything is trained."""

from __future__ import annotations

import pytest

from harness.errors import PluginError
from harness.preparation import Request, prepare
from harness.progress import Reporter

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
        ("hidden", r"got weights that shrink where the gradient is 0; take it out"),
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
