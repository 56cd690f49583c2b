"""Tasks: loss, predictions and metrics."""
