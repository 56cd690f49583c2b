"""The model card of an exported model: README.md with the YAML header that model hubs read.

What it says of predicting, with and without the harness, is made by ``how_to_predict``.

Mitchell et al. 2019, Model Cards for Model Reporting, arXiv:1810.03993.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.console.numbers import counted, difference, measure, setting, short_power
from harness.console.safe_text import markdown_code, markdown_text
from harness.models.how_to_predict import how_text

SECTIONS = ("Use", "How to predict", "Data", "Training", "Scores", "Limitations", "Made with")


class Markdown(str):
    """A text that is Markdown already."""


def model_card(model: Mapping[str, Any]) -> str:
    """Return the card of what ``model.json`` says."""
    texts = (_use_text, how_text, _data_text, _training_text, _scores_text, _limitations_text, _made_with)
    body = "\n".join(f"## {title}\n\n{text(model)}\n" for title, text in zip(SECTIONS, texts, strict=True))
    notice = f"> {markdown_text(model['notice'])}\n\n" if model["notice"] else ""
    title = f"{markdown_text(model['name'])}: {markdown_text(model['arm'])}"
    return f"{_header(model)}\n# {title}\n\n{notice}{body}"


def score_text(scores: Mapping[str, Any], metric: str, value: float, points: bool = False) -> str:
    """Return a metric's value with its unit, or with ``points`` a difference of two."""
    unit = scores["metrics"].get(metric, {}).get("unit", "")
    return difference(value, unit) if points else measure(value, unit)


def interval_text(scores: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """Return the 95 % interval of the expected score as the table has it, "91.20 % to 98.40 %"; empty where it has none."""
    if not {"low", "high"} <= set(best):
        return ""
    return " to ".join(score_text(scores, scores["metric"], best[key]) for key in ("low", "high"))


def own_interval_text(scores: Mapping[str, Any], metric: str) -> str:
    """Return the 95 % interval of the model's own score over test examples; empty where the score is no proportion of them."""
    interval = scores["own_intervals"].get(metric)
    return " to ".join(score_text(scores, metric, interval[end]) for end in ("low", "high")) if interval else ""


def winner_row(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the row of the model's arm in the table of arms.

    The nested score is left out where the arm was named by hand: it is the score of choosing the arm on tune.
    """
    row: Mapping[str, Any] = next((row for row in model["scores"]["arms"] if row["arm"] == model["arm"]), {})
    nested = ("expected", "low", "high", "se", "optimism", "naive")
    return {key: value for key, value in row.items() if not (model["named"] and key in nested)}


def _header(model: Mapping[str, Any]) -> str:
    """Return the YAML header; its values are JSON, which is YAML too."""
    scores, best = model["scores"], winner_row(model)
    metric, dataset = scores["metric"], model["data"]["name"]
    own_metrics = [
        {"type": name, "name": f"test {name} of this model", "value": value} for name, value in scores["own"].items()
    ]
    expected = {"type": metric, "name": f"expected test {metric} of the choice", "value": best.get("expected")}
    result = {
        "task": {"type": "image-classification"},
        "dataset": {"name": f"{dataset}{' (see the note)' if model['notice'] else ''}", "type": dataset},
        "metrics": [*([expected] if "expected" in best else []), *own_metrics],
    }
    header = {
        "library_name": "optimizer-harness",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "optimizer-comparison", model["optimizer"]],
        "metrics": list(scores["own"]),
        "model-index": [{"name": model["name"], "results": [result]}],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in header.items()]
    return "\n".join(["---", *lines, "---"])


def _use_text(model: Mapping[str, Any]) -> str:
    classes = ", ".join(map(markdown_text, model["classes"]))
    head = f" with the head {markdown_code(model['head'])} on its frozen features" if model["head"] else ""
    many = len(model["networks"])
    mean = f" It is {many} networks, one per seed, whose probabilities are averaged." if many > 1 else ""
    return (
        f"Tells photos of {classes} apart: a probability for each, for photos like those it was trained on. The network is "
        f"{markdown_code(model['backbone'])}{head}.{mean} It is the result of a comparison of training algorithms. Use it "
        "to look into that comparison, to predict, and as a baseline. Do not use it where safety, rights or money depend on it."
    )


def _data_text(model: Mapping[str, Any]) -> str:
    data, notice = model["data"], model["notice"]
    counts = ", ".join(f"{count:,} {markdown_text(split)}" for split, count in data["counts"].items())
    remark = f"**{markdown_text(notice)}** So nobody knows how well it does on photos." if notice else "Photos."
    refit = model.get("refit")
    trained = f" This network was trained on train and tune together, {refit['examples']:,} in all." if refit else ""
    return f"{markdown_code(data['name'])}, fingerprint {markdown_code(data['fingerprint'][:16])}: {counts}. {remark}{trained}"


def _training_text(model: Mapping[str, Any]) -> str:
    train, search, recipe = model["benchmark"]["train"], model["benchmark"]["search"], model["recipe"]
    chosen = {**recipe["optimizer"], **{f"schedule.{key}": value for key, value in recipe["scheduler"].items()}}
    tuned = ", ".join(f"{key} = {_value_text(value)}" for key, value in chosen.items() if key not in model["pinned"])
    pinned = ", ".join(f"{key} = {_value_text(value)}" for key, value in chosen.items() if key in model["pinned"])
    budget = counted(search["trials"], "trial")
    if search["unit"] != "trials":
        budget = f"{search['budget']:g} {search['unit']} of training"
    reference = model["references"].get(model["optimizer"], "")
    used = model["pretrained"]
    rows = [
        ("regime", train["regime"]),
        ("optimizer", f"{model['optimizer']}{f' ({reference})' if reference else ''}"),
        ("schedule", model["scheduler"]),
        ("tuned hyperparameters", tuned or "none"),
        *([("set by the benchmark", pinned)] if pinned else []),
        ("found by", f"{budget}, sampler {search['sampler']}, on the tune split"),
        ("epochs", recipe["epochs"]),
        ("batch size", _batch_text(model)),
        ("L2", _l2_text(recipe)),
        (
            "weights of the classes in the loss",
            ", ".join(f"{weight:.4g}" for weight in recipe["class_weights"]) or "all 1",
        ),
        ("augmentation", ", ".join(recipe["augment"]) or "none"),
        *_stage_rows(model),
        ("pretrained weights", Markdown(f"SHA-256 {markdown_code(used['sha256'][:16])}") if used else "none"),
        ("seeds here", ", ".join(str(run["seed"]) for run in model["runs"])),
    ]
    return _markdown_table(("", ""), rows)


def _value_text(value: Any) -> str:
    """Return the value of a hyperparameter as a person writes it: ``1e-7``, ``0.9, 0.999``, ``true``, ``none``.

    >>> _value_text(1e-07), _value_text([0.9, 0.999]), _value_text(None)
    ('1e-7', '0.9, 0.999', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value_text, value))
    return short_power(setting(value)) if isinstance(value, float) else setting(value)


def _l2_text(recipe: Mapping[str, Any]) -> str:
    """Return the L2 of the objective, and the weights that it is on."""
    on = "all weights" if recipe["l2_on"] == "all" else "all weights that are not scale-free"
    return f"{_value_text(recipe['l2'])} on {on}" if recipe["l2"] else "none"


def _batch_text(model: Mapping[str, Any]) -> str:
    """Return the number of photos in a step; where that is all of them, it says so."""
    size, refit = int(model["recipe"]["batch_size"]), model["refit"]
    examples = int(refit["examples"] if refit else model["data"]["counts"]["train"])
    return f"full batch ({examples:,} examples)" if size >= examples else f"{size:,}"


def _stage_rows(model: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the rows that fine-tuning adds to a recipe; none in another regime."""
    recipe = model["recipe"]
    if model["benchmark"]["train"]["regime"] != "finetune":
        return []
    return [
        ("epochs of the head alone, of these", recipe.get("head_epochs", 0)),
        ("layer factor", _value_text(recipe.get("layer_factor", 1.0))),
        ("batch norm", recipe.get("batch_norm", "train")),
    ]


def _scores_text(model: Mapping[str, Any]) -> str:
    scores, best = model["scores"], winner_row(model)
    metric = scores["metric"]
    rows: list[tuple[str, str, str]] = []
    if "expected" in best:
        expected = score_text(scores, metric, best["expected"])
        rows.append(
            (
                Markdown(f"**expected** test {markdown_text(_in_words(metric))} of the choice"),
                expected,
                interval_text(scores, best) or "unknown",
            )
        )
    rows += [
        (
            f"test {_in_words(name)} of this model",
            score_text(scores, name, value),
            own_interval_text(scores, name),
        )
        for name, value in scores["own"].items()
    ]
    rows += [
        (f"test {_in_words(name)} of this model", "undefined on the test split", "") for name in scores["undefined"]
    ]
    parts = [
        _markdown_table(("score", "value", "95 % interval"), rows),
        _coverage_text(scores),
        _meaning_text(model, best),
    ]
    arms = [_arm_row(scores, row) for row in scores["arms"]]
    parts.append(
        f"All arms, by their mean tune {markdown_text(_in_words(metric))}:\n\n{_markdown_table(('arm', 'tune', 'test', 'seeds'), arms)}"
    )
    return "\n\n".join(filter(None, parts))


def _coverage_text(scores: Mapping[str, Any]) -> str:
    """Return what the intervals of the model's own scores cover; empty where there is none."""
    if not scores["own_intervals"]:
        return ""
    (examples,) = {interval["examples"] for interval in scores["own_intervals"].values()}
    return (
        f"The interval of a score of this model is exact for a proportion of {counted(examples, 'test example')} (binomial, "
        "Clopper and Pearson). It covers other test examples from the same source. It does not cover another training."
    )


def _in_words(metric: str) -> str:
    return metric.replace("_", " ")


def _arm_row(scores: Mapping[str, Any], row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return an arm's name, its tune score and its test score, empty where unknown, and its number of seeds."""
    texts = [score_text(scores, scores["metric"], row[split]) if split in row else "" for split in ("tune", "test")]
    return (Markdown(markdown_code(row["arm"])), *texts, row["seeds"])


def _meaning_text(model: Mapping[str, Any], best: Mapping[str, Any]) -> str:
    """Return the explanation of the scores."""
    scores = model["scores"]
    metric = scores["metric"]
    own_text = "The scores of this model are of the test split, which had no say in choosing it."
    again = "trained once more on train and tune together" if model["refit"] else ""
    if again and model["refit"]["best"]:
        return f"{own_text} Its arm is the one that is best on the tune split, {again}."
    if model["named"]:
        return (
            f"{own_text} The arm was named by hand{f', and {again}' if again else ' at the export'}. If it was named because "
            "of its test score, that score is too good, and nobody can tell by how much."
        )
    if "expected" not in best:
        return f"{own_text} With one seed per arm the run does not tell how far the score of another training would be from it."
    naive = markdown_text(
        f"{score_text(scores, metric, best['naive'])}, {score_text(scores, metric, best['optimism'], points=True)} better"
    )
    lost = f" {best['lost']:.0f} of them failed and have no part in it." if best["lost"] else ""
    many = len(model["networks"]) > 1
    seed = " That is of one network; the mean of several, which this model is, usually does better." if many else ""
    covers = f"; the interval covers {markdown_text(best['covers'])}" if interval_text(scores, best) else ""
    return (
        f"The arm was chosen by its mean tune score{'' if many else ', and so was the seed'}. *Expected* is what this whole procedure gives: the "
        f"arm chosen anew from all seeds but one, and scored on the test split by the run of the seed left out, over "
        f"{best['folds']:.0f} seeds{covers}.{lost}{seed} The best test mean of any arm "
        f"looks like {naive}; that difference is optimism. {own_text}"
    )


def _limitations_text(model: Mapping[str, Any]) -> str:
    points = [
        f"It knows {len(model['classes'])} classes and gives every photo one of them, whatever is on it.",
        f"It sees {model['input']['size']} x {model['input']['size']} pixels of the centre of a photo.",
        "The test photos come from the same source as those it was trained on. On other photos expect less.",
        "Its probabilities are not calibrated beyond what the run's report shows.",
        "The searches were not repeated for the expected score: how lucky they were is not in its interval.",
    ]
    if model["notice"]:
        points.insert(
            0, "It was trained and scored on drawings or other data that stand in for photos; see the note at the top."
        )
    if any(plugin["origin"].endswith(".py") for plugin in model["plugins"].values()):
        points.append("It needs a plugin of its own, which the folder does not bring: name it with `--plugin FILE.py`.")
    return "\n".join(f"- {point}" for point in points)


def _made_with(model: Mapping[str, Any]) -> str:
    environment = model["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    files = [*model["networks"]]
    if model["pretrained"] and model["pretrained"]["file"]:
        files.append(model["pretrained"])
    rows = [(Markdown(markdown_code(file["file"])), Markdown(markdown_code(file["sha256"]))) for file in files]
    runs = ", ".join(markdown_code(run["run_id"]) for run in model["runs"])
    machine = f"{markdown_text(versions)}; {markdown_text(environment['hardware']['device'])}"
    return (
        f"Run {markdown_code(model['run_folder'])}, {runs}; {machine}.\n\n{_markdown_table(('file', 'SHA-256'), rows)}"
    )


def _markdown_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in Markdown; in a cell that is no ``Markdown``, every special sign is escaped."""
    lines = [_table_line(row) for row in (head, *rows)]
    lines.insert(1, f"| {' | '.join(['---'] * len(head))} |")
    return "\n".join(lines)


def _table_line(row: Sequence[Any]) -> str:
    cells = [cell if isinstance(cell, Markdown) else markdown_text(cell) for cell in row]
    return f"| {' | '.join(cells)} |"
