"""Probes: measurements on trained networks."""
