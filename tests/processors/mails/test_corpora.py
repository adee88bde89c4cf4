"""Accuracy on real mails. Skips where the corpora of bounces are missing (CONTRIBUTING.md)."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from made_mails import ORIGIN, hash_of

from processors.mails.read import MailReading, read_mail
from schemas.mail import ComplaintReceived, MessageBounced, MessageDeferred

CORPORA = Path(__file__).parents[4] / "shared" / "corpora"
DISAGREEMENTS = tomllib.loads((Path(__file__).parent / "disagreements.toml").read_text())

FEEDBACK = {"arf", "fbl", "hot", "fix"}
"""How names of complaints begin in the third corpus; `fixture_bounce` are none."""


@dataclass
class Tally:
    """What was expected, what was found, what was found and not expected."""

    expected: int = 0
    found: int = 0
    wrong: int = 0
    differing: set[str] = field(default_factory=set)


def corpus(name: str) -> list[Path]:
    folder = CORPORA / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: the accuracy on real mails is not tested")
    return sorted(path for path in folder.iterdir() if path.name != "EXPECTED.txt")


def labels(name: str) -> dict[str, dict[str, str]]:
    lines = (CORPORA / name / "EXPECTED.txt").read_text().splitlines()
    return {
        line.split("|")[0]: dict(part.split("=", 1) for part in line.split("|")[1:] if "=" in part)
        for line in lines
    }


def is_bounce(reading: MailReading) -> bool:
    return any(isinstance(event, MessageBounced | MessageDeferred) for event in reading.events)


def addresses(listed: str) -> list[str]:
    return [address for address in listed.split(",") if address]


def recipients_expected() -> Iterator[tuple[Path, set[str]]]:
    flufl = labels("bounces-flufl")
    for path in corpus("bounces-flufl"):
        if path.name in flufl:
            label = flufl[path.name]
            yield (
                path,
                {hash_of(one) for one in addresses(label["temporary"]) + addresses(label["permanent"])},
            )
    rjbs = labels("bounces-rjbs")
    for path in corpus("bounces-rjbs"):
        if "addresses" in rjbs.get(path.name, {}):
            yield path, {hash_of(one) for one in addresses(rjbs[path.name]["addresses"])}


def bounces_told() -> tuple[int, int, set[str]]:
    """How many mails are rightly told to be bounces or not, of how many; and which of the first corpus are not."""
    right = total = 0
    differing = set()
    rjbs = labels("bounces-rjbs")
    for path in corpus("bounces-rjbs"):
        label = rjbs.get(path.name, {}).get("is_bounce")
        if label is None:
            continue
        total += 1
        if is_bounce(read_mail(path.read_bytes(), ORIGIN)) == (label == "1"):
            right += 1
        else:
            differing.add(path.name)
    for path in corpus("bounces-flufl"):
        label = labels("bounces-flufl").get(path.name)
        if label is None or not (label["temporary"] or label["permanent"]):
            continue
        total += 1
        right += is_bounce(read_mail(path.read_bytes(), ORIGIN))
    for path in corpus("bounces-zoonru"):
        if path.name == "unsubscribe.txt":
            continue
        reading = read_mail(path.read_bytes(), ORIGIN)
        total += 1
        if path.name[:3] in FEEDBACK and not path.name.startswith("fixture_bounce"):
            right += all(isinstance(event, ComplaintReceived) for event in reading.events[:1]) and bool(
                reading.events
            )
        else:
            right += is_bounce(reading)
    return right, total, differing


def test_bounces_are_told_from_other_mails() -> None:
    right, total, differing = bounces_told()
    assert right >= 0.98 * total, f"{right} of {total}"
    assert differing <= set(DISAGREEMENTS["kind"])


def recipients_told() -> Tally:
    """Recipients of failures: expected, found, and found where not expected."""
    tally = Tally()
    for path, expected in recipients_expected():
        events = read_mail(path.read_bytes(), ORIGIN).events
        got = {
            event.recipient_hash
            for event in events
            if isinstance(event, MessageBounced | MessageDeferred) and event.recipient_hash
        }
        tally.expected += len(expected)
        tally.found += len(expected & got)
        tally.wrong += len(got - expected)
        if got != expected:
            tally.differing.add(path.name)
    return tally


def test_recipients_are_found_and_no_others() -> None:
    tally = recipients_told()
    assert tally.expected >= 150
    assert tally.found >= 0.97 * tally.expected, tally
    assert tally.wrong <= 0.01 * tally.expected, tally
    assert tally.differing <= set(DISAGREEMENTS["recipients"])


def test_delays_are_told_from_failures() -> None:
    for path in corpus("bounces-flufl"):
        label = labels("bounces-flufl").get(path.name)
        if label is None or path.name in DISAGREEMENTS["recipients"]:
            continue
        events = read_mail(path.read_bytes(), ORIGIN).events
        delayed = {event.recipient_hash for event in events if isinstance(event, MessageDeferred)}
        assert delayed == {hash_of(one) for one in addresses(label["temporary"])}, path.name


def test_no_address_of_a_recipient_is_in_an_event() -> None:
    for name in ("bounces-flufl", "bounces-rjbs", "bounces-zoonru"):
        for path in corpus(name):
            if path.name == "EXPECTED.txt":
                continue
            told: list[str] = []

            def hashed(address: str, told: list[str] = told) -> str | None:
                told.append(address.lower())
                return ORIGIN.hashed(address)

            origin = type(ORIGIN)("acme", "mail", "folder", ORIGIN.occurred_at, ORIGIN.recorded_at, hashed)
            for event in read_mail(path.read_bytes(), origin).events:
                written = event.model_dump_json().lower()
                assert not [address for address in told if address in written], path.name
