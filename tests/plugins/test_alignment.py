"""Which units of a network may change places, and whether those of a permuted copy find their own again."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import pairwise, permutations, product

import numpy as np
import pytest
import torch
from harness_plugins._timm import import_timm
from harness_plugins.backbones import lesson_cnn, linear, mlp
from harness_plugins.probes._connect import matching
from harness_plugins.probes._connect.graph import shuffle, symmetry
from harness_plugins.probes._connect.permutation import Bundle, moved, permuted, randomly, unmoved
from harness_plugins.probes._connect.spaces import SAME, Axis, Spaces
from harness_plugins.probes._connect.trial import holds
from torch import nn

IMAGE, ROW = (3, 16, 16), (12,)


def timm(name, **settings):
    return lambda: import_timm().create_model(name, num_classes=3, **settings)


NETWORKS = {
    "lesson_cnn": (partial(lesson_cnn.build, IMAGE, 3, width=8), IMAGE),
    "mlp": (partial(mlp.build, ROW, 3, widths=(20, 30)), ROW),
    "residual": (timm("test_resnet"), (3, 32, 32)),
    "depthwise": (timm("test_efficientnet"), (3, 32, 32)),
    "inverted residual": (timm("mobilenetv2_035"), (3, 32, 32)),
    "layer scale": (timm("test_convnext"), (3, 32, 32)),
    "concatenation": (timm("densenet121", growth_rate=4, block_config=(2, 2)), (3, 32, 32)),
    "attention": (timm("test_vit", img_size=32), (3, 32, 32)),
    "class token": (timm("deit_tiny_patch16_224", img_size=32, patch_size=8, embed_dim=24, depth=2), (3, 32, 32)),
    "shifted windows": (
        timm("swin_tiny_patch4_window7_224", img_size=32, window_size=4, embed_dim=16, depths=(2, 2), num_heads=(2, 4)),
        (3, 32, 32),
    ),
}


def randomised(network, seed):
    """Return the network with nothing left at zero or one, statistics included."""
    random = torch.Generator().manual_seed(seed)
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            noise = torch.rand if tensor.ndim < 2 else torch.randn
            tensor += 0.1 * noise(tensor.shape, generator=random)
    return network.eval()


@pytest.fixture(scope="module", params=NETWORKS)
def case(request):
    build, shape = NETWORKS[request.param]
    torch.manual_seed(0)
    network = randomised(build(), 1)
    inputs = torch.randn(4, *shape, generator=torch.Generator().manual_seed(2))
    return network, inputs, symmetry(network, inputs[:2])


@torch.no_grad()
def test_permuted_units_compute_the_same(case):
    network, inputs, units = case
    network, inputs = copy.deepcopy(network).double(), inputs.double()  # rounding is no permutation's fault
    orders = randomly(units, torch.Generator().manual_seed(3))
    before, state = network(inputs), {name: each.clone() for name, each in network.state_dict().items()}
    network.load_state_dict(permuted(state, units, orders))
    moved = sum(not torch.equal(state[name], each) for name, each in network.state_dict().items())
    assert moved > len(units.spaces)
    assert (network(inputs) - before).abs().max() <= 1e-9 * before.abs().max()


@torch.no_grad()
def test_matching_weights_finds_a_permuted_copy_again(case):
    network, inputs, units = case
    state, other = network.state_dict(), copy.deepcopy(network)
    shuffled = permuted(state, units, randomly(units, torch.Generator().manual_seed(4)))
    other.load_state_dict(shuffled)
    alike = matching.by_activations(*(matching.features(each, [inputs]) for each in (network, other)), units)
    orders = matching.by_weights(state, shuffled, units, tries=1, start=alike)
    back = permuted(shuffled, units, orders)
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("name", ["lesson_cnn", "mlp", "attention", "class token", "shifted windows"])
@torch.no_grad()
def test_matching_activations_finds_a_permuted_copy_again(name):
    build, shape = NETWORKS[name]
    torch.manual_seed(0)
    network, other = randomised(build(), 1), build().eval()
    inputs = torch.randn(64, *shape, generator=torch.Generator().manual_seed(2))
    units, state = symmetry(network, inputs[:2]), network.state_dict()
    other.load_state_dict(permuted(state, units, randomly(units, torch.Generator().manual_seed(4))))
    features = (matching.features(each, [inputs[:40], inputs[40:]]) for each in (network, other))
    orders = matching.by_activations(*features, units)
    back = permuted(other.state_dict(), units, orders)
    assert all(torch.equal(back[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("name", NETWORKS)
def test_all_hidden_units_move(name):
    build, shape = NETWORKS[name]
    assert symmetry(build(), torch.randn(2, *shape)).part == 1


def test_a_residual_stream_has_one_order():
    found = symmetry(timm("resnet18", layers=(2, 1, 1, 1), channels=(64, 8, 8, 8))(), torch.randn(2, 3, 32, 32))
    stem = next(places for _, _, places in found.spaces if any(place.name == "conv1.weight" for place in places))
    names = {(place.name, place.dim) for place in stem}
    assert {("bn1.running_var", 0), ("layer1.0.conv1.weight", 1), ("layer1.0.conv2.weight", 0), ("layer1.1.conv2.weight", 0),
            ("layer1.1.bn2.bias", 0), ("layer2.0.conv1.weight", 1), ("layer2.0.downsample.0.weight", 1)} <= names  # fmt: skip
    assert ("layer1.0.conv1.weight", 0) not in names


def test_a_flattened_map_moves_in_blocks():
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(5 * 4, 3))
    ((_, size, places),) = symmetry(network, torch.randn(2, 3, 4, 4)).spaces
    assert size == 5
    assert {(place.name, place.dim, place.block) for place in places} == {
        ("0.weight", 0, 1), ("0.bias", 0, 1), ("3.weight", 1, 4),
    }  # fmt: skip


def test_a_network_without_hidden_units_is_aligned_as_it_is():
    found = symmetry(linear.build(ROW, 3), torch.randn(2, *ROW))
    assert found.spaces == ()
    assert found.part == 1


class Concatenated(nn.Module):
    def __init__(self, groups=1):
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.both, self.head = nn.Conv2d(8, 8, 1, groups=groups), nn.Linear(8, 3)

    def forward(self, images):
        both = self.both(torch.cat([self.one(images), self.other(images)], 1))
        return self.head(both.relu().mean((2, 3)))


def test_units_side_by_side_move_apart_and_those_in_groups_stay():
    images = torch.randn(2, 3, 4, 4)
    plain, grouped = symmetry(Concatenated(), images), symmetry(Concatenated(groups=2), images)
    assert [size for _, size, _ in plain.spaces] == [4, 4, 8]
    assert plain.part == 1
    entries = [{place.entries for place in places if place.name == "both.weight"} for _, _, places in plain.spaces]
    assert entries == [{(0, 1, 2, 3)}, {(4, 5, 6, 7)}, {()}]
    assert grouped.spaces == ()
    assert grouped.part == 0


class Ranked(nn.Module):
    """Its hidden units are not alike: each adds up those before it, where torch sees it or where it does not."""

    def __init__(self, seen):
        super().__init__()
        self.one, self.two, self.seen = nn.Linear(12, 6), nn.Linear(6, 3), seen

    def forward(self, rows):
        hidden = self.one(rows)
        if self.seen:
            return self.two(hidden.cumsum(1))
        hidden.numpy()[:] = hidden.numpy().cumsum(1)
        return self.two(hidden)


@pytest.mark.parametrize("seen", [True, False])
def test_units_that_are_not_alike_stay_where_they_are(seen):
    found = symmetry(Ranked(seen), torch.randn(2, 12))
    assert found.spaces == ()
    assert found.part == 0


def test_what_is_wrong_does_not_pass_its_test():
    network, inputs = lesson_cnn.build(IMAGE, 3, width=4), torch.randn(2, *IMAGE)
    right = symmetry(network, inputs)
    (space, size, places), *others = right.spaces
    for missing in places:
        wrong = replace(right, spaces=((space, size, tuple(each for each in places if each != missing)), *others))
        assert not holds(copy.deepcopy(network).eval(), inputs, shuffle(wrong)), missing
    assert holds(copy.deepcopy(network).eval(), inputs, shuffle(right))


def test_a_network_that_cannot_be_watched_is_not_aligned():
    network = torch.nn.utils.parametrizations.weight_norm(nn.Linear(12, 3))
    assert symmetry(network, torch.randn(2, 12)) is None


def test_looking_leaves_the_network_as_it_was():
    network = lesson_cnn.build(IMAGE, 3).train()
    before = {name: each.clone() for name, each in network.state_dict().items()}
    assert symmetry(network, torch.randn(2, *IMAGE)) is not None
    assert network.training
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())


def test_matching_gives_the_same_again_and_never_less_than_doing_nothing():
    torch.manual_seed(0)
    one, other = (lesson_cnn.build(IMAGE, 3, width=6) for _ in range(2))
    units = symmetry(one, torch.randn(2, *IMAGE))
    a, b = one.state_dict(), other.state_dict()
    once, again = (matching.by_weights(a, b, units) for _ in range(2))
    assert all(torch.equal(once[space], again[space]) for space in once)

    def inner(orders):
        moved = permuted(b, units, orders)
        return sum(float((a[name] * moved[name]).sum()) for name, _ in one.named_parameters())

    assert inner(once) > inner(unmoved(units)) + 1


def plainly(one, other, units, tries=2):
    """Match weights as the algorithm reads: every step moves the weights, and nothing is kept from step to step."""
    random, best, highest = np.random.default_rng(0), None, -np.inf

    def inner(state, names):
        return sum(float((one[name] * state[name]).sum(dtype=torch.float64)) for name in sorted(names))

    def rows(tensor, place, units):
        positions = place.positions(units).movedim(1, 0).flatten()
        return tensor.index_select(place.dim, positions).movedim(place.dim, 0).reshape(units, -1)

    def likeness(state, space):
        units, places = next((units, places) for number, units, places in all_units.spaces if number == space)
        products = [rows(one[p.name], p, units) @ rows(state[p.name], p, units).T for p in places if p.weight]
        return sum(products, torch.zeros(units, units))

    def step(state, bundle):
        like = [likeness(state, space) for space in bundle.spaces]
        best = matching._assign_bundle(bundle, like)
        gain = sum(
            (each[torch.arange(len(each)), best[space]] - each.diagonal()).sum()
            for space, each in zip(bundle.spaces, like, strict=True)
        )
        rounding = 1e-5 * max(each.abs().max() for each in like)
        places = [(space, p) for space, _, in_space in all_units.spaces if space in bundle.spaces for p in in_space]
        weights = {(p.name, p.dim) for _, p in places if p.weight}
        names = {name for name, _ in weights}
        after = dict(state)
        for space, place in places:
            after[place.name] = moved(after[place.name], place, best[space])
        if gain <= rounding:
            return None
        if len(names) < len(weights) and inner(after, names) <= inner(state, names) + rounding:
            return None
        return best, after

    all_units, bundles = units, units.bundles
    weighted = {space for space, _, places in units.spaces if any(p.weight for p in places)}
    for _ in range(tries):
        state, orders = dict(other), unmoved(units)
        for _ in range(matching.SWEEPS):
            changed = False
            for number in random.permutation(len(bundles)):
                bundle = bundles[number]
                if weighted.intersection(bundle.spaces) and (better := step(state, bundle)):
                    for space, order in better[0].items():
                        orders[space] = orders[space][order]
                    state, changed = better[1], True
            if not changed:
                break
        value = inner(state, {p.name for _, _, places in units.spaces for p in places if p.weight})
        if value > highest:
            best, highest = orders, value
    return best


def test_what_is_kept_between_steps_changes_no_order(case):
    network, _, units = case
    state = network.state_dict()
    random = torch.Generator().manual_seed(9)
    other = {name: each + each.std() * torch.randn(each.shape, generator=random) if each.ndim > 1 else each
             for name, each in state.items()}  # fmt: skip
    other = permuted(other, units, randomly(units, random))
    tries = 2 if len(units.spaces) < 20 else 1
    orders, expected = matching.by_weights(state, other, units, tries), plainly(state, other, units, tries)
    assert orders.keys() == expected.keys()
    assert all(torch.equal(orders[space], expected[space]) for space in orders)
    assert any(not torch.equal(order, torch.arange(len(order))) for order in orders.values())


def test_assignments_in_threads_give_the_same_orders(case, monkeypatch):
    network, _, units = case
    state = network.state_dict()
    other = permuted(state, units, randomly(units, torch.Generator().manual_seed(8)))
    other = {name: each.roll(1, 0) if each.ndim > 1 else each for name, each in other.items()}
    alone = matching.by_weights(state, other, units, tries=1)
    with ThreadPoolExecutor(3) as threads:
        monkeypatch.setattr(matching, "_threads", lambda weights: nullcontext(threads))
        beside = matching.by_weights(state, other, units, tries=1)
    assert all(torch.equal(alone[space], beside[space]) for space in alone)


def test_spaces_that_are_matched_side_by_side_share_no_tensor(case):
    network, _, units = case
    likeness = matching.Likeness(network.state_dict(), network.state_dict(), units)
    bundles = list(units.bundles)
    tensors = {space: {place.name for place in places if place.weight} for space, _, places in units.spaces}
    names = {bundle: set().union(*(tensors[space] for space in bundle.spaces)) for bundle in bundles}
    runs = list(likeness.apart(bundles))
    assert [bundle for together in runs for bundle in together] == bundles
    for together in runs:
        assert sum(len(names[bundle]) for bundle in together) == len(
            set().union(*(names[bundle] for bundle in together))
        )
    for before, after in pairwise(runs):
        assert set().union(*(names[bundle] for bundle in before)) & names[after[0]]


class Turned(nn.Module):
    """A layer whose rows and columns number the same units, which move together or not at all."""

    def __init__(self):
        super().__init__()
        self.into, self.within, self.out = nn.Linear(12, 9), nn.Linear(9, 9, bias=False), nn.Linear(9, 3)

    def forward(self, rows):
        hidden = self.into(rows)
        return self.out(hidden + self.within(hidden))


def test_what_moves_along_two_axes_of_a_tensor_is_matched_as_the_algorithm_reads():
    for seed in range(4):
        torch.manual_seed(seed)
        one, other = Turned(), Turned()
        units = symmetry(one, torch.randn(2, 12))
        (space,) = [places for _, _, places in units.spaces]
        assert len({place.name for place in space}) < len(space)
        found = [
            match(one.state_dict(), other.state_dict(), units)
            for match in (partial(matching.by_weights, tries=2), plainly)
        ]
        assert all(torch.equal(found[0][key], found[1][key]) for key in found[0])


def test_one_hidden_layer_gets_the_best_of_all_orders():
    torch.manual_seed(0)
    one, other = (mlp.build(ROW, 3, widths=(5,)).state_dict() for _ in range(2))
    units = symmetry(mlp.build(ROW, 3, widths=(5,)), torch.randn(2, *ROW))
    space = units.spaces[0][0]

    def inner(order):
        moved = permuted(other, units, {space: torch.tensor(order)})
        return sum(float((one[name] * moved[name]).sum()) for name in one)

    found = matching.by_weights(one, other, units)[space].tolist()
    assert inner(found) == pytest.approx(max(map(inner, permutations(range(5)))), abs=1e-5)


def test_spaces_join_in_the_coarser_blocks_and_stay_fixed():
    spaces = Spaces()
    maps, rows, odd = spaces.new(4), spaces.new(12), spaces.new(6)
    assert spaces.join(Axis(maps.space, 3), rows) == Axis(maps.space, 3)
    assert spaces.root(rows) == Axis(maps.space, 3)
    assert spaces.join(Axis(odd.space, 2), rows) is None  # 2 does not divide 3
    assert spaces.free(maps) is None
    assert spaces.free(odd) is None
    assert spaces.new(1) is None


def test_spaces_join_where_units_are_numbered_several_times_over():
    spaces = Spaces()
    channels, patches = spaces.new(5), spaces.new(20)
    assert spaces.join(Axis(channels.space, 1, 4), patches) == Axis(
        channels.space, 1, 4
    )  # four pixels of five channels
    assert spaces.root(patches) == Axis(channels.space, 1, 4)
    twice = spaces.new(4)
    assert spaces.join(Axis(twice.space, 3, 1), Axis(spaces.new(6).space, 1, 2)) is None  # neither covers the other
    assert spaces.free(twice) is None


def test_axes_along_which_all_is_the_same_join_with_any():
    spaces = Spaces()
    units = spaces.new(4)
    assert spaces.join(SAME, units) == spaces.join(units, SAME) == units
    assert spaces.join(SAME, None) is None
    assert spaces.free(units) == units


def test_pieces_are_the_units_of_a_space_and_fixed_with_it():
    spaces = Spaces()
    whole = spaces.new(6)
    first, last, again = spaces.piece(whole, (0, 1, 2)), spaces.piece(whole, (3, 4, 5)), spaces.piece(whole, (0, 1, 2))
    spaces.fix(last)
    spaces.settle()
    assert spaces.leaves(whole.space) == [(first.space, (0, 1, 2))]
    assert spaces.root(again) == first
    across = spaces.piece(whole, (2, 3))
    spaces.settle()
    assert spaces.free(across) is None
    assert spaces.free(first) is None
    both = spaces.side_by_side([spaces.new(2), None, spaces.new(3)], [2, 4, 3])
    spaces.settle()
    assert [entries for _, entries in spaces.leaves(both.space)] == [(0, 1), (6, 7, 8)]
    spaces.fix(both)
    spaces.settle()
    assert spaces.leaves(both.space) == []


def test_heads_and_their_units_are_fixed_together():
    for fixed in (0, 1):
        spaces = Spaces()
        units, heads = spaces.new(6), spaces.new(2)
        spaces.nest(units, heads, rigid=False)
        spaces.fix((units, heads)[fixed])
        spaces.settle()
        assert spaces.free(units) is None
        assert spaces.free(heads) is None


def test_heads_and_the_units_within_get_the_best_of_all_orders():
    random = torch.Generator().manual_seed(0)
    own = torch.randn(2, 2, generator=random)
    free, rigid = (torch.randn(6, 6, generator=random) for _ in range(2))
    bundle = Bundle((0, 1, 2), (False, True))
    found = matching._assign_bundle(bundle, [own, free, rigid])

    def value(heads, inside):
        orders = [3 * head + torch.tensor(order) for head, order in zip(heads, inside, strict=True)]
        plain = [3 * head + torch.arange(3) for head in heads]
        total = own[[0, 1], list(heads)].sum() + free[torch.arange(6), torch.cat(orders)].sum()
        return float(total + rigid[torch.arange(6), torch.cat(plain)].sum())

    values = {
        (heads, inside): value(heads, inside)
        for heads in permutations(range(2))
        for inside in product(permutations(range(3)), repeat=2)
    }
    heads, inside = max(values, key=values.get)
    assert found[0].tolist() == list(heads)
    assert found[1].tolist() == [3 * head + unit for head, order in zip(heads, inside, strict=True) for unit in order]
    assert found[2].tolist() == [3 * head + unit for head in heads for unit in range(3)]


@pytest.mark.parametrize("name", ["attention", "shifted windows"])
def test_heads_move_with_all_that_belongs_to_them(name):
    build, shape = NETWORKS[name]
    found = symmetry(build(), torch.randn(2, *shape))
    places = {space: {(place.name.rpartition("attn.")[2], place.dim) for place in all_places}
              for space, _, all_places in found.spaces}  # fmt: skip
    sizes = {space: size for space, size, _ in found.spaces}
    assert len(found.nested) == {"attention": 6, "shifted windows": 4}[name]
    for bundle in found.nested:
        heads, scores, values = bundle.spaces
        assert bundle.rigid == (False, False)
        assert sizes[scores] == sizes[values] > sizes[heads]
        assert places[scores] == {("qkv.weight", 0), ("qkv.bias", 0)}
        assert places[values] == {("qkv.weight", 0), ("qkv.bias", 0), ("proj.weight", 1)}
        assert places[heads] == ({("relative_position_bias_table", 1)} if name == "shifted windows" else set())


class Attention(nn.Module):
    """Queries, keys and values of two heads, by one of several ways to write it."""

    def __init__(self, way):
        super().__init__()
        self.way, self.into, self.qkv, self.out = way, nn.Linear(12, 8), nn.Linear(8, 24), nn.Linear(8, 3)
        self.norm = nn.LayerNorm(4)

    def forward(self, rows):
        tokens = self.into(rows.view(-1, 1, 12).expand(-1, 5, -1) * torch.arange(1, 6).view(5, 1))
        if self.way == "pieces":
            query, key, value = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(tokens).chunk(3, -1))
        elif self.way == "heads first":
            query, key, value = self.qkv(tokens).view(-1, 5, 2, 3, 4).permute(3, 0, 2, 1, 4)
        else:
            query, key, value = self.qkv(tokens).view(-1, 5, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
        if self.way == "norm":
            query, key = self.norm(query), self.norm(key)
        if self.way == "by hand":
            mixed = ((query * 0.5) @ key.transpose(-2, -1)).softmax(-1) @ value
        else:
            mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=self.way == "causal")
        if self.way == "ranked":
            mixed = mixed.cumsum(1)
        return self.out(mixed.transpose(1, 2).flatten(2).mean(1))


@pytest.mark.parametrize("way", ["fused", "by hand", "pieces", "causal", "norm", "heads first", "ranked"])
def test_attention_is_understood_however_it_is_written(way):
    torch.manual_seed(0)
    found = symmetry(Attention(way), torch.randn(2, 12))
    moves = way != "ranked"  # heads that are not alike
    assert [bundle.rigid for bundle in found.nested] == ([(way == "norm", False)] if moves else [])
    assert found.part == (1.0 if moves else 8 / 32)
