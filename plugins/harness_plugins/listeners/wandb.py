"""Weights & Biases, offline: a run for each training that is over, in files that ``wandb sync`` uploads when you want it to.

Nothing is sent anywhere. A training is written as a whole when it ends, so a benchmark that is interrupted and goes on
leaves one run for each training.
"""

from __future__ import annotations

from typing import Any

from harness import Listener, ListenerRequest, Occurrence, PluginError, hookimpl
from harness_plugins.listeners._numbers import hyperparameters, metrics_of, run_name, verdict_lines


class Tracker:
    """Writes each training into an offline run."""

    def __init__(self, request: ListenerRequest) -> None:
        try:
            import wandb
        except ImportError as error:
            raise PluginError(
                "listener 'wandb': must have wandb, got none installed; python -m pip install 'optimizer-harness[wandb]'"
            ) from error
        self._wandb: Any = wandb
        self._folder = request.folder
        self._project = str(request.options["project"]) or request.name
        self._group = request.run_folder.name

    def __call__(self, occurrence: Occurrence) -> None:
        """Write a training that is over, and the verdict."""
        if occurrence.kind == "ended":
            self._write_training(occurrence)
        elif occurrence.kind == "verdict":
            run = self._run(f"{self._group}-verdict", "verdict", {})
            run.summary["verdict"] = "\n".join(verdict_lines(occurrence.values))
            run.finish()

    def _write_training(self, occurrence: Occurrence) -> None:
        values = occurrence.values
        began = Occurrence("began", "", occurrence.run, occurrence.arm, values["recipe"])
        settings = {**hyperparameters(values["recipe"]), "arm": occurrence.arm}
        run = self._run(f"{self._group}-{occurrence.run}", run_name(began), settings)
        for epoch in values["epochs"]:
            run.log(dict(metrics_of(epoch)), step=epoch["epoch"])
        run.summary["state"] = values["state"]
        for name, value in metrics_of(values):
            run.summary[name] = value
        run.finish(exit_code=0 if values["state"] in ("done", "stopped") else 1)

    def _run(self, id_: str, name: str, settings: dict[str, Any]) -> Any:
        options = self._wandb.Settings(mode="offline", console="off", silent=True, disable_git=True, save_code=False)
        return self._wandb.init(
            project=self._project, group=self._group, id=id_, name=name, config=settings, dir=str(self._folder),
            settings=options,
        )  # fmt: skip


@hookimpl
def harness_listeners() -> list[Listener]:
    """Offer wandb; ``project`` is the name of the project, empty for the benchmark's."""
    return [Listener(name="wandb", open=Tracker, options={"project": ""}, reference="https://wandb.ai")]
