"""What sounds like a dead address and is none, next to what is one: written for these tests, in some forty languages.

`look_alikes.txt` is about the sender's own address, somebody's wish, upkeep, or a command before any recipient; `deaths.txt`
has the plain ones, many inside "your message could not be delivered". Neither was taken from mail, so they estimate nothing.
"""

from pathlib import Path

from processors.classification.classify import Reply, active_ruleset, classify

FOLDER = Path(__file__).parent


def test_nothing_that_only_sounds_like_a_death_suppresses_anybody() -> None:
    assert [text for text in lines("look_alikes.txt") if is_fatal(text)] == []


def test_no_plain_death_is_lost_to_a_doubt() -> None:
    assert [text for text in lines("deaths.txt") if not is_fatal(text)] == []


def is_fatal(text: str) -> bool:
    return classify(Reply(text), active_ruleset()).address_fatal


def lines(name: str) -> list[str]:
    return (FOLDER / name).read_text("utf-8").splitlines()
