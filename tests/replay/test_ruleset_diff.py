"""Whom a ruleset would suppress for their bounces, and what counts as another meaning."""

from dataclasses import replace

import pytest

from processors.classification.classify import Verdict
from replay.ruleset_diff import Meaning, Suppressing

DISABLED = Verdict("bad_mailbox", "disabled", True, 3, True, "recipient", "suppress", "a.rule", "text")


@pytest.mark.parametrize(
    ("bounces", "suppressed"),
    [
        ([("1", 1)], True),
        ([("1", 3), ("2", 3)], False),
        ([("1", 3), ("2", 3), ("2", 3)], False),
        ([("1", 3), ("2", 3), ("3", 3)], True),
        ([("1", 3), ("2", 1)], True),
        ([("1", 3), ("2", 2)], False),
        ([("1", 3), ("2", 2), ("3", 3)], True),
    ],
)
def test_so_many_bounces_as_are_asked_for_suppress(bounces: list[tuple[str, int]], suppressed: bool) -> None:
    suppressing = Suppressing()
    for event_id, after in bounces:
        suppressing.add(b"who", event_id, after)
    assert suppressing.recipients == ({b"who"} if suppressed else set())


@pytest.mark.parametrize(
    "other",
    [{"bounce_class": "policy"}, {"leaf": "quota"}, {"address_fatal": False}, {"after": 1}, {"message_fatal": False},
     {"scope": "ip"}, {"action": "retry"}],
)  # fmt: skip
def test_whatever_a_verdict_says_is_compared(other: dict[str, object]) -> None:
    assert Meaning.of(replace(DISABLED, **other)) != Meaning.of(DISABLED)  # type: ignore[arg-type]
    assert Meaning.of(replace(DISABLED, rule="another")) == Meaning.of(DISABLED)
