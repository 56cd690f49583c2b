"""Which folders of a root are its splits; and what is in a root that has no such folders.

Names that mean the same are taken for the same: ``val`` and ``Validation`` are ``valid``. A folder that has nothing but
a folder of the same meaning, as ``train/train``, is that one. Two folders for one split are an error.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness import DataError, is_rubbish, photo_files

NAMES = {  # of the parts that data come with: of a folder in lower case and without a final "_set", and of a column
    "train": ("train", "training"),
    "valid": ("val", "valid", "validation"),
    "test": ("test", "testing"),
    "tune": ("tune", "tuning"),
}
FOLDERS = ("train", "valid", "test")  # the parts that may be folders
LABELS = "set data.labels to a CSV file with their classes"
SHOWN = 4  # names of what was found


def folders_in(folder: Path) -> list[Path]:
    """Return the folders directly in a folder, but for rubbish, by name; none where it is not there."""
    inside = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in inside if path.is_dir() and not is_rubbish(path.name)]


def split_folders(root: Path) -> dict[str, Path]:
    """Return the folders of ``train``, ``valid`` and ``test``, of those that are there.

    Raises DataError where two folders with folders of classes could be one split.
    """
    splits = {}
    for split in FOLDERS:
        candidates = [_inner(path, split) for path in folders_in(root) if _means(path, split)]
        with_classes = [path for path in candidates if folders_in(path)]
        if len(with_classes) > 1:
            names = " and ".join(f"'{path.relative_to(root).as_posix()}'" for path in with_classes)
            raise DataError(f"{root}: must have one folder for {split}, got {names}; move all but one elsewhere")
        if candidates:
            splits[split] = (with_classes or candidates)[0]
    return splits


def place_of(root: Path, has_layout: Callable[[Path], bool]) -> Path:
    """Return the root, or the only folder in it where that has the layout and the root has not."""
    inside = folders_in(root)
    return inside[0] if len(inside) == 1 and not has_layout(root) and has_layout(inside[0]) else root


def what_is_there(root: Path) -> str:
    """Return ``got WHAT; WHAT TO DO`` for a root without a layout that can be read."""
    splits, inside = split_folders(root), folders_in(root)
    if "train" in splits:
        train = splits["train"]
        name, classes = train.relative_to(root).as_posix(), folders_in(train)
        if not classes:
            return f"got '{name}' without folders of classes; move its photos into {name}/CLASS, or {LABELS}"
        if "valid" not in splits:
            return f"got '{name}' with only {_named(classes)}; give it a folder for each of two or more classes"
        valid = splits["valid"].relative_to(root).as_posix()
        return f"got '{valid}' without folders of classes; move its photos into {valid}/CLASS"
    if splits:
        return f"got {_named([*splits.values()])} and no train; name the folder that is trained on train"
    tables = sorted(path for path in root.iterdir() if path.suffix.lower() == ".csv")
    if len(inside) == 1 and _has_photos(inside[0]):
        labels = f'set data.labels = "{tables[0].name}" where that file has the labels' if tables else LABELS
        return f"got photos in one folder, {_named(inside)}; give each of two or more classes a folder, or {labels}"
    if tables:
        return f'got {_named(tables)}; for labels in a file set data.labels = "{tables[0].name}"'
    archives = sorted(path for path in root.iterdir() if path.suffix.lower() in (".zip", ".gz", ".tgz", ".tar"))
    if archives and not inside:
        return f"got {_named(archives)}; unpack it there"
    if _has_photos(root):
        return f"got photos that lie in no folder of a class; give each of two or more classes a folder, or {LABELS}"
    names = sorted(path for path in root.iterdir() if not is_rubbish(path.name))
    return f"got {_named(names) or 'nothing in it'}; name the folder that has them with --data DIR"


def flat_folder(root: Path) -> Path | None:
    """Return the folder with one folder a class where no second split lies beside it: the root, or ``train`` in it; else None.

    A folder counts as one of classes where two or more folders lie in it, and photos lie in one of these directly.
    """
    splits = split_folders(root)
    if not splits:
        base = root
    elif "train" in splits and "valid" not in splits and not folders_in(splits.get("test", root / "test")):
        base = splits["train"]
    else:
        return None
    classes = folders_in(base)
    return base if len(classes) >= 2 and any(_has_photos(path) for path in classes) else None


def _means(path: Path, split: str) -> bool:
    return path.name.lower().removesuffix("_set") in NAMES[split]


def _inner(path: Path, split: str) -> Path:
    """Return the only folder in a split's folder where it is of the same name, or means the same; else the split's."""
    inside = folders_in(path)
    return inside[0] if len(inside) == 1 and _means(inside[0], split) else path


def _named(paths: list[Path], root: Path | None = None) -> str:
    names = [f"'{path.relative_to(root).as_posix() if root else path.name}'" for path in paths[:SHOWN]]
    return ", ".join(names) + (" ..." if len(paths) > SHOWN else "")


def _has_photos(folder: Path) -> bool:
    """Return whether photos lie in a folder directly."""
    return any(path.parent == folder for path in photo_files(folder))
