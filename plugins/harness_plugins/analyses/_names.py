"""What the names of arms tell, shared by the analyses."""

from __future__ import annotations


def network_of(arm: str) -> str:
    """Return an arm's network: its backbone, with the head where one is trained on it."""
    return arm.rsplit("/", 2)[0]
