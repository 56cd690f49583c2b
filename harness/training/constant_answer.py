"""The scores of the best constant answer, which every network that has learned anything exceeds.

The answer is the one output, the same for every example, that has the least loss on the train targets: with cross-entropy
the shares of the classes, with a squared error the mean of the targets.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import Data, Metric, Split, Task
from harness.plugin.process_settings import kept

MOST = 2_000_000  # numbers of a batch of outputs; of more targets, some are drawn
STEPS = 100  # of LBFGS, at the most
UNEQUAL = 0.05  # by so much the share of the largest class exceeds that of equal classes where it is worth a word
DRAWS = 100  # of random answers


def constant_scores(task: Task, data: Data) -> dict[str, Any]:
    """Return the scores of the best constant answer, as plain values; without ``scores`` where the task allows none.

    ``scores`` has by split and metric the ``score`` and its standard error ``se`` over another draw of the examples, 0
    where that is not known. ``answer`` is the class that is answered, "" where the targets are no classes, and ``unequal``
    whether that class is visibly larger than equal classes would be. ``problem`` says why there are no scores.
    """
    try:
        with (
            Boundary("task", task.name, "score a constant", everything=True),
            kept(f"task '{task.name}'"),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")  # a metric may have its own view of a constant
            output = _fitted(task, data)
            prediction = task.predict(output[None])[0].numpy()
            splits = {"train": data.train, "tune": data.tune, "test": data.test}
            scores = {name: _scores(task, output, prediction, split) for name, split in splits.items()}
    except PluginFailed as error:  # training goes on without this
        return {"answer": "", "unequal": False, "problem": error.why}
    if not data.classes or prediction.shape not in ((len(data.classes),), ()):
        return {"answer": "", "unequal": False, "scores": scores}
    named = int(prediction.argmax()) if prediction.shape else int(prediction > 0.5)  # one number is that of the second
    share = float((np.asarray(data.test.targets) == named).mean())
    return {"answer": data.classes[named], "unequal": share > 1 / len(data.classes) + UNEQUAL, "scores": scores}


def _fitted(task: Task, data: Data) -> torch.Tensor:
    """Return the constant output [K] of least mean loss on the train targets."""
    outputs = task.outputs(data)
    every = np.asarray(data.train.targets)
    if len(every) * outputs > MOST:
        every = every[np.random.default_rng(0).permutation(len(every))[: max(1, MOST // outputs)]]
    targets = torch.from_numpy(np.array(every))
    output = torch.zeros(outputs, requires_grad=True)
    optimizer = torch.optim.LBFGS([output], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = task.loss(output.expand(len(targets), outputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return output.detach()


def _scores(
    task: Task, output: torch.Tensor, prediction: np.ndarray[Any, Any], split: Split
) -> Mapping[str, Mapping[str, float]]:
    """Return the metrics of one prediction for all examples of a split, those that are finite, and the task's loss."""
    targets = np.asarray(split.targets)
    predictions = np.broadcast_to(prediction, (len(targets), *prediction.shape))
    scores = {}
    for name, metric in task.metrics.items():
        score = float(metric.compute(predictions, targets))
        if math.isfinite(score):
            scores[name] = {"score": score, "se": _standard_error(metric, score, predictions, targets)}
    if "loss" not in task.metrics:
        scores["loss"] = {"score": _loss(task, output, targets), "se": 0.0}
    return scores


def _loss(task: Task, output: torch.Tensor, targets: np.ndarray[Any, Any]) -> float:
    """Return the mean of the task's loss, some targets at a time."""
    parts = torch.split(torch.from_numpy(np.array(targets)), max(1, MOST // len(output)))
    return sum(float(task.loss(output.expand(len(p), -1), p)) * len(p) for p in parts) / len(targets)


def _standard_error(metric: Metric, score: float, predictions: Any, targets: Any) -> float:
    """Return the change of a score that another draw of the examples would make; 0 where it is unknown.

    Of a metric without scores per example, such as the balanced accuracy, it is how much random classes scatter; a share of
    very many examples has the scatter of any share.
    """
    if metric.each is not None:
        error = float(np.std(np.asarray(metric.each(predictions, targets), dtype=float))) / math.sqrt(len(targets))
    elif metric.unit != "%":
        error = 0.0
    elif predictions.ndim == 2 and predictions.size * DRAWS <= 10 * MOST:
        random, classes = np.random.default_rng(0), np.eye(predictions.shape[1], dtype=np.float32)
        drawn = [classes[random.integers(0, len(classes), len(targets))] for _ in range(DRAWS)]
        error = float(np.std([metric.compute(classes_drawn, targets) for classes_drawn in drawn]))
    else:
        error = math.sqrt(max(0.0, score * (1 - score)) / len(targets))
    return error if math.isfinite(error) else 0.0
