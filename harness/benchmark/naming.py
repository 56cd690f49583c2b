"""What a run is called: by its benchmark, and by the folder with data that the command names."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import Source
from harness.console.safe_text import impersonal

MOST = 64  # letters of a name


def called_after_data(benchmark: Benchmark, source: Source, folder: Path | None) -> Benchmark:
    """Return a benchmark whose name says which data it is run on, where the command names a folder and no name."""
    if folder is None or source.places.get(("name",)) == "--set":
        return benchmark
    return benchmark.model_copy(update={"name": name_with_data(benchmark.name, folder)})


def name_with_data(name: str, folder: Path) -> str:
    """Return a name with that of a folder behind it, unless one of them has the other in it.

    Letters that a name may not have are left out, and so is a folder whose name is that of a person or of a machine.

    >>> name_with_data("dogscats", Path("my/birds")), name_with_data("birds-offline", Path("birds"))
    ('dogscats-birds', 'birds-offline')
    >>> name_with_data("dogscats", Path("dogscats-96px")), name_with_data("dogscats", Path("rote Vögel"))
    ('dogscats-96px', 'dogscats-rote-Vogel')
    """
    called = folder.absolute().name
    if Path(impersonal(str(folder.absolute()))).name != called:
        return name
    plain = unicodedata.normalize("NFKD", called).encode("ascii", "ignore").decode()
    cleaned = re.sub(r"[^A-Za-z0-9._]+", "-", plain).strip("-._")
    if not cleaned or cleaned.lower() in name.lower():
        return name
    if cleaned.lower().startswith(name.lower()):
        return cleaned[:MOST]
    return f"{name}-{cleaned}"[:MOST]
