"""What all sections of the benchmark file share: the base class, and the types of numbers and names."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from harness.console.continuing import NO_LIMIT
from harness.errors import shown

LONGEST = 4096  # characters of a string or a key, as of a path on Linux
MOST = 1000  # entries of a list or a table


class Section(BaseModel):
    """A table of the file: frozen, without unknown keys, and without a silent conversion of types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _without_repeats(values: list[Any]) -> list[Any]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"must name each only once, got {shown(value)} twice")
    return values


Unrepeated = AfterValidator(_without_repeats)

# Every number has a least and a greatest value. Where the greatest one only guards against slips it is a million: nobody
# has time for so many epochs, seeds or trials, and the seeds of searches begin there (plan.SEARCH_SEED).
Count = Annotated[int, Field(ge=1, le=1_000_000)]
CountOrNone = Annotated[int, Field(ge=0, le=1_000_000)]  # 0: none
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]  # numpy and torch both take these
Seconds = Annotated[float, Field(gt=0, le=1e9)]  # thirty years
Penalty = Annotated[float, Field(ge=0, le=100)]  # beyond that all weights are zero
ClassWeight = Annotated[float, Field(gt=0, le=1e6)]  # of an example's loss
Factor = Annotated[float, Field(ge=1e-4, le=1)]  # of a learning rate; below that a layer stands still

_TIME = r"(?:(\d+(?:\.\d+)?)h(?:ours?|r|rs)?)?(?:(\d+(?:\.\d+)?)m(?:in|ins|inutes?)?)?(?:(\d+(?:\.\d+)?)s(?:ec|ecs|econds?)?)?"
TimeText = Annotated[
    str,
    Field(
        pattern=f"^(?:{NO_LIMIT}|{_TIME})$", min_length=1, max_length=40,
        description='a time such as "90s", "5min" or "1h30m" ("none": no limit)',
    ),
]  # fmt: skip


def seconds_of(time: str | float) -> float:
    """Return the seconds of a time, which is a number of them or a text; infinitely many for "none".

    >>> seconds_of("1h30m"), seconds_of("5min"), seconds_of(90)
    (5400.0, 300.0, 90.0)
    """
    if not isinstance(time, str):
        return float(time)
    if time == NO_LIMIT:
        return math.inf
    match = re.fullmatch(_TIME, time)
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    return 3600 * hours + 60 * minutes + seconds


def time_text(seconds: float) -> str:
    """Return a time as a text that ``seconds_of`` reads, in the largest unit of which it is a whole number.

    >>> time_text(7200), time_text(5400), time_text(45.5)
    ('2h', '90m', '45.5s')
    """
    unit, size = next((pair for pair in (("h", 3600), ("m", 60)) if seconds % pair[1] == 0), ("s", 1))
    return f"{seconds / size:.12g}{unit}"


ENDS = (-1e12, 1e12)  # of any hyperparameter: float32 has no decimals beyond them
Hyperparameter = Annotated[float, Field(ge=ENDS[0], le=ENDS[1])]

Name = Annotated[str, Field(min_length=1, max_length=100)]  # of a plugin, which has at most so many characters
ArmName = Annotated[str, Field(min_length=1, max_length=400)]  # backbone/head/optimizer/schedule
Alias = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$",
        description="up to 64 letters, digits, '.', '_', '+' or '-', a letter or digit first",
    ),
]
PathName = Annotated[str, Field(min_length=1, max_length=LONGEST)]
PathOrNone = Annotated[str, Field(max_length=LONGEST)]  # empty: none
Names = Annotated[list[Name], Field(max_length=100), Unrepeated]
ConstraintText = Annotated[str, Field(min_length=3, max_length=200)]  # "beta2 > beta1"
Options = Annotated[dict[Name, Any], Field(max_length=100)]  # by option; its plugin says which values it takes
