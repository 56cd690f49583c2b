"""BibTeX entries for what a run used.

A BibTeX entry for every optimizer and schedule that a run used, and for the harness itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, metadata
from itertools import count, product

from harness import Report, Results, __version__, hookimpl, latex_text
from harness_reports._words.works import Work, bibliography

DISTRIBUTION, YEAR = "optimizer-harness", "2026"
EXAMPLE = 'Optimizer(..., reference="Doe and Roe 2024, arXiv:2401.01234")'
ARXIV = re.compile(r"arxiv:\s*(\d{4}\.\d{4,5})(?:v\d+)?", re.IGNORECASE)
DOI = re.compile(r"doi:\s*(10\.\d{4,9}/[^\s,;]+)", re.IGNORECASE)
URL = re.compile(r"https?://[^\s,;]+")
AUTHORS_AND_YEAR = re.compile(r"(?P<who>[^\W\d][^\d,;(]*?)(?P<more> et al\.?)?,?\s+\(?(?P<year>(?:19|20)\d\d)\b")
UNSAFE = re.compile(r"[^A-Za-z0-9./:_()+-]")  # characters of an address or a DOI that BibTeX could trip over


def render(results: Results) -> str:
    """Return the entries, each after a comment with the arms' parts that it belongs to; the same records give the same keys."""
    entries: dict[str, tuple[Work, list[str]]] = {}
    without: list[str] = []
    equal = {pair["name"]: pair["same_as"] for pair in results.records.meta.fairness.get("equal", ())}
    for kind, name, reference in _parts(results):
        note = f" (takes the steps of {equal[name]} here)" if kind == "optimizer" and name in equal else ""
        part = f"{kind} {name}{note}"
        if not reference:
            without.append(part)
            continue
        for work in cited_works(name, reference):
            key = _free_key(work, entries)
            _, users = entries.setdefault(key, (replace(work, key=key), []))
            users.append(part)
    parts = [_entry_text(work, users) for work, users in entries.values()]
    return "\n".join([*_without_reference(without), *parts, _entry_text(_harness_work(), ["the benchmark"])])


def _without_reference(parts: Sequence[str]) -> list[str]:
    """Return comments that name the parts which have no entry, and say how they get one; none where all have one."""
    if not parts:
        return []
    named = ", ".join(parts).replace("@", " at ")
    return [
        f"% No entry, because the plugin gives no reference: {' '.join(named.split())}.",
        f"% A plugin gives one so: {EXAMPLE}.",
        "% Then write this file again: harness report RUN --format bibtex --plugin FILE.py",
        "",
    ]


def _free_key(work: Work, entries: Mapping[str, tuple[Work, list[str]]]) -> str:
    """Return the key of a work, with a number behind it where another work has the same key."""
    keys = (f"{work.key}-{i}" if i > 1 else work.key for i in count(1))
    return next(key for key in keys if key not in entries or entries[key][0].fields == work.fields)


def _parts(results: Results) -> Iterator[tuple[str, str, str]]:
    """Yield ``(kind, name, reference)`` of every optimizer and schedule of the arms, in their order."""
    meta, arms = results.records.meta, results.records.arms
    for kind, references in (
        ("optimizer", meta.references),
        ("scheduler", meta.scheduler_references),
    ):
        for name in dict.fromkeys(map(str, arms[kind])):
            yield kind, name, references.get(name, "")


def cited_works(name: str, reference: str) -> list[Work]:
    """Return the works that a reference names; where none is known, an entry made from the words of the reference."""
    reference = " ".join(reference.split())
    works = [work for words, work in bibliography().by_name.items() if _has_words(reference, words)]
    library = bibliography().by_library.get(reference.partition(".")[0])
    if not works and library is not None and "." in reference:
        return [_entry_from_words(name, reference), library]  # torch.optim.radam.RAdam: a class, and its library
    identified = {str(work.fields.get(field, "")).lower() for work, field in product(works, ("eprint", "doi"))}
    identifiers = [*ARXIV.findall(reference), *DOI.findall(reference)]
    unknown = [identifier for identifier in identifiers if identifier.lower() not in identified]
    if works and not unknown:
        return works
    return [*works, _entry_from_words(name, reference, unknown[0] if unknown else "")]


def _has_words(reference: str, words: str) -> bool:
    """Return whether a reference has these words, and not within another word."""
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", reference, re.IGNORECASE) is not None


def _entry_from_words(name: str, reference: str, identifier: str = "") -> Work:
    """Return an entry from the words of a reference: author and year where it begins with them, else only a note."""
    fields = {"title": f"{{{latex_text(name)}}}"}
    if match := AUTHORS_AND_YEAR.search(ARXIV.sub("", DOI.sub("", URL.sub("", reference)))):
        authors = re.split(r"\s+(?:&|and)\s+", match["who"].strip())
        fields["author"] = latex_text(" and ".join([*authors, *(["others"] if match["more"] else [])]))
        fields["year"] = match["year"]
    arxiv, doi, url = ARXIV.search(reference), DOI.search(reference), URL.search(reference)
    if arxiv and identifier in ("", arxiv[1]):
        fields |= {"eprint": arxiv[1], "archiveprefix": "arXiv", "url": f"https://arxiv.org/abs/{arxiv[1]}"}
        fields.setdefault("year", f"20{arxiv[1][:2]}")  # an arXiv id begins with its year
    elif doi:
        fields["doi"] = _escaped_address(doi[1])
    elif url:
        fields["url"] = _escaped_address(url[0])
    if reference:
        fields["note"] = latex_text(reference)
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    key = re.sub(r"[^A-Za-z0-9]+", "-", letters).strip("-").lower()[:60]
    return Work(f"optimizer:{key or 'unnamed'}", "misc", fields)


def _escaped_address(text: str) -> str:
    """Return an address in which every character that BibTeX could trip over is written as %XX."""
    return UNSAFE.sub(lambda match: "".join(rf"\%{byte:02X}" for byte in match[0].encode()), text.rstrip(".)"))


def _harness_work() -> Work:
    """Return the harness's own entry, as CITATION.cff has it; its address is the one that its package names."""
    fields = {
        "author": "{optimizer-harness contributors}",
        "title": "{optimizer-harness}: honest comparison of training algorithms",
        "year": YEAR,
        "note": f"Version {__version__}, Apache License 2.0",
    }
    if address := _project_address():
        fields["url"] = _escaped_address(address)
    return Work("optimizerharness", "misc", fields)


def _project_address() -> str:
    """Return the address of the project's source or page, as its package names it; "" where it names none."""
    try:
        named = metadata(DISTRIBUTION).get_all("Project-URL") or []
    except PackageNotFoundError:
        return ""
    addresses = dict(line.partition(", ")[::2] for line in named)
    return next((addresses[label] for label in ("Repository", "Source", "Homepage") if label in addresses), "")


def _entry_text(work: Work, users: list[str]) -> str:
    """Return an entry below a comment with its users; outside of entries BibTeX ignores any text without an @."""
    comment = ", ".join(dict.fromkeys(users)).replace("@", " at ")
    lines = [f"  {field} = {{{value}}}," for field, value in work.fields.items()]
    return "\n".join([f"% {' '.join(comment.split())}", f"@{work.kind}{{{work.key},", *lines, "}", ""])


@hookimpl
def harness_reports() -> list[Report]:
    """Offer bibtex."""
    return [Report(name="bibtex", extension="bib", render=render)]
