"""Every class of pytorch_optimizer by its name.

Every class of the library pytorch_optimizer by its name: pytorch_optimizer:AdaBelief. Kim 2021.

https://github.com/kozistr/pytorch_optimizer, version 4.1, the optional extra ``optimizers``. Only the learning rate is
searched, in the range that suits the family, and not even that where the method finds it itself (D-Adaptation,
Prodigy, AdamG); ``[search.space."pytorch_optimizer:Adan"]`` fixes or searches more, with ``beta1``, ``beta2`` for its
``betas``. What differs from its defaults: weight decay is 0, for the L2 is part of the common objective. Its Muons get
their groups by shape, as 'muon' does, with steps of AdamW's size, so that one rate serves both halves.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from itertools import product
from typing import TYPE_CHECKING, Any

from harness import Catalogue, Optimizer, PluginError, hookimpl
from harness_plugins.optimizers import _library, muon

if TYPE_CHECKING:
    import torch

MISSING = "it needs the library of the extra 'optimizers'; python -m pip install pytorch_optimizer"
AROUND = "it goes around another optimizer, which must be built first; 'sam' and 'ema' do that here"
NO_RATE = "it has no learning rate, which every schedule moves"
OWN_RATE = "it writes a learning rate of its own into its groups, where the schedule's belongs"
OBJECT = "its state has objects in it, which cannot be saved without pickle"
WHOLE_NETWORK = "it wants the whole network, and an optimizer here is given parameters"
EXCLUDED = {
    **dict.fromkeys(("FriendlySAM", "GSAM", "Lookahead", "LookSAM", "Magma", "OrthoGrad", "PCGrad"), AROUND),
    **dict.fromkeys(("SAM", "SafeFP16Optimizer", "ScheduleFreeWrapper", "TRAC", "WSAM"), AROUND),
    **dict.fromkeys(("A2Grad", "AliG"), NO_RATE),
    **dict.fromkeys(("ASGD", "SWATS"), OWN_RATE),
    **dict.fromkeys(("AdaShift", "Conda", "Kron", "ROSE", "ScalableShampoo"), OBJECT),
    **dict.fromkeys(("AdaLOMO", "AdamMini", "LOMO"), WHOLE_NETWORK),
    "BSAM": "it wants the number of training examples, which an optimizer is not told",
    "DeMo": "it compresses what many machines exchange, and needs einops",
    "DistributedMuon": "it needs several processes; use 'pytorch_optimizer:Muon'",
    "LoRARite": "it moves pairs of low-rank adapters only",
    "MuonClip": "it watches attention scores, which the loop does not show it; use 'pytorch_optimizer:Muon'",
    "Ranger21": "it wants the number of steps, for a schedule of its own; use 'pytorch_optimizer:Ranger'",
    "SaRA": "it moves only weights that began near zero, to adapt a network that is trained already",
    "SPlus": "its eval() fails before its first step",
    "SpectralSphere": "it takes matrices only, and networks have biases",
}
ESTIMATE = "its one estimate serves all groups, whatever their rates"
ADAM_LIKE = (1e-5, 1e-1)
SGD_LIKE = (1e-3, 1.0)
SIGN_LIKE = (1e-5, 1e-2)
RATES: dict[str, tuple[float, float] | None] = {
    **dict.fromkeys(("AccSGD", "AggMo", "Fromage", "Gravity", "MSVAG", "Nero", "PID", "PNM"), SGD_LIKE),
    **dict.fromkeys(("QHM", "SGDP", "SGDSaI", "SGDW", "SM3", "SRMM", "TAM", "VSGD", "Yogi"), SGD_LIKE),
    **dict.fromkeys(("AdaHessian", "AvaGrad", "PAdam", "SophiaH"), SGD_LIKE),
    **dict.fromkeys(("EmoLynx", "Lion", "SignSGD", "Tiger"), SIGN_LIKE),  # every weight moves by the rate itself
    **dict.fromkeys(("AdamG", "DAdaptAdaGrad", "DAdaptAdam", "DAdaptAdan", "DAdaptLion", "DAdaptSGD", "Prodigy"), None),
    **dict.fromkeys(("AdaMod", "Kate", "LARS", "RACS", "Shampoo"), (1e-4, 10.0)),  # they bound or shrink their steps
    "AdaDelta": (1e-2, 10.0),  # its own default is 1
    "AdaGO": (1e-3, 10.0),
    "ScheduleFreeSGD": (1e-3, 10.0),
}
MUONS = ("AdaGO", "AdaMuon", "Muon", "NorMuon")
DRAWING = ("AdaHessian", "Alice", "SPAM", "SophiaH")  # a random number or more in every step
FLAT = (
    "AdaHessian",
    "AdamP",
    "Nero",
    "SGDP",
    "SophiaH",
)  # they take weights for rows of memory, which on a GPU they are not
SQUARE = ("SOAP",)  # its state has transposed matrices in it
SET: dict[str, dict[str, Any]] = {
    "AdaFactor": {"relative_step": False},  # else it takes no learning rate
    "ApolloDQN": {"warmup_steps": 1},  # else it has a schedule of its own
    "GrokFastAdamW": {"normalize_lr": False},  # else a group's own rate is not scaled as the others are
    "RAdam": {"degenerated_to_sgd": True},  # as in the paper; else it stands still at first
    "SCION": {"norm_type": 0},  # what the default, an enumeration's member that cannot be saved, stands for
    "SCIONLight": {"norm_type": 0},
}
SCHEDULE_FREE = ("ScheduleFreeAdamW", "ScheduleFreeRAdam", "ScheduleFreeSGD")
CAPABILITIES: dict[str, dict[str, Any]] = {
    **{name: {"second_order": True} for name in ("AdaHessian", "SophiaH")},
    **{name: {"switches": True, "scheduled": False} for name in SCHEDULE_FREE},
}
KNOWN = (  # checks, names, why they fail
    (
        ("keeps_gradients",),
        ("Adalite", "GrokFastAdamW", "LARS", "Muon", "NorMuon", "NovoGrad"),
        "it works in p.grad itself",
    ),
    (("keeps_gradients",), ("Ranger", "SCIONLight", "ScheduleFreeAdamW", "StableSPAM"), "it works in p.grad itself"),
    (("obeys_schedule",), ("FTRL", "Gravity"), "it divides by its rate, which may not be 0"),
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
        ("descends_quadratic",),
        ("Nero", "Ranger"),
        "it keeps or moves no mean of a weight's rows, and this minimum has one",
    ),
    (("several_groups",), ("AvaGrad",), "its scale is one for all groups"),
    (
        ("several_groups",),
        ("DAdaptAdaGrad", "DAdaptAdam", "DAdaptAdan", "DAdaptLion", "DAdaptSGD", "Prodigy"),
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
    rates = RATES.get(name, ADAM_LIKE)
    failures = {check: reason for checks, names, reason in KNOWN if name in names for check in checks}
    able = CAPABILITIES.get(name, {})
    full = f"pytorch_optimizer:{name}"
    return _library.offer(full, _maker(name, class_), class_, rates, known_failures=failures, **able)


def names() -> Sequence[str]:
    """Return every class that can train here; none where the library is not installed."""
    if find_spec("pytorch_optimizer") is None:
        return []
    return sorted(name for name, class_ in _classes().items() if not _excluded(name, class_))


def _excluded(name: str, class_: Any) -> str:
    if class_.__module__.startswith("torch."):
        return f"it is PyTorch's own; use 'torch:{name}'"
    return EXCLUDED.get(name, "")


def _maker(name: str, class_: Any) -> Any:
    """Return the function that builds the class. A class that cannot resume, or take weights on a GPU, is mended."""
    if name in MUONS:
        return _by_shape(_library.flat(class_), class_)
    if name == "MARS":
        return lambda parameters, lr, **rest: class_(parameters, lr=lr, **{"lr_1d": lr, **rest})  # for vectors
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
    import torch

    base = torch.optim.Optimizer
    classes = {name: value for name, value in vars(pytorch_optimizer).items() if isinstance(value, type)}
    return {name: class_ for name, class_ in classes.items() if issubclass(class_, base) and class_ is not base}


@hookimpl
def harness_catalogues() -> list[Catalogue]:
    """Offer the library's optimizers, as pytorch_optimizer:NAME."""
    return [Catalogue("optimizer", "pytorch_optimizer", find, names, qualified=True, reference="Kim 2021")]
