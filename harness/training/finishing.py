"""The result of a run that has been trained to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plugin.runs import Done
from harness.training.evaluating import are_finite, measure, predict_with_loss, score_with_loss
from harness.training.scoring import find_not_finite, score_predictions
from harness.training.whole_objective import end_value, start_value

if TYPE_CHECKING:
    from harness.training.at_work import AtWork

GROUP = "group."  # goes before an entry of the parameter groups that the schedule moves, in an epoch's metrics


def result_of(parts: AtWork) -> Done:
    """Return the run's result; a comparison run is measured on the un-augmented train split and on test.

    ``train_objective`` is its objective on that train split, and ``start_objective`` the same at the weights that it began
    with. Model and optimizer must be switched to ``eval``.
    """
    use = parts.ingredients
    if use.test is None:
        return Done(_metrics_of_run(parts))
    predictions, tested = measure(parts, use.test, "test", exact=True)
    tuned = predict_with_loss(parts, use.tune, exact=True)[0].cpu().numpy()
    metrics = {**_metrics_of_run(parts), **_on_train(parts), **tested}
    if use.mirrored is not None:
        averaged = (predictions + predict_with_loss(parts, use.mirrored, exact=True)[0]) / 2
        metrics |= score_predictions(use.task, averaged, use.test, "tta_test")
    for name, snapshot in parts.snapshots.named(predictions):
        metrics |= score_predictions(use.task, snapshot, use.test, f"{name}_test")
    weights = {name: tensor.detach().clone() for name, tensor in parts.model.state_dict().items()}
    return Done(
        metrics,
        weights,
        predictions.cpu().numpy(),
        tuned,
        problem=find_not_finite(use, are_finite(predictions), metrics, "test"),
        snapshots=parts.snapshots.stacked(),
    )


def _on_train(parts: AtWork) -> dict[str, float]:
    """Return the scores of the train split, and the objective there at the end and at the start."""
    train = parts.ingredients.train
    predictions, loss = predict_with_loss(parts, train, exact=True)
    assert loss is not None
    scores = score_with_loss(parts.ingredients.task, predictions, loss, train, "train")
    ends = {"train_objective": end_value(parts, float(loss) / len(train)), "start_objective": start_value(parts)}
    return {**scores, **ends}


def _metrics_of_run(parts: AtWork) -> dict[str, float]:
    """Return the last epoch's metrics, without the entries of the parameter groups that the schedule moves."""
    return {name: value for name, value in parts.metrics.items() if not name.startswith(GROUP)}
