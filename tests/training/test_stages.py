"""Stages: the head alone, then everything, at learning rates that are a factor apart; and a resume across the boundary."""

from __future__ import annotations

import json

import pytest
import torch
from harness_plugins.probes.gradient_norm import gradient_norm

from harness.errors import PluginError
from harness.plugin.contracts import Backbone, Optimizer, Scheduler
from harness.plugin.runs import State
from harness.training.loop import train
from harness.training.stages import Stage, build_optimizer, build_schedule, layer_groups, stage_of

SCHEDULERS = ["constant", "cosine", "exponential", "linear", "one_cycle", "plateau", "sgdr", "step", "wsd"]
LBFGS = Optimizer("lbfgs", lambda p, **settings: torch.optim.LBFGS(p, max_iter=3, **settings), {}, closure=True)


def groups_of(model):
    """Return the layer groups of the small network: convolution, batch norm, head."""
    return [list(model[0].parameters()), list(model[1].parameters()), list(model[6].parameters())]


@pytest.fixture
def staged(parts_of):
    """Return a function that assembles a run in stages."""

    def make(*given, **run):
        return parts_of(*given, **{"groups": groups_of, "epochs": 4, "head_epochs": 2, "settings": {"lr": 0.05}, **run})

    return make


def weights_of(parts):
    return {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}


@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_the_body_stands_still_to_the_last_bit_while_the_head_is_trained(staged, factor):
    parts = staged("adam", layer_factor=factor, l2=0.1)
    before = weights_of(parts)
    seen = []
    for epoch in train(parts.run, parts):
        after = weights_of(parts)
        seen.append({name for name, tensor in after.items() if not torch.equal(tensor, before[name])})
        before = after
        assert epoch.lr >= 0
    assert seen[0] == seen[1] == {"6.weight", "6.bias"}
    assert seen[2] == seen[3] == set(before)


def test_the_head_stage_is_what_training_the_head_on_frozen_features_is(staged):
    parts = staged("sgd", settings={"lr": 0.05, "momentum": 0.0}, scheduler="constant", augment=(), l2=0.2)
    features = torch.nn.Sequential(*list(parts.model)[:6]).eval()
    head = torch.nn.Linear(16, 2)
    head.load_state_dict(parts.model[6].state_dict())
    for epoch in train(parts.run, parts):
        if epoch.number == 1:
            break
    steps = 2 * len(parts.batches)  # the constant schedule warms up over a twentieth of the stage
    for step, (inputs, targets) in enumerate(parts.batches.of(1)):
        with torch.no_grad():
            rows = features(inputs)
        head.zero_grad()
        loss = torch.nn.functional.cross_entropy(head(rows), targets)
        (loss + 0.1 * sum(p.square().sum() for p in head.parameters())).backward()
        with torch.no_grad():
            for p in head.parameters():
                p.sub_(0.05 * min(1.0, (step + 1) / (0.05 * steps)) * p.grad)
    torch.testing.assert_close(parts.model[6].weight, head.weight)


def test_each_stage_has_an_optimizer_and_a_whole_schedule_of_its_own(staged):
    parts = staged("adam", scheduler="linear")
    rates, optimizers = [], set()
    for epoch in parts.resume(None, 4):
        optimizers.add(id(parts.optimizer))
        for inputs, targets in parts.batches.of(epoch):
            rates.append(parts.optimizer.param_groups[0]["lr"])
            parts.step(inputs, targets)
        last = parts.optimizer  # kept alive, so that no other gets its id
    half = len(rates) // 2
    assert len(optimizers) == 2
    assert rates[:half] == rates[half:]
    assert max(rates) == pytest.approx(0.05)
    assert sum(len(group["params"]) for group in last.param_groups) == 6


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop", LBFGS], ids=lambda o: getattr(o, "name", o))
@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("batch_norm", ["train", "frozen"])
def test_going_on_before_at_and_after_the_boundary_is_bit_equal(staged, optimizer, stop, batch_norm):
    run = {"layer_factor": 1.0 if optimizer is LBFGS else 0.3, "batch_norm": batch_norm}
    whole = staged(optimizer, **run)
    records = list(train(whole.run, whole))

    first = staged(optimizer, **run)
    for epoch in train(first.run, first):
        if epoch.number == stop:
            state = epoch.state()
            break
    state = State(state.tensors, json.loads(json.dumps(state.plain)))
    second = staged(optimizer, **run)
    rest = list(train(second.run, second, state))

    assert [e.metrics for e in rest] == [e.metrics for e in records[stop:]]
    assert [e.lr for e in rest] == [e.lr for e in records[stop:]]
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[name]), name


def test_a_run_that_ended_is_measured_with_all_its_parameters(staged):
    whole = staged("sgd")
    *_, last = train(whole.run, whole)
    again = staged("sgd")
    assert list(train(again.run, again, last.state())) == []
    assert gradient_norm(again, again.model) == pytest.approx(gradient_norm(whole, whole.model))
    assert len(again.parameters) == 6
    loaded = staged("sgd")
    loaded.model.load_state_dict(whole.model.state_dict())
    loaded.enter_last_stage()
    assert gradient_norm(loaded, loaded.model) == pytest.approx(gradient_norm(whole, whole.model))


def test_frozen_batch_norm_keeps_its_statistics_and_trains_scale_and_shift(parts_of):
    frozen, trained = parts_of("sgd", {"lr": 0.05}, batch_norm="frozen"), parts_of("sgd", {"lr": 0.05})
    for parts in (frozen, trained):
        for _ in train(parts.run, parts):
            pass
    assert torch.equal(frozen.model[1].running_mean, torch.zeros(4))
    assert torch.equal(frozen.model[1].running_var, torch.ones(4))
    assert not torch.equal(frozen.model[1].weight, torch.ones(4))
    assert not torch.equal(trained.model[1].running_mean, torch.zeros(4))


def test_frozen_batch_norm_makes_a_training_step_see_what_evaluation_sees(parts_of):
    parts = parts_of("sgd", {"lr": 0.05}, batch_norm="frozen", augment=())
    parts.model[3].p = 0.0  # dropout is the other thing that training does differently
    for _ in parts.resume(None, 1):
        inputs, _targets = next(parts.batches.of(1))
        trained = parts.model(inputs)
        assert torch.equal(trained, parts.model.eval()(inputs))


@pytest.mark.parametrize(
    "name", ["sgd", "adam", "adamw", "nadam", "adagrad", "rmsprop", "lion", "torch:RAdam", "timm:lamb"]
)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_layer_groups_stay_a_factor_apart_all_through_a_schedule(registry, name, scheduler):
    optimizer, schedule = registry.get("optimizer", name, Optimizer), registry.get("scheduler", scheduler, Scheduler)
    groups = [[torch.nn.Parameter(torch.ones(2, 2))] for _ in range(3)]
    built = build_optimizer(optimizer, {**optimizer.defaults, "lr": 0.1}, groups, 0.5)
    timing = build_schedule(schedule, schedule.defaults, built, 12, groups, 0.5)
    for step in range(12):
        by_parameter = {id(g["params"][0]): g["lr"] for g in built.param_groups}
        first, second, head = (by_parameter[id(group[0])] for group in groups)
        assert second == pytest.approx(0.5 * head)
        assert first == pytest.approx(0.25 * head)
        for group in groups:
            group[0].grad = torch.ones(2, 2)
        built.step()
        timing.step(*((float(step % 3),) if schedule.per_epoch else ()))


def test_a_step_at_a_layer_factor_is_each_groups_own_step(parts_of):
    settings = {"lr": 0.5, "momentum": 0.0}
    runs = [parts_of("sgd", settings, groups=groups_of, layer_factor=f, l2=0.0, augment=()) for f in (1.0, 0.1)]
    moved = []
    for parts in runs:
        before = [p.detach().clone() for p in parts.parameters]
        parts.step(*next(parts.batches.of(1)))
        moved.append([(b - p.detach()).norm() for b, p in zip(before, parts.parameters, strict=True)])
    ratios = [float(slow / fast) for fast, slow in zip(*moved, strict=True)]
    assert ratios[0] == pytest.approx(0.01, rel=1e-3)
    assert ratios[2] == pytest.approx(0.1, rel=1e-3)
    assert ratios[4:] == pytest.approx([1, 1], rel=1e-3)


def test_a_factor_of_one_gives_an_optimizer_the_plain_list():
    seen = []

    def build(parameters, **settings):
        seen.extend(parameters)
        return torch.optim.SGD(parameters, **settings)

    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    build_optimizer(Optimizer("x", build, {}), {"lr": 1.0}, [weights[:1], weights[1:]], 1.0)
    assert [id(p) for p in seen] == [id(p) for p in weights]


def test_an_optimizer_gets_what_it_needs_of_a_run_by_argument_name(parts_of):
    """The head's stage has the whole network too, whose body is then not trained, and the steps of that stage."""
    seen = []

    def build(parameters, lr, network, total_steps, examples):
        trained = [id(p) for p in network.parameters() if p.requires_grad]
        seen.append((trained == [id(p) for p in parameters], total_steps, examples))
        return torch.optim.SGD(parameters, lr=lr)

    needy = Optimizer("needy", build, {}, {"lr": 0.1}, needs=("network", "total_steps", "examples"))
    parts = parts_of(needy, groups=groups_of, epochs=3, head_epochs=1)
    list(train(parts.run, parts))
    rows, steps = len(parts.ingredients.train), len(parts.batches)
    assert seen == [(True, steps, rows), (True, 2 * steps, rows)]


def test_what_an_optimizer_needs_is_there_where_it_is_tried_without_a_run():
    """The network is then the parameters that it is given."""
    weights = [torch.nn.Parameter(torch.ones(2, 2))]

    def build(parameters, network, total_steps):
        assert [id(p) for p in network.parameters()] == [id(weights[0])]
        assert total_steps > 0
        return torch.optim.SGD(parameters, lr=0.1)

    build_optimizer(Optimizer("needy", build, {}, needs=("network", "total_steps")), {}, [weights])


def test_a_run_whose_optimizer_cannot_be_saved_has_no_state(parts_of):
    class Unsaved(torch.optim.SGD):
        def state_dict(self):
            raise AssertionError("nobody may ask for its state")

    parts = parts_of(Optimizer("unsaved", Unsaved, {}, {"lr": 0.1}, resumes=False), epochs=2)
    assert [epoch.state for epoch in train(parts.run, parts)] == [None, None]


def test_what_does_not_keep_the_rates_is_refused(parts_of, registry):
    groups = [[torch.nn.Parameter(torch.ones(1))] for _ in range(2)]

    def forgets(parameters, lr):
        return torch.optim.SGD([p for group in parameters for p in group["params"]], lr=lr)

    with pytest.raises(
        PluginError, match=r"must keep the learning rates of layer groups, 0\.1 where the head has 1, got 1"
    ):
        build_optimizer(Optimizer("x", forgets, {}), {"lr": 1.0}, groups, 0.1)
    with pytest.raises(PluginError, match="must have 'lr'"):
        build_optimizer(Optimizer("x", torch.optim.SGD, {}), {}, groups, 0.1)
    one_rate = Scheduler("one", lambda o, steps: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=steps))
    built = build_optimizer(registry.get("optimizer", "sgd", Optimizer), {"lr": 1.0, "momentum": 0.9}, groups, 0.1)
    with pytest.raises(PluginError, match="must keep the learning rates of layer groups"):
        build_schedule(one_rate, {}, built, 10, groups, 0.1)
    with pytest.raises(PluginError, match=r"optimizer 'lbfgs': must build, got ValueError: LBFGS doesn't support"):
        parts_of(LBFGS, {"lr": 1.0}, groups=groups_of, layer_factor=0.1)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (None, "backbone 'net': must have layer groups to be trained in stages, got none"),
        (lambda model: [list(model.parameters())], "groups must be two or more"),
        (lambda model: [list(model[0].parameters()), list(model[6].parameters())], r"got \[2, 2\] for 6 parameters"),
        (lambda model: [list(model.parameters()), list(model[6].parameters())], r"got \[6, 2\] for 6 parameters"),
        (lambda model: [list(model.parameters()), []], r"got \[6, 0\] for 6 parameters"),
    ],
)
def test_groups_that_are_none_are_refused(parts_of, groups, message):
    with pytest.raises(PluginError, match=message):
        parts_of("sgd", groups=groups, head_epochs=1)


def test_groups_are_not_asked_for_where_nothing_needs_them(parts_of):
    parts = parts_of("sgd", groups=None)
    assert len(layer_groups(parts.run, Backbone("net", None), parts.model)) == 1  # type: ignore[arg-type]
    assert stage_of(parts.run, 1) == stage_of(parts.run, 3) == Stage(3, head_only=False)
