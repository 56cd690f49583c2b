"""``[data]`` and ``[train]``: what is learned, by which arms, and what all their runs have in common."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.benchmark.keys import NameOf
from harness.benchmark.meaning import APART, ARMS, BESIDE, RECIPE, Effect, Meaning
from harness.benchmark.sections.base import (
    Alias,
    ClassWeight,
    Count,
    CountOrNone,
    Factor,
    Name,
    Names,
    Options,
    PathName,
    PathOrNone,
    Penalty,
    Section,
    Seed,
    Unrepeated,
)

Augmentation = Literal["flip", "crop", "resized_crop", "rotate", "brightness", "contrast", "mixup", "cutmix"]


class DataSection(Section):
    """``[data]``: the data that the networks learn from, and how it is split."""

    dataset: Annotated[
        Name,
        NameOf("dataset"),
        Meaning("The dataset, a plugin. `harness list dataset` names those that are installed.", "folder", APART),
    ] = "dogscats"
    size: Annotated[
        int,
        Field(ge=8, le=1024),  # smaller ones show nothing, larger ones fill the memory
        Meaning("The side, in pixels, of the squares that photos are cut and resized to.", 96, APART),
    ] = 32
    tune: Annotated[
        float,
        Field(ge=0.001, le=0.9),  # something is left of both
        Meaning(
            "The part of the training examples that becomes the tune split, on which the search scores its trials. It is "
            "not used where the data come with a tune split.",
            0.1,
            APART,
        ),
    ] = 0.2
    valid: Annotated[
        float,
        Field(ge=0.001, le=0.9),
        Meaning(
            "The part of the examples that becomes the test split where the data do not come with one: of each class, where "
            "there are classes. It is cut out before the tune split.",
            0.1,
            APART,
        ),
    ] = 0.2
    labels: Annotated[
        PathOrNone,
        Meaning(
            "A CSV file with the classes of the photos, relative to the folder with the data: the columns `path` and "
            "`label`, and perhaps `split`. Empty takes the class of a photo from its folder. [data.md](data.md) explains "
            "the columns.",
            "labels.csv",
            APART,
        ),
    ] = ""
    seed: Annotated[
        Seed,
        Meaning("The seed of the draws that take the test split and the tune split out of the examples.", 7, APART),
    ] = 0
    on_bad_image: Annotated[
        Literal["error", "skip"],
        Meaning(
            'What to do with a photo that cannot be read: stop with its name ("error"), or leave it out and count it '
            '("skip").',
            "skip",
            APART,
        ),
    ] = "error"
    exclude: Annotated[
        PathOrNone,
        Meaning(
            "A CSV file with a column `file`, relative to the benchmark file. The photos that it names leave train and "
            "tune. The test split stays whole, and the leaderboard also has each arm's score without them. `harness data "
            "suspects` writes such a file.",
            "suspects.csv",
            Effect("data", "apart", "none", compared=True),
        ),
    ] = ""
    options: Annotated[
        Options,
        Meaning(
            "Options of the dataset. `dogscats` has the numbers of drawings that it makes where there are no photos, and "
            "`moons` the numbers of points.",
            {"train": 512, "test": 2048},
            APART,
            belongs_to=("data", "dataset"),
        ),
    ] = {}


class TrainSection(Section):
    """``[train]``: the arms, and what all their runs have in common.

    Every backbone is trained with every optimizer under every schedule. Each of these combinations is an arm.
    """

    task: Annotated[
        Name,
        NameOf("task"),
        Meaning("The task, a plugin: it brings the loss and the metrics.", "regression", RECIPE),
    ] = "classification"
    regime: Annotated[
        Literal["features", "finetune", "scratch"],
        Meaning(
            'How a network is trained: from random weights ("scratch"), all of a pretrained network ("finetune"), or a '
            'small head on the features of a frozen pretrained backbone ("features").',
            "finetune",
            RECIPE,
        ),
    ] = "scratch"
    pretrained: Annotated[
        bool | PathName,
        Meaning(
            "Where the pretrained weights are: a file or a folder, relative to the benchmark file. `true` takes them from "
            "the folder in `HARNESS_WEIGHTS`, or from timm's hub.",
            "weights",
            APART,
            regimes=("features", "finetune"),
        ),
    ] = True
    heads: Annotated[
        Names,
        NameOf("backbone"),
        Field(min_length=1),
        Meaning(
            "The networks that are trained on the features of each backbone.",
            ["linear", "mlp"],
            ARMS,
            regimes=("features",),
        ),
    ] = ["linear"]
    backbones: Annotated[
        Names,
        NameOf("backbone"),
        Field(min_length=1),
        Meaning("The networks. Any timm model goes by its name.", ["resnet18"], ARMS),
    ] = ["lesson_cnn"]
    optimizers: Annotated[
        Names,
        NameOf("optimizer"),
        Field(min_length=1),
        Meaning(
            "The optimizers that are compared: plugins, torch's own as `torch:RAdam`, or names from `train.aliases`.",
            ["sgd", "adamw"],
            ARMS,
        ),
    ] = ["sgd", "adam", "rmsprop"]
    schedulers: Annotated[
        Names,
        NameOf("scheduler"),
        Field(min_length=1),
        Meaning(
            "The learning-rate schedules. An optimizer that sets its own learning rates takes part once, without them.",
            ["one_cycle"],
            ARMS,
        ),
    ] = ["cosine"]
    aliases: Annotated[
        dict[Alias, Annotated[Name, NameOf("optimizer")]],
        Field(max_length=100),
        Meaning(
            "New names for optimizers, so that one optimizer can be two arms with search spaces of their own. List the "
            "new name in `train.optimizers` too.",
            {"plain_sgd": "sgd"},
            ARMS,
        ),
    ] = {}
    batch_size: Annotated[Count, Meaning("The number of examples in a training step.", 128, RECIPE)] = 64
    l2: Annotated[
        Penalty,
        Meaning(
            "The strength of the L2 penalty, λ in loss + λ/2 · |weights|². It is part of the objective that all arms "
            "have in common. `train.l2_on` says which weights it is on.",
            1e-4,
            RECIPE,
        ),
    ] = 5e-4
    l2_on: Annotated[
        Literal["not_scale_free", "all"],
        Meaning(
            'Which weights the L2 penalty is on: all (`"all"`), or all but the scale-free ones (`"not_scale_free"`). A '
            "tensor is scale-free if the network computes the same however long it is, as a convolution before batch norm. "
            "A penalty on its length has no minimum. A test of the network finds these tensors, and those that are "
            "scale-free together.",
            "all",
            RECIPE,
        ),
    ] = "not_scale_free"
    class_weights: Annotated[
        Literal["none", "balanced"] | Annotated[list[ClassWeight], Field(min_length=2, max_length=1000)],
        Meaning(
            'What the loss of an example is multiplied by, by its class. `"balanced"` gives every class the same part in the '
            "loss: N / (K n) for K classes with n of N training examples each. A list has a weight for each class, in the "
            "order of the classes. The weights are part of the objective that all arms have in common; metrics do not know "
            "of them.",
            "balanced",
            RECIPE,
        ),
    ] = "none"
    augment: Annotated[
        list[Augmentation],
        Field(max_length=8),
        Unrepeated,
        Meaning("The random changes of each training image, drawn anew in every epoch.", ["flip", "crop"], RECIPE),
    ] = []
    head_epochs: Annotated[
        CountOrNone,
        Meaning(
            "The number of first epochs in which only the head is trained. They are part of a run's epochs.",
            2,
            RECIPE,
            regimes=("finetune",),
        ),
    ] = 0
    layer_factor: Annotated[
        Factor,
        Meaning(
            "The learning rate of a layer group, as a part of the rate of the next group towards the head.",
            0.3,
            RECIPE,
            regimes=("finetune",),
        ),
    ] = 1.0
    batch_norm: Annotated[
        Literal["train", "frozen"],
        Meaning(
            'What batch norm does in training: use and update the statistics of the batch ("train"), or use the '
            'pretrained statistics and keep them ("frozen").',
            "frozen",
            RECIPE,
            regimes=("finetune",),
        ),
    ] = "train"
    device: Annotated[
        str,
        Field(pattern=r"^(auto|cpu|cuda(:[0-9]{1,3})?)$", description="auto, cpu, cuda or cuda:N"),
        Meaning("Where training happens. `auto` takes a CUDA device where there is one.", "cuda:1", APART),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        Meaning(
            "The precision of training. `auto` takes bfloat16 where the hardware multiplies it natively, and float32 "
            "elsewhere.",
            "fp32",
            APART,
        ),
    ] = "auto"
    threads: Annotated[
        int,
        Field(ge=0, le=4096),
        Meaning(
            "The number of CPU threads of a run. 0 takes one in each worker of `local` and `ray`, so that the numbers do "
            "not depend on the machine, and all cores that this process may use in `inprocess`.",
            2,
            BESIDE,
        ),
    ] = 0
    workers: Annotated[
        int,
        Field(ge=0, le=4096),
        Meaning(
            "The number of worker processes in which the executor carries out runs at the same time. 0 takes as many as "
            "raise the throughput, which a few timed steps show; on a GPU further processes then measure the trained networks. "
            "It changes no result but the seconds.",
            2,
            BESIDE,
        ),
    ] = 0
    crew: Annotated[
        int,
        Field(ge=0, le=1024),
        Meaning(
            "The number of runs that one worker carries out side by side on a GPU. 0 takes as many as raise the "
            "throughput and fit into its memory, which a few timed steps show. On a CPU a worker carries out one run. It "
            "changes no result but the seconds.",
            8,
            BESIDE,
        ),
    ] = 0
    max_seconds: Annotated[
        float,
        Field(ge=0, le=1e9),
        Meaning(
            "The longest time, in seconds, that one run may take. A run that takes longer is stopped and has failed, and "
            "the report names it. 0 sets no limit.",
            600.0,
            BESIDE,
        ),
    ] = 0.0
    max_memory: Annotated[
        float,
        Field(ge=0, le=1e6),
        Meaning(
            "The most memory, in gigabytes (10^9 bytes), that the process of one run may use. A run that uses more is "
            "stopped and has failed, and the report names it. Executors with processes of their own keep this limit, and "
            "`inprocess` does not. 0 sets no limit.",
            8.0,
            BESIDE,
        ),
    ] = 0.0
    executor: Annotated[
        Name,
        NameOf("executor"),
        Meaning(
            "Where runs and measurements are carried out: in worker processes of this machine (`local`), or one after the "
            "other in the program itself (`inprocess`), which is for debugging. Plugins may offer other executors.",
            "inprocess",
            BESIDE,
        ),
    ] = "local"
    executor_options: Annotated[
        Options,
        Meaning(
            "Options of the executor. `ray` has the address of the cluster, and what each of its workers takes of a machine.",
            {"address": "auto", "cpus": 2.0},
            BESIDE,
            belongs_to=("train", "executor"),
        ),
    ] = {}
