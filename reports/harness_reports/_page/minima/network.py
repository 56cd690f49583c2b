"""One network of the section on the minima: its rows in every table, and how its solutions are drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import Records
from harness_reports._page._section import Page
from harness_reports._page.minima.signs import Sign

if TYPE_CHECKING:
    from pandas import DataFrame

Solution = tuple[str, int]  # the arm and the seed of a network that one run ended with


@dataclass(frozen=True)
class DrawnNetwork:
    """The rows of one network in every table, and how its solutions are drawn."""

    name: str
    page: Page
    tables: Mapping[str, DataFrame]
    signs: Mapping[str, Sign]
    solutions: Sequence[Solution]  # that are drawn

    @property
    def records(self) -> Records:
        """The records."""
        return self.page.records

    @property
    def arms(self) -> list[str]:
        """The arms, without controls."""
        return [arm for arm, sign in self.signs.items() if not sign.control]

    @property
    def loss_unit(self) -> str:
        """The unit of the task's loss."""
        return self.page.outcome.loss_unit

    def figure_name(self, part: str) -> str:
        """Return a name for a figure that no other figure has."""
        return f"{part}-{self.page.network_names[self.name]}"


def subset_measured(records: Records, probe: str) -> str:
    """Return in words which of all its measurements a probe has made; "" where it has made all of them."""
    measured = records.meta.probes.get(probe, {})
    return str(measured.get("subset", "")) if measured.get("done") else ""
