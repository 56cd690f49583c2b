"""Datasets: each opens as three splits."""
