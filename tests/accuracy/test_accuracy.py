"""How often verdicts are as people judged. docs/accuracy.md has the numbers, `make accuracy` prints them."""

from pathlib import Path

import pytest
from judged import (
    CORPORA,
    HOLDOUTS,
    LABELS,
    first_score_of_replies,
    lines_of,
    score_of_mails,
    score_of_replies,
)

from processors.classification.classify import active_ruleset

USUAL = (0.95, 0.90, 0.98, 0.90)
"""What a set must hold: by class, by leaf, precision and recall of fatality."""
OF_ITS_OWN = {
    "holdout_8": (0.87, 0.84, 0.90, 0.80),
    "holdout_9": (0.95, 0.87, 0.98, 0.97),
    "holdout_10": (0.92, 0.82, 0.95, 0.97),
    "holdout_11": (0.90, 0.83, 0.98, 0.95),
    "holdout_12": (0.90, 0.83, 0.98, 0.94),
}
"""Set 8 is held to its first run, as nothing was improved on it since; of 9 to 12, many labels allow a second class."""


@pytest.mark.parametrize("path", HOLDOUTS, ids=lambda path: path.stem)
def test_replies_are_judged_as_people_did(path: Path) -> None:
    score = score_of_replies(path)
    by_class, by_leaf, precision, recall = OF_ITS_OWN.get(path.stem, USUAL)
    assert score.judged >= 60
    assert score.class_accuracy >= by_class, score.differing
    assert score.leaf_accuracy >= by_leaf, score.differing
    assert score.fatal_precision >= precision, score.differing
    assert score.fatal_recall >= recall, score.differing


@pytest.mark.parametrize(
    ("number", "fresh", "judged", "classes", "leaves", "fatal"),
    [
        (9, False, 395, 346, 308, (90, 2, 9)),
        (9, True, 166, 138, 119, (26, 2, 6)),
        (10, False, 400, 338, 300, (97, 6, 5)),
        (10, True, 143, 106, 96, (31, 1, 5)),
        (11, False, 264, 224, 207, (72, 0, 6)),
        (11, True, 89, 67, 59, (22, 0, 4)),
        (12, False, 343, 310, 286, (75, 1, 4)),
        (12, True, 73, 60, 56, (13, 0, 0)),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "fatal",
)
def test_what_a_first_run_said_is_kept(
    number: int, fresh: bool, judged: int, classes: int, leaves: int, fatal: tuple[int, int, int]
) -> None:
    path = HOLDOUTS[number - 1]
    score = first_score_of_replies(path, fresh)
    assert path.stem == f"holdout_{number}"
    assert (score.judged, score.classes, score.leaves) == (judged, classes, leaves)
    assert (score.true_fatal, score.false_fatal, score.missed_fatal) == fatal


def test_mails_are_judged_as_people_did() -> None:
    if not CORPORA.is_dir():
        pytest.skip(f"{CORPORA} is missing: the accuracy on real mails is not tested")
    score = score_of_mails()
    assert score.class_accuracy >= 0.95, score.differing
    assert score.leaf_accuracy >= 0.94, score.differing
    assert score.fatal_precision >= 0.98, score.differing
    assert score.fatal_recall >= 0.95, score.differing


def test_labels_are_of_leaves_that_there_are_and_of_many_mails() -> None:
    leaves = active_ruleset().leaves
    labels = lines_of(LABELS)
    assert {str(line["is"]) for line in labels} <= leaves.keys()
    assert len({str(line["key"]).partition("#")[0] for line in labels}) >= 250
    assert len({line["key"] for line in labels}) == len(labels)
    for path in HOLDOUTS:
        assert {f"{line['class']}.{line['leaf']}" for line in lines_of(path)} <= leaves.keys()
