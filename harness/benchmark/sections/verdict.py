"""``[verdict]``: the rules of the verdict: how much may not matter, and what a minimum must withstand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.benchmark.meaning import RULE, Meaning
from harness.benchmark.sections.base import Section

# Every margin has an end: one beyond it would call anything similar. Ratios end at 10. Parts of 1 end at a half, by which
# two classes differ from guessing. Nats end at 1, for guessing among two classes loses 0.69.
Ratio = Annotated[float, Field(gt=1, le=10)]
Part = Annotated[float, Field(gt=0, le=0.5)]
PartOrNone = Annotated[float, Field(ge=0, le=0.5)]
Nats = Annotated[float, Field(gt=0, le=1)]
NatsOrNone = Annotated[float, Field(ge=0, le=1)]


class MarginsSection(Section):
    """``[verdict.margins]``: how large a difference may be and still not matter.

    They are choices of whoever writes the benchmark. None comes from a paper.
    """

    accuracy: Annotated[
        Part, Meaning("The margin of test accuracy, as a part of 1: 0.005 is half a point.", 0.01, RULE)
    ] = 0.005
    test_loss: Annotated[Ratio, Meaning("The margin of the test loss, as a ratio of two arms.", 1.2, RULE)] = 1.10
    train_loss: Annotated[
        Nats,
        Meaning(
            "The margin of the train loss, in nats; for regression, as a part of the variance of the targets.",
            0.05,
            RULE,
        ),
    ] = 0.02
    objective: Annotated[
        Nats,
        Meaning(
            "The margin of the objective, which is the train loss with its penalty, in nats; for regression, as a part of "
            "the variance of the targets.",
            0.05,
            RULE,
        ),
    ] = 0.02
    function: Annotated[
        Ratio,
        Meaning(
            "The margin of the distance between predictions, as a ratio: between two arms over within an arm.",
            1.2,
            RULE,
        ),
    ] = 1.10
    representation: Annotated[
        Ratio,
        Meaning(
            "The margin of the distance between representations, as a ratio: between two arms over within an arm.",
            1.2,
            RULE,
        ),
    ] = 1.10
    scatter: Annotated[
        Ratio,
        Meaning(
            "The margin of how widely an arm's networks scatter, in predictions and in representations, as a ratio of two "
            "arms.",
            1.5,
            RULE,
        ),
    ] = 1.25
    barrier: Annotated[
        Part,
        Meaning(
            "The margin of the error barrier between two arms, as a part of 1, and of how much higher it is than within "
            "an arm.",
            0.05,
            RULE,
        ),
    ] = 0.02
    sharpness: Annotated[Ratio, Meaning("The margin of sharpness, as a ratio of two arms.", 1.5, RULE)] = 1.25


class FloorsSection(Section):
    """``[verdict.floors]``: distances below which two networks count as the same, whatever the ratio is."""

    disagreement: Annotated[
        PartOrNone, Meaning("The part of the test examples that two networks put into different classes.", 0.005, RULE)
    ] = 0.002
    root_jsd: Annotated[
        PartOrNone,
        Meaning("The root of the Jensen-Shannon divergence between predictions, in roots of nats.", 0.02, RULE),
    ] = 0.01
    prediction: Annotated[
        NatsOrNone,
        Meaning("The distance between predicted numbers, in standard deviations of the test targets.", 0.02, RULE),
    ] = 0.01
    cka: Annotated[PartOrNone, Meaning("1 - CKA of two representations.", 0.01, RULE)] = 0.005
    procrustes: Annotated[PartOrNone, Meaning("1 - Procrustes similarity of two representations.", 0.01, RULE)] = 0.005
    barrier: Annotated[PartOrNone, Meaning("The error barrier between two networks, as a part of 1.", 0.01, RULE)] = (
        0.005
    )
    sharpness: Annotated[NatsOrNone, Meaning("The sharpness of a network, in nats.", 0.005, RULE)] = 0.002


class GateSection(Section):
    """``[verdict.gate]``: what a network at a minimum must withstand. Its train error is ``compare.fit``."""

    gain: Annotated[
        Part,
        Meaning("The largest part of the objective by which a restart may lower it.", 0.1, RULE),
    ] = 0.05
    spread: Annotated[
        PartOrNone,
        Meaning(
            "A fall of the objective up to this part of its spread, between the starts of the arms and their ends, is allowed "
            "whatever part of the objective it is.",
            0.01,
            RULE,
        ),
    ] = 0.001
    stationary: Annotated[
        Part,
        Meaning(
            "How large the norm of the full gradient, without its part along scale-free directions, may be as a part of its "
            "norm at the start of training, in the mean over an arm's runs.",
            0.2,
            RULE,
        ),
    ] = 0.1
    nats: Annotated[
        NatsOrNone,
        Meaning("For convex networks: how far the objective may lie above its minimum, in nats.", 0.01, RULE),
    ] = 0.005
    gradient: Annotated[
        float,
        Field(ge=1e-7, le=0.5),  # float32 ends there
        Meaning(
            "For convex networks: the largest norm of the full gradient, as a part of its norm at the start of training.",
            1e-3,
            RULE,
        ),
    ] = 1e-4


class ScatterSection(Section):
    """``[verdict.scatter]``: how widely the measures scatter over replicates, for the power that is announced beforehand.

    0 is for what is not known. Each is a standard deviation of one arm, over and above what all arms share.
    """

    accuracy: Annotated[PartOrNone, Meaning("Of test accuracy, as a part of 1.", 0.004, RULE)] = 0.0
    test_loss: Annotated[NatsOrNone, Meaning("Of the logarithm of the (calibrated) test loss.", 0.05, RULE)] = 0.0
    train_loss: Annotated[NatsOrNone, Meaning("Of the train loss, in nats.", 0.001, RULE)] = 0.0
    objective: Annotated[NatsOrNone, Meaning("Of the objective, in nats.", 0.002, RULE)] = 0.0
    function: Annotated[
        PartOrNone,
        Meaning("Of a distance between the predictions of two networks of one arm, as a part of the mean.", 0.1, RULE),
    ] = 0.0
    representation: Annotated[
        PartOrNone,
        Meaning(
            "Of a distance between the representations of two networks of one arm, as a part of the mean.", 0.1, RULE
        ),
    ] = 0.0
    barrier: Annotated[PartOrNone, Meaning("Of an error barrier, as a part of 1.", 0.005, RULE)] = 0.0
    barrier_mean: Annotated[
        PartOrNone, Meaning("The mean error barrier within an arm, as a part of 1.", 0.01, RULE)
    ] = 0.0
    sharpness: Annotated[NatsOrNone, Meaning("Of the logarithm of sharpness.", 0.1, RULE)] = 0.0


class VerdictSection(Section):
    """``[verdict]``: the rules of the verdict. They are registered before the comparison begins."""

    alpha: Annotated[
        float,
        Field(ge=1e-6, lt=0.5),  # below a millionth no design has any power
        Meaning("The level of every test: how often it may be wrong by chance.", 0.01, RULE),
    ] = 0.05
    margins: MarginsSection = MarginsSection()
    floors: FloorsSection = FloorsSection()
    gate: GateSection = GateSection()
    scatter: ScatterSection = ScatterSection()
