"""The words of the page, each explained in a sentence or two."""

from __future__ import annotations

from typing import Any

from harness_reports._page._section import Page, Section

WORDS = (
    ("arm", "One competitor: an optimizer with a schedule on a network. All arms get the same data, budget and seeds."),
    ("replicate", "One search of every arm and the networks trained from what it chose. Replicates have searches and seeds of their own."),
    ("seed", "The number that fixes the initial weights and the order of the data. All arms use the same seeds."),
    ("trial", "One setting of the hyperparameters that a search tries. It is trained once under each seed of the search, as a rule one."),
    ("tune split", "Examples that the search scores its trials on. The networks are not trained on them, and the test split stays unseen."),
    ("facet", "One of five meanings of “the same minimum”: loss, function, representation, connectivity, geometry."),
    ("margin", "How large a difference may be and still count as none. It is registered before the comparison."),
    ("look", "A number of replicates, registered beforehand, after which the verdict is taken. A word that was given stays."),
    ("protocol", "The margins, measures and looks of a verdict, written down and hashed before the comparison."),
    ("exploratory", "The design is so small that even identical arms would seldom be called similar."),
    ("no verdict", "The design ranks the arms and compares no minima: one search of each arm, or an objective of its own for each."),
    ("inconclusive (tuning)", "An arm whose search raised an alarm is not called worse; its search may be at fault."),
    ("upper bound only", "Too few units could be matched between networks, so that the true barrier may be lower."),
    ("not connected", "The error rises between the arms, and as much between two networks of one arm."),
    ("gate", "The test whether an arm has reached a minimum at all: training goes on from its end, and the objective must hardly sink."),
    ("alarm", "A sign that the search of an arm, or its measurements, cannot be trusted."),
    ("A/A", "A control: the same optimizer tuned twice, as if it were two arms. It should come out similar."),
    ("known different", "A control: an arm trained with some wrong labels. It should come out different."),
    ("floor", "A distance so small that no ratio of it matters. Below it two arms count as similar."),
    ("nats", "The unit of a loss made of natural logarithms; 0.69 nats are guessing between two classes."),
    ("barrier", "How far the train error rises on the way between two networks, above their own errors."),
    ("CKA", "Centred kernel alignment: 1 if two layers tell examples apart in the same way. Shown as a distance, so that 0 is the same."),
    ("Procrustes", "The distance between two layers after the best rotation of one of them: how far apart they stay."),
    ("root Jensen-Shannon divergence", "A distance between two sets of class probabilities: 0 if they are equal, 0.83 if both are sure of different classes."),
    ("sharpness", "How far the train loss can rise when every weight moves by at most a part (rho) of itself."),
    ("importance (PED-ANOVA)", "How much a hyperparameter decides whether a trial is among the best."),
    ("tpe", "A sampler that learns from earlier trials where to search next."),
    ("regime", "Whether the whole network is trained (scratch, finetune), or a head on features that stay fixed."),
)  # fmt: skip


def glossary(page: Page) -> dict[str, Any]:
    """Return the words with their explanations."""
    return {"words": WORDS}


SECTION = Section(id="glossary", title="Words", place=170, data=glossary, template="glossary.html.j2")
