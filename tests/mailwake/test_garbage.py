"""Garbage among the input: set aside with its origin, seen everywhere dead letters are shown; the rest flows."""

import base64
import json

import pytest
from worlds import GARBAGE, INPUTS, Undisturbed, World

from schemas.codec import Undecodable, decode
from streams.log import Record


def garbage_in(world: World) -> dict[tuple[str, int], bytes]:
    """The garbage by topic and offset."""
    return {
        (topic, offset): value or b""
        for topic in INPUTS
        for offset, _, value, _ in world.records(topic)
        if value in GARBAGE
    }


def ids_in(world: World, topic: str) -> set[str]:
    """The ids of all that can be understood in a topic."""
    found = set()
    for _, _, value, _ in world.records(topic):
        try:
            found.add(decode(value or b"").event_id)
        except Undecodable:
            assert value in GARBAGE
    return found


def test_every_piece_is_a_dead_letter_with_its_origin_and_bytes(undisturbed: Undisturbed) -> None:
    garbage = garbage_in(undisturbed.world)
    assert {topic for topic, _ in garbage} == set(INPUTS) and len(garbage) > len(GARBAGE)
    listed = [
        json.loads(line) for line in undisturbed.world.run("dead-letters", "list", "--json").out.splitlines()
    ]
    assert {(letter["origin_topic"], letter["origin_offset"]) for letter in listed} == set(garbage)
    assert all(letter["reason"] and letter["stage"] in ("documents", "reputation") for letter in listed)
    for letter in listed[:2]:
        said = undisturbed.world.run("dead-letters", "show", letter["offset"], "--json").out
        content = base64.b64decode(json.loads(said)["content"])
        assert content == garbage[letter["origin_topic"], letter["origin_offset"]]
    shown = [json.loads(row) for row in undisturbed.outcome.views["dead_letters"]]
    assert {(row["origin_topic"], int(row["origin_offset"])) for row in shown} == set(garbage)
    assert f'"dead_letters": {len(garbage)}' in undisturbed.world.run("status", "--json").out


def test_the_rest_flows_its_neighbours_untouched(undisturbed: Undisturbed) -> None:
    views = undisturbed.outcome.views
    events = [json.loads(row)["event_id"] for row in views["mail_events"]]
    assert len(events) == len(set(events)) and set(events) == ids_in(undisturbed.world, "mail.events")
    processed = {json.loads(row)["event_id"] for row in views["documents"]}
    assert processed == ids_in(undisturbed.world, "documents")
    outcomes = {json.loads(row)["outcome"] for row in views["documents"]}
    assert outcomes == {"parsed", "duplicate"}


def test_retry_appends_the_bytes_again_and_they_fail_again(done: World) -> None:
    """Nothing was mended meanwhile: the retry is a dead letter of its own, at its own place."""
    letters = len(done.records("dead.letters"))
    _, key, _, _ = done.records("dead.letters")[0]
    topic, _, offset = (key or b"").decode().split("/")
    before = done.records(topic)
    said = done.run("dead-letters", "retry", 0).out
    assert said == f"appended again to {topic}/0 at {len(before)}\n"
    _, key, value, _ = done.records(topic)[-1]
    assert (key, value) == before[int(offset)][1:3]
    assert "1 records could not be understood" in done.run("run", "--until-idle").out
    assert len(done.records("dead.letters")) == letters + 1
    assert done.rows(f"SELECT count() AS n FROM dead_letters WHERE origin_offset = {len(before)}") == [
        {"n": 1}
    ]


@pytest.mark.parametrize(
    ("keyring", "said"),
    [("vault://127.0.0.1:1/secret/mailwake", "wants a token"), ("file:///folder", "is a folder")],
)
def test_a_keyring_that_is_set_wrong_stops_nothing(empty: World, keyring: str, said: str) -> None:
    (empty.folder / "folder").mkdir()
    with empty.log() as log:
        log.append("mail.events", [Record(b"default/x", b"garbage", 1)])
    ran = empty.run("run", "--until-idle", MAILWAKE_KEYRING=keyring)
    assert "dead letters are kept without the bytes of their records" in ran.err and said in ran.err
    letter = json.loads(empty.run("dead-letters", "show", 0, "--json", MAILWAKE_KEYRING=keyring).out)
    assert (letter["origin_offset"], letter["size"], letter["content"]) == (0, 7, "")


def test_a_letter_that_is_not_there_is_named(done: World) -> None:
    for command in ("show", "retry"):
        said = done.run("dead-letters", command, 9_999, expect=2)
        assert "no dead letter at offset 9999: mailwake dead-letters list" in said.err
