"""Looking at a dataset: right counts, and every kind of fault found where one was made and nowhere else."""

from __future__ import annotations

import itertools
import json
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from harness.cli.data_inspect import inspect, lines
from harness.console.progress import Reporter
from harness.data.impressions import look_at_photos
from harness.data.likeness import _connect, near_pairs
from harness.errors import DataError
from harness.plugin.contracts import Photo
from harness.running.prepare import Request, prepare


def photo(seed, size=(90, 70)):
    """Return a photo of soft random blotches: no two seeds look alike."""
    random = np.random.default_rng(seed)
    return Image.fromarray(random.integers(0, 255, (6, 7, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def root(tmp_path):
    """A folder of 40 photos without a fault."""
    seeds = itertools.count()
    for split, count in (("train", 12), ("valid", 8)):
        for label in ("cats", "dogs"):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(count):
                photo(next(seeds)).save(tmp_path / split / label / f"{label}.{i}.jpg", quality=90)
    return tmp_path


def look(root):
    return inspect(None, None, root, (), (), Reporter(quiet=True))


def names(group):
    return {each["name"] for each in group}


def test_without_faults_there_are_none(root):
    found = look(root)
    assert found["counts"] == {
        "train": {"cats": 10, "dogs": 10},
        "tune": {"cats": 2, "dogs": 2},
        "test": {"cats": 8, "dogs": 8},
    }
    assert found["sizes"] == {"min": [90, 70], "median": [90, 70], "max": [90, 70]}
    assert found["formats"] == {"JPEG": 40}
    assert found["modes"] == {"RGB": 40}
    for kind in ("broken", "duplicates", "near_duplicates", "leaks", "label_conflicts"):
        assert found[kind] == []
    assert json.loads(json.dumps(found)) == found


def test_every_fault_is_found_and_nothing_else(root):
    shutil.copy(root / "train/cats/cats.0.jpg", root / "train/cats/copy.jpg")
    shutil.copy(root / "train/dogs/dogs.1.jpg", root / "valid/dogs/leak.jpg")
    Image.open(root / "train/cats/cats.2.jpg").resize((60, 47)).save(root / "valid/dogs/near.png")
    (root / "valid/cats/text.jpg").write_text("no photo")
    (root / "valid/cats/cut.jpg").write_bytes((root / "valid/cats/cats.0.jpg").read_bytes()[:500])
    Image.new("L", (9, 9)).save(root / "train/dogs/black.gif")
    Image.new("L", (200, 9), 3).save(root / "train/cats/dark.gif")
    found = look(root)
    assert {each["name"]: each["reason"] for each in found["broken"]} == {
        "valid/cats/text.jpg": "cannot identify image file",
        "valid/cats/cut.jpg": found["broken"][0]["reason"],
    }
    assert sorted(names(group) for group in found["duplicates"]) == [
        {"train/cats/cats.0.jpg", "train/cats/copy.jpg"},
        {"train/dogs/dogs.1.jpg", "valid/dogs/leak.jpg"},
    ]
    assert [names(pair["photos"]) for pair in found["near_duplicates"]] == [
        {"train/cats/cats.2.jpg", "valid/dogs/near.png"}
    ]
    leaks = [names(group) for group in found["leaks"]]
    assert {"train/dogs/dogs.1.jpg", "valid/dogs/leak.jpg"} in leaks
    assert {"train/cats/cats.2.jpg", "valid/dogs/near.png"} in leaks
    assert [names(group) for group in found["label_conflicts"]] == [{"train/cats/cats.2.jpg", "valid/dogs/near.png"}]
    assert found["formats"] == {"JPEG": 42, "GIF": 2, "PNG": 1}
    assert found["sizes"]["min"] == [9, 9]


def test_what_is_passed_over_is_counted_by_reason(root):
    cats = root / "train" / "cats"
    (cats / "cats.0.jpg").rename(cats / "cats.0.jfif")
    (cats / "cats.1.jpg").rename(cats / "cats")
    (cats / "notes.txt").write_text("notes")
    (cats / "Thumbs.db").write_text("rubbish")
    (root / "train" / "lonely.jpg").write_bytes((cats / "cats").read_bytes())
    (root / "valid" / "dogs" / "empty").touch()
    (root / "valid" / "dogs" / "new").write_bytes(b"\0\0\0\x20ftypavif\0\0\0\0")
    found = look(root)
    assert found["photos"] == 41
    assert found["skipped"] == {
        "in no folder of a class": ["train/lonely.jpg"],
        "not a photo (.txt)": ["train/cats/notes.txt"],
        "empty": ["valid/dogs/empty"],
    }
    assert [each["reason"] for each in found["broken"]] == ["AVIF images are not read; save it as JPEG or PNG"]
    said = lines(found)
    assert "passed over: 3 (in no folder of a class 1, not a photo (.txt) 1, empty 1)" in said
    assert "  train/cats/notes.txt: not a photo (.txt)" in said


def test_the_share_of_the_largest_class_is_shown(root):
    for i in range(1, 8):
        (root / "valid" / "dogs" / f"dogs.{i}.jpg").unlink()
    found = look(root)
    assert found["largest_share"] == {"train": 0.5, "tune": 0.5, "test": 8 / 9}
    assert next(line for line in lines(found) if line.strip().startswith("test")).endswith("  9         88.9 %")


def test_lines_say_everything_up_to_a_limit(root):
    for i in range(12):
        (root / "train" / "cats" / f"x{i}.jpg").write_text("no photo")
    found = look(root)
    few, all_ = lines(found, 10), lines(found, None)
    assert "broken: 12" in few
    assert "  ... and 2 more; --all shows them" in few
    assert sum("cannot identify" in line for line in few) == 10
    assert sum("cannot identify" in line for line in all_) == 12
    assert next(line for line in few if line.strip().startswith("test")).split() == [
        "test",
        "8",
        "8",
        "16",
        "50.0",
        "%",
    ]


def test_an_archive_is_looked_at_in_place(tmp_path):
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for i, kind in itertools.product(range(25), ("cat", "dog")):
            photo([i, *kind.encode()]).save(tmp_path / "a.jpg")
            archive.write(tmp_path / "a.jpg", f"train/{kind}.{i}.jpg")
    found = look(tmp_path)
    assert found["photos"] == 50
    assert sum(found["counts"]["test"].values()) == 4
    assert found["source"].endswith("train.zip")
    assert list(tmp_path.iterdir()) != []


def test_near_pairs_are_those_of_a_loop_over_all(monkeypatch, tmp_path):
    pictures = [photo(seed) for seed in range(12)]
    pictures += [picture.resize((40, 33)) for picture in pictures[:5]]
    files = []
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"{i}.png")
        files.append(Photo(f"{i}.png", "", (tmp_path / f"{i}.png").read_bytes))
    looks = look_at_photos(files, lambda *_: None)
    monkeypatch.setattr("harness.data.likeness.ROWS", 3)
    expected = {
        (a, b): (a_look.hash ^ b_look.hash).bit_count()
        for (a, a_look), (b, b_look) in itertools.combinations(enumerate(looks), 2)
        if (a_look.hash ^ b_look.hash).bit_count() <= 6
        and np.corrcoef(a_look.grey.ravel(), b_look.grey.ravel())[0, 1] >= 0.98
    }
    assert {(a, b): bits for a, b, bits, _ in near_pairs(looks)} == expected
    assert set(expected) == {(i, i + 12) for i in range(5)}


def test_a_hash_is_of_the_brightness_from_left_to_right(tmp_path):
    ramp = np.tile(np.arange(0, 90, dtype=np.uint8), (70, 1))
    files = []
    for name, pixels in (("up", ramp), ("down", ramp[:, ::-1])):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        files.append(Photo(name, "", (tmp_path / f"{name}.png").read_bytes))
    assert [each.hash for each in look_at_photos(files, lambda *_: None)] == [2**64 - 1, 0]


def test_groups_are_connected():
    assert _connect([(5, 1), (2, 3), (1, 4), (3, 2)], 7) == [[1, 4, 5], [2, 3]]
    assert _connect([], 3) == []


def test_without_a_folder_the_layouts_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"must have train/CLASS .* got no folder; .*harness data get dogscats"):
        look(None)


def test_tables_are_counted_and_equal_rows_are_found(tmp_path):
    rows = np.arange(60, dtype=np.float32).reshape(20, 3)
    rows[7] = rows[3]
    np.savez(tmp_path / "rows.npz", x=rows, y=np.arange(20) % 2)
    found = inspect(None, None, tmp_path, (), ("data.dataset=table",), Reporter(quiet=True))
    assert {split: sum(classes.values()) for split, classes in found["counts"].items()} == {
        "train": 12,
        "tune": 4,
        "test": 4,
    }
    assert [names(group) for group in found["duplicates"]] == [{"row 3", "row 7"}]
    assert found["near_duplicates"] == []
    assert lines(found)[0].startswith("table: 20 examples, arrays in ")
    found = inspect(None, None, None, (), ("data.dataset=diabetes",), Reporter(quiet=True))
    assert lines(found)[2:4] == ["  split  all  largest class", "  train  283               "]
    assert found["largest_share"] == {}


def test_thousands_of_classes_are_summed_up(tmp_path):
    for i in range(60):
        photo(i, (12, 9)).save(tmp_path / f"{i}.png")
    written = [f"{i}.png,kind {i % 15}" for i in range(60)]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *written]))
    settings = ("data.dataset=folder", "data.labels=labels.csv")
    found = inspect(None, None, tmp_path, (), settings, Reporter(quiet=True))
    assert len(found["counts"]["train"]) == 15
    assert lines(found)[2:4] == [
        "  split  classes  fewest  median  most  all  largest class",
        "  train       15       2       2     2   30          6.7 %",
    ]


def test_the_command_prints_one_document_and_nothing_else(root, capsys):
    from harness.cli.app import main

    with pytest.raises(SystemExit) as ended:
        main(["data", "inspect", "--data", str(root), "--json"])
    assert not ended.value.code
    assert json.loads(capsys.readouterr().out) == look(root)
    with pytest.raises(SystemExit):
        main(["data", "inspect", "--data", str(root)])
    assert capsys.readouterr().out.endswith("\n".join(lines(look(root))) + "\n")


def test_where_no_photo_can_be_read_that_is_what_is_said():
    assert list(near_pairs([])) == []


PROFILE = """
name = "mine"
[data]
tune = 0.5
[train]
backbones = ["lesson_cnn"]
optimizers = ["sgd"]
[profiles.few.data]
tune = 0.25
"""


@pytest.mark.parametrize("profile", [None, "few"])
def test_the_counts_are_those_of_the_run_with_its_profile(root, tmp_path_factory, profile):
    file = tmp_path_factory.mktemp("benchmark") / "mine.toml"
    file.write_text(PROFILE)
    setting = prepare(Request(file, profile, root), Reporter(quiet=True))
    found = inspect(file, profile, root, (), (), Reporter(quiet=True))
    counted = {split: sum(classes.values()) for split, classes in found["counts"].items()}
    assert counted == {split: len(getattr(setting.data, split)) for split in ("train", "tune", "test")}
    assert counted["tune"] == {None: 12, "few": 6}[profile]
    share = {None: 0.5, "few": 0.25}[profile]
    assert found["shares"] == {"benchmark": str(file), "profile": profile or "", "valid": None, "tune": share}
    of_profile = ", profile few" if profile else ""
    assert f"  splits   test as the dataset has it, tune by data.tune = {share:g} ({file}{of_profile})" in lines(found)


def test_without_a_file_the_shares_are_said_to_be_the_defaults(root):
    settings = ("data.dataset=folder", "data.tune=0.25")
    said = lines(inspect(None, None, root / "train", (), settings, Reporter(quiet=True)))
    origin = "no benchmark file: the defaults, and what --set says"
    assert f"  splits   test by data.valid = 0.2, tune by data.tune = 0.25 ({origin})" in said


@pytest.mark.parametrize("option", ["--profile", "--workload"])
def test_a_part_of_a_file_is_refused_without_the_file(root, capsys, option):
    from harness.cli.app import main

    with pytest.raises(SystemExit) as ended:
        main(["data", "inspect", "--data", str(root), option, "photos"])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.count("\n") == 1
    assert error.startswith(f"error: {option}: must come with a benchmark file that has it, got 'photos' and no file;")
    assert error.endswith(f"harness data inspect dogscats {option} photos\n")


def test_the_command_prints_what_the_page_shows(tmp_path, shown):
    """Of an archive in Kaggle's layout with equal, nearly equal and leaking photos, some of two classes."""
    pictures = {f"{kind}.{i}": photo([i, *kind.encode()]) for i in range(25) for kind in ("cat", "dog")}
    pictures |= {"cat.30": pictures["cat.1"], "cat.31": pictures["cat.2"].resize((60, 47)), "dog.30": pictures["cat.3"]}
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name, picture in pictures.items():
            picture.save(tmp_path / "a.jpg")
            archive.write(tmp_path / "a.jpg", f"train/{name}.jpg")
    of_two = [
        pattern for pattern in shown("docs/data.md", "harness data inspect") if pattern.pattern.count(r"\S+") <= 2
    ]
    unseen = {}
    for seed in range(20):  # of the draw of the splits, which decides between which of them photos leak
        printed = lines(inspect(None, None, tmp_path, (), (f"data.seed={seed}",), Reporter(quiet=True)))
        unseen[seed] = [pattern.pattern for pattern in of_two if not any(map(pattern.fullmatch, printed))]
        if not unseen[seed]:
            break
    assert [] in unseen.values(), unseen
    assert len(of_two) >= 15
