"""Schedulers: the learning rate over the steps of a run."""
