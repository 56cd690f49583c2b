"""``[search]``: how each arm is tuned, and what a line of its search space may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from harness.benchmark.keys import NameOf
from harness.benchmark.meaning import APART, ARMS, BUDGET, DESIGN, RECIPE, Meaning
from harness.benchmark.sections.base import (
    ConstraintText,
    Count,
    Factor,
    Hyperparameter,
    Name,
    Options,
    PathOrNone,
    Section,
    Seed,
    Unrepeated,
)


class SearchSection(Section):
    """``[search]``: how each arm is tuned. Every arm has the same budget."""

    trials: Annotated[
        Count,
        Meaning(
            "The number of trials of each search. Every arm has one search in every replicate. It is a total: starting the run "
            "again adds none, and a larger number does.",
            24,
            BUDGET,
        ),
    ] = 12
    unit: Annotated[
        Literal["trials", "epochs", "seconds"],
        Meaning(
            "What the budget of a search is counted in: trials (`search.trials`), or epochs or seconds of training "
            "(`search.budget`).",
            "epochs",
            BUDGET,
        ),
    ] = "trials"
    budget: Annotated[
        float,
        Field(ge=0, le=1e9),
        Meaning(
            "The budget of each search, where `search.unit` is epochs or seconds. The trial that reaches it is finished, "
            "and is the last.",
            96.0,
            BUDGET,
        ),
    ] = 0.0
    seeds: Annotated[
        int,
        Field(ge=1, le=1000),
        Meaning("The number of seeds that each trial is trained under. Its score is their mean.", 3, DESIGN),
    ] = 1
    together: Annotated[
        Count,
        Meaning(
            "The number of trials of one search that are suggested together: the sampler suggests the next ones when all of "
            "these have ended. More keep more workers busy where there are few searches, and the sampler then knows less "
            "at each trial. It is the same on every machine, and so are the trials.",
            4,
            DESIGN,
        ),
    ] = 1
    objective: Annotated[
        Literal["common", "free"],
        Meaning(
            'Whether all arms minimise the same function ("common"), or each has a weight decay of its own, which is then '
            'tuned like its other hyperparameters ("free"), beside the penalty `train.l2`. With "free" minima are not '
            "compared: there is a leaderboard.",
            "free",
            DESIGN,
        ),
    ] = "common"
    objectives: Annotated[
        list[Literal["score", "seconds"]],
        Field(min_length=1, max_length=2),
        Meaning(
            "What the sampler improves. With both, the report shows the trials that nothing beats in score and in "
            "seconds. The arm is still chosen by its score.",
            ["score", "seconds"],
            RECIPE,
        ),
    ] = ["score"]
    sampler: Annotated[
        Name,
        NameOf("sampler"),
        Meaning(
            "Optuna's sampler, which proposes the parameters of a trial: `tpe`, `random`, `gp`, `cmaes`, `grid`, `qmc`, "
            "`nsgaii` or another one.",
            "random",
            RECIPE,
        ),
    ] = "tpe"
    sampler_options: Annotated[
        Options,
        Meaning(
            "Options of the sampler, with the names that Optuna gives them.",
            {"n_startup_trials": 6},
            RECIPE,
            belongs_to=("search", "sampler"),
        ),
    ] = {}
    pruner: Annotated[
        Name,
        NameOf("pruner"),
        Meaning(
            "Optuna's pruner, which stops poor trials early: `none`, `hyperband`, `successivehalving`, `median`, "
            "`percentile`, or `wilcoxon` with three or more `search.seeds`. With one, every trial has the largest number "
            "of `search.epochs`.",
            "median",
            RECIPE,
        ),
    ] = "none"
    pruner_options: Annotated[
        Options,
        Meaning(
            "Options of the pruner, with the names that Optuna gives them.",
            {"n_warmup_steps": 2},
            RECIPE,
            belongs_to=("search", "pruner"),
        ),
    ] = {}
    epochs: Annotated[
        list[Count],
        Field(min_length=1, max_length=2),
        Meaning(
            "The epochs of a trial: `[from, to]`, from which each trial draws its number, or `[exactly]`.", [15], RECIPE
        ),
    ] = [4, 12]
    batch_size: Annotated[
        list[Count],
        Field(max_length=100),
        Unrepeated,
        Meaning("Batch sizes to search among. The empty list takes `train.batch_size`.", [32, 64, 128], RECIPE),
    ] = []
    layer_factor: Annotated[
        list[Factor],
        Field(max_length=2),
        Meaning(
            "The range `[low, high]` in which `train.layer_factor` is searched. The empty list searches nothing.",
            [0.1, 0.5],
            RECIPE,
            regimes=("finetune",),
        ),
    ] = []
    metric: Annotated[
        str,
        NameOf("metric"),
        Field(min_length=1, max_length=100),
        Meaning(
            "The metric that scores trials, on the tune split: a metric of the task, or `loss`, which every task has. "
            "The sampler and the pruner go by it, and so does the choice among the trials. `compare.metric` ranks the "
            "arms.",
            "accuracy",
            APART,
        ),
    ] = "loss"
    confirm: Annotated[
        int,
        Field(ge=0, le=100),
        Meaning(
            "The number of a search's best trials that are trained once more, for `compare.epochs` and under a seed of "
            "their own on the tune split, before one of them is chosen. They are trained beside the budget, equally many "
            "for every arm. 0 and 1 confirm none, and the best trial is chosen as it is.",
            3,
            BUDGET,
        ),
    ] = 2
    lr_range_test: Annotated[
        bool,
        Meaning(
            "Whether a range test runs before the search, and each arm's range of learning rates is centred on the rate "
            "that it suggests.",
            True,
            RECIPE,
        ),
    ] = False
    seed: Annotated[Seed, Meaning("The seed of all searches.", 7, ARMS)] = 0
    space: Annotated[
        dict[Name, Options],
        Field(max_length=200),
        Meaning(
            "`[search.space.NAME]` of an optimizer, an alias or a schedule fixes its hyperparameters, or searches them in "
            "other ranges than the plugin's. A line is a plain value, which fixes the hyperparameter, or the table of a "
            "range or of choices, whose keys follow.",
            {"sgd": {"lr": {"low": 0.001, "high": 1.0, "log": True}, "momentum": 0.9}},
            ARMS,
        ),
    ] = {}
    constraints: Annotated[
        dict[Name, Annotated[list[ConstraintText], Field(max_length=100)]],
        Field(max_length=200),
        Meaning(
            "What holds between the hyperparameters of an optimizer, an alias or a schedule, in place of what its plugin "
            "says. No setting that breaks a constraint is tried. The empty list takes the plugin's constraints away.",
            {"adam": ["beta2 > beta1"]},
            ARMS,
        ),
    ] = {}

    @field_validator("epochs")
    @classmethod
    def _rising(cls, epochs: list[int]) -> list[int]:
        if epochs != sorted(epochs):
            raise ValueError(f"must be [from, to] with from <= to, got {epochs}")
        return epochs

    @field_validator("objectives")
    @classmethod
    def _score_first(cls, objectives: list[str]) -> list[str]:
        if objectives not in (["score"], ["score", "seconds"]):
            raise ValueError(f'must be ["score"] or ["score", "seconds"], got {objectives}')
        return objectives

    @field_validator("layer_factor")
    @classmethod
    def _a_range(cls, factors: list[float]) -> list[float]:
        if factors and (len(factors) != 2 or factors != sorted(factors)):
            raise ValueError(f"must be [low, high] with low <= high, got {factors}")
        return factors


Values = Annotated[list[bool | Hyperparameter | PathOrNone], Field(min_length=1, max_length=100)]
When = dict[Name, bool | Hyperparameter | PathOrNone | Values]


class Range(Section):
    """A hyperparameter that is searched between two ends, in ``[search.space.NAME]``."""

    low: Annotated[Hyperparameter, Meaning("The lowest value that is tried.", 0.001, ARMS)]
    high: Annotated[Hyperparameter, Meaning("The highest value that is tried.", 1.0, ARMS)]
    log: Annotated[bool, Meaning("Whether values are drawn evenly on a logarithmic scale.", True, ARMS)] = False
    step: Annotated[
        Annotated[float, Field(gt=0, le=1e12)] | None,
        Meaning(
            "The distance between the values that are tried, from `low` to `high`. It must divide the range, and does "
            "not go with `log`.",
            0.05,
            ARMS,
        ),
    ] = None
    when: Annotated[
        Annotated[When, Field(max_length=100)] | None,
        Meaning(
            "The values that other hyperparameters must have for this one to be in force: one value, or a list of them. "
            "Elsewhere it is neither tried nor passed on. Left out, the plugin's own condition stays, and `{}` takes it "
            "away.",
            {"amsgrad": True},
            ARMS,
        ),
    ] = None


class Choices(Section):
    """A hyperparameter that is searched among some values, in ``[search.space.NAME]``."""

    choices: Annotated[
        list[bool | Hyperparameter | PathOrNone],
        Field(min_length=1, max_length=100),
        Unrepeated,
        Meaning("The values that are tried.", [True, False], ARMS),
    ]
    when: Annotated[
        Annotated[When, Field(max_length=100)] | None,
        Meaning("The same as for a range.", {"amsgrad": True}, ARMS),
    ] = None
