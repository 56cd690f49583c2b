"""What all tests of the code's own order read: the syntax trees of the product, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def trees(repository: Path) -> Mapping[str, ast.Module]:
    """Return the syntax tree of every module, by its place in the repository."""
    files = [file for package in ("harness", "plugins", "reports") for file in (repository / package).rglob("*.py")]
    return {file.relative_to(repository).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}
