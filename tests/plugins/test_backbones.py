"""timm's networks from pretrained weights: their layer groups, and a new head that begins near zero."""

from __future__ import annotations

import pytest
import torch

from harness.plugin.contracts import Backbone

NAMES = ["test_resnet", "test_vit", "test_efficientnet", "test_convnext", "test_nfnet", "mobilenetv2_035"]


def names_in(model, group):
    of = {id(p): name for name, p in model.named_parameters()}
    return [of[id(p)] for p in group]


@pytest.mark.parametrize("name", [*NAMES, "resnet34", "levit_128s", "caformer_s18", "rdnet_tiny"])
def test_every_trainable_parameter_is_in_one_of_three_groups(registry, name):
    backbone = registry.get("backbone", name, Backbone)
    with torch.device("meta"):
        model = backbone.build((3, 224, 224), 2)
    groups = backbone.groups(model)
    assert len(groups) == 3
    assert sorted(id(p) for group in groups for p in group) == sorted(id(p) for p in model.parameters())


def test_a_resnet_is_cut_where_the_lesson_cuts_it(registry):
    backbone = registry.get("backbone", "resnet34", Backbone)
    with torch.device("meta"):
        model = backbone.build((3, 224, 224), 2)
    early, late, head = (names_in(model, group) for group in backbone.groups(model))
    assert {name.partition(".")[0] for name in early} == {"conv1", "bn1", "layer1", "layer2"}
    assert {name.partition(".")[0] for name in late} == {"layer3", "layer4"}
    assert head == ["fc.weight", "fc.bias"]


def test_a_parameter_that_is_not_trained_is_in_no_group(registry):
    backbone = registry.get("backbone", "test_resnet", Backbone)
    model = backbone.build((3, 32, 32), 2)
    model.conv1[0].weight.requires_grad_(False)
    assert model.conv1[0].weight not in {p for group in backbone.groups(model) for p in group}


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "mobilenetv2_035"])
def test_a_network_from_weights_begins_near_the_loss_of_knowing_nothing(registry, name, tmp_path):
    from safetensors.torch import save_file

    backbone = registry.get("backbone", name, Backbone)
    torch.manual_seed(0)
    save_file(backbone.build((3, 32, 32), 1000).state_dict(), tmp_path / "w.safetensors")
    weights = backbone.weights(tmp_path / "w.safetensors")
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(backbone.build((3, 32, 32), 2, weights))
    head, other = (model.get_classifier() for model in models)
    assert torch.equal(head.bias, torch.zeros(2))
    assert not torch.equal(head.weight, other.weight)  # seeds differ
    outputs = torch.randn(64, head.in_features) @ head.weight.T
    assert 0.05 < float(outputs.detach().std()) < 0.2
