"""Every optimizer of timm by its name: timm:lamb, timm:adopt. Wightman 2019.

https://github.com/huggingface/pytorch-image-models, ``timm.optim.list_optimizers()``. Only the learning rate is
searched, in the range that a measurement on a small network gave (``_ranges``); ``[search.space."timm:lamb"]`` fixes or
searches more, with ``beta1`` and ``beta2`` for its ``betas``. As in timm, a momentum is 0.9. What differs from timm: the
network's parameters are one group, and weight decay is 0, for the L2 is part of the common objective. So names that
differ in their decay alone (lamb, lambw) are one algorithm until a benchmark gives them a ``weight_decay``, and have one
range.

timm's LARS and LAMB scale a layer's step by the ratio of the norms of its weights and its step, but only where weights
decay. Without that ratio they are SGD with momentum, and Adam with clipped gradients. So ``always_adapt`` is True here, and they
scale always; ``[search.space."timm:lars"] always_adapt = false`` gives what timm does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from typing import TYPE_CHECKING, Any

from harness import Catalogue, Optimizer, PluginError, hookimpl
from harness_plugins._timm import import_timm
from harness_plugins.optimizers import _library, _ranges

if TYPE_CHECKING:
    import torch

EXCLUDED = {  # by the beginning of a name
    "bnb": "it is bitsandbytes' version for GPUs, a library that the harness does not use",
    "fused": "it is the version of NVIDIA's apex, a library that the harness does not use",
}
ELSEWHERE = {"ademamix": "pytorch_optimizer:AdEMAMix"}  # what timm has in such a version only
DECAYS = ("corrected_weight_decay", "decoupled", "decoupled_decay", "decoupled_weight_decay", "no_prox", "wd_ratio")
ADAPTING = (
    "Lamb",
    "Lars",
)  # classes that scale steps by layer only where weights decay, unless they are told to always
CLIPPED = (
    "its step is by the rate or by the ratio of the norms, whichever is less, so above the ratio all rates are one"
)
KNOWN: Mapping[str, Mapping[str, str]] = {  # checks that fail, and why, by name
    **dict.fromkeys(("larc", "nlarc"), dict.fromkeys(("obeys_lr", "obeys_schedule"), CLIPPED)),
}
UNSAVED = ("*adafactorbv*", "kron*")  # a state that names a data type; a generator that is in no state


def find(name: str) -> Optimizer | None:
    """Return timm's optimizer of that name, or None; raises PluginError for one that cannot train here."""
    factory = _factory()
    if name not in factory.list_optimizers():
        return None
    reason = _excluded(name)
    if reason:
        raise PluginError(reason)
    class_ = factory.get_optimizer_info(name).opt_class
    make = partial(factory.create_optimizer_v2, opt=name)
    rates = _ranges.of(same_steps(name))
    if name == "adahessian":
        return _library.offer(f"timm:{name}", _adahessian, class_, rates, second_order=True)
    if name.startswith("kron"):
        make = partial(_uncompiled, make)
    resumes = not any(fnmatch(name, pattern) for pattern in UNSAVED)
    offer = _library.offer(f"timm:{name}", make, class_, rates, resumes=resumes, known_failures=KNOWN.get(name, {}))
    if class_.__name__ in ADAPTING:
        return replace(offer, defaults=offer.settings({"always_adapt": True}))
    return offer


def names() -> Sequence[str]:
    """Return every name that can train here."""
    return [name for name in _factory().list_optimizers() if not _excluded(name)]


def refused() -> Mapping[str, str]:
    """Return every name that cannot train here, with the reason."""
    return {name: _excluded(name) for name in _factory().list_optimizers() if _excluded(name)}


def same_steps(name: str) -> str:
    """Return the plainest full name of the algorithm, which several names are while nothing decays.

    It is torch's name where timm builds a class of torch with its own defaults.
    """
    info = _factory().get_optimizer_info(name)
    if info.opt_class.__module__.startswith("torch.") and not info.has_momentum and not _settings(info):
        return f"torch:{info.opt_class.__name__}"
    plainest = min(
        (named for named in names() if _steps(named) == _steps(name)),
        key=lambda named: (len(_factory().get_optimizer_info(named).defaults or {}), len(named), named),
    )
    return f"timm:{plainest}"


def _steps(name: str) -> tuple[Any, ...]:
    """Return what the steps of an optimizer follow from, its decay aside: the class and timm's settings."""
    info = _factory().get_optimizer_info(name)
    return (info.opt_class, info.has_momentum, sorted(_settings(info).items(), key=str))


def _settings(info: Any) -> dict[str, Any]:
    """Return what timm gives the class beside its decay."""
    return {name: value for name, value in (info.defaults or {}).items() if name not in DECAYS}


def _excluded(name: str) -> str:
    """Return why an optimizer cannot train here, and which one to use instead; "" for one that can."""
    for beginning, reason in EXCLUDED.items():
        if name.startswith(beginning):
            plain = name.removeprefix(beginning).removesuffix("8bit")
            return f"{reason}; use '{ELSEWHERE.get(plain, f'timm:{plain}')}'"
    return ""


def _uncompiled(make: Any, parameters: Any, **hyperparameters: Any) -> torch.optim.Optimizer:
    """Return Kron that compiles nothing: to compile it takes minutes for every shape of a weight."""
    import torch

    optimizer: torch.optim.Optimizer = make(parameters, **hyperparameters)
    compiled: Any = type(optimizer)

    class Uncompiled(compiled):  # type: ignore[misc]
        def step(self, closure: Any = None) -> Any:
            with torch.compiler.set_stance("force_eager"):
                return super().step(closure)

    optimizer.__class__ = Uncompiled
    return optimizer


def _adahessian(parameters: Any, **hyperparameters: Any) -> torch.optim.Optimizer:
    """Return AdaHessian that saves the generator it draws its directions from."""
    import torch
    from timm.optim.adahessian import Adahessian as Timms

    class Adahessian(Timms):
        def state_dict(self) -> dict[str, Any]:
            drawn = {"generator": self.generator.get_state(), "device": str(self.generator.device)}
            return {**super().state_dict(), **drawn}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            super().load_state_dict(state_dict)
            self.generator = torch.Generator(state_dict["device"])
            self.generator.set_state(state_dict["generator"].cpu())

    optimizer: torch.optim.Optimizer = Adahessian(parameters, **hyperparameters)  # type: ignore[no-untyped-call]
    return optimizer


def _factory() -> Any:
    import_timm()
    import timm.optim

    return timm.optim


@hookimpl
def harness_catalogues() -> list[Catalogue]:
    """Offer timm's optimizers, as timm:NAME."""
    return [Catalogue("optimizer", "timm", find, names, qualified=True, reference="Wightman 2019", refused=refused)]
