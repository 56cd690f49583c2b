"""The library pytorch_optimizer: every class trains or is left out with a reason, and without the library it says so."""

from __future__ import annotations

import sys

import pytest
import torch

from harness.errors import UnknownName
from harness.plugin.contracts import Optimizer
from harness.plugin.discovery import discover

FOUND = discover()


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(UnknownName) as refused:
        FOUND.find("optimizer", "pytorch_optimizer:AdaBelief", "b.toml:3")
    assert str(refused.value) == (
        "b.toml:3: must name an optimizer that works here, got 'pytorch_optimizer:AdaBelief': "
        "it needs the library of the extra 'optimizers'; python -m pip install pytorch_optimizer"
    )
    (catalogue,) = [c for c, _ in FOUND.catalogues if c.name == "pytorch_optimizer"]
    assert catalogue.names() == []
    (reason,) = catalogue.refused().values()
    assert reason == "it needs the library of the extra 'optimizers'; python -m pip install pytorch_optimizer"


def test_every_class_is_offered_or_refused_with_a_reason():
    library = pytest.importorskip(
        "pytorch_optimizer", reason="pytorch_optimizer is not installed here; tox installs it"
    )
    (catalogue,) = [c for c, _ in FOUND.catalogues if c.name == "pytorch_optimizer"]
    offered = set(catalogue.names())
    base = torch.optim.Optimizer
    classes = {n for n, c in vars(library).items() if isinstance(c, type) and issubclass(c, base) and c is not base}
    assert offered <= classes
    assert len(offered) >= 100
    for name in classes - offered:
        with pytest.raises(UnknownName, match=r"works here, got 'pytorch_optimizer:.*': it") as refused:
            FOUND.find("optimizer", f"pytorch_optimizer:{name}", "x")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["AdaBelief", "AdaFactor", "AdaMuon", "MARS", "SCION", "SOAP"])
def test_every_group_moves_by_its_own_rate(name):
    pytest.importorskip("pytorch_optimizer", reason="pytorch_optimizer is not installed here; tox installs it")
    offer = FOUND.get("optimizer", f"pytorch_optimizer:{name}", Optimizer)
    moved = []
    for rate in (0.0, 1e-2):
        random = torch.Generator().manual_seed(0)
        weights = [torch.nn.Parameter(torch.randn(shape, generator=random)) for shape in ((4, 3), (5,), (4, 3), (5,))]
        start = [weight.detach().clone() for weight in weights]
        groups = [{"params": weights[:2], "lr": 1e-2}, {"params": weights[2:], "lr": rate}]
        optimizer = offer.build(groups, **offer.defaults)
        for _ in range(3):
            optimizer.zero_grad()
            torch.stack([weight.square().sum() for weight in weights]).sum().backward()
            optimizer.step()
        moved.append([not torch.equal(old, new) for old, new in zip(start, weights, strict=True)])
    assert moved == [[True, True, False, False], [True, True, True, True]]


def test_second_derivatives_and_switches_are_declared():
    pytest.importorskip("pytorch_optimizer", reason="pytorch_optimizer is not installed here; tox installs it")
    for name in ("AdaHessian", "SophiaH"):
        assert FOUND.get("optimizer", f"pytorch_optimizer:{name}", Optimizer).second_order
    for name in ("ScheduleFreeAdamW", "ScheduleFreeSGD"):
        offer = FOUND.get("optimizer", f"pytorch_optimizer:{name}", Optimizer)
        assert (offer.switches, offer.scheduled) == (True, False)
    assert FOUND.get("optimizer", "pytorch_optimizer:Prodigy", Optimizer).space == {}
