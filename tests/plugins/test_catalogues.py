"""Whole libraries of optimizers: every class trains, or is left out with a reason; none is taken by a bare name."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import torch
from harness_plugins.optimizers import _page, _ranges, _wrappers, timm_optim

from harness.cli.list import lines, list_plugins
from harness.errors import PluginError, UnknownName
from harness.plugin.contracts import Optimizer
from harness.plugin.discovery import discover
from harness.testing import checks
from harness.testing.optimizers.objective import plain_method
from harness.training.rehearsal import compare_steps
from harness.training.stages import build_optimizer
from harness.training.state import flatten, restore
from harness.training.surroundings import Surroundings

FOUND = discover()
LIBRARIES = {catalogue.name: catalogue for catalogue, _ in FOUND.catalogues if catalogue.kind == "optimizer"}
OFFERED = [f"{library}:{name}" for library in LIBRARIES for name in LIBRARIES[library].names()]


class Training:
    """A small network with a convolution, biases, a scale and a matrix, under one optimizer."""

    def __init__(self, offer: Optimizer, layout: torch.memory_format = torch.contiguous_format) -> None:
        torch.manual_seed(0)
        self.images, self.targets = torch.randn(8, 3, 6, 6), torch.arange(8) % 3
        self.model = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.GroupNorm(2, 4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 3)
        ).to(memory_format=layout)  # fmt: skip
        self.offer = offer
        settings = {**offer.defaults, **Surroundings(self.model, total_steps=8, examples=8).keywords(offer)}
        self.optimizer = build_optimizer(offer, settings, [list(self.model.parameters())])
        if offer.switches:
            self.optimizer.train()

    def loss(self) -> torch.Tensor:
        self.optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(self.model(self.images), self.targets)
        if self.offer.second_order:
            weights = list(self.model.parameters())
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights, create_graph=True), strict=True):
                weight.grad = gradient
        else:
            loss.backward()
        return loss.detach()

    def steps(self, count: int) -> None:
        for _ in range(count):
            if self.offer.closure:
                self.optimizer.step(self.loss)
            else:
                self.loss()
                self.optimizer.step()

    def weights(self) -> list[torch.Tensor]:
        return [weight.detach().clone() for weight in self.model.parameters()]


def tensors_of(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    tensors: dict[str, torch.Tensor] = {}
    flatten(optimizer.state_dict(), "optimizer", tensors)
    return tensors


@pytest.mark.parametrize("name", OFFERED)
def test_every_optimizer_steps_stays_finite_and_goes_on_from_its_state_bit_equal(name: str):
    offer = FOUND.get("optimizer", name, Optimizer)
    assert offer.name == name
    if "lr" in offer.space:  # some find it themselves
        assert offer.space["lr"].low <= offer.defaults["lr"] <= offer.space["lr"].high
    assert offer.defaults.get("weight_decay", 0) == 0

    whole = Training(offer)
    before = whole.weights()
    whole.steps(3)
    assert all(torch.isfinite(weight).all() for weight in whole.weights())
    if not offer.resumes:  # a run that is killed begins again
        return
    assert all(torch.isfinite(tensor).all() for tensor in tensors_of(whole.optimizer).values())

    tensors: dict[str, torch.Tensor] = {}
    saved = json.dumps(flatten(whole.optimizer.state_dict(), "optimizer", tensors))
    second = Training(offer)
    second.model.load_state_dict(whole.model.state_dict())
    second.optimizer.load_state_dict(restore(json.loads(saved), tensors))
    whole.steps(5)
    second.steps(5)
    for one, other in zip(whole.weights(), second.weights(), strict=True):
        assert torch.equal(one, other)
    assert any(not torch.equal(old, new) for old, new in zip(before, whole.weights(), strict=True))  # RAdam waits five


def test_no_class_of_torch_is_left_out_without_a_reason():
    classes = {
        name
        for name, value in vars(torch.optim).items()
        if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
    }
    assert classes - set(LIBRARIES["torch"].names()) == {"SparseAdam"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("torch:SparseAdam", "it takes sparse gradients only"),
        ("pytorch_optimizer:DistributedMuon", "it needs several processes"),
        ("pytorch_optimizer:PCGrad", "a task has one"),
        ("timm:bnbadam8bit", "bitsandbytes' version for GPUs, .*; use 'timm:adam'"),
        ("timm:bnbademamix", "use 'pytorch_optimizer:AdEMAMix'"),
        ("timm:fusedlamb", "NVIDIA's apex, .*; use 'timm:lamb'"),
    ],
)
def test_one_that_cannot_train_here_is_refused_with_its_reason(name, reason):
    with pytest.raises(
        UnknownName, match=f"b.toml:3: must name an optimizer that works here, got '{name}': .*{reason}"
    ):
        FOUND.find("optimizer", name, "b.toml:3")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_name_that_a_library_refuses_is_none_of_its_names_and_has_a_reason(library):
    catalogue = LIBRARIES[library]
    refused = catalogue.refused()
    assert refused
    assert not set(refused) & set(catalogue.names())
    for name, reason in refused.items():
        with pytest.raises(PluginError, match=re.escape(reason)):
            catalogue.find(name)
        if instead := re.search(r"use '(.+)'", reason):
            assert FOUND.get("optimizer", instead[1], Optimizer).name == instead[1]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        (
            "RAdam",
            "did you mean 'pytorch_optimizer:RAdam' or 'timm:radam' or 'torch:RAdam'",
        ),  # a bare name is not taken
        ("lamb", "did you mean 'pytorch_optimizer:Lamb' or 'timm:lamb'"),
        ("torch:radam", "did you mean 'pytorch_optimizer:RAdam' or 'timm:radam' or 'torch:RAdam'"),
        ("torch:RAdan", "did you mean 'torch:RAdam'"),
        ("timm:lamp", "did you mean 'timm:lamb'"),
        ("torch:Optimizer", "must name an optimizer"),
        ("jax:lamb", "did you mean 'pytorch_optimizer:Lamb' or 'timm:lamb'"),
    ],
)
def test_an_unknown_name_gets_a_hint_with_the_librarys_name(name, hint):
    with pytest.raises(UnknownName, match=hint):
        FOUND.find("optimizer", name, "x")


@pytest.mark.parametrize("name", [name for name in OFFERED if not name.startswith("pytorch_optimizer:")])
def test_every_optimizer_steps_alike_in_the_layout_that_weights_have_on_a_gpu(name: str):
    offer = FOUND.get("optimizer", name, Optimizer)
    one, other = Training(offer), Training(offer, torch.channels_last)
    one.steps(3)
    other.steps(3)
    for weight, same in zip(one.weights(), other.weights(), strict=True):
        torch.testing.assert_close(weight, same, rtol=1e-3, atol=1e-3)


def test_those_get_a_closure_that_evaluate_the_objective_themselves():
    evaluate = {name.rpartition(":")[2] for name in OFFERED if FOUND.get("optimizer", name, Optimizer).closure}
    assert evaluate == {"LBFGS", "AliG", "BSAM", "FriendlySAM", "GSAM", "LookSAM", "SAM", "WSAM"}


def test_a_range_is_read_from_the_table_and_holds_the_rate_that_was_best():
    for name in OFFERED:
        offer, row = FOUND.get("optimizer", name, Optimizer), _ranges.RANGES.get(name)
        if "lr" in offer.space and row is not None:
            assert (offer.space["lr"].low, offer.space["lr"].high) == (row.low, row.high)
            assert row.low < row.best < row.high
    searched = {name for name in OFFERED if "lr" in FOUND.get("optimizer", name, Optimizer).space}
    assert set(_ranges.RANGES) <= searched
    rows = {_page._row_of(name) for name in searched}
    assert rows - set(_ranges.RANGES) == set(_ranges.UNMEASURED)  # the table says why


def test_names_of_timm_have_the_range_of_their_algorithm():
    for name in LIBRARIES["timm"].names():
        rates = FOUND.get("optimizer", f"timm:{name}", Optimizer).space["lr"]
        row = _ranges.RANGES[timm_optim.same_steps(name)]
        assert (rates.low, rates.high) == (row.low, row.high)


@pytest.mark.parametrize("outer", sorted(_wrappers.WRAPPERS))
def test_a_wrapper_goes_around_any_optimizer_that_takes_a_gradient_as_it_is(outer):
    offer = FOUND.get("optimizer", f"pytorch_optimizer:{outer}(sgd)", Optimizer)
    sgd = FOUND.get("optimizer", "sgd", Optimizer)
    assert offer.space == sgd.space
    training = Training(offer)
    before = training.weights()
    training.steps(3)
    assert any(not torch.equal(old, new) for old, new in zip(before, training.weights(), strict=True))
    with pytest.raises(UnknownName, match="must go around one that takes a gradient as it is, got 'torch:LBFGS'"):
        FOUND.find("optimizer", f"pytorch_optimizer:{outer}(torch:LBFGS)", "x")


def test_one_that_takes_matrices_only_has_an_adamw_for_the_rest():
    """As ``muon`` here, whose steps torch's Muon with its companion takes."""
    one = Training(FOUND.get("optimizer", "torch:Muon", Optimizer))
    other = Training(
        replace(FOUND.get("optimizer", "muon", Optimizer), defaults={"lr": one.optimizer.param_groups[0]["lr"]})
    )
    one.steps(5)
    other.steps(5)
    assert all(map(torch.equal, one.weights(), other.weights()))


def test_one_made_from_the_network_moves_what_it_is_given_at_the_groups_rates():
    network = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
    body, head = (list(layer.parameters()) for layer in network)
    for weight in body:
        weight.requires_grad_(False)
    mini = FOUND.get("optimizer", "pytorch_optimizer:AdamMini", Optimizer)
    settings = mini.settings({"lr": 0.1})
    alone = mini.build(head, network=network, **settings)
    assert [group["params"] for group in alone.param_groups] == [[weight] for weight in head]
    for weight in body:
        weight.requires_grad_(True)
    groups = [{"params": head, "lr": 0.1}, {"params": body, "lr": 0.01}]
    both = mini.build(groups, network=network, **settings)
    assert [group["lr"] for group in both.param_groups] == [0.1, 0.1, 0.01, 0.01]


@pytest.mark.parametrize("name", ["LOMO", "AdaLOMO"])
def test_one_that_is_fused_into_the_backward_pass_moves_nothing_there(name):
    training = Training(FOUND.get("optimizer", f"pytorch_optimizer:{name}", Optimizer))
    before = training.weights()
    training.loss()
    assert all(map(torch.equal, before, training.weights()))
    gradients = [weight.grad.clone() for weight in training.model.parameters()]
    training.optimizer.step()
    assert not any(map(torch.equal, before, training.weights()))
    assert all(map(torch.equal, gradients, [weight.grad for weight in training.model.parameters()]))


def test_scion_light_has_the_momentum_that_its_library_leaves_in_the_gradients():
    library = pytest.importorskip(
        "pytorch_optimizer", reason="pytorch_optimizer is not installed here; tox installs it"
    )
    offer = FOUND.get("optimizer", "pytorch_optimizer:SCIONLight", Optimizer)
    one, other = Training(offer), Training(offer)
    theirs = library.SCIONLight(other.model.parameters(), lr=offer.defaults["lr"])
    one.steps(4)
    for _ in range(4):  # the gradients are not set to 0 in between, as the library says
        torch.nn.functional.cross_entropy(other.model(other.images), other.targets).backward()
        theirs.step()
    for weight, same in zip(one.weights(), other.weights(), strict=True):
        torch.testing.assert_close(weight, same)


def test_a_rate_that_an_optimizer_writes_itself_leaves_that_of_the_schedule():
    training = Training(FOUND.get("optimizer", "pytorch_optimizer:SWATS", Optimizer))
    (group,) = training.optimizer.param_groups
    group["lr"] = 0.5 * group["built_lr"]
    training.steps(3)
    assert group["lr"] == 0.5 * group["built_lr"]
    group["own_lr"] = 0.3  # as it has it once it goes over to SGD
    before = training.weights()
    group["lr"] = 0.0
    training.steps(1)
    assert all(map(torch.equal, before, training.weights()))


def test_betas_can_be_said_one_by_one():
    weights = [torch.nn.Parameter(torch.zeros(2))]
    adam = FOUND.get("optimizer", "torch:Adam", Optimizer)
    assert adam.build(weights, **adam.defaults, beta1=0.5).param_groups[0]["betas"] == (0.5, 0.999)
    adan = FOUND.get("optimizer", "timm:adan", Optimizer)
    assert adan.build(weights, **adan.defaults, beta3=0.9).param_groups[0]["betas"][2] == 0.9
    for name, beta in (("torch:SGD", "beta1"), ("torch:Adam", "beta3")):
        with pytest.raises(Exception, match=f"must be a hyperparameter it has, got {beta}"):
            FOUND.get("optimizer", name, Optimizer).build(weights, lr=0.1, **{beta: 0.5})


@pytest.mark.usefixtures("unreported")
def test_a_whole_run_names_one_in_its_file(benchmark_file, tmp_path):
    from harness.cli.show import show
    from harness.console.progress import Reporter
    from harness.running.prepare import Request
    from harness.running.start import run

    file = benchmark_file(
        ('"sgd", "adam"', '"torch:RAdam", "timm:lamb", "lion"'),
        ("[compare]", '[search.space."torch:RAdam"]\nbeta1 = { low = 0.8, high = 0.95 }\n[compare]'),
        ("trials = 3", "trials = 1"),
    )
    assert run(Request(file, out=tmp_path / "runs"), Reporter(quiet=True)) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    arms = {arm["optimizer"]: arm for arm in show(folder)["arms"]}
    assert set(arms) == {"torch:RAdam", "timm:lamb", "lion"}
    assert all(arm["seeds"] for arm in arms.values())


def test_the_list_shows_the_libraries():
    text = "\n".join(lines(list_plugins(FOUND, "optimizers")))
    assert re.search(r"torch:\* +Every class of torch.optim by its name", text)
    assert re.search(r"timm:\* +Every optimizer of timm by its name", text)


def test_the_list_names_what_is_in_a_library_and_what_is_refused(capsys):
    listing = list_plugins(FOUND, "optimizers", names=True)
    text = lines(listing)
    (count,) = [
        re.match(r"optimizer torch:\*, (\d+) names: ASGD, Adadelta, ", line)[1] for line in text if "ASGD, Ada" in line
    ]
    assert int(count) == len(LIBRARIES["torch"].names())
    assert "optimizer torch:*, refused: SparseAdam: it takes sparse gradients only; use 'torch:Adam'" in text
    assert {row["name"]: len(row["names"]) for row in listing["catalogues"]} == {
        name: len(catalogue.names()) for name, catalogue in LIBRARIES.items()
    }


# --- what the page of the libraries says ----------------------------------------------------------------------


def test_the_page_of_the_libraries_is_what_the_catalogues_and_the_tables_say(repository):
    page = (repository / "docs" / "optimizers.md").read_text()
    assert page == _page.text(), "write it again: python -m harness_plugins.optimizers._page docs/optimizers.md"


def test_every_algorithm_was_checked():
    rows = {_page._row_of(name) for name in OFFERED}
    assert rows == {*_ranges.RANGES, *_ranges.WITHOUT}
    states = {**_ranges.WITHOUT, **{name: row.state for name, row in _ranges.RANGES.items()}}
    unchecked = {name for name, state in states.items() if not re.match("ok$|known: ", state)}
    assert unchecked <= set(_ranges.UNMEASURED)  # too slow for this too


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("torch:AdamW", "Adam"), ("timm:momentum", "SGD with momentum 0.9"), ("timm:sgd", "SGD with Nesterov momentum 0.9"), ("timm:sgdp", ""),
        ("pytorch_optimizer:LOMO", "SGD without momentum"), ("pytorch_optimizer:SCION", ""), ("pytorch_optimizer:QHM", ""), ("pytorch_optimizer:QHAdam", ""), ("pytorch_optimizer:SGDP", ""), ("torch:Rprop", ""), ("timm:lars", ""), ("timm:lamb", ""),
    ],
)  # fmt: skip
def test_one_that_takes_the_steps_of_a_plain_method_is_said_to(name, method):
    offer = FOUND.get("optimizer", name, Optimizer)
    assert plain_method(offer) == method == _ranges.PLAIN.get(name, "")
    (check,) = [check for check in checks(offer) if check.name == "common_objective"]
    assert check.outcome().text == (f"at its defaults it takes the steps of {method}" if method else "")


@pytest.mark.parametrize(
    ("name", "plain"), [("lars", "momentum"), ("nlars", "sgd"), ("larc", "momentum"), ("lamb", "adamw")]
)
def test_lars_and_lamb_of_timm_adapt_without_a_weight_decay(name, plain):
    """Else they are momentum, and Adam (whose gradients LAMB clips unless it is told not to)."""
    offer, other = (FOUND.get("optimizer", f"timm:{each}", Optimizer) for each in (name, plain))
    settings = {"lr": 0.01} | ({"max_grad_norm": None, "eps": 1e-8} if name == "lamb" else {})
    assert compare_steps(offer, settings, other, {"lr": 0.01}) == "not"
    assert compare_steps(offer, {**settings, "always_adapt": False}, other, {"lr": 0.01}) != "not"
