"""newcomer keeps the contract of a catalogue, and what it finds keeps that of its kind."""

from __future__ import annotations

import pytest
import torch

from harness import Backbone
from harness.testing import Check, checks
from harness.testing.templates.catalogue import find, harness_catalogues

CATALOGUE = harness_catalogues()[0]
OFFERS = [offer for offer in map(CATALOGUE.find, CATALOGUE.names()) if offer]


@pytest.mark.parametrize("check", checks(OFFERS[0]), ids=str)
def test_what_it_finds_keeps_its_contract(check: Check) -> None:
    check()


def test_it_finds_every_name_it_lists() -> None:
    assert [offer.name for offer in OFFERS] == list(CATALOGUE.names())


def test_a_name_is_a_width() -> None:
    offer = find("w16")
    assert isinstance(offer, Backbone)
    assert offer.build((3, 4, 4), 2)[1].out_features == 16  # type: ignore[index]
    assert offer.build((3, 4, 4), 2)(torch.zeros(5, 3, 4, 4)).shape == (5, 2)


@pytest.mark.parametrize("name", ["w0", "w-1", "16", "wide", ""])
def test_other_names_are_nobodys(name: str) -> None:
    assert find(name) is None
