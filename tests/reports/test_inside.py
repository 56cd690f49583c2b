"""The report's section on the inside of the networks: there where the probe kept something, and harmless."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from harness_reports import html
from PIL import Image

from harness.records import schema
from harness.records.checked import save_arrays

ARMS = [f"lesson_cnn/{optimizer}/cosine" for optimizer in ("sgd", "adam", "rmsprop")]
RED = np.zeros((3, 3, 3), np.float32)
RED[0, 1, 1] = 1


def jpeg():
    out = io.BytesIO()
    Image.new("RGB", (48, 8)).save(out, "JPEG")
    return np.frombuffer(out.getvalue(), np.uint8)


def arrays(seed, name="net"):
    """Return what the probe keeps of a network with five kernels: a multiple of red, of another length each."""
    lengths = np.array([2, 5, 1, 4, 3], np.float32) + seed
    found = {
        "initial": 0.5 * lengths[:, None, None, None] * RED,
        "kernels": lengths[:, None, None, None] * RED,
        "maps": np.full((4, 6, 6), 128, np.uint8),
        "sample": np.zeros((8, 8, 3), np.uint8),
        "sample_row": np.array([2]),
        "edges": np.full((2, 6, 6), 128, np.uint8),
    }
    for which, side in (("middle", 5), ("late", 32)):
        found |= {f"{which}.strip{unit}": jpeg() for unit in range(2)}
        found |= {
            f"{which}.units": np.array([3, 1]),
            f"{which}.rows": np.array([[0, 1], [2, 0]]),
            f"{which}.values": np.ones((2, 2), np.float32) * (which == "middle"),
            f"{which}.common": np.array([1]),
            f"{which}.fields": np.tile(np.array([0, 0, side, side]), (2, 2, 1)),
            f"{which}.layer": np.array([2, 3, 7, 4, 4]),
            f"{which}.name": np.frombuffer(name.encode(), np.uint8),
        }
    return {key: np.ascontiguousarray(array) for key, array in found.items()}


@pytest.fixture
def kept(make_records, tmp_path):
    """Return a function that makes records of three arms and two seeds, of which these runs have arrays."""

    def make(runs, name="net", photo="cat.2.jpg", optimizers=("sgd", "adam", "rmsprop")):
        records = make_records(optimizers, seeds=2, epochs=2, trials=2)
        records.meta.benchmark["compare"]["probes"] = ["gradient_norm", "inside"]
        compared = records.compared()
        for arm, seed in runs:
            run_id = compared[(compared["arm"] == arm) & (compared["seed"] == seed)]["run_id"].item()
            file = schema.probed(tmp_path, "inside", "1", run_id)
            file.parent.mkdir(parents=True, exist_ok=True)
            save_arrays(file, arrays(seed, name))
        examples = pd.DataFrame([("test", 2, photo, 0, False)], columns=["split", "row", "name", "target", "excluded"])
        meta = replace(records.meta, probes={"inside": {"version": "1"}})
        return replace(records, folder=tmp_path, examples=examples, meta=meta)

    return make


def section(page):
    found = re.search(r'<section id="inside">.*?</section>', page, re.DOTALL)
    return found and found[0]


def pixels(source):
    kind, _, content = source.partition(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_every_arm_has_the_same_kernels_in_the_same_order_and_all_its_patches(kept, analysed):
    results = analysed(kept([(arm, 0) for arm in ARMS]))
    page = html.render(results)
    assert html.render(results) == page
    here = section(page)
    assert '<a href="#inside">' in page
    assert "<script" not in here
    tiles = re.findall(r'<img class="pixel" src="([^"]+)" alt="kernel (\d)" title', here)
    assert [int(number) for _, number in tiles] == [1, 3, 4, 0, 2] * 4  # of three arms, and before training
    for source, _ in tiles:
        assert pixels(source).shape == (3, 3, 3)
        assert pixels(source)[1, 1].tolist() == [255, 128, 128]
        assert pixels(source)[0, 0].tolist() == [128, 128, 128]
    assert re.findall(r'alt="what kernel (\d) sees"', here) == ["1", "3", "0", "2"] * 3  # of the four with maps
    assert here.count('<div class="unit">') == 6
    assert here.count("data:image/jpeg") == here.count("answers to no photo") == 6
    assert here.count('<div class="unit own">') == 6
    assert "moved by 100\u00a0% of their length" in here
    assert "at most 5 x 5 pixels of the photo" in here
    assert "seeing the whole photo" in here
    assert "seed 0 of every arm" in here
    assert "cat.2.jpg, test photo 0" in here


@pytest.mark.usefixtures("undrawn")  # the pictures of kernels are no figures of matplotlib
@pytest.mark.parametrize(
    ("runs", "says", "drawn"),
    [
        ([(ARMS[0], 0), (ARMS[0], 1), (ARMS[1], 1)], "seed 1 of every arm", 3),
        ([(ARMS[0], 0), (ARMS[1], 1)], "the first seed of each arm that ended well", 2),
    ],
    ids=["a common seed", "no common seed"],
)
def test_arms_are_compared_from_equal_beginnings_where_there_are_any(kept, analysed, runs, says, drawn):
    here = section(html.render(analysed(kept(runs))))
    assert says in here
    assert here.count('<div class="kernels">') == drawn  # before training only where it was the same for all
    assert ("before training" in here) == ("began alike" in here) == (drawn == 3)


def test_names_are_no_markup(kept, analysed):
    bad = '"><script>alert(1)</script>'
    page = html.render(analysed(kept([(ARMS[0], 0)], name=bad, photo=bad)))
    assert "<script>alert" not in page
    assert section(page).count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5


@pytest.mark.usefixtures("undrawn")
def test_a_run_without_arrays_says_so_in_a_sentence_and_one_without_the_probe_nothing(kept, analysed, make_records):
    assert "There is nothing to draw" in section(html.render(analysed(kept([]))))
    page = html.render(analysed(make_records(seeds=2, epochs=2, trials=2)))
    assert section(page) is None
    assert "#inside" not in page


@pytest.mark.usefixtures("undrawn")
def test_of_many_arms_some_are_drawn_and_the_others_named(kept, analysed):
    names = [f"optimizer{i}" for i in range(8)]
    here = section(html.render(analysed(kept([(f"lesson_cnn/{name}/cosine", 0) for name in names], optimizers=names))))
    assert here.count('<div class="kernels">') == 7
    assert re.findall(r"optimizer\d", here[here.index("these are not drawn") :]) == names[6:]
