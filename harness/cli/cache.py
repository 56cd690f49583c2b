"""``harness cache``: what the cache folder holds, kind by kind, and how to make it smaller."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import completion
from harness.cli.options import AsJson, print_result
from harness.data.places import CACHED, cache_folder, downloads_folder
from harness.errors import HarnessError, did_you_mean, shown
from harness.errors.disk import size, writing


def command(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KIND", help="Only these: images (decoded photos), features (of pretrained networks), shipped (data sent to a cluster).", autocompletion=completion.cache_kinds
        ),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Remove it; the next command that needs it makes it again.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Say what the cache holds, and clean it.

    Everything in it can be made again. Run folders, downloaded datasets and pretrained weights are not in it.
    """
    document = describe_cache(kinds or ())
    if clean:
        clean_cache([row["kind"] for row in document["kinds"]])
    print_result({**document, "cleaned": clean}, lines(document, clean), as_json)


def describe_cache(kinds: Sequence[str] = ()) -> dict[str, Any]:
    """Return for each kind, or for those named, how many files the cache holds and how many bytes they take.

    Raises HarnessError for an unknown kind.
    """
    for kind in kinds:
        if kind not in CACHED:
            raise HarnessError(f"cache: must be given a kind of file, got {shown(kind)}{did_you_mean(kind, CACHED)}")
    rows = []
    for kind in CACHED:
        if not kinds or kind in kinds:
            sizes = _sizes(cache_folder() / kind)
            rows.append({"kind": kind, "files": len(sizes), "bytes": sum(sizes)})
    downloads = downloads_folder()
    return {"folder": str(cache_folder()), "kinds": rows, "downloads": str(downloads) if downloads.is_dir() else ""}


def _sizes(folder: Path) -> list[int]:
    """Return the bytes of every file in a folder; none where it is not there, or is a link to elsewhere."""
    sizes = []
    for file in folder.rglob("*") if folder.is_dir() and not folder.is_symlink() else ():
        with suppress(OSError):  # gone in the meantime
            if file.is_file() and not file.is_symlink():
                sizes.append(file.stat().st_size)
    return sizes


def clean_cache(kinds: Sequence[str]) -> None:
    """Remove what the cache holds of these kinds, and nothing else; raises DiskError where a file cannot be removed."""
    for kind in kinds:
        folder = cache_folder() / kind
        if folder.is_dir() and not folder.is_symlink():  # a link may lead to what is no cache
            with writing(folder):
                shutil.rmtree(folder)


def lines(document: Mapping[str, Any], clean: bool = False) -> list[str]:
    """Return for a person what the cache holds, or what was removed from it."""
    from harness.data.places import CACHED

    rows = document["kinds"]
    total = size(sum(row["bytes"] for row in rows))
    out = [f"{'removed from' if clean else 'the cache is'} {document['folder']}"]
    for row in rows:
        count = f"{row['files']:,} file{'s' * (row['files'] != 1)}"
        out.append(f"  {row['kind']:10}{size(row['bytes']):>8}  {count:>11}  {CACHED[row['kind']]}")
    out.append(f"  {'in all':10}{total:>8}")
    if not clean:
        out.append("'harness cache --clean' removes all of it, 'harness cache --clean features' one kind")
        out += [f"downloaded datasets are kept apart: {document['downloads']}"] if document["downloads"] else []
    return out
