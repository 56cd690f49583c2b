"""What a reader must know before a verdict: its doubts, the gravest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.verdict.alarm_words import alarm_texts
from harness.verdict.course import Course
from harness.verdict.judging import CHANGED, ONE_SEARCH, UNEQUAL, UNLIKE, lost_text
from harness.verdict.paired_numbers import FEWEST

KINDS = (
    "changed",  # what was registered is not what was measured
    "replicates",  # one search of each arm, or too few replicates for the first look: no verdict
    "objective",  # each arm may have an objective of its own
    "steps",  # the arms took unequal numbers of steps
    "chance",  # an arm has learned nothing
    "defaults",  # an arm is worse than its own defaults
    "lost",  # replicates that an arm has no result of
    "tuning",  # another alarm of an arm's search
    "minimum",  # an arm is not at a minimum
    "unmeasured",  # a facet without a number, with the command that measures it
    "control",  # a control that says what it should not, or has no result
    "power",  # the design is too small to expect "supported" of identical arms
    "unfinished",  # looks that were not reached, and replicates since the last one, which decide nothing yet
    "uncontrolled",  # a control that was not run
)  # the gravest first: what invalidates the comparison, then what is wrong with an arm, then what is not known
BETWEEN = ": "  # of a doubt's kind and its text in a line
A_LEADERBOARD = "this makes a leaderboard, not a comparison of minima"
NOT_RUN = "not run"  # what a control says that no benchmark asked for


@dataclass(frozen=True)
class Doubt:
    """A reason to weigh a verdict with care.

    >>> str(Doubt("lost", "adam lost 2 of 6 replicates (2 diverged)"))
    'lost: adam lost 2 of 6 replicates (2 diverged)'
    """

    kind: str  # one of ``KINDS``
    text: str  # one sentence without its full stop

    def __str__(self) -> str:
        """Return it as a line, as the column ``doubts`` of the table ``verdict`` has it."""
        return f"{self.kind}{BETWEEN}{self.text}"


def ranked(doubts: Iterable[Doubt]) -> tuple[Doubt, ...]:
    """Return doubts with the gravest first; those of one kind stay in their order.

    >>> [doubt.kind for doubt in ranked([Doubt("power", "..."), Doubt("lost", "...")])]
    ['lost', 'power']
    """
    return tuple(sorted(doubts, key=lambda doubt: KINDS.index(doubt.kind)))


def read_doubts(column: str) -> list[Doubt]:
    """Return the doubts of a row of the table ``verdict``, in its order: a line each in the column ``doubts``.

    >>> read_doubts("lost: adam lost 2 of 6 replicates (2 diverged)")[0].kind
    'lost'
    """
    lines = [line for line in column.splitlines() if line]
    return [Doubt(*line.split(BETWEEN, 1)) for line in lines]


def find_doubts(
    course: Course, controls: Iterable[tuple[str, str]], quiet: Iterable[str], power: str, missing: Mapping[str, str]
) -> tuple[Doubt, ...]:
    """Return the doubts about one network's verdict, the gravest first.

    Args:
        course: The course of the verdict.
        controls: The name of each control, and what it came to.
        quiet: What a control says that raises no doubt.
        power: Why the design is too small for the statement; "" where it is not.
        missing: Why a facet was not measured and what would measure it, by facet.
    """
    doubts = [*_of_design(course)]
    if not course.network.look:
        return ranked(doubts)  # nothing is judged yet, so there is nothing else to doubt
    doubts += [*_of_tuning(course), *_of_runs(course)]
    doubts += [Doubt("unmeasured", f"{facet} was not measured: {reason}") for facet, reason in missing.items()]
    for name, text in controls:
        if text == NOT_RUN:
            doubts.append(Doubt("uncontrolled", f"no {name} control was run"))
        elif text not in quiet:
            doubts.append(Doubt("control", f"{name}: {text}"))
    if power:
        doubts.append(Doubt("power", power))
    return ranked(doubts)


def _of_design(course: Course) -> Iterator[Doubt]:
    """Yield the doubts about what was promised, and about how much of it has been done."""
    last, network = course.last, course.network
    looks = network.protocol.looks
    if last.changed:
        yield Doubt("changed", f"{CHANGED}: {', '.join(last.changed)}; its measurements were replaced")
    if network.protocol.most_replicates == 1:
        yield Doubt("replicates", ONE_SEARCH)
    elif not network.look:
        ended = f"{network.ended} of the {looks[0]} replicates up to the first look have ended"
        yield Doubt("replicates", f"no verdict yet: {ended if looks[0] > 1 else 'the first replicate has not ended'}")
    elif len(network.replicates) == 1:
        yield Doubt("replicates", ONE_SEARCH)
    elif len(network.replicates) < FEWEST:
        yield Doubt(
            "replicates", f"{len(network.replicates)} searches of each arm: fewer than {FEWEST} give no estimate"
        )
    beyond = network.ended - len(network.replicates)
    if network.look and beyond > 0 and network.look < len(looks):
        verb = "has" if beyond == 1 else "have"
        yield Doubt(
            "unfinished", f"{beyond} more of {looks[network.look]} replicates {verb} ended and decide nothing yet"
        )
    elif network.look and not course.settled:
        yield Doubt("unfinished", f"{len(looks) - network.look} of {len(looks)} looks are still to come")


def _of_tuning(course: Course) -> Iterator[Doubt]:
    """Yield the doubts about the arms' searches."""
    for arm, alarms in course.last.alarmed.items():
        if not course.last.tuning_settled(arm):
            for kind, text in alarm_texts(course.network.name_of(arm), alarms).items():
                yield Doubt(kind, text)


def _of_runs(course: Course) -> Iterator[Doubt]:
    """Yield the doubts about the arms' runs: lost ones, minima that were not reached, unequal steps and objectives."""
    last, network = course.last, course.network
    for arm in network.arms:
        if text := lost_text(network, arm, allowed=0):
            yield Doubt("lost", text)
    for arm, gate in last.gates.items():
        if not gate.passed:
            yield Doubt(
                "minimum", f"{network.name_of(arm)} is not shown to be at a minimum: {gate.reason or gate.state}"
            )
    if len(last.steps) > 1:
        yield Doubt("steps", f"{UNEQUAL} ({', '.join(map(str, sorted(last.steps)))}): {A_LEADERBOARD}")
    if not last.common:
        yield Doubt("objective", f"{UNLIKE}: {A_LEADERBOARD}")
