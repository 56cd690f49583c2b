"""``[compare]``: how the tuned arms are retrained, which controls run beside them, and what is measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from harness.benchmark.keys import NameOf
from harness.benchmark.meaning import APART, BESIDE, CONTROL, MEASURED, RECIPE, RULE, Effect, Meaning
from harness.benchmark.sections.base import Count, CountOrNone, Name, Names, Options, Section


class CompareSection(Section):
    """``[compare]``: how the tuned arms are retrained and compared."""

    looks: Annotated[
        list[Annotated[int, Field(ge=1, le=100)]],
        Field(min_length=1, max_length=100),
        Meaning(
            "After how many replicates the verdict is looked at. A replicate is a search of its own for every arm and "
            "`compare.seeds` retrainings of what that search chose. After each look the run stops if every facet is "
            "decided, or goes on to the next look. The last one is the most replicates that are run. With a single "
            "replicate there is a leaderboard, and no verdict about optimizers.",
            [6, 9, 12, 16, 24],
            Effect("total", "equal", "rule", compared=True),
        ),
    ] = [6]
    seeds: Annotated[
        int,
        Field(ge=1, le=1000),
        Meaning(
            "The number of seeds that each tuned arm is retrained under in every replicate. All arms share them.",
            3,
            Effect("total", "equal", "rule", compared=True),
        ),
    ] = 2
    epochs: Annotated[
        Count,
        Meaning("The epochs of every retraining, the same for all arms: enough to reach a minimum.", 100, RECIPE),
    ] = 40
    metric: Annotated[
        str,
        NameOf("metric"),
        Field(max_length=100),
        Meaning(
            "The deciding metric, which ranks the arms on the test split. Empty takes the task's first metric. "
            "`search.metric` scores trials.",
            "balanced_accuracy",
            APART,
        ),
    ] = ""
    untuned: Annotated[
        CountOrNone,
        Meaning(
            "The number of first seeds that each optimizer is also trained under with its own defaults. It shows what "
            "tuning was worth. 0 is for none.",
            5,
            BESIDE,
        ),
    ] = 3
    twins: Annotated[
        CountOrNone,
        Meaning(
            "The number of first seeds that are trained once more, with the same initial weights and another order of "
            "the examples. At most as many as the first look has seeds.",
            3,
            Effect("out", "free", "shown", compared=True),
        ),
    ] = 0
    aa: Annotated[
        bool | Annotated[Name, NameOf("optimizer")],
        Meaning(
            "The A/A arm: an optimizer that takes part once more under another name, with a search of its own. It must "
            "not come out different from itself. `true` takes the first optimizer.",
            "sgd",
            CONTROL,
        ),
    ] = False
    label_noise: Annotated[
        float,
        Field(ge=0, le=1),
        Meaning(
            "The known-different arm: one optimizer that is trained while this part of the labels is shuffled. It must "
            "come out different. 0 is for none.",
            0.4,
            CONTROL,
        ),
    ] = 0.0
    gate: Annotated[
        bool,
        Meaning(
            "Whether one run of each arm goes on for a fifth of its steps, to test that it was at a minimum. An arm that "
            "was not is inconclusive.",
            False,
            CONTROL,
        ),
    ] = True
    fit: Annotated[
        float,
        Field(ge=0, le=0.5),  # at .5 two classes are guessed
        Meaning(
            "The largest train error, measured without augmentation, that a network at a minimum may have.", 0.02, RULE
        ),
    ] = 0.01
    probes: Annotated[
        Names,
        NameOf("probe"),
        Meaning(
            "The probes, plugins that measure the trained networks. The verdict needs `representation`, `connectivity` "
            "and `sharpness` for three of its five facets. Its protocol says how these measure, whether they are asked for "
            "or not. So one that is added later measures under the same protocol.",
            ["gradient_norm", "representation", "connectivity", "sharpness"],
            BESIDE,
        ),
    ] = ["gradient_norm"]
    probe_options: Annotated[
        dict[Name, Options],
        Field(max_length=100),
        Meaning("Options of each probe, by the probe's name.", {"sharpness": {"images": 512, "steps": 10}}, MEASURED),
    ] = {}
    probe_sizes: Annotated[
        dict[Name, Count],
        Field(max_length=100),
        Meaning(
            "At most how many measurements a costly probe makes, by the probe's name: networks, pairs or triples of "
            "networks. A probe is costly when it takes long or measures several networks together. One that is not named "
            "measures all.",
            {"connectivity": 72},
            MEASURED,
        ),
    ] = {}
    tta: Annotated[
        bool,
        Meaning(
            "Whether each test image is also scored by the mean of the predictions for it and for its mirror image "
            "(test-time augmentation).",
            True,
            RECIPE,
        ),
    ] = False
    snapshots: Annotated[
        bool,
        Meaning(
            "Whether the weights at the ends of a schedule's cycles are kept, and their predictions averaged. The "
            "schedule must have cycles, as `sgdr` has.",
            True,
            BESIDE,
        ),
    ] = False
    confirm: Annotated[
        bool,
        Meaning(
            'Whether the whole network is run on the test photos in the regime "features", to confirm the result that the '
            "stored features gave. It has nothing to do with `search.confirm`.",
            False,
            BESIDE,
        ),
    ] = True
    folds: Annotated[
        int,
        Field(ge=0, le=100),
        Meaning(
            "The number of folds in which the train split is predicted by networks that did not see it, to find suspect "
            "labels. 0 is for none.",
            5,
            BESIDE,
        ),
    ] = 0

    @field_validator("looks")
    @classmethod
    def _rising(cls, looks: list[int]) -> list[int]:
        if looks != sorted(set(looks)):
            raise ValueError(f"must be whole numbers that rise, got {looks}")
        return looks

    @field_validator("folds")
    @classmethod
    def _two_or_none(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("must be 0 (none), or 2 or more, got 1")
        return folds

    @property
    def first_seeds(self) -> int:
        """The number of seeds up to the first look, under which controls that need no search are trained."""
        return self.seeds * self.looks[0]
