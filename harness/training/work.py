"""The work of one gradient evaluation, counted and not timed: the network's, and the optimizer's own.

Two optimizers that take equal steps need not do equal work: SAM evaluates two gradients a step, L-BFGS up to twenty, and Muon
multiplies matrices. What is counted here is the same on every machine, because nothing is computed: tensors on torch's meta
device have shapes and no numbers.

- The network's operations are those of the matrix products and convolutions of a forward and backward pass, as
  ``torch.utils.flop_counter`` counts them: a multiplication and an addition are two.
- The optimizer's own are those of its steps without the evaluations in them: its matrix products, counted alike, and one for
  each number that any other operation makes. Copies and views are none.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from harness.errors import one_line
from harness.plugin.contracts import Optimizer
from harness.plugin.runs import Run
from harness.training.ingredients import Ingredients
from harness.training.stages import build_optimizer

STEPS = 10  # that are counted: some optimizers do more in every tenth
FEW, MORE = ((12, 10), (30,), (4, 3, 3, 3)), ((40, 50), (300,), (16, 8, 3, 3))  # shapes of the small tensors
PROPORTIONAL = 0.02  # by which operations for each weight may differ and still be proportional to the weights
META = torch.device("meta")
# What moves numbers and makes none.
_MOVES = (
    "clone", "copy_", "_to_copy", "_foreach_copy_", "zero_", "_foreach_zero_", "fill_", "detach", "detach_", "empty", "zeros",
    "ones", "full", "empty_like", "zeros_like", "ones_like", "full_like", "new_empty", "new_zeros", "scalar_tensor",
    "lift_fresh", "_local_scalar_dense", "cat", "stack", "_unsafe_view", "_reshape_alias", "empty_strided",
)  # fmt: skip
# Times n^3, for n x n matrices: Golub & Van Loan 2013, Matrix Computations.
_DECOMPOSITIONS = {
    "linalg_cholesky_ex": 1 / 3, "linalg_lu_factor_ex": 2 / 3, "linalg_inv_ex": 2.0, "linalg_qr": 8 / 3, "_linalg_eigh": 9.0,
    "_linalg_svd": 22.0, "_linalg_solve_ex": 2 / 3, "linalg_eig": 25.0,
}  # fmt: skip


@dataclass(frozen=True)
class Work:
    """The operations of one gradient evaluation of an arm; None where they could not be counted, and why."""

    network: float | None = None  # forward and backward, of one example
    own: float | None = None  # of the optimizer
    weights: int = 0  # numbers that are trained
    problem: str = ""

    def plain(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        return asdict(self)


class OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the operations of everything that torch does inside of it, in ``operations``; nothing while it is ``paused``."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0.0
        self._paused = False

    @contextlib.contextmanager
    def paused(self) -> Any:
        """Count nothing inside."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Carry an operation out, and count it."""
        result = func(*args, **(kwargs or {}))
        if not self._paused:
            self.operations += _operations_of(func, args, dict(kwargs or {}), result)
        return result


def _operations_of(func: Any, args: tuple[Any, ...], keywords: dict[str, Any], result: Any) -> float:
    """Return the operations of one call of torch."""
    packet = func.overloadpacket
    if packet in flop_registry:
        return float(flop_registry[packet](*args, **keywords, out_val=result))
    name = packet.__name__
    if name in _MOVES or func.is_view:
        return 0.0
    if name in _DECOMPOSITIONS and isinstance(args[0], torch.Tensor):
        *many, rows, columns = args[0].shape
        return _DECOMPOSITIONS[name] * prod(many) * max(rows, columns) * min(rows, columns) ** 2
    return float(max(_numbers_in(result), *map(_numbers_in, args), 0))


def _numbers_in(value: Any) -> int:
    """Return how many numbers are in a tensor, or in a list of tensors."""
    return sum(leaf.numel() for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor))


# --- what is counted

_counted: dict[object, Work] = {}  # in this process, by what decides it
Losses = Callable[[], torch.Tensor]  # the loss of the weights, anew


def work_of_arm(run: Run, ingredients: Ingredients) -> Mapping[str, Any] | None:
    """Return the work of a gradient evaluation of an arm, which its first comparison run counts; None for another run."""
    if run.phase != "compare" or run.init_seed:
        return None
    train = ingredients.train
    shapes = (train.input_shape, ingredients.outputs, min(run.batch_size, len(train)))
    key = (run.arm, *sorted(run.plugins.items()), *sorted(run.optimizer.items()), *shapes)
    if key not in _counted:
        _counted[key] = count_work(run, ingredients)
    return _counted[key].plain()


def count_work(run: Run, ingredients: Ingredients) -> Work:
    """Return the work of one gradient evaluation of a run; what could not be counted is None, and ``problem`` says why.

    All weights are trained in it, as in the last stage of a run that trains the head alone at first.
    """
    try:
        network = _without_numbers(ingredients)
        weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    except Exception as error:  # a plugin's code, on tensors that it may never have met
        return Work(problem=f"the network: {one_line(error)}")
    batch = min(run.batch_size, len(ingredients.train))
    work, problems = Work(weights=sum(weight.numel() for weight in weights)), []

    def loss() -> torch.Tensor:
        return _loss_of(network, ingredients, batch)

    try:
        work = replace(work, network=_count_gradient(loss) / batch)
    except Exception as error:
        problems.append(f"the network: {one_line(error)}")
    try:
        work = replace(work, own=_count_own(run, ingredients.optimizer, weights, loss))
    except Exception as error:
        problems.append(f"the optimizer: {one_line(error)}")
    return replace(work, problem="; ".join(problems))


def _without_numbers(ingredients: Ingredients) -> torch.nn.Module:
    """Return the network in training mode, on the meta device."""
    with torch.random.fork_rng(devices=[]):
        network: torch.nn.Module = ingredients.backbone.build(ingredients.train.input_shape, ingredients.outputs)
    return network.to(META).train()


def _loss_of(network: torch.nn.Module, ingredients: Ingredients, batch: int) -> torch.Tensor:
    """Return the loss of a batch without numbers."""
    stored = ingredients.train.stored_targets
    inputs = torch.empty((batch, *ingredients.train.input_shape), device=META)
    targets = torch.empty((batch, *stored.shape[1:]), dtype=stored.dtype, device=META)
    return ingredients.task.loss(network(inputs).float(), targets)


def _count_gradient(loss: Losses) -> float:
    """Return the operations of a forward and backward pass."""
    with FlopCounterMode(display=False) as counter:
        loss().backward()  # type: ignore[no-untyped-call]
    return float(counter.get_total_flops())


def _count_own(run: Run, offer: Optimizer, weights: Sequence[torch.nn.Parameter], loss: Losses) -> float:
    """Return an optimizer's own operations for each gradient that it evaluates, the mean over some steps.

    Of most optimizers they are proportional to the number of weights, whatever the shapes. A few small tensors show whether
    that is so, and how many there are for each weight. Else they are those of tensors of the network's shapes, without numbers.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if offer.second_order:  # its steps go through the network once more
            return _own_per_gradient(run, offer, weights, loss)
        few, more = (_own_on_small(run, offer, shapes) for shapes in (FEW, MORE))
        if math.isclose(few, more, rel_tol=PROPORTIONAL):
            return more * sum(weight.numel() for weight in weights)
        return sum(
            many * _own_per_gradient(run, offer, [_weight_of(shape)])
            for shape, many in _counted_shapes(weights).items()
        )


def _own_on_small(run: Run, offer: Optimizer, shapes: Sequence[tuple[int, ...]]) -> float:
    """Return the operations for each gradient and each weight, on small tensors that have numbers."""
    torch.default_generator.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    own_gradients = _own_per_gradient(run, offer, weights, partial(_bowls, weights))
    return own_gradients / sum(weight.numel() for weight in weights)


def _counted_shapes(weights: Sequence[torch.Tensor]) -> Counter[tuple[int, ...]]:
    return Counter(tuple(weight.shape) for weight in weights)


def _weight_of(shape: tuple[int, ...]) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.empty(shape, device=META))


def _bowls(weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return a loss of these weights that is cheap and bounded below."""
    return torch.stack([(1 + weight.square()).sqrt().sum() for weight in weights]).sum()


def _own_per_gradient(
    run: Run, offer: Optimizer, weights: Sequence[torch.nn.Parameter], loss: Losses | None = None
) -> float:
    """Return the operations of the steps, without those of the evaluations, divided by the number of evaluations.

    Without a loss the gradients are tensors without numbers, as the weights are.
    """
    optimizer = build_optimizer(offer, offer.settings(run.optimizer), [weights])
    counter, evaluations = OperationCounter(), 0

    def evaluate() -> torch.Tensor:
        nonlocal evaluations
        evaluations += 1
        with counter.paused(), torch.enable_grad():
            value = torch.empty((), device=META) if loss is None else loss()
            gradients = (
                [torch.empty_like(weight) for weight in weights]
                if loss is None
                else torch.autograd.grad(value, weights, create_graph=offer.second_order)
            )
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient
        return value.detach()

    if offer.switches:
        optimizer.train()  # type: ignore[attr-defined]
    _step(offer, optimizer, evaluate)  # the first step makes the state
    evaluations = 0
    with counter:
        for _ in range(1 if offer.second_order else STEPS):
            _step(offer, optimizer, evaluate)
    return counter.operations / evaluations


def _step(offer: Optimizer, optimizer: torch.optim.Optimizer, evaluate: Losses) -> None:
    if offer.closure:
        optimizer.step(evaluate)  # type: ignore[arg-type]
    else:
        evaluate()
        optimizer.step()
