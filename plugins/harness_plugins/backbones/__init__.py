"""Backbones: the networks."""
