"""The report's section on the optimizers' paths: there where paths are recorded, and nowhere else."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from harness_reports import html

from harness import Float, Optimizer
from harness.training.walks import walk_all


@pytest.fixture(scope="module")
def page(make_records, analysed):
    records = make_records(seeds=2, epochs=2, trials=2)
    sgd = Optimizer("sgd", torch.optim.SGD, {"lr": Float(1e-3, 1e-2, log=True)})
    lost = Optimizer("lost", torch.optim.SGD, {}, {"lr": 10.0})

    def broken(parameters):
        raise RuntimeError("<b>no</b>")

    first, second, third = records.arms["arm"]
    table = walk_all({first: (sgd, {}), second: (lost, {}), third: (Optimizer("broken", broken, {}), {})})
    return html.render(analysed(replace(records, paths=table)))


def test_the_section_has_a_panel_a_landscape_and_says_how_each_arm_went(page):
    section = re.search(r'<section id="paths">.*?</section>', page, re.DOTALL)[0]
    assert re.findall(r"<h3>(\w+)</h3>", section) == ["Rosenbrock", "Beale", "Ravine"]
    assert section.count("<svg") == 3
    assert len(re.findall(r"lost after \d+ step", section)) == 3
    assert section.count("failed: RuntimeError: &lt;b&gt;no&lt;/b&gt;") == 3
    assert '<a href="#paths">' in page
    assert "<script" not in section
    assert "#0a0b0" not in page  # neutral colours are the page's own
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_a_run_made_before_there_were_paths_has_no_such_section(make_records, analysed):
    page = html.render(analysed(make_records(seeds=2, epochs=2, trials=2)))
    assert "#paths" not in page
    assert 'id="paths"' not in page
