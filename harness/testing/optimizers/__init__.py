"""What an optimizer must do: build, obey its rate, descend, keep its state, and be honest with gradients."""

from __future__ import annotations

from harness.testing.optimizers.building import builds, defaults_in_space
from harness.testing.optimizers.declared import captured_steps, cost, switches
from harness.testing.optimizers.descent import descends_network, descends_quadratic, descends_valley, trains_in_bf16
from harness.testing.optimizers.gradients import keeps_gradients, nan_gradient, zero_gradient
from harness.testing.optimizers.objective import common_objective
from harness.testing.optimizers.parameters import channels_last, named_parameters, several_groups, without_gradient
from harness.testing.optimizers.rates import obeys_lr, obeys_schedule, space_brackets_best_lr
from harness.testing.optimizers.state import continues_from_state, deterministic, keeps_attributes, state_round_trip

QUICK = [
    builds, defaults_in_space, obeys_lr, obeys_schedule, descends_quadratic, descends_valley, descends_network,
    trains_in_bf16, state_round_trip, continues_from_state, keeps_attributes, deterministic, several_groups, without_gradient,
    named_parameters, channels_last, zero_gradient, nan_gradient, keeps_gradients, switches, captured_steps,
    common_objective,
]  # fmt: skip
FULL = [space_brackets_best_lr, cost]
