"""Small photos on the page. The page holds each photo once, however often it is shown.

A photo is the background of a CSS class, so that the page needs no other file, and no name of a file becomes markup.
"""

from __future__ import annotations

import base64
from typing import Any

from harness import Records

MOST = 400  # photos of 5 to 12 kB each, so that the page stays below 8 MB
JPEG = b"\xff\xd8"  # how one begins


class Thumbs:
    """The thumbnails that a page uses."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._uris: dict[tuple[str, int], str] = {}  # by split and row; "" where there is no thumbnail

    def tile(self, file: Any, split: Any, row: Any) -> dict[str, str]:
        """Return the CSS class of a photo, "" where there is no thumbnail of it, and its name as one printable line."""
        key = (str(split), int(row))
        if key not in self._uris:
            content = self._records.thumbnail(*key) if len(self._uris) < MOST else None
            jpeg = content if content and content.startswith(JPEG) else None
            self._uris[key] = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" if jpeg else ""
        name = printable(file)
        return {
            "photo": self._css_class(*key) if self._uris[key] else "",
            "file": name,
            "short": name.rpartition("/")[2],
        }

    @property
    def css(self) -> str:
        """The rules of all photos used so far."""
        uris = sorted((key, uri) for key, uri in self._uris.items() if uri)
        return "\n".join(f".{self._css_class(*key)}{{background-image:url({uri})}}" for key, uri in uris)

    @staticmethod
    def _css_class(split: str, row: int) -> str:
        return f"photo-{'test' if split == 'test' else 'tune' if split == 'tune' else 'train'}-{row}"


def printable(name: Any) -> str:
    """Return a name on one line, without letters that would turn the direction of the text around."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(name))
