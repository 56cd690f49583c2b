"""Pauses: what a run yields where its device is busy without it, so that the other runs of a crew can work."""

from __future__ import annotations


class Quiet:
    """A pause after which nothing but recorded work is started, up to the next yield; None is one with plugins' code after it."""

    calls_no_plugin = True


class Glance:
    """A moment between two steps at which a run can be left. No other run works in it, so the run's settings stay as they are."""

    keeps_settings = True


QUIET = Quiet()
GLANCE = Glance()
GLANCES = 0.1  # seconds from one to the next: so late a stopped run is left
Pause = Quiet | Glance | None
