"""Where the learning rate of each optimizer of a library is searched.

Written by benchmarks/science/optimizer_ranges.py, which measures every name; a correction belongs there.
"""

from __future__ import annotations

from typing import NamedTuple


class Range(NamedTuple):
    """What was measured of an optimizer: the range that holds its best rate, that rate and its loss, and its quick checks."""

    low: float
    high: float
    best: float
    loss: float
    state: str


WIDE = (1e-5, 1.0)  # for a name that was not measured
RANGES: dict[str, Range] = {
    "pytorch_optimizer:ADOPT": Range(3.2e-05, 0.32, 0.032, 0.214, "ok"),
    "pytorch_optimizer:APOLLO": Range(3.2e-05, 0.32, 0.032, 0.261, "ok"),
    "pytorch_optimizer:AccSGD": Range(0.001, 10.0, 1.0, 0.173, "ok"),
    "pytorch_optimizer:AdEMAMix": Range(3.2e-05, 0.32, 0.032, 0.26, "ok"),
    "pytorch_optimizer:AdaBelief": Range(3.2e-05, 0.32, 0.032, 0.252, "ok"),
    "pytorch_optimizer:AdaBound": Range(1e-05, 0.1, 0.01, 0.358, "known: obeys_lr"),
    "pytorch_optimizer:AdaDelta": Range(0.01, 100.0, 10.0, 0.233, "ok"),
    "pytorch_optimizer:AdaFactor": Range(0.00032, 3.2, 0.32, 0.284, "ok"),
    "pytorch_optimizer:AdaGC": Range(3.2e-05, 0.32, 0.032, 0.292, "ok"),
    "pytorch_optimizer:AdaGO": Range(0.0001, 10.0, 0.1, 0.633, "ok"),
    "pytorch_optimizer:AdaHessian": Range(0.0001, 1.0, 0.1, 0.594, "ok"),
    "pytorch_optimizer:AdaLOMO": Range(0.00032, 3.2, 0.32, 0.261, "ok"),
    "pytorch_optimizer:AdaMax": Range(0.0001, 1.0, 0.1, 0.313, "ok"),
    "pytorch_optimizer:AdaMod": Range(0.00032, 3.2, 0.32, 0.352, "ok"),
    "pytorch_optimizer:AdaMuon": Range(3.2e-05, 0.32, 0.032, 0.0627, "ok"),
    "pytorch_optimizer:AdaNorm": Range(3.2e-05, 0.32, 0.032, 0.235, "ok"),
    "pytorch_optimizer:AdaPNM": Range(3.2e-05, 0.32, 0.032, 0.252, "ok"),
    "pytorch_optimizer:AdaShift": Range(
        0.0001, 1.0, 0.1, 0.409, "known: obeys_lr, obeys_schedule, without_gradient, channels_last"
    ),
    "pytorch_optimizer:AdaSmooth": Range(3.2e-05, 0.32, 0.032, 0.187, "ok"),
    "pytorch_optimizer:AdaTAM": Range(1e-06, 0.01, 0.001, 0.319, "ok"),
    "pytorch_optimizer:Adai": Range(0.001, 10.0, 1.0, 0.383, "ok"),
    "pytorch_optimizer:Adalite": Range(1e-05, 0.1, 0.01, 0.3, "known: keeps_gradients"),
    "pytorch_optimizer:AdamC": Range(3.2e-05, 0.32, 0.032, 0.244, "ok"),
    "pytorch_optimizer:AdamMini": Range(3.2e-05, 0.32, 0.032, 0.283, "ok"),
    "pytorch_optimizer:AdamP": Range(3.2e-05, 0.32, 0.032, 0.269, "ok"),
    "pytorch_optimizer:AdamS": Range(3.2e-05, 0.32, 0.032, 0.258, "ok"),
    "pytorch_optimizer:AdamWSN": Range(3.2e-05, 0.32, 0.032, 0.253, "ok"),
    "pytorch_optimizer:Adan": Range(3.2e-05, 0.32, 0.032, 0.362, "ok"),
    "pytorch_optimizer:AggMo": Range(0.0001, 1.0, 0.1, 0.353, "ok"),
    "pytorch_optimizer:Aida": Range(1e-05, 0.1, 0.01, 0.282, "ok"),
    "pytorch_optimizer:AliG": Range(0.01, 100.0, 10.0, 0.238, "known: obeys_lr, obeys_schedule"),
    "pytorch_optimizer:Alice": Range(0.0001, 1.0, 0.1, 0.21, "ok"),
    "pytorch_optimizer:Amos": Range(0.0001, 1.0, 0.1, 0.285, "known: common_objective"),
    "pytorch_optimizer:Ano": Range(1e-05, 0.1, 0.01, 0.222, "ok"),
    "pytorch_optimizer:ApolloDQN": Range(1e-05, 0.1, 0.01, 0.343, "ok"),
    "pytorch_optimizer:AvaGrad": Range(0.0032, 32.0, 3.2, 0.326, "known: several_groups"),
    "pytorch_optimizer:BCOS": Range(1e-05, 0.1, 0.01, 0.233, "ok"),
    "pytorch_optimizer:BSAM": Range(0.0032, 32.0, 3.2, 0.358, "ok"),
    "pytorch_optimizer:CAME": Range(1e-06, 0.01, 0.001, 0.326, "ok"),
    "pytorch_optimizer:Conda": Range(3.2e-05, 0.32, 0.032, 0.202, "ok"),
    "pytorch_optimizer:DASH": Range(3.2e-05, 0.32, 0.032, 0.0688, "ok"),
    "pytorch_optimizer:DiffGrad": Range(0.0001, 1.0, 0.1, 0.232, "ok"),
    "pytorch_optimizer:DualAdam": Range(3.2e-05, 0.32, 0.032, 0.265, "ok"),
    "pytorch_optimizer:EXAdam": Range(1e-05, 0.1, 0.01, 0.219, "ok"),
    "pytorch_optimizer:EmoFact": Range(3.2e-05, 0.32, 0.032, 0.245, "ok"),
    "pytorch_optimizer:EmoLynx": Range(1e-05, 0.1, 0.01, 0.188, "ok"),
    "pytorch_optimizer:EmoNavi": Range(1e-05, 0.1, 0.01, 0.319, "ok"),
    "pytorch_optimizer:FAdam": Range(3.2e-05, 0.32, 0.032, 0.254, "ok"),
    "pytorch_optimizer:FOCUS": Range(1e-05, 0.1, 0.01, 0.266, "ok"),
    "pytorch_optimizer:FTRL": Range(0.1, 1000.0, 100.0, 0.845, "known: obeys_schedule"),
    "pytorch_optimizer:Fira": Range(3.2e-05, 0.32, 0.032, 0.261, "ok"),
    "pytorch_optimizer:FlashAdamW": Range(3.2e-05, 0.32, 0.032, 0.259, "ok"),
    "pytorch_optimizer:FriendlySAM": Range(3.2e-05, 0.32, 0.032, 0.272, "ok"),
    "pytorch_optimizer:Fromage": Range(0.0001, 1.0, 0.1, 0.375, "known: common_objective"),
    "pytorch_optimizer:GSAM": Range(3.2e-05, 0.32, 0.032, 0.284, "ok"),
    "pytorch_optimizer:GaLore": Range(3.2e-05, 0.32, 0.032, 0.261, "ok"),
    "pytorch_optimizer:Grams": Range(0.0001, 1.0, 0.1, 0.142, "ok"),
    "pytorch_optimizer:Gravity": Range(0.0032, 32.0, 3.2, 0.318, "known: obeys_lr, obeys_schedule"),
    "pytorch_optimizer:GrokFastAdamW": Range(1e-05, 0.1, 0.01, 0.235, "known: keeps_gradients"),
    "pytorch_optimizer:Kate": Range(1e-07, 10.0, 0.0001, 0.77, "ok"),
    "pytorch_optimizer:Kron": Range(1e-05, 0.1, 0.01, 0.159, "ok"),
    "pytorch_optimizer:LARS": Range(0.0032, 32.0, 3.2, 0.665, "known: keeps_gradients"),
    "pytorch_optimizer:LOMO": Range(0.001, 10.0, 1.0, 0.314, "ok"),
    "pytorch_optimizer:LaProp": Range(3.2e-05, 0.32, 0.032, 0.243, "ok"),
    "pytorch_optimizer:Lamb": Range(3.2e-05, 0.32, 0.032, 0.212, "ok"),
    "pytorch_optimizer:Lion": Range(1e-05, 0.1, 0.01, 0.188, "ok"),
    "pytorch_optimizer:LookSAM": Range(1e-05, 0.1, 0.01, 0.623, "ok"),
    "pytorch_optimizer:Lookahead": Range(3.2e-05, 0.32, 0.032, 0.267, "ok"),
    "pytorch_optimizer:MADGRAD": Range(3.2e-05, 0.32, 0.032, 0.291, "ok"),
    "pytorch_optimizer:MARS": Range(3.2e-05, 0.32, 0.032, 0.274, "ok"),
    "pytorch_optimizer:MSVAG": Range(0.0032, 32.0, 3.2, 0.292, "ok"),
    "pytorch_optimizer:Magma": Range(3.2e-05, 0.32, 0.032, 0.363, "ok"),
    "pytorch_optimizer:Muon": Range(3.2e-05, 0.32, 0.032, 0.0597, "known: keeps_gradients"),
    "pytorch_optimizer:Nero": Range(0.0001, 1.0, 0.1, 0.301, "known: obeys_lr, obeys_schedule, descends_quadratic"),
    "pytorch_optimizer:NorMuon": Range(3.2e-05, 0.32, 0.032, 0.0561, "known: keeps_gradients"),
    "pytorch_optimizer:NovoGrad": Range(0.0001, 1.0, 0.1, 0.444, "known: keeps_gradients"),
    "pytorch_optimizer:OrthoGrad": Range(3.2e-05, 0.32, 0.032, 0.25, "known: keeps_gradients"),
    "pytorch_optimizer:PAdam": Range(0.00032, 3.2, 0.32, 0.268, "ok"),
    "pytorch_optimizer:PID": Range(0.001, 10.0, 1.0, 0.314, "ok"),
    "pytorch_optimizer:PNM": Range(0.0032, 32.0, 3.2, 0.357, "ok"),
    "pytorch_optimizer:QHAdam": Range(3.2e-05, 0.32, 0.032, 0.258, "ok"),
    "pytorch_optimizer:QHM": Range(0.001, 10.0, 1.0, 0.314, "ok"),
    "pytorch_optimizer:RACS": Range(0.00032, 3.2, 0.32, 0.185, "known: zero_gradient"),
    "pytorch_optimizer:RAdam": Range(0.0001, 1.0, 0.1, 0.26, "ok"),
    "pytorch_optimizer:ROSE": Range(0.00032, 3.2, 0.32, 0.189, "known: descends_quadratic"),
    "pytorch_optimizer:Ranger": Range(0.00032, 3.2, 0.32, 0.17, "known: descends_quadratic, keeps_gradients"),
    "pytorch_optimizer:Ranger21": Range(
        0.0001, 1.0, 0.1, 0.26, "known: obeys_lr, obeys_schedule, descends_quadratic, keeps_gradients"
    ),
    "pytorch_optimizer:SAM": Range(3.2e-05, 0.32, 0.032, 0.268, "ok"),
    "pytorch_optimizer:SCION": Range(0.0032, 32.0, 3.2, 0.322, "ok"),
    "pytorch_optimizer:SCIONLight": Range(0.001, 10.0, 1.0, 0.314, "known: keeps_gradients"),
    "pytorch_optimizer:SGDP": Range(0.001, 10.0, 1.0, 0.315, "ok"),
    "pytorch_optimizer:SGDSaI": Range(3.2e-05, 0.32, 0.032, 0.327, "known: zero_gradient"),
    "pytorch_optimizer:SGDW": Range(0.001, 10.0, 1.0, 0.314, "ok"),
    "pytorch_optimizer:SM3": Range(0.0001, 1.0, 0.1, 0.449, "ok"),
    "pytorch_optimizer:SOAP": Range(3.2e-05, 0.32, 0.032, 0.0622, "ok"),
    "pytorch_optimizer:SPAM": Range(3.2e-05, 0.32, 0.032, 0.257, "ok"),
    "pytorch_optimizer:SPlus": Range(0.00032, 3.2, 0.32, 0.391, "ok"),
    "pytorch_optimizer:SRMM": Range(0.0032, 32.0, 3.2, 0.349, "known: obeys_lr, obeys_schedule"),
    "pytorch_optimizer:SWATS": Range(3.2e-05, 0.32, 0.032, 0.262, "known: several_groups"),
    "pytorch_optimizer:ScalableShampoo": Range(0.00032, 3.2, 0.32, 0.264, "ok"),
    "pytorch_optimizer:ScheduleFreeAdamW": Range(3.2e-05, 0.32, 0.032, 0.137, "known: keeps_gradients"),
    "pytorch_optimizer:ScheduleFreeRAdam": Range(0.0001, 1.0, 0.1, 0.156, "ok"),
    "pytorch_optimizer:ScheduleFreeSGD": Range(0.0032, 32.0, 3.2, 0.165, "ok"),
    "pytorch_optimizer:ScheduleFreeWrapper": Range(3.2e-05, 0.32, 0.032, 0.138, "ok"),
    "pytorch_optimizer:Shampoo": Range(0.001, 10.0, 1.0, 0.139, "ok"),
    "pytorch_optimizer:SignSGD": Range(1e-05, 0.1, 0.01, 0.262, "ok"),
    "pytorch_optimizer:SimplifiedAdEMAMix": Range(0.0001, 1.0, 0.1, 0.367, "ok"),
    "pytorch_optimizer:SophiaH": Range(0.00032, 3.2, 0.32, 0.326, "ok"),
    "pytorch_optimizer:StableAdamW": Range(3.2e-05, 0.32, 0.032, 0.242, ""),
    "pytorch_optimizer:StableSPAM": Range(3.2e-05, 0.32, 0.032, 0.216, ""),
    "pytorch_optimizer:TAM": Range(0.00032, 3.2, 0.32, 0.292, ""),
    "pytorch_optimizer:TRAC": Range(0.32, 1000.0, 320.0, 0.538, "known: obeys_schedule, several_groups"),
    "pytorch_optimizer:Tiger": Range(1e-05, 0.1, 0.01, 0.318, ""),
    "pytorch_optimizer:VSGD": Range(3.2e-05, 0.32, 0.032, 0.214, ""),
    "pytorch_optimizer:WSAM": Range(3.2e-05, 0.32, 0.032, 0.249, "ok"),
    "pytorch_optimizer:Yogi": Range(3.2e-05, 0.32, 0.032, 0.278, ""),
    "timm:adabelief": Range(3.2e-05, 0.32, 0.032, 0.252, ""),
    "timm:adafactor": Range(3.2e-05, 0.32, 0.032, 0.224, ""),
    "timm:adagrad": Range(0.0001, 1.0, 0.1, 0.302, ""),
    "timm:adahessian": Range(0.0001, 1.0, 0.1, 0.466, ""),
    "timm:adamp": Range(3.2e-05, 0.32, 0.032, 0.184, ""),
    "timm:adamuon": Range(3.2e-05, 0.32, 0.032, 0.0481, ""),
    "timm:adamwlegacy": Range(3.2e-05, 0.32, 0.032, 0.258, ""),
    "timm:adan": Range(3.2e-05, 0.32, 0.032, 0.362, ""),
    "timm:adopt": Range(1e-05, 0.1, 0.01, 0.267, ""),
    "timm:clion": Range(1e-05, 0.1, 0.01, 0.161, ""),
    "timm:csgdp": Range(0.0001, 1.0, 0.1, 0.297, ""),
    "timm:csgdw": Range(0.0001, 1.0, 0.1, 0.296, ""),
    "timm:lamb": Range(3.2e-05, 0.32, 0.032, 0.242, ""),
    "timm:lambc": Range(3.2e-05, 0.32, 0.032, 0.242, ""),
    "timm:laprop": Range(3.2e-05, 0.32, 0.032, 0.237, ""),
    "timm:larc": Range(0.00032, 3.2, 0.32, 0.322, ""),
    "timm:lars": Range(0.00032, 3.2, 0.32, 0.322, ""),
    "timm:lion": Range(1e-05, 0.1, 0.01, 0.188, ""),
    "timm:madgrad": Range(3.2e-05, 0.32, 0.032, 0.291, ""),
    "timm:mars": Range(3.2e-05, 0.32, 0.032, 0.244, ""),
    "timm:momentum": Range(0.00032, 3.2, 0.32, 0.322, ""),
    "timm:muon": Range(3.2e-05, 0.32, 0.032, 0.0418, ""),
    "timm:nadamlegacy": Range(3.2e-05, 0.32, 0.032, 0.167, ""),
    "timm:nadamuon": Range(3.2e-05, 0.32, 0.032, 0.031, ""),
    "timm:nadamw": Range(3.2e-05, 0.32, 0.032, 0.185, ""),
    "timm:nlarc": Range(0.00032, 3.2, 0.32, 0.264, ""),
    "timm:nlars": Range(0.00032, 3.2, 0.32, 0.264, ""),
    "timm:nmuon": Range(3.2e-05, 0.32, 0.032, 0.0371, ""),
    "timm:novograd": Range(0.0001, 1.0, 0.1, 0.444, ""),
    "timm:radabelief": Range(0.0001, 1.0, 0.1, 0.249, ""),
    "timm:radamlegacy": Range(0.0001, 1.0, 0.1, 0.26, ""),
    "timm:rmsprop": Range(3.2e-06, 0.032, 0.0032, 0.202, ""),
    "timm:rmsproptf": Range(1e-05, 0.1, 0.01, 0.362, ""),
    "timm:sgd": Range(0.00032, 3.2, 0.32, 0.264, ""),
    "timm:sgdp": Range(0.00032, 3.2, 0.32, 0.278, ""),
    "timm:sgdw": Range(0.00032, 3.2, 0.32, 0.264, ""),
    "torch:ASGD": Range(0.001, 10.0, 1.0, 0.316, ""),
    "torch:Adadelta": Range(0.01, 100.0, 10.0, 0.233, ""),
    "torch:Adafactor": Range(0.00032, 3.2, 0.32, 0.21, "ok"),
    "torch:Adagrad": Range(0.0001, 1.0, 0.1, 0.299, ""),
    "torch:Adam": Range(3.2e-05, 0.32, 0.032, 0.258, ""),
    "torch:AdamW": Range(3.2e-05, 0.32, 0.032, 0.258, ""),
    "torch:Adamax": Range(0.0001, 1.0, 0.1, 0.313, ""),
    "torch:LBFGS": Range(0.001, 10.0, 1.0, 5.52e-08, ""),
    "torch:Muon": Range(3.2e-05, 0.32, 0.032, 0.0578, "ok"),
    "torch:NAdam": Range(3.2e-05, 0.32, 0.032, 0.167, ""),
    "torch:RAdam": Range(0.0001, 1.0, 0.1, 0.26, ""),
    "torch:RMSprop": Range(1e-05, 0.1, 0.01, 0.293, ""),
    "torch:Rprop": Range(3.2e-05, 0.32, 0.032, 0.624, ""),
    "torch:SGD": Range(0.001, 10.0, 1.0, 0.314, ""),
}

# What came of the checks of those that have no range: they find their rate themselves, or UNMEASURED says why.
WITHOUT: dict[str, str] = {
    "pytorch_optimizer:A2Grad": "ok",
    "pytorch_optimizer:AdamG": "ok",
    "pytorch_optimizer:DAdaptAdaGrad": "known: several_groups",
    "pytorch_optimizer:DAdaptAdam": "known: several_groups",
    "pytorch_optimizer:DAdaptAdan": "known: obeys_schedule, several_groups",
    "pytorch_optimizer:DAdaptLion": "known: several_groups",
    "pytorch_optimizer:DAdaptSGD": "known: several_groups",
    "pytorch_optimizer:Prodigy": "known: several_groups",
}

# Why no range was measured.
UNMEASURED: dict[str, str] = {}

# The plain method whose steps an optimizer takes at its defaults, while nothing decays.
PLAIN: dict[str, str] = {}


def of(name: str, like: str = "") -> tuple[float, float]:
    """Return the ends of the range in which a learning rate is searched, by the full name ``LIBRARY:NAME``.

    Of one that was not measured it is the range of the one that it is ``like``, a power of ten wider at both ends.
    """
    measured, near = RANGES.get(name), RANGES.get(like)
    if measured is None and near is not None:
        return (near.low / 10, near.high * 10)
    return (measured.low, measured.high) if measured else WIDE
