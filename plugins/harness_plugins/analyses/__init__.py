"""Analyses: pure functions from the records to a table."""
