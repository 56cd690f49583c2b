"""Pauses: what a run yields where its device is busy without it, so that the other runs of a crew can work."""

from __future__ import annotations


class Quiet:
    """A pause after which nothing but recorded work is started, up to the next yield; None is one with plugins' code after it."""

    calls_no_plugin = True


QUIET = Quiet()
Pause = Quiet | None
