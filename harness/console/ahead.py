"""What a command has still to do, kind by kind, and how long that takes: epochs, the measurements of each probe, the report."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.console.numbers import counted, duration, joined


@dataclass
class Ahead:
    """How much of each kind of work is left. Kinds whose pace is not known yet are counted and not timed.

    >>> ahead = Ahead()
    >>> ahead.expect("epoch", 400, seconds=0.5)
    >>> ahead.expect("measurement", 72, of="connectivity")
    >>> ahead.text
    'about 3 min 20 s and 72 measurements'
    >>> ahead.expect("measurement", 72, seconds=1.0, of="connectivity")
    >>> ahead.text
    'about 4 min 32 s'
    """

    _left: dict[tuple[str, str], tuple[int, float | None]] = field(default_factory=dict)

    def expect(self, unit: str, left: int, seconds: float | None = None, of: str = "") -> None:
        """Note how much of a kind is left, and in how many seconds one more of it is done; None where that is not known.

        Where several are done at once, these are the seconds that pass from one end to the next.
        """
        known = self._left.get((unit, of), (0, None))[1]
        self._left[(unit, of)] = (left, known if seconds is None else seconds)

    @property
    def seconds(self) -> float:
        """The seconds that all takes whose pace is known."""
        return sum(left * seconds for left, seconds in self._left.values() if seconds is not None)

    @property
    def untimed(self) -> dict[str, int]:
        """How much is left whose pace is not known, by unit."""
        counts: dict[str, int] = {}
        for (unit, _), (left, seconds) in self._left.items():
            if seconds is None and left:
                counts[unit] = counts.get(unit, 0) + left
        return counts

    @property
    def text(self) -> str:
        """How long all of it takes, in words; "" where nothing is left."""
        words = [f"about {_roughly(self.seconds)}"] if self.seconds else []
        return joined([*words, *(counted(left, unit) for unit, left in self.untimed.items())])


def _roughly(seconds: float) -> str:
    """Return a time that is only estimated: whole seconds, at least one."""
    return duration(seconds) if seconds >= 120 else f"{max(seconds, 1):.0f} s"
