"""The network that a run began with can be had again."""

from __future__ import annotations

import torch


def test_the_beginning_is_what_training_began_with_and_uses_no_random_number(parts_of):
    parts = parts_of()
    first = {name: tensor.clone() for name, tensor in parts.model.state_dict().items()}
    for epoch in parts.resume(None, 1):
        for inputs, targets in parts.batches.of(epoch):
            parts.step(inputs, targets)
    before = torch.random.get_rng_state()
    begun = parts.beginning().state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert begun.keys() == first.keys()
    assert all(torch.equal(begun[name], first[name]) for name in first)
    assert not torch.equal(parts.model.state_dict()["0.weight"], first["0.weight"])
