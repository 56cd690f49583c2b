"""``harness.fit``: one training of one network with one setting, without a search and without a run folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.benchmark.overrides import overrides_of
from harness.benchmark.plan import Setting
from harness.benchmark.toml import toml_key
from harness.console import interruption
from harness.console.numbers import duration, measure, number
from harness.console.progress import Reporter
from harness.errors import Diverged, HarnessError, arguments
from harness.plugin.runs import Done, Epoch, Failed, Run
from harness.running.prepare import Prepared, Request, prepare
from harness.running.python.fitted import Fitted
from harness.running.python.talking import optional_path, plugin_files, talking
from harness.running.workbench import Bench

ARGUMENTS = {
    "train.backbones": "backbone", "train.optimizers": "optimizer", "train.schedulers": "schedule",
    "compare.epochs": "epochs", "data.dataset": "dataset",
}  # the keys of the benchmark file that arguments of ``fit`` stand for  # fmt: skip
ALONE = {
    "search.objective": "free", "compare.untuned": 0, "compare.probes": [], "compare.looks": [1], "compare.seeds": 1,
    "report.paths": False,
}  # nothing is compared: the optimizer may have a weight decay of its own, and nothing is measured  # fmt: skip
PATHS = ("train.pretrained", "data.exclude", "data.labels")  # values that may be paths, from where the caller works


def fit(
    backbone: str = "lesson_cnn",
    optimizer: str = "adam",
    lr: float | None = None,
    epochs: int = 3,
    schedule: str = "one_cycle",
    data: str | Path | None = None,
    dataset: str | None = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    plugins: Iterable[str | Path] = (),
    quiet: bool = False,
) -> Fitted:
    """Train one network once, with the settings that you name, and test it.

    The training is the one that a benchmark's comparison runs have, so equal settings give equal weights. Nothing is
    searched, nothing is compared, and nothing is written.

    Args:
        backbone: The network. ``harness list backbone`` names those that are installed.
        optimizer: The optimizer.
        lr: The learning rate; the optimizer's own default where it is None.
        epochs: How many passes over the train split.
        schedule: How the learning rate changes.
        data: A folder with photos; None for a dataset that needs none, which draws its own cats and dogs.
        dataset: The dataset; "folder" for a folder with photos, else "dogscats".
        params: Other hyperparameters of the optimizer, by name: ``{"momentum": 0.9}``.
        seed: The seed of the initial weights, of the order of the examples and of all else that is random.
        set: Values of the benchmark file, by key: ``{"data.size": 64, "train.augment": ["flip"]}``.
        plugins: Loose plugin files. They are run as code.
        quiet: Whether to print nothing.

    Returns:
        The trained network: its ``epochs`` and ``metrics``, and methods that predict photos and show the most wrong ones.

    Raises:
        Diverged: The loss left the finite numbers.
        HarnessError: A name or a value is wrong, or a plugin failed, in one line.

    >>> drawn = {"data.size": 8, "data.options": {"train": 32, "tune": 16, "test": 32}, "train.threads": 1}
    >>> model = fit("linear", "sgd", lr=0.1, epochs=2, schedule="constant", set=drawn, quiet=True)
    >>> model.epochs["epoch"].tolist(), 0 <= model.metrics["test_accuracy"] <= 1
    ([1, 2], True)
    """
    request = FitRequest(backbone, optimizer, lr, epochs, schedule, data, dataset, params, set)
    overrides = request.overrides()
    files = plugin_files(plugins)
    seed = arguments.whole("seed", seed, 0, 2**31 - 1)
    folder = optional_path("data", data)
    with talking(quiet, _words(optimizer)) as reporter:
        setting = _open(overrides, folder, files, reporter)
        competitor = setting.plan.competitors[0]
        run = setting.compare_run(competitor, {}, seed)
        return Fitted.of(setting, run, files, *_train(setting, run, reporter))


def _words(optimizer: str) -> dict[str, str]:
    """Return what an error calls the arguments that stand for keys of the benchmark file.

    >>> _words("sgd")["--set: search.space.sgd."] + "lr: must be a number"
    'lr: must be a number'
    """
    named = {f"--set: {key}:": f"{argument}:" for key, argument in ARGUMENTS.items()}
    return {**named, f"--set: search.space.{toml_key(optimizer)}.": ""}


@dataclass(frozen=True)
class FitRequest:
    """What a call of ``fit`` asks for, as the caller gave it."""

    backbone: object
    optimizer: object
    lr: object
    epochs: object
    schedule: object
    data: object
    dataset: object
    params: object
    values: object  # of the benchmark file, by key

    def overrides(self) -> tuple[str, ...]:
        """Return the values of the benchmark file that it means, as ``--set`` has them; what the caller sets comes last.

        Raises TypeError or ValueError in one line that names a wrong argument.
        """
        return overrides_of({**ALONE, **self._named(), **self._pinned(), **self._set()})

    def _named(self) -> dict[str, Any]:
        """Return what the arguments stand for, by key."""
        default = "dogscats" if self.data is None else "folder"
        return {
            "train.backbones": [arguments.text("backbone", self.backbone)],
            "train.optimizers": [arguments.text("optimizer", self.optimizer)],
            "train.schedulers": [arguments.text("schedule", self.schedule)],
            "compare.epochs": arguments.whole("epochs", self.epochs, 1),
            "data.dataset": default if self.dataset is None else arguments.text("dataset", self.dataset),
        }

    def _pinned(self) -> dict[str, Any]:
        """Return the hyperparameters of the optimizer, by key."""
        params = arguments.mapping(
            "params",
            {} if self.params is None else self.params,
            "a mapping from hyperparameters to values, such as {'momentum': 0.9}",
        )
        pinned = dict(params) if self.lr is None else {"lr": arguments.number("lr", self.lr, 0, 1e12), **params}
        optimizer = toml_key(arguments.text("optimizer", self.optimizer))
        return {f"search.space.{optimizer}.{toml_key(str(name))}": value for name, value in pinned.items()}

    def _set(self) -> dict[str, Any]:
        """Return the values that the caller sets by key; a path among them is from where the caller works."""
        values = {} if self.values is None else self.values
        what = "a mapping from keys to values, such as {'data.size': 64}"
        by_key = dict(arguments.mapping("set", values, what))
        for key in PATHS:
            if isinstance(by_key.get(key), str | Path) and Path(by_key[key]).exists():
                by_key[key] = str(Path(by_key[key]).resolve())
        return by_key


def _open(overrides: tuple[str, ...], data: Path | None, plugins: tuple[Path, ...], reporter: Reporter) -> Prepared:
    """Return the benchmark of one arm that the values make, checked and opened; no file of it stays."""
    with tempfile.TemporaryDirectory(prefix="harness-fit-") as folder:
        file = Path(folder) / "fit.toml"
        file.write_text('name = "fit"\n', encoding="utf-8")
        return prepare(Request(file, data=data, plugins=plugins, overrides=overrides), reporter)


def _train(setting: Setting, run: Run, reporter: Reporter) -> tuple[list[Epoch], Done]:
    """Train a run in this process; return its epochs and its end. Raises Diverged or HarnessError where it does not end well."""
    from harness.training.loop import execute

    epochs: list[Epoch] = []
    for event in execute(run, Bench(setting, lambda run_id: None)):
        interruption.check()
        match event:
            case Epoch():
                epochs.append(event)
                reporter.move(run.arm.name, event.number, run.epochs)
                reporter.say(_epoch_line(setting, run, event))
            case Failed():
                raise (Diverged if event.kind == "diverged" else HarnessError)(
                    f"{run.arm.name}: must train to its end, got {event.reason}"
                )
            case Done():
                reporter.say(_end_line(setting, run, event, epochs))
                return epochs, event
    raise HarnessError(f"{run.arm.name}: must train to its end, got a training that stopped")


def _epoch_line(setting: Setting, run: Run, epoch: Epoch) -> str:
    """Return how an epoch ended, in a line."""
    plan, metrics = setting.plan, epoch.metrics
    name, unit = plan.metric, plan.goal.unit
    score = measure(metrics.get(f"tune_{name}"), unit)
    loss = number(metrics.get("running_loss"))
    return f"epoch {epoch.number}/{run.epochs}: running loss {loss}, tune {name} {score}, {duration(epoch.seconds)}"


def _end_line(setting: Setting, run: Run, done: Done, epochs: list[Epoch]) -> str:
    """Return what was trained, for how long, and how it does on the test split."""
    plan = setting.plan
    score = measure(done.metrics.get(f"test_{plan.metric}"), plan.goal.unit)
    seconds = duration(epochs[-1].seconds) if epochs else "no time"
    return f"{run.arm.name}: test {plan.metric} {score} after {run.epochs} epochs ({seconds} of training)"
