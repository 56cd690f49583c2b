"""One page over all run folders of a folder: what each asked, what came out, and where its report is."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.console.safe_text import impersonal
from harness.errors import DataError, HarnessError, one_line
from harness.plugin.registry import Registry
from harness.records import open_records
from harness.records.files import MARK, check_out_file, write
from harness.records.schema import is_run_folder
from harness.records.workloads import has_workloads, read_workbook, run_folders
from harness.results.live.page import STYLE
from harness.results.notebook import Loaded
from harness.results.reports import PAGE_FILE, page_of
from harness.results.run_state import FINISHED, state_of
from harness.results.summary import verdicts_of

HINT = "name another file with --out"


@dataclass(frozen=True)
class Entry:
    """A run folder in the page."""

    folder: Path
    name: str
    date: str = ""  # of its last run, UTC
    state: str = ""
    verdict: str = ""
    answer: str = ""
    workload: bool = False  # it is one of several workloads, and stands below their common entry
    problem: str = ""  # why it cannot be read


def write_index(folder: Path, registry: Registry, out: Path | None = None) -> tuple[Path, list[str]]:
    """Write the page over the run folders in a folder; return the file, and a line for each folder that cannot be read.

    Raises DataError where there is no run folder, or the file cannot be written.
    """
    file = out or folder / "index.html"
    entries = find_entries(folder, registry)
    if not entries:
        raise DataError(
            f"{folder}: must be a folder with run folders, got none in it; 'harness run' makes them in runs"
        )
    check_out_file(file)
    write(file, render_index(folder, entries, file.parent).encode(), durable=False, hint=HINT)
    return file, [f"{entry.folder}: {entry.problem}" for entry in entries if entry.problem]


def find_entries(folder: Path, registry: Registry) -> list[Entry]:
    """Return an entry for each run folder, the latest first; the workloads of one benchmark stand together."""
    groups: list[list[Entry]] = []
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if place.is_symlink() or not place.is_dir():
            continue
        if has_workloads(place):
            groups.append(_entries_of_workloads(place, registry))
        elif is_run_folder(place):
            groups.append([_entry(place, registry)])
    groups.sort(key=lambda group: max(entry.date for entry in group), reverse=True)
    return [entry for group in groups for entry in group]


def _entries_of_workloads(folder: Path, registry: Registry) -> list[Entry]:
    try:
        book, runs = read_workbook(folder), run_folders(folder)
    except HarnessError as error:
        return [Entry(folder, folder.name, problem=str(error))]
    inner = [replace(_entry(run, registry), name=name, workload=True) for name, run in runs.items()]
    finished = sum(entry.state == FINISHED for entry in inner)
    date = max((entry.date for entry in inner), default="")
    state = f"{finished} of {len(book.members)} workloads finished"
    return [Entry(folder, book.name, date, state), *inner]


def _entry(folder: Path, registry: Registry) -> Entry:
    """Return the entry of a run folder; one that cannot be read has a problem and no more."""
    try:
        run = Loaded(open_records(folder), registry)
        verdicts = verdicts_of(run.records, run.tables, registry)
        lines = run.answer
        times = run.records.runs["ended"].dropna()
        return Entry(
            folder=folder,
            name=run.name,
            date=str(times.max())[:16].replace("T", " ") if len(times) else "",
            state=state_of(run.records),
            verdict=str(verdicts[0].pooled["statement"]) if verdicts else "",
            answer=lines[1] if len(lines) > 1 else "",
        )
    except HarnessError as error:
        return Entry(folder, folder.name, problem=impersonal(one_line(error)))


def render_index(folder: Path, entries: list[Entry], place: Path) -> str:
    """Return the page, to stand in the folder ``place``: its links are relative to that."""
    from markupsafe import Markup

    heads = ("benchmark", "last run (UTC)", "state", "same minimum?", "what came out")
    head = Markup("").join(Markup("<th>{}</th>").format(text) for text in heads)
    rows = Markup("").join(_row(entry, place) for entry in entries)
    page = Markup(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<meta name=generator content='{}'><meta http-equiv=Content-Security-Policy content=\"default-src 'none'; "
        "style-src 'unsafe-inline'\"><title>Runs in {}</title><style>{} body {{ max-width: 90em; }} td:not(:last-child) {{ white-space: nowrap; }}</style>"
        "<h1>Runs in {}</h1><section><table><tr>{}</tr>{}</table></section></html>\n"
    )
    name = impersonal(folder.resolve().name)
    return str(page.format(MARK, name, Markup(STYLE), name, head, rows))


def _row(entry: Entry, place: Path) -> Any:
    from markupsafe import Markup

    address = quote(Path(os.path.relpath(entry.folder.resolve(), place.resolve())).as_posix())
    link = Markup("{}").format(entry.name)
    if page_of(entry.folder).is_file():
        link = Markup('<a href="{}/{}">{}</a>').format(address, PAGE_FILE, entry.name)
    before = Markup("<small>workload </small>") if entry.workload else Markup("")
    name = Markup("{}{}<br><small>{}</small>").format(before, link, entry.folder.name)
    cells = (name, entry.date, entry.problem or entry.state, entry.verdict, entry.answer)
    texts = Markup("").join(Markup("<td>{}</td>").format(cell) for cell in cells)
    return Markup("<tr>{}</tr>").format(texts)
