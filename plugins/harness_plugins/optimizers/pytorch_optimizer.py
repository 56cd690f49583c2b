"""Every class of pytorch_optimizer by its name.

Every class of the library pytorch_optimizer by its name: pytorch_optimizer:AdaBelief. Kim 2021.

https://github.com/kozistr/pytorch_optimizer, version 4.1, the optional extra ``optimizers``. Only the learning rate is
searched, in the range that a measurement on a small network gave (``_ranges``), and not even that where the method
chooses it itself (D-Adaptation, Prodigy, AdamG); ``[search.space."pytorch_optimizer:Adan"]`` fixes or searches more, with
``beta1``, ``beta2`` for its ``betas``. What differs from its defaults: weight decay is 0, for the L2 is part of the common
objective. Where its defaults switch the whole method off (PID, QHAdam, QHM and SGDP), those of the paper stand. Its Muons get
their groups by shape, as 'muon' does, with steps of AdamW's size, so that one rate serves both halves. One that takes
matrices only (SpectralSphere) has an AdamW for the rest. One that goes around another optimizer goes around AdamW, or around
any that stands in brackets, ``pytorch_optimizer:Lookahead(sgd)``. ``_adapted`` has the classes that are called in another
way than torch's.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import product
from typing import TYPE_CHECKING, Any

from harness import Catalogue, Optimizer, PluginError, hookimpl
from harness_plugins.optimizers import _adapted, _companion, _library, _ranges, _wrappers, muon

if TYPE_CHECKING:
    import torch

MISSING = "it needs the library of the extra 'optimizers'; python -m pip install pytorch_optimizer"
EXCLUDED = {
    "ASGD": "its rate falls to nothing on batches: it compares the norms of the gradients of two of them; use 'torch:ASGD'",
    "DeMo": "it compresses what many machines exchange",
    "DistributedMuon": "it needs several processes; use 'pytorch_optimizer:Muon'",
    "LoRARite": "it moves pairs of low-rank adapters only",
    "MuonClip": "it watches attention scores, which the loop does not show it; use 'pytorch_optimizer:Muon'",
    "PCGrad": "it joins the gradients of several losses, and a task has one",
    "SaRA": "it moves only weights that began near zero, to adapt a network that is trained already",
    "SafeFP16Optimizer": "it scales losses for half precision, in which nothing is trained here",
}
ESTIMATE = "its one estimate serves all groups, whatever their rates"
FINDS_RATE = ("A2Grad", "AdamG", "DAdaptAdaGrad", "DAdaptAdam", "DAdaptAdan", "DAdaptLion", "DAdaptSGD", "Prodigy")
MUONS = ("AdaGO", "AdaMuon", "Muon", "NorMuon")
DRAWING = ("AdaHessian", "Alice", "BSAM", "SPAM", "SophiaH")  # a random number or more in every step
FLAT = (
    "AdaHessian",
    "AdamP",
    "Nero",
    "SGDP",
    "SWATS",
    "SophiaH",
)  # they take weights for rows of memory, which on a GPU they are not
SQUARE = ("SOAP",)  # its state has transposed matrices in it
SET: dict[str, dict[str, Any]] = {
    "AdaFactor": {"relative_step": False},  # else it takes no learning rate
    "ApolloDQN": {"warmup_steps": 1},  # else it has a schedule of its own
    "GrokFastAdamW": {"normalize_lr": False},  # else a group's own rate is not scaled as the others are
    "AdaLOMO": {"loss_scale": 0.0},  # for half precision
    "QHAdam": {"nus": (0.7, 1.0)},  # as in the paper; with the library's (1, 1) it is Adam
    "RAdam": {"degenerated_to_sgd": True},  # as in the paper; else it stands still at first
    "Ranger21": {"norm_loss_factor": 0.0},  # a penalty on the weights
    "SCION": {"norm_type": 1},  # AUTO: what the default, an enumeration's member that cannot be saved, stands for
    "SCIONLight": {"norm_type": 1},
}
BEGUN: dict[str, dict[str, Any]] = {  # defaults of the papers, where those of the library switch the whole method off
    "PID": {"momentum": 0.9},
    "QHAdam": {"beta1": 0.995},
    "QHM": {"momentum": 0.999, "nu": 0.7},
    "SGDP": {"momentum": 0.9},
}
ADAPTED: dict[str, Any] = {  # classes that are called in another way than torch's
    "A2Grad": _adapted.scaled,
    "AdaLOMO": _adapted.unfused,
    "AdamMini": _adapted.of_network,
    "AliG": partial(_adapted.with_lr_as, entry="max_lr"),
    "BSAM": lambda class_: _adapted.evaluated_first(_adapted.taken_back(class_)),  # its noise goes where gradients are
    "LOMO": _adapted.unfused,
    "SCIONLight": _adapted.accumulating,
    "SPlus": _adapted.averaged_later,
    "SWATS": _adapted.scaled,
    "SpectralSphere": _companion.with_companion,
}
SCHEDULE_FREE = ("ScheduleFreeAdamW", "ScheduleFreeRAdam", "ScheduleFreeSGD")
CAPABILITIES: dict[str, dict[str, Any]] = {
    **{name: {"second_order": True} for name in ("AdaHessian", "SophiaH")},
    **{name: {"switches": True, "scheduled": False} for name in SCHEDULE_FREE},
    **{name: {"resumes": False} for name in ("AdaShift", "Conda", "Kron", "ROSE", "ScalableShampoo")},
    "AdamMini": {"needs": ("network",)},
    "AliG": {"closure": True},
    "BSAM": {"closure": True, "needs": ("examples",)},
    "Ranger21": {"scheduled": False, "needs": ("total_steps",)},
    "SPlus": {"switches": True},
}
KNOWN = (  # checks, names, why they fail
    (
        ("keeps_gradients",),
        ("Adalite", "GrokFastAdamW", "LARS", "Muon", "NorMuon", "NovoGrad", "OrthoGrad", "PID"),
        "it works in p.grad itself",
    ),
    (
        ("keeps_gradients",),
        ("Ranger", "Ranger21", "ScheduleFreeAdamW", "StableSPAM"),
        "it works in p.grad itself",
    ),
    (("obeys_schedule",), ("FTRL", "Gravity"), "it divides by its rate, which may not be 0"),
    (
        ("obeys_lr", "obeys_schedule"),
        ("AliG",),
        "its step is the loss over its squared gradient, which may be below 0 there",
    ),
    (("obeys_lr",), ("AdaBound",), "its step tends to final_lr, whatever rate it is built with"),
    (("obeys_lr",), ("Gravity",), "its first velocities are random, the larger the smaller the rate"),
    (
        ("obeys_lr", "obeys_schedule"),
        ("Nero",),
        "its first step brings the weights to norm 1 and mean 0, whatever the rate",
    ),
    (("obeys_lr", "obeys_schedule"), ("SRMM",), "its first step brings the weights to an average that begins at 0"),
    (("obeys_schedule",), ("DAdaptAdan",), "its estimate grows while the rate falls"),
    (
        ("obeys_lr", "obeys_schedule"),
        ("Ranger21",),
        "it has a schedule of its own, from the rate that it was built with",
    ),
    (
        ("space_brackets_best_lr",),
        ("TRAC",),
        "its scale begins at 1e-8 and grows, so in few steps any rate is too small",
    ),
    (("obeys_schedule",), ("TRAC",), "its scale goes on moving the weights along the way so far"),
    (
        ("descends_quadratic",),
        ("Nero", "ROSE", "Ranger", "Ranger21"),
        "it keeps or moves no mean of a weight's rows, and this minimum has one",
    ),
    (("several_groups",), ("AvaGrad",), "its scale is one for all groups"),
    (("several_groups",), ("SWATS",), "a group goes over to SGD as soon as one of its weights is ready for it"),
    (
        ("obeys_lr", "obeys_schedule", "without_gradient", "channels_last"),
        ("AdaShift",),
        "it takes ten gradients before its first step, and these checks end there",
    ),
    (
        ("several_groups",),
        ("DAdaptAdaGrad", "DAdaptAdam", "DAdaptAdan", "DAdaptLion", "DAdaptSGD", "Prodigy", "TRAC"),
        ESTIMATE,
    ),
    (("common_objective",), ("Amos",), "its weights decay by as much as their gradients say, which is its method"),
    (("common_objective",), ("Fromage",), "its step divides all weights by sqrt(1 + lr^2), as the method says"),
    (("zero_gradient",), ("RACS", "SGDSaI"), "it scales by its first gradients, once and for all"),
)


def find(name: str) -> Optimizer | None:
    """Return the class of that name, or None; raises PluginError for one that cannot train here."""
    if find_spec("pytorch_optimizer") is None:
        raise PluginError(MISSING)
    class_ = _classes().get(name)
    if class_ is None:
        return None
    if reason := _excluded(name, class_):
        raise PluginError(reason)
    full = f"pytorch_optimizer:{name}"
    rates = _ranges.of(full)
    failures = {check: reason for checks, names, reason in KNOWN if name in names for check in checks}
    if name in _wrappers.WRAPPERS:
        return _wrappers.alone(name, class_, rates, failures)
    able = {"known_failures": failures, **CAPABILITIES.get(name, {})}
    searched = None if name in FINDS_RATE else rates
    offer = _library.offer(full, _maker(name, class_), _described(name, class_), searched, **able)
    return replace(offer, defaults=offer.settings(BEGUN.get(name, {})))


def names() -> Sequence[str]:
    """Return every class that can train here; none where the library is not installed."""
    if find_spec("pytorch_optimizer") is None:
        return []
    return sorted(name for name, class_ in _classes().items() if not _excluded(name, class_))


def refused() -> Mapping[str, str]:
    """Return every class that cannot train here, with the reason; where the library is not installed, that of all."""
    if find_spec("pytorch_optimizer") is None:
        return {"*": MISSING}
    reasons = {name: _excluded(name, class_) for name, class_ in sorted(_classes().items())}
    return {name: reason for name, reason in reasons.items() if reason}


def _excluded(name: str, class_: Any) -> str:
    if class_.__module__.startswith("torch."):
        return f"it is PyTorch's own; use 'torch:{name}'"
    return EXCLUDED.get(name, "")


def _described(name: str, class_: Any) -> Any:
    """Return what names the hyperparameters of a class: a function, where its own arguments have other names."""
    described = {"A2Grad": _a2grad, "AliG": _alig, "BSAM": _bsam}.get(name)
    if described is None:
        return class_
    described.__module__, described.__name__ = class_.__module__, class_.__name__
    return described


def _a2grad(parameters: Any, lr: float = 1.0, beta: float = 10.0, lips: float = 10.0) -> None: ...


def _alig(parameters: Any, lr: float = 0.1, momentum: float = 0.0) -> None: ...


def _bsam(parameters: Any, lr: float = 0.5, betas: tuple[float, float] = (0.9, 0.999), rho: float = 0.05) -> None: ...


def _maker(name: str, class_: Any) -> Any:
    """Return the function that builds the class. A class that cannot resume, or take weights on a GPU, is mended."""
    if name in MUONS:
        return _by_shape(_library.flat(class_), class_)
    if name == "MARS":
        return lambda parameters, lr, **rest: class_(parameters, lr=lr, **{"lr_1d": lr, **rest})  # for vectors
    class_ = ADAPTED[name](class_) if name in ADAPTED else class_
    if name == "Ranger21":
        return lambda parameters, total_steps, **rest: class_(
            parameters, num_iterations=total_steps, **SET[name], **rest
        )
    for names, mended in ((DRAWING, _library.seeded), (FLAT, _library.flat), (SQUARE, _library.settled)):
        class_ = mended(class_) if name in names else class_
    return partial(class_, **SET.get(name, {}))


def _by_shape(mended: Any, class_: Any) -> Any:
    size = {"use_adjusted_lr": True} if "use_adjusted_lr" in inspect.signature(class_).parameters else {}

    def make(parameters: Any, lr: float, **hyperparameters: Any) -> torch.optim.Optimizer:
        import torch

        groups = torch.optim.SGD(parameters, lr=lr).param_groups  # whatever was given, as groups
        by_shape = []
        for group, is_matrix in product(groups, (True, False)):
            params = [parameter for parameter in group["params"] if muon.is_matrix(parameter) == is_matrix]
            if params:
                by_shape.append({"params": params, "lr": group["lr"], "use_muon": is_matrix})
        optimizer: torch.optim.Optimizer = mended(by_shape, **{**size, **hyperparameters})
        return optimizer

    return make


def _classes() -> dict[str, Any]:
    import pytorch_optimizer

    return _library.optimizer_classes(pytorch_optimizer)


@hookimpl
def harness_catalogues() -> list[Catalogue]:
    """Offer the library's optimizers, as pytorch_optimizer:NAME."""
    catalogue = Catalogue(
        "optimizer", "pytorch_optimizer", find, names, qualified=True, reference="Kim 2021", refused=refused
    )
    return [catalogue]
