"""Listeners: each is told what a run writes down."""
