"""MLflow: an experiment for each benchmark, and in it a run for each training, with its settings, curves and test scores.

Without the option ``uri`` everything is written into the run folder, and no server is needed: ``mlflow ui`` shows it.
"""

from __future__ import annotations

import json
from typing import Any

from harness import Listener, ListenerRequest, Occurrence, PluginError, hookimpl
from harness_plugins.listeners._numbers import hyperparameters, metrics_of, run_name, verdict_lines

STATES = {"done": "FINISHED", "stopped": "KILLED", "diverged": "FAILED", "failed": "FAILED"}
MOST = 500  # characters of a parameter
TAG = "harness_run"


class Tracker:
    """Writes what it hears into an MLflow store."""

    def __init__(self, request: ListenerRequest) -> None:
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise PluginError(
                "listener 'mlflow': must have MLflow, got none installed; python -m pip install 'optimizer-harness[mlflow]'"
            ) from error
        uri = str(request.options["uri"]) or f"sqlite:///{request.folder.absolute() / 'mlflow.db'}"
        self._client = MlflowClient(uri)
        name = f"{request.name} {request.run_folder.name}"
        experiment = self._client.get_experiment_by_name(name)
        place = None if request.options["uri"] else (request.folder.absolute() / "artifacts").as_uri()
        self._experiment = experiment.experiment_id if experiment else self._client.create_experiment(name, place)
        self._runs: dict[str, str] = {}  # by training, the id of its run

    def __call__(self, occurrence: Occurrence) -> None:
        """Write an occurrence."""
        values = occurrence.values
        match occurrence.kind:
            case "began":
                self._begin(occurrence)
            case "epoch":
                self._log(occurrence, values["epoch"])
            case "ended":
                self._log(occurrence, len(values["epochs"]))
                run = self._run(occurrence)
                self._client.set_tag(run, "state", values["state"])
                self._client.set_tag(run, "reason", values["reason"][:MOST])
                self._client.set_terminated(run, STATES[values["state"]])
            case "trial" if occurrence.run:
                self._client.set_tag(self._run(occurrence), "trial", f"{values['study']} {values['number']}")
            case "verdict":
                self._client.set_experiment_tag(self._experiment, "verdict", "\n".join(verdict_lines(values)))

    def _begin(self, occurrence: Occurrence) -> None:
        from mlflow.entities import Param

        tags = {TAG: occurrence.run, "arm": occurrence.arm, "phase": occurrence.values["phase"]}
        run = self._client.create_run(self._experiment, tags=tags, run_name=run_name(occurrence))
        self._runs[occurrence.run] = run.info.run_id
        settings = [Param(name, str(value)[:MOST]) for name, value in hyperparameters(occurrence.values).items()]
        self._client.log_batch(run.info.run_id, params=settings)

    def _run(self, occurrence: Occurrence) -> str:
        """Return the run of a training, which an earlier call may have begun."""
        if occurrence.run not in self._runs:
            runs_known = self._client.search_runs(
                [self._experiment], f"tags.{TAG} = {json.dumps(occurrence.run)}", max_results=1
            )
            if runs_known:
                self._runs[occurrence.run] = runs_known[0].info.run_id
            else:
                run = self._client.create_run(self._experiment, tags={TAG: occurrence.run, "arm": occurrence.arm})
                self._runs[occurrence.run] = run.info.run_id
        return self._runs[occurrence.run]

    def _log(self, occurrence: Occurrence, step: int) -> None:
        import time

        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics: list[Any] = [Metric(name, value, now, step) for name, value in metrics_of(occurrence.values)]
        self._client.log_batch(self._run(occurrence), metrics=metrics)


@hookimpl
def harness_listeners() -> list[Listener]:
    """Offer mlflow; ``uri`` is the address of a server or a store, empty for one in the run folder."""
    return [Listener(name="mlflow", open=Tracker, options={"uri": ""}, reference="https://mlflow.org")]
