"""``harness docs [PAGE]``: the pages of the documentation, which come with the harness.

The repository has one copy of them, in ``docs/``. The wheel carries the same files inside this package.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import HarnessError, did_you_mean, nearest, shown

PACKAGED = Path(__file__).parent / "pages"  # in a wheel
IN_REPOSITORY = Path(__file__).parents[2] / "docs"  # in a clone that is installed in place
NOTEBOOK = ".ipynb"
ALL = "; 'harness docs' names all of them"


def command(
    page: Annotated[
        str | None,
        typer.Argument(metavar="PAGE", help="A page, such as 'python'.", autocompletion=beginning),
    ] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Copy the page, or all of them, into a new folder.")
    ] = None,
) -> None:
    """Print a page of the documentation, or name all of them.

    They come with the harness. With --to they are copied, and the lesson as a notebook.
    """
    known = pages()
    if page is not None and page.removesuffix(".md").removesuffix(NOTEBOOK) not in known:
        raise HarnessError(
            f"docs: must be a page, got {shown(page)}{did_you_mean(page, known) if nearest(page, known) else ALL}"
        )
    chosen = [known[page.removesuffix(".md").removesuffix(NOTEBOOK)]] if page is not None else list(known.values())
    if to is not None:
        print(copy_pages(chosen, to))
    elif page is not None:
        print(text_of(chosen[0]).rstrip())
    else:
        width = max(map(len, known))
        print("\n".join(f"{name:{width}}  {title_of(file)}" for name, file in known.items()))


def pages() -> dict[str, Path]:
    """Return the pages, and the notebook, by name."""
    folder = PACKAGED if PACKAGED.is_dir() else IN_REPOSITORY
    return {file.stem: file for file in sorted(folder.glob("*.*")) if file.suffix in (".md", NOTEBOOK)}


def beginning(incomplete: str) -> list[str]:
    """Return the names of the pages that begin with what was typed."""
    return [name for name in pages() if name.startswith(incomplete)]


def title_of(file: Path) -> str:
    """Return the title of a page."""
    return text_of(file).partition("\n")[0].removeprefix("# ")


def text_of(file: Path) -> str:
    """Return a page as it is printed; of a notebook, its texts with the code between them."""
    text = file.read_text(encoding="utf-8")
    if file.suffix != NOTEBOOK:
        return text
    cells = [("".join(cell["source"]), cell["cell_type"]) for cell in json.loads(text)["cells"]]
    return "\n\n".join(f"```python\n{source}\n```" if kind == "code" else source for source, kind in cells)


def copy_pages(files: list[Path], to: Path) -> Path:
    """Copy pages into a new folder, and return it; raises HarnessError where something is there."""
    from harness.records.files import check_out_folder, new_folder

    check_out_folder(to, "--to", new=True)
    with new_folder(to, "name another folder with --to") as folder:
        for file in files:
            shutil.copyfile(file, folder / file.name)
    return to
