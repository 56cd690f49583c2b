"""No optimizer has a weight decay of its own where all arms minimise one function, by whatever name it goes."""

from __future__ import annotations

import pytest
import torch

from harness.plugin.contracts import Optimizer
from harness.plugin.discovery import discover
from harness.training.rehearsal import Rehearsal, own_penalties, shrinks_weights

FOUND = discover()
NAMES = list(FOUND.offers["optimizer"])
for catalogue, _ in FOUND.catalogues:
    if catalogue.kind == "optimizer":
        NAMES += [f"{catalogue.name}:{name}" for name in catalogue.names()]


@pytest.mark.parametrize("name", [*NAMES, "sam(adamw)", "ema(sam(muon))"])
def test_no_optimizer_that_is_offered_pulls_weights_to_zero(name):
    offer = FOUND.get("optimizer", name, Optimizer)
    highest = {each: (getattr(space, "choices", None) or [space.high])[-1] for each, space in offer.space.items()}
    assert own_penalties(Rehearsal(offer, highest).optimizer) == {}
    assert shrinks_weights(offer, highest) == ("common_objective" in offer.known_failures)


@pytest.mark.parametrize("name", ["adamw", "muon", "lion", "schedulefree", "prodigy", "sam(adamw)", "torch:SGD"])
def test_a_weight_decay_is_seen_by_its_name_and_by_what_it_does(name):
    offer = FOUND.get("optimizer", name, Optimizer)
    assert own_penalties(Rehearsal(offer, {"weight_decay": 0.1}).optimizer) == {"weight_decay": 0.1}
    assert shrinks_weights(offer, {"weight_decay": 0.1}) or name == "prodigy"  # its rate begins at 1e-6


def test_an_l1_penalty_is_seen_by_what_it_does():
    class Lasso(torch.optim.SGD):
        def step(self, closure=None):
            for weight in self.param_groups[0]["params"]:
                weight.grad.add_(weight.detach().sign(), alpha=1e-3)
            return super().step(closure)

    assert shrinks_weights(Optimizer("lasso", Lasso, {}, {"lr": 0.1, "momentum": 0.9}), {})
    assert not shrinks_weights(Optimizer("sgd", torch.optim.SGD, {}, {"lr": 0.1, "momentum": 0.9}), {})
