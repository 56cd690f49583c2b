"""Classes of a library that do not step as ``torch.optim`` does, adapted so that they do.

Each function takes a class and returns a subclass of it, in which only how it is called differs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

Groups = list[dict[str, Any]]


def groups_of(parameters: Any, lr: float) -> Groups:
    """Return parameters, groups of them, or pairs with their names, as groups that each have a rate."""
    import torch

    groups = torch.optim.SGD(parameters, lr=lr).param_groups
    return [{"params": group["params"], "lr": group["lr"]} for group in groups]


def evaluated_first(class_: Any) -> Any:
    """Return a class that computes the first gradient itself: the library has its user do it before each step."""
    import torch

    class EvaluatedFirst(class_):  # type: ignore[misc]
        def step(self, closure: Any = None) -> Any:
            objective = torch.enable_grad()(closure)()
            super().step(closure)
            return objective

    return EvaluatedFirst


def with_outputs(class_: Any) -> Any:
    """Return a class whose closure returns the objective alone; the library's returns the network's outputs before it."""
    import torch

    class WithOutputs(class_):  # type: ignore[misc]
        def step(self, closure: Any = None) -> Any:
            evaluate = torch.enable_grad()(closure)
            return super().step(lambda: (None, evaluate()))[1]

    return WithOutputs


def with_lr_as(class_: Any, entry: str) -> Any:
    """Return a class whose groups have an ``lr``, which it knows by the name of another entry."""
    import torch

    class Renamed(class_):  # type: ignore[misc]
        def __init__(self, parameters: Any, lr: float, **hyperparameters: Any) -> None:
            super().__init__(groups_of(parameters, lr), **{entry: lr}, **hyperparameters)
            self.defaults["lr"] = lr

        def step(self, closure: Any = None) -> Any:
            for group in self.param_groups:
                group[entry] = float(group["lr"])
            return super().step(torch.enable_grad()(closure) if closure else None)

    return Renamed


def scaled(class_: Any) -> Any:
    """Return a class that chooses the lengths of its steps, with an ``lr`` that multiplies them, 1 at first.

    It either has no rate, or writes one of its own into its groups. Then ``lr`` is where that one begins, and a schedule
    multiplies its steps by as much as it changes ``lr``. Its own one is in the entry ``own_lr``.
    """
    import torch

    class Scaled(class_):  # type: ignore[misc]
        def __init__(self, parameters: Any, lr: float, **hyperparameters: Any) -> None:
            rated = groups_of(parameters, lr)
            super().__init__(rated, **({"lr": lr} if _takes_rate(class_) else {}), **hyperparameters)
            self.defaults["lr"] = lr
            for group in self.param_groups:
                group["own_lr"] = group["built_lr"] = float(group["lr"])

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            objective = torch.enable_grad()(closure)() if closure else None
            before = [[weight.clone() for weight in group["params"]] for group in self.param_groups]
            rates = [group["lr"] for group in self.param_groups]
            for group in self.param_groups:
                group["lr"] = group["own_lr"]
            super().step()
            for group, weights, rate in zip(self.param_groups, before, rates, strict=True):
                group["own_lr"], group["lr"] = group["lr"], rate
                part = float(rate) / group["built_lr"] if group["built_lr"] else 0.0
                for weight, old in zip(group["params"], weights, strict=True):
                    if part != 1:
                        weight.copy_(old.lerp(weight, part))
            return objective

    return Scaled


def _takes_rate(class_: Any) -> bool:
    import inspect

    return isinstance(inspect.signature(class_).parameters["lr"].default, float)


def of_network(class_: Any) -> Any:
    """Return a class that is built from the network, whose names it goes by, and moves the given parameters alone.

    It makes a group for each parameter. The groups get the rates of those that were given, in the same order.
    """

    class OfNetwork(class_):  # type: ignore[misc]
        def __init__(self, parameters: Any, network: Any, **hyperparameters: Any) -> None:
            rates = {
                id(weight): group["lr"]
                for group in groups_of(parameters, hyperparameters["lr"])
                for weight in group["params"]
            }
            super().__init__(network, **hyperparameters)
            groups_made: Groups = self.param_groups
            by_weight = {id(group["params"][0]): group for group in groups_made}
            self.param_groups: Groups = [by_weight[number] | {"lr": rate} for number, rate in rates.items()]

    return OfNetwork


class _Matrices:
    """Stands for a network, to a class that wants one: matrices and vectors that are its weights, by name."""

    def __init__(self, groups: Groups) -> None:
        import torch

        self.weights = [weight for group in groups for weight in group["params"]]
        self.matrices = [torch.nn.Parameter(self._flat(weight)) for weight in self.weights]
        self.rate_of = [index for index, group in enumerate(groups) for _ in group["params"]]

    @staticmethod
    def _flat(weight: Any) -> Any:
        """Return the numbers of a weight as a matrix of as many rows, or as a vector."""
        return weight.detach().reshape(len(weight), -1) if weight.ndim > 1 else weight.detach().reshape(-1)

    def parameters(self) -> Iterator[Any]:
        """Return the matrices and vectors."""
        return iter(self.matrices)

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        """Return the matrices and vectors with their names, which are their numbers."""
        return ((str(index), matrix) for index, matrix in enumerate(self.matrices))

    def take(self, group: int) -> None:
        """Have the matrices of a group the weights and the gradients of now, and the others no gradient."""
        for weight, matrix, index in zip(self.weights, self.matrices, self.rate_of, strict=True):
            matrix.data = self._flat(weight)
            moved = index == group and weight.grad is not None
            matrix.grad = self._flat(weight.grad).clone() if moved else None

    def put_back(self, group: int) -> None:
        """Copy the matrices of a group into their weights; most are these weights' own memory already."""
        for weight, matrix, index in zip(self.weights, self.matrices, self.rate_of, strict=True):
            if index == group and weight.data_ptr() != matrix.data_ptr():
                weight.copy_(matrix.reshape(weight.shape))


def unfused(class_: Any) -> Any:
    """Return a class that moves the weights in ``step()``; the library's moves them in the backward pass.

    It does so to save the memory of the gradients, which the training loop needs for its penalty. The numbers are the same.
    """
    import torch

    class Unfused(class_):  # type: ignore[misc]
        def __init__(self, parameters: Any, **hyperparameters: Any) -> None:
            rated = groups_of(parameters, hyperparameters["lr"])
            self.views = _Matrices(rated)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ImportWarning)  # that a library for several machines is missing
                super().__init__(self.views, **hyperparameters)
            self.param_groups.clear()
            for group in rated:
                self.add_param_group({"params": group["params"], "lr": group["lr"]})

        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            objective = torch.enable_grad()(closure)() if closure else None
            if hasattr(self, "num_steps"):
                self.num_steps += 1
            for number, group in enumerate(self.param_groups):
                self.lr = float(group["lr"])
                self.views.take(number)
                self.grad_func(0)
                self.views.put_back(number)
            return objective

    return Unfused


def averaged_later(class_: Any) -> Any:
    """Return a class whose ``eval()`` leaves alone what has no average yet: all weights before the first step."""

    class AveragedLater(class_):  # type: ignore[misc]
        def eval(self) -> None:
            parameters_kept = [group["params"] for group in self.param_groups]
            for group in self.param_groups:
                group["params"] = [weight for weight in group["params"] if "ema" in self.state.get(weight, {})]
            try:
                super().eval()
            finally:
                for group, weights in zip(self.param_groups, parameters_kept, strict=True):
                    group["params"] = weights

    return AveragedLater


def taken_back(class_: Any) -> Any:
    """Return bSAM that takes its noise and its perturbation back before it moves, as its paper says; the library keeps both.

    Its ``weight_decay`` is called ``gradient_scale``: the library multiplies the gradient by it and adds nothing of the
    weights, so it is no weight decay, and 0 would be no step at all. With 1 the gradient counts as it is.
    """

    class TakenBack(class_):  # type: ignore[misc]
        def __init__(self, parameters: Any, examples: int, gradient_scale: float = 1.0, **hyperparameters: Any) -> None:
            super().__init__(parameters, num_data=examples, weight_decay=gradient_scale, **hyperparameters)
            self.origins: list[Any] = []
            self.defaults["gradient_scale"] = self.defaults.pop("weight_decay")
            for group in self.param_groups:
                group["gradient_scale"] = group.pop("weight_decay")

        def _weights(self) -> list[Any]:
            return [weight for group in self.param_groups for weight in group["params"]]

        def first_step(self) -> None:
            self.origins = [weight.detach().clone() for weight in self._weights()]
            super().first_step()

        def third_step(self) -> None:
            for weight, origin in zip(self._weights(), self.origins, strict=True):
                weight.detach().copy_(origin)
            self.origins = []
            for group in self.param_groups:
                group["weight_decay"] = group["gradient_scale"]
            try:
                super().third_step()
            finally:
                for group in self.param_groups:
                    group.pop("weight_decay")

    return TakenBack


def accumulating(class_: Any) -> Any:
    """Return a class that keeps its momentum in its state: the library's leaves it in the gradients, which the loop makes anew."""
    import torch

    class Accumulating(class_):  # type: ignore[misc]
        @torch.no_grad()
        def step(self, closure: Any = None) -> Any:
            objective = torch.enable_grad()(closure)() if closure else None
            weights = [weight for group in self.param_groups for weight in group["params"] if weight.grad is not None]
            gradients = [weight.grad for weight in weights]
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.grad = gradient + self.state[weight].get("kept", 0.0)
            super().step()
            for weight, gradient in zip(weights, gradients, strict=True):
                self.state[weight]["kept"], weight.grad = weight.grad, gradient
            return objective

    return Accumulating


def constant(value: float) -> Any:
    """Return a schedule of one value, as GSAM wants for its radius."""

    class Constant:
        def step(self) -> float:
            return value

    return Constant()
