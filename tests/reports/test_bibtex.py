"""BibTeX: valid entries with stable keys for every optimizer, whatever its reference says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness_reports import bibtex
from harness_reports._words.works import bibliography, parse

from harness import __version__
from harness.plugin.discovery import discover
from harness.results.reports import with_references

ENTRY = re.compile(r"^@(\w+)\{([^,\s]+),\n((?:  [a-z]+ = \{.*\},\n)+)\}$", re.MULTILINE)


def entries(text: str) -> dict[str, dict[str, str]]:
    """Every entry by key, as a parser of BibTeX would see it: what is no entry has no @."""
    found = {
        key: dict(re.findall(r"^  ([a-z]+) = \{(.*)\},$", body, re.MULTILINE)) for _, key, body in ENTRY.findall(text)
    }
    assert len(found) == len(ENTRY.findall(text)), "two entries of one key"
    rest = ENTRY.sub("", text)
    assert "@" not in rest
    for fields in found.values():
        for value in fields.values():
            depth = 0
            for brace in re.findall(r"(?<!\\)[{}]", value):
                depth += 1 if brace == "{" else -1
                assert depth >= 0
            assert depth == 0
    return found


def test_every_optimizer_and_the_harness_have_an_entry(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd", "adam"])
    records.meta.references.update({"adam": "arXiv:1412.6980"})
    found = entries(bibtex.render(analysed(records)))
    assert list(found) == ["sutskever2013momentum", "kingma2015adam", "optimizerharness"]
    assert found["kingma2015adam"]["eprint"] == "1412.6980"
    assert found["sutskever2013momentum"]["year"] == "2013"


def test_schedules_are_cited_where_their_reference_is_known(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd"], schedulers=["cosine", "constant"])
    records = replace(
        records, meta=replace(records.meta, scheduler_references={"cosine": "arXiv:1608.03983", "constant": ""})
    )
    assert "loshchilov2017sgdr" in entries(bibtex.render(analysed(records)))


def test_what_has_no_reference_is_named_with_the_way_to_give_one(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd", "sig@num"], schedulers=["cosine", "constant"])
    meta = replace(records.meta, references={"sgd": "arXiv:1412.6980", "sig@num": ""}, scheduler_references={})
    text = bibtex.render(analysed(replace(records, meta=meta)))
    first, second, third = text.splitlines()[:3]
    assert first == (
        "% No entry, because the plugin gives no reference: optimizer sig at num, scheduler cosine, scheduler constant."
    )
    assert "reference=" in second
    assert third.endswith("harness report RUN --format bibtex --plugin FILE.py")
    assert list(entries(text)) == ["kingma2015adam", "optimizerharness"]


LATE = """
import torch
from harness import Optimizer, hookimpl
@hookimpl
def harness_optimizers():
    return [Optimizer("signum", torch.optim.SGD, {}, {"lr": 0.1}, reference="Doe and Roe 2024, arXiv:2401.01234")]
"""


def test_a_reference_that_a_plugin_gives_later_is_cited_without_another_run(
    make_records: Any, analysed: Any, tmp_path: Path
) -> None:
    (tmp_path / "late.py").write_text(LATE)
    records = make_records(["signum", "adam"])
    records = replace(records, meta=replace(records.meta, references={"signum": "", "adam": "mine"}))
    late = with_references(records, discover([tmp_path / "late.py"]))
    assert late.meta.references["adam"] == "mine"  # what a run has recorded stays
    own = entries(bibtex.render(analysed(late)))["optimizer:signum"]
    assert (own["author"], own["year"], own["eprint"]) == ("Doe and Roe", "2024", "2401.01234")


def test_every_built_in_optimizer_and_schedule_has_a_whole_entry() -> None:
    registry = discover()
    offers = [each for kind in ("optimizer", "scheduler") for each in registry.all(kind)]  # type: ignore[arg-type]
    assert len(offers) > 15
    for offer in offers:
        if offer.name in ("constant", "exponential") or not getattr(offer, "reference", "") or offer.name == "plateau":
            continue  # nobody's paper
        for work in bibtex.cited_works(offer.name, offer.reference):
            assert {"author", "title", "year"} <= set(work.fields), offer.name


@pytest.mark.parametrize(
    ("reference", "fields"),
    [
        ("arXiv:2401.01234", {"eprint": "2401.01234", "year": "2024", "url": "https://arxiv.org/abs/2401.01234"}),
        ("arXiv:2401.01234v3", {"eprint": "2401.01234"}),
        ("Doe & Roe 2020, doi:10.1000/xyz_1", {"author": "Doe and Roe", "year": "2020", "doi": "10.1000/xyz_1"}),
        ("Doe et al. 2020", {"author": "Doe and others", "year": "2020"}),
        ("https://example.org/a%20b", {"url": r"https://example.org/a\%2520b"}),
        ("a trick of mine", {"note": "a trick of mine"}),
        ("", {}),
    ],
)
def test_a_reference_nobody_knows_is_cited_by_its_words(reference: str, fields: dict[str, str]) -> None:
    (work,) = bibtex.cited_works("mine", reference)
    assert work.kind == "misc"
    assert work.key == "optimizer:mine"
    assert fields.items() <= work.fields.items()
    assert work.fields["title"] == "{mine}"


def test_a_class_of_a_library_cites_itself_and_the_library() -> None:
    own, library = bibtex.cited_works("torch:RAdam", "torch.optim.radam.RAdam")
    assert own.fields["note"] == "torch.optim.radam.RAdam"
    assert library.key == "paszke2019pytorch"


def test_several_works_in_one_reference_are_all_cited() -> None:
    found = bibtex.cited_works("sam(adam)", "arXiv:2010.01412; arXiv:1412.6980, arXiv:2401.01234")
    assert [work.key for work in found][-1] == "optimizer:sam-adam"
    assert {work.key for work in found[:-1]} == {"foret2021sam", "kingma2015adam"}


@pytest.mark.parametrize("name", ["<b>@misc{x,", 'a"b', "ü", "\U0001f600", "x" * 300, "a}b{c", "\\"])
def test_hostile_names_and_references_make_valid_entries(name: str, make_records: Any, analysed: Any) -> None:
    records = make_records([name, "adam"])
    records = replace(
        records, meta=replace(records.meta, references={name: f"{name} 2020 %}}{{", "adam": "arXiv:1412.6980"})
    )
    found = entries(bibtex.render(analysed(records)))
    assert len(found) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9:-]+", key) for key in found)


def test_names_that_make_one_key_have_two_entries(make_records: Any, analysed: Any) -> None:
    records = make_records(["my sgd", "my-sgd"])
    records = replace(records, meta=replace(records.meta, references={"my sgd": "Doe 2020", "my-sgd": "Roe 2021"}))
    assert list(entries(bibtex.render(analysed(records))))[:2] == ["optimizer:my-sgd", "optimizer:my-sgd-2"]


def test_the_bibliography_has_no_key_twice_and_every_entry_is_whole() -> None:
    works = bibliography().by_name.values()
    assert len(works) > 15
    keys = [work.key for work in works]
    assert len(set(keys)) == len(keys)
    for work in works:
        assert {"author", "title", "year"} <= set(work.fields), work.key
        assert re.search(r"(?:19|20)\d\d", work.key)
        assert work.fields["year"] in work.key
        assert not {"citedas", "library"} & set(work.fields)


def test_every_work_is_cited_by_a_plugin_or_is_a_library(repository: Path) -> None:
    """An entry that nothing cites is dead, and a reference by a misspelled name would lose its work."""
    references = " ".join(
        getattr(offer, "reference", "") for kind in ("optimizer", "scheduler") for offer in discover().all(kind)
    )
    for name, work in bibliography().by_name.items():
        assert name in references or work in bibliography().by_library.values(), name


def test_every_reference_of_a_built_in_names_works_of_the_bibliography() -> None:
    """A reference with a misspelled name would be cited by its own words instead."""
    keys = {work.key for work in bibliography().by_name.values()}
    for kind in ("optimizer", "scheduler"):
        for offer in discover().all(kind):  # type: ignore[arg-type]
            reference = getattr(offer, "reference", "")
            if reference and offer.name not in ("constant", "exponential", "plateau"):
                assert {work.key for work in bibtex.cited_works(offer.name, reference)} <= keys, offer.name


def test_libraries_are_known_by_their_modules() -> None:
    libraries = {library: work.key for library, work in bibliography().by_library.items()}
    assert libraries == {
        "torch": "paszke2019pytorch",
        "timm": "wightman2019timm",
        "pytorch_optimizer": "kim2021pytorchoptimizer",
    }


def test_an_entry_is_read_with_its_braces_and_named_as_references_name_it() -> None:
    entry = (
        "@misc{doe2020a,\n  citedas = {Doe 2020},\n  library = {doe},\n  title = {{A}: b, {C}},\n  year = {2020},\n}\n"
    )
    read = parse(f"% a comment\n\n{entry}")
    assert read.by_name["Doe 2020"] is read.by_library["doe"]
    work = read.by_name["Doe 2020"]
    assert (work.key, work.kind, dict(work.fields)) == ("doe2020a", "misc", {"title": "{A}: b, {C}", "year": "2020"})
    arxiv = parse("@misc{a,\n  eprint = {2001.00001},\n}\n@misc{b,\n  doi = {10.1/x},\n}\n")
    assert list(arxiv.by_name) == ["arXiv:2001.00001", "doi:10.1/x"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("@misc{a,\n  eprint = {1},\n}\nnonsense\n", 4),
        ("@misc{a,\n  eprint = 1,\n}\n", 2),
        ("@misc{a,\n  eprint = {1},\n}\n@misc{b,\n  eprint = {1},\n}\n", 6),
    ],
)
def test_a_bibliography_that_is_broken_names_the_line(text: str, line: int) -> None:
    with pytest.raises(ValueError, match=f"references.bib, line {line}: must"):
        parse(text)


def test_every_entry_of_the_bibliography_has_a_year_and_an_address() -> None:
    for work in bibliography().by_name.values():
        assert re.fullmatch(r"\d{4}", work.fields["year"]), work.key
        assert {"url", "doi", "eprint"} & set(work.fields), work.key


def test_the_harness_has_an_entry_that_agrees_with_its_citation_file(
    make_records: Any, analysed: Any, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cff = yaml.safe_load((repository / "CITATION.cff").read_text())
    own = entries(bibtex.render(analysed(make_records(["sgd"]))))["optimizerharness"]
    assert own["year"] == str(cff["date-released"])[:4]
    assert cff["version"] == __version__
    assert f"Version {cff['version']}" in own["note"]
    assert own["title"].replace("{", "").replace("}", "") == cff["title"]
    assert cff["authors"][0]["name"] in own["author"]
    assert own.get("url", "") == cff.get("repository-code", "")  # the project has no public address yet
    named = {"Project-URL": ["Issues, https://example.org/i", "Repository, https://example.org/a_b"]}
    monkeypatch.setattr(bibtex, "metadata", lambda _: type("Named", (), {"get_all": staticmethod(named.get)}))
    assert (
        entries(bibtex.render(analysed(make_records(["sgd"]))))["optimizerharness"]["url"] == "https://example.org/a_b"
    )


def test_the_citation_file_has_the_keys_of_its_format(repository: Path) -> None:
    """Those of Citation File Format 1.2, https://github.com/citation-file-format."""
    cff = yaml.safe_load((repository / "CITATION.cff").read_text())
    assert cff["cff-version"] == "1.2.0"
    required = {"cff-version", "message", "title", "authors"}
    optional = {"type", "abstract", "version", "date-released", "license", "keywords", "repository-code", "url"}
    assert required <= set(cff) <= required | optional
    assert all(isinstance(cff[key], str) for key in cff.keys() - {"authors", "keywords"})
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", cff["date-released"])
    assert cff["type"] == "software"
    assert all(set(author) <= {"name", "website", "given-names", "family-names", "orcid"} for author in cff["authors"])
    assert len(set(cff["keywords"])) == len(cff["keywords"]) > 0
