"""The runs of a search's trials, one for each seed of the search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import Setting
from harness.plugin.runs import Run


class TrialRuns:
    """The runs of the trials of one search. Those of trials under way are made once, because to make an id takes time."""

    def __init__(self, setting: Setting, competitor: Competitor, replicate: int) -> None:
        self._setting = setting
        self._competitor = competitor
        self._replicate = replicate
        self._seeds = range(competitor.benchmark.search.seeds)
        self._under_way: dict[int, list[Run]] = {}  # by the number of the trial

    def of(self, ask: Mapping[str, Any]) -> list[Run]:
        """Return the runs of a trial."""
        return self._made(ask["params"]) if ask["ended"] else self.begun(ask["number"], ask["params"])

    def begun(self, number: int, params: Mapping[str, Any]) -> list[Run]:
        """Return the runs of a trial under way, by its number and its parameters."""
        if number not in self._under_way:
            self._under_way[number] = self._made(params)
        return self._under_way[number]

    def forget(self, number: int) -> None:
        """Keep the runs of a trial no longer, for it has ended."""
        self._under_way.pop(number, None)

    def _made(self, params: Mapping[str, Any]) -> list[Run]:
        return [self._setting.search_run(self._competitor, params, self._replicate, seed) for seed in self._seeds]
