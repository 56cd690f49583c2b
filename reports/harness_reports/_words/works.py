"""The works that references name, read from ``references.bib``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

HEAD = re.compile(r"@(?P<kind>[a-z]+)\{(?P<key>[^,\s]+),")
FIELD = re.compile(r"  (?P<name>[a-z]+) = \{(?P<text>.*)\},")
OWN_FIELDS = ("citedas", "library")  # they say when an entry is cited and are not written into a report


@dataclass(frozen=True)
class Work:
    """A work: its key, its kind, and its fields in BibTeX's own words (braces keep capitals)."""

    key: str
    kind: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Bibliography:
    """The works by what a reference names them by, and by the Python library that they describe."""

    by_name: Mapping[str, Work]  # an arXiv id, a DOI, or the words of a reference
    by_library: Mapping[str, Work]


@cache
def bibliography() -> Bibliography:
    """Return the works of ``references.bib``."""
    return parse(files("harness_reports").joinpath("references.bib").read_text(encoding="utf-8"))


def parse(text: str) -> Bibliography:
    """Return the works of a BibTeX file that has one field a line, as ``references.bib`` has.

    Raises ValueError for a line that is neither a comment nor a part of an entry, and for two works of one name.
    """
    by_name: dict[str, Work] = {}
    by_library: dict[str, Work] = {}
    kind, key, fields = "", "", dict[str, str]()
    for place, line in enumerate(text.splitlines(), 1):
        if not key and (not line or line.startswith("%")):
            continue
        if not key and (head := HEAD.fullmatch(line)):
            kind, key, fields = head["kind"], head["key"], {}
        elif key and (field := FIELD.fullmatch(line)):
            fields[field["name"]] = field["text"]
        elif key and line == "}":
            work = Work(key, kind, {name: value for name, value in fields.items() if name not in OWN_FIELDS})
            name = _name_in_references(fields)
            if name in by_name:
                raise ValueError(f"references.bib, line {place}: must name every work once, got '{name}' again")
            by_name[name] = work
            if "library" in fields:
                by_library[fields["library"]] = work
            key = ""
        else:
            raise ValueError(f"references.bib, line {place}: must be an entry with a field a line, got '{line}'")
    return Bibliography(by_name, by_library)


def _name_in_references(fields: Mapping[str, str]) -> str:
    """Return what a plugin's reference names a work by."""
    if "citedas" in fields:
        return fields["citedas"]
    return f"arXiv:{fields['eprint']}" if "eprint" in fields else f"doi:{fields['doi']}"
