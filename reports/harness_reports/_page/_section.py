"""A section of the page as a value, and what the page finds from the sections: their order, and the tables that they show."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

from harness import Records, Results
from harness.verdict.arms import network_of
from harness_reports import _page
from harness_reports._draw.arm_styles import ArmLook, arm_looks, swatch
from harness_reports._draw.interactive import Views
from harness_reports._draw.thumbs import Thumbs
from harness_reports._words.doubts import Remark, doubts
from harness_reports._words.headline import Headline, headline
from harness_reports._words.names import arm_parts, file_names
from harness_reports._words.outcome import Outcome

FEW_ARMS = 6


@dataclass(frozen=True)
class Page:
    """What every section is made from: the results, how each arm is drawn, and what the page carries once for all sections."""

    outcome: Outcome
    looks: Mapping[str, ArmLook]
    views: Views
    thumbs: Thumbs

    @classmethod
    def of(cls, results: Results) -> Page:
        """Return the page of these results, without a view and without a photo so far."""
        outcome = Outcome(results)
        return cls(outcome, arm_looks(outcome.labels, arm_parts(results.records)), Views(), Thumbs(results.records))

    @property
    def results(self) -> Results:
        """The results."""
        return self.outcome.results

    @property
    def records(self) -> Records:
        """The records that the results were computed from."""
        return self.outcome.records

    @property
    def crowded(self) -> bool:
        """Whether there are so many arms that what has a card or a row for each of them begins folded."""
        return len(self.looks) > FEW_ARMS

    @cached_property
    def headline(self) -> Headline:
        """What the page says first."""
        return headline(self.outcome)

    @cached_property
    def doubts(self) -> list[Remark]:
        """Every doubt about that, the gravest first."""
        return doubts(self.outcome, self.headline)

    @cached_property
    def arm_names(self) -> dict[str, str]:
        """Each arm as a part of the names of its figures."""
        return file_names(self.looks)

    @cached_property
    def network_names(self) -> dict[str, str]:
        """Each network as a part of the names of its figures, by what records and what analyses call it."""
        recorded = [part.network for part in arm_parts(self.records)]
        return file_names(dict.fromkeys([*recorded, *map(network_of, self.looks)]))

    @cached_property
    def legend(self) -> list[dict[str, Any]]:
        """``arm``, ``label`` and ``swatch`` of every arm."""
        return [
            {"arm": arm, "label": look.label, "swatch": swatch(look.color, look.dashes, look.marker)}
            for arm, look in self.looks.items()
        ]


@dataclass(frozen=True)
class Section:
    """A section of the page.

    ``data`` returns what the template shows, by name; the template has ``page`` as well. A section whose data is None or empty is
    left out of the page and of its navigation.
    """

    id: str  # its anchor
    title: str  # its name in the navigation
    place: int  # sections stand in rising order of their places
    data: Callable[[Page], Mapping[str, Any] | None]
    template: str  # a file of this package
    tables: tuple[str, ...] = ()  # tables of analyses that it shows; all others are listed as they are
    styles: tuple[str, ...] = ()  # files of this package with CSS that only this section needs


def sections() -> list[Section]:
    """Return every section, in the order of the page."""
    names = [info.name for info in pkgutil.iter_modules(_page.__path__)]
    public = [f"{_page.__name__}.{name}" for name in names if not name.startswith("_")]
    return sorted((importlib.import_module(name).SECTION for name in public), key=lambda section: section.place)


def shown_tables() -> frozenset[str]:
    """Return the names of all tables that a section shows."""
    return frozenset(chain.from_iterable(section.tables for section in sections()))
