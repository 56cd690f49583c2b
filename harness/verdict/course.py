"""The course of a verdict over its looks: the first word of a facet stays, whatever later looks would say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.records import Records
from harness.verdict.design import Network, networks_of
from harness.verdict.gate import judge_gate
from harness.verdict.judging import Examined, examine
from harness.verdict.protocol import Registered
from harness.verdict.tuning import raised_alarms
from harness.verdict.words import NO_WORD, Word


@dataclass(frozen=True)
class Course:
    """One network under one protocol, as it was examined at each look that was reached.

    Where none was reached there is one examination, of the replicates that have ended so far; it gives no word.
    """

    looks: tuple[Examined, ...]

    @property
    def last(self) -> Examined:
        """What was examined last."""
        return self.looks[-1]

    @property
    def network(self) -> Network:
        """The network at the last look."""
        return self.last.network

    def deciding_look(self, facet: str) -> Examined | None:
        """Return the first look at which a facet has a word; None without one."""
        return next((look for look in self.looks if look.word_in_facet(facet) != NO_WORD), None)

    def shown(self, facet: str) -> Examined:
        """Return the look whose numbers stand beside a facet's word: that of the word, else the last one."""
        return self.deciding_look(facet) or self.last

    def word(self, facet: str) -> Word:
        """Return a facet's word, adjusted within the facet."""
        return self.shown(facet).word_in_facet(facet)

    def word_overall(self, facet: str, factor: float = 1.0) -> Word:
        """Return the word of a facet in the overall statement: the first one that it gets there."""
        words = (look.word_overall(facet, factor) for look in self.looks)
        return next((word for word in words if word != NO_WORD), NO_WORD)

    @property
    def settled(self) -> bool:
        """Whether no further look could bring a word that is missing."""
        network = self.network
        if network.look in (0, len(network.protocol.looks)):
            return network.look > 0
        return all(self._is_settled(facet) for facet in self.last.facets)

    def _is_settled(self, facet: str) -> bool:
        """Return whether a facet has its word, in the overall statement too, or can get none."""
        return self.word_overall(facet) != NO_WORD or self.last.is_barred(facet)


def courses_of(records: Records, registered: Registered) -> Sequence[Course]:
    """Return the course of each network under a protocol; none for records without a comparison."""
    key = ("courses", registered.protocol.hash)
    return records.once(key, lambda: _courses(records, registered))


def _courses(records: Records, registered: Registered) -> tuple[Course, ...]:
    return tuple(_course(records, registered, network) for network in networks_of(records, registered.protocol))


def _course(records: Records, registered: Registered, network: Network) -> Course:
    """Return a network's course. The gate is judged once, at the first look; tuning alarms at each."""
    stages = [network.at(look) for look in range(1, network.look + 1)] or [network]
    gates = {arm: judge_gate(stages[0], arm, records.meta) for arm in network.arms}
    examined = []
    for stage in stages:
        alarmed = raised_alarms(records, registered, len(stage.replicates))
        examined.append(examine(records, stage, alarmed, gates))
    return Course(tuple(examined))
