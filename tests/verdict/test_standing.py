"""One run has one verdict: every consumer takes the protocol that stands."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from harness_plugins.analyses.solutions._solutions import measured_networks
from harness_reports._page import _verdict
from harness_reports._page.minima import alone
from harness_reports._page.minima import gate as gate_section
from harness_reports._words import statements
from harness_reports._words.outcome import Outcome

from harness import Results
from harness.plugin.discovery import discover
from harness.results.analysis import analyse
from harness.results.notebook import Loaded
from harness.results.several import _list_verdicts
from harness.verdict.protocol import register, resolve, standing_protocol
from harness.verdict.reading import plain_verdict, read_verdicts
from harness.verdict.tables import gate, verdict


class Notes(dict):
    def note(self, key, value):
        self[key] = value

    noted = dict.get


@pytest.fixture(scope="module")
def registry():
    return discover()


@pytest.fixture
def three(world):
    """Return records with three protocols, and the hash of the second one, which stands.

    The first promised fewer trials, as before a run was extended. The second is what the records hold. The third has
    wider margins, another floor and more replicates. Each has a statement of its own.
    """
    records = world(replicates=12, shift={("adam", "function"): 25.0}).records()
    notes, hashes = Notes(), []
    for trials, replicates, changes in ((4, 8, {}), (5, 8, {}), (5, 12, {"function": 1000.0, "scatter": 1000.0})):
        benchmark = json.loads(json.dumps(records.meta.benchmark))
        benchmark["search"]["trials"], benchmark["compare"]["looks"] = trials, [replicates]
        benchmark["verdict"]["margins"] |= changes
        benchmark["verdict"]["floors"]["sharpness"] *= 1 + len(hashes)
        protocol = resolve(benchmark, records.meta.arms, list(records.meta.metrics), classes=2)
        hashes.append(register(notes, protocol, 16 * len(hashes)))
    records = replace(records, meta=replace(records.meta, protocols=notes["protocols"]))
    table = verdict.compute(records)
    statements = dict(table.loc[table["scope"] == "pooled", ["hash", "statement"]].itertuples(index=False))
    assert statements == dict(zip(hashes, ("inconclusive", "value only", "supported"), strict=True))
    return records, hashes[1]


def test_the_earliest_protocol_whose_design_holds_stands(three):
    records, second = three
    assert standing_protocol(records.meta).protocol.hash == second
    for plain in records.meta.protocols:
        plain["protocol"]["design"]["search"]["trials"] = 99
    assert standing_protocol(records.meta).protocol.looks == (8,)  # the first registered, where none holds
    del records.meta.benchmark["verdict"]
    assert standing_protocol(replace(records.meta, protocols=[])) is None


def test_every_consumer_takes_the_standing_protocol(three, registry):
    records, second = three
    results = analyse(records, registry.all("analysis"))
    assert (
        plain_verdict(read_verdicts(records.meta, results.tables))["statement"] == "value only"
    )  # harness show, and its JSON
    page = _verdict.verdict(Outcome(results))
    assert (page["statement"], page["hash"]) == ("value only", second[:12])
    assert [each.statement.split(",")[0] for each in statements.statements(results)] == ["value only"]
    compared = {row["facet"]: row["label"] for row in _list_verdicts([records], ["run"])}
    assert (compared["statement"], compared["function"]) == ("value only", "different")
    loaded = Loaded(records, registry).verdict
    assert list(loaded.loc[loaded["standing"], "hash"].unique()) == [second]
    assert set(loaded.loc[loaded["standing"], "statement"]) == {"value only"}
    assert {each.network.protocol.hash for each in measured_networks(records)} == {second}
    assert {len(each.network.seeds) for each in measured_networks(records)} == {16}
    floors = standing_protocol(records.meta).protocol.floors
    assert alone.sharpness_floor(records) == floors["sharpness"] == 0.004


def test_the_gate_on_the_page_is_that_of_the_standing_protocol(three):
    records, second = three
    table = gate.compute(records)
    table.loc[table["hash"] != second, "state"] = "not at a minimum"
    signs = dict.fromkeys(table["arm"], None)
    shown = gate_section.gate(Results(records, {"gate": table}), "lesson_cnn", signs)
    assert [row["state"] for row in shown["rows"]] == ["at a minimum"] * 2
