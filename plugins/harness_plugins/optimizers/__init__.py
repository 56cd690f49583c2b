"""Optimizers: the training algorithms compared."""
