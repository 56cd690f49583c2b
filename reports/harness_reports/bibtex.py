"""A BibTeX entry for every optimizer and schedule that a run used, and for the harness itself."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count

from harness import Report, Results, __version__, hookimpl
from harness_reports._words.bibliography import LIBRARIES, WORKS, Work
from harness_reports._words.latex import escaped

ARXIV = re.compile(r"arxiv:\s*(\d{4}\.\d{4,5})(?:v\d+)?", re.IGNORECASE)
DOI = re.compile(r"doi:\s*(10\.\d{4,9}/[^\s,;]+)", re.IGNORECASE)
URL = re.compile(r"https?://[^\s,;]+")
SAID = re.compile(r"(?P<who>[^\W\d][^\d,;(]*?)(?P<more> et al\.?)?,?\s+\(?(?P<year>(?:19|20)\d\d)\b")
UNSAFE = re.compile(r"[^A-Za-z0-9./:_()+-]")  # of an address or a DOI


def render(results: Results) -> str:
    """Return the entries, each after a comment that says which arms' parts it is of; same records, same keys."""
    cited: dict[str, tuple[Work, list[str]]] = {}
    equal = {pair["name"]: pair["same_as"] for pair in results.records.meta.fairness.get("equal", ())}
    for kind, name, reference in _used(results):
        here = f" (takes the steps of {equal[name]} here)" if kind == "optimizer" and name in equal else ""
        for work in works(name, reference):
            key = next(k for k in _keys(work.key) if k not in cited or cited[k][0].fields == work.fields)
            cited.setdefault(key, (replace(work, key=key), []))[1].append(f"{kind} {name}{here}")
    parts = [_entry(work, users) for work, users in cited.values()]
    return "\n".join([*parts, _entry(_harness(), ["the benchmark"])])


def _keys(key: str) -> Iterator[str]:
    """Yield a key, and what it becomes where another work has it."""
    yield key
    yield from (f"{key}-{i}" for i in count(2))


def _used(results: Results) -> Iterator[tuple[str, str, str]]:
    """Yield ``(kind, name, reference)`` of every optimizer and schedule of the arms, in their order."""
    records = results.records
    for kind in ("optimizer", "scheduler"):
        said: Mapping[str, str] = records.meta.references if kind == "optimizer" else records.meta.scheduler_references
        for name in dict.fromkeys(map(str, records.arms[kind])):
            if kind == "optimizer" or said.get(name):  # constant is nobody's idea
                yield kind, name, said.get(name, "")


def works(name: str, reference: str) -> list[Work]:
    """Return the works that a reference names; where it names none that is known, what can be made of its words."""
    reference = " ".join(reference.split())
    found = [WORKS[said] for said in WORKS if re.search(rf"(?<!\w){re.escape(said)}(?!\w)", reference, re.IGNORECASE)]
    if not found and (library := reference.partition(".")[0]) in LIBRARIES and "." in reference:
        own = _made_up(name, reference)  # torch.optim.radam.RAdam: a class, and the library that has it
        return [own, WORKS[LIBRARIES[library]]]
    known = {str(work.fields.get(field, "")).lower() for work in found for field in ("eprint", "doi")}
    others = [each for each in (*ARXIV.findall(reference), *DOI.findall(reference)) if each.lower() not in known]
    if found and not others:
        return found
    return [*found, _made_up(name, reference, others[0] if others else "")]


def _made_up(name: str, reference: str, identity: str = "") -> Work:
    """Return an entry from the words of a reference: author and year where it begins with them, else only a note."""
    fields = {"title": f"{{{escaped(name)}}}"}
    if said := SAID.search(ARXIV.sub("", DOI.sub("", URL.sub("", reference)))):
        people = re.split(r"\s+(?:&|and)\s+", said["who"].strip())
        fields["author"] = escaped(" and ".join([*people, *(["others"] if said["more"] else [])]))
        fields["year"] = said["year"]
    number, doi, url = ARXIV.search(reference), DOI.search(reference), URL.search(reference)
    if number and identity in ("", number[1]):
        fields |= {"eprint": number[1], "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{number[1]}"}
        fields.setdefault("year", _year(number[1]))
    elif doi:
        fields["doi"] = _address(doi[1])
    elif url:
        fields["url"] = _address(url[0])
    if reference:
        fields["note"] = escaped(reference)
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return Work(
        f"optimizer:{re.sub(r'[^A-Za-z0-9]+', '-', plain).strip('-').lower()[:60] or 'unnamed'}", "misc", fields
    )


def _year(number: str) -> str:
    """Return the year an arXiv number was given in."""
    return f"20{number[:2]}"


def _address(text: str) -> str:
    """Return an address with what BibTeX could trip over written as %XX."""
    text = text.rstrip(".)")
    return UNSAFE.sub(lambda found: "".join(rf"\%{byte:02X}" for byte in found[0].encode()), text)


def _harness() -> Work:
    fields = {
        "author": "{optimizer-harness contributors}",
        "title": "optimizer-harness: honest comparison of training algorithms",
        "note": f"Version {__version__}",
    }
    return Work("optimizerharness", "misc", fields)


def _entry(work: Work, users: list[str]) -> str:
    """Return an entry; outside of one BibTeX reads nothing, as long as there is no @."""
    said = ", ".join(dict.fromkeys(users)).replace("@", " at ")
    lines = [f"  {field} = {{{value}}}," for field, value in work.fields.items()]
    return "\n".join([f"% {' '.join(said.split())}", f"@{work.kind}{{{work.key},", *lines, "}", ""])


@hookimpl
def harness_reports() -> list[Report]:
    """Offer bibtex."""
    return [Report(name="bibtex", extension="bib", render=render)]
