"""What mkdocs asks while it builds the site: the pages of the repository's root become pages of it too.

One copy of each page is enough: README.md is the site's first page, and CONTRIBUTING.md, SECURITY.md and CHANGELOG.md stand
beside the pages of this folder. On GitHub a link leads to a file of the repository. In the site it leads to the page, and
a file that is no page is only named.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "SECURITY.md": "SECURITY.md", "CHANGELOG.md": "CHANGELOG.md"}  # fmt: skip
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)\s#]+)(#[^)]*)?\)")
PICTURE = re.compile(r"(!\[[^\]]*\])\(docs/([^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root to those of this folder."""
    from mkdocs.structure.files import File

    for name, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Return a page whose links lead to pages of the site."""
    folder = ROOT if page.file.src_uri in PAGES.values() else ROOT / "docs"
    markdown = PICTURE.sub(r"\1(\2)", markdown)
    return LINK.sub(lambda link: _link(link, folder), markdown)


def _link(link: re.Match[str], folder: Path) -> str:
    """Return a link with the page of the site as its target; its text alone where it leads to no page."""
    text, target, anchor = link[1], (folder / link[2]).resolve(), link[3] or ""
    if target.parent == ROOT and target.name in PAGES:
        return f"[{text}]({PAGES[target.name]}{anchor})"
    if target.is_relative_to(ROOT / "docs") and target.suffix != ".py":
        return f"[{text}]({target.relative_to(ROOT / 'docs').as_posix()}{anchor})"
    return text
