"""Small photos on the page, each of them in it once however often it is shown.

A photo is a CSS class with a background of its own, so that the page needs no other file and no markup from a name.
"""

from __future__ import annotations

import base64
from typing import Any

from harness import Records

MOST = 900  # photos, at 2 to 4 kB each: the page stays below 8 MB


class Thumbs:
    """The thumbnails that a page uses."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._found: dict[tuple[str, int], str] = {}  # data URIs; "" where there is none

    def tile(self, file: Any, split: Any, row: Any) -> dict[str, str]:
        """Return a photo's CSS class, "" where there is no copy of it, and its name as one printable line."""
        key = (str(split), int(row))
        if key not in self._found:
            content = self._records.thumbnail(*key) if len(self._found) < MOST else None
            jpeg = content if content and content.startswith(b"\xff\xd8") else None
            self._found[key] = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
        name = printable(file)
        return {"photo": self._class(*key) if self._found[key] else "", "file": name, "short": name.rpartition("/")[2]}

    @property
    def css(self) -> str:
        """The rules of all photos used so far."""
        rules = [
            f".{self._class(*key)}{{background-image:url({uri})}}" for key, uri in sorted(self._found.items()) if uri
        ]
        return "\n".join(rules)

    @staticmethod
    def _class(split: str, row: int) -> str:
        return f"photo-{'test' if split == 'test' else 'tune' if split == 'tune' else 'train'}-{row}"


def printable(name: Any) -> str:
    """Return a name on one line, without what would turn its letters around."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(name))
