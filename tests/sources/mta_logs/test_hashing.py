"""The tenant's key goes away, or becomes another, while a tail runs and while none does."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tailing import House, Refusing, sending

from processors.mta_logs.formats import reader_of
from processors.mta_logs.taking import LogSettings
from schemas.codec import decode
from schemas.mail import MailEvent
from schemas.recipient import recipient_hash
from sources.mta_logs.appending import PlainAppends
from sources.mta_logs.following import Following
from sources.mta_logs.framing import Labels
from sources.mta_logs.hashing import TenantHashes
from sources.mta_logs.places import Places
from sources.mta_logs.tail import Tail
from streams.keyring.keyring import TenantForgotten
from streams.log import LogFull, TopicPartition

FIRST, SECOND = b"1" * 32, b"2" * 32
BOB = "bob@b.example"


class OneKey:
    """A keyring of one tenant, whose key the test changes."""

    def __init__(self, key: bytes | None) -> None:
        self.key = key

    def hashing_key(self, tenant: str) -> bytes | None:
        return self.key

    def data_key(self, tenant: str) -> bytes | None:
        return self.key


@contextmanager
def keyed(house: House, keys: OneKey) -> Iterator[Tail]:
    hashes = TenantHashes(keys, "default")
    places = Places(house.log, "default", "test")
    following = Following(house.targets, places.places, places.looked_at)
    reader = reader_of("postfix", LogSettings(), hashes)
    tail = Tail("postfix", reader, following, places, Labels("default", "postfix"), hashes.ask)
    try:
        yield tail
    finally:
        tail.close()


def attempt(number: int, status: str) -> str:
    """An attempt to deliver the same message to Bob."""
    words = sending(0).replace("a@b.example", BOB).replace("status=sent", f"status={status}")
    return words.replace("10:20:30", f"10:20:{30 + number}") + "\n"


def write(house: House, line: str) -> None:
    with house.mail_log.open("a") as file:
        file.write(line)


def hashes_told(house: House) -> list[tuple[str, str | None]]:
    values = house.log.read(TopicPartition("mail.events"), 0, 1_000).values
    events = [decode(value) for value in values if value is not None]
    return [(type(e).__name__, e.recipient_hash) for e in events if isinstance(e, MailEvent)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def told_by(key: bytes, *kinds: str) -> list[tuple[str, str | None]]:
    return [(kind, recipient_hash(key, BOB)) for kind in kinds]


def test_a_tail_of_a_forgotten_tenant_does_not_start() -> None:
    with pytest.raises(TenantForgotten, match="mailwake keyring readmit default"):
        TenantHashes(OneKey(None), "default")


def test_a_running_tail_ends_when_its_tenant_is_forgotten_and_appends_nothing_more(house: House) -> None:
    keys = OneKey(FIRST)
    with keyed(house, keys) as tail:
        write(house, attempt(0, "deferred"))
        house.read(tail)
        keys.key = None
        write(house, attempt(1, "deferred"))
        with pytest.raises(TenantForgotten, match="default was forgotten"):
            house.read(tail)
    assert hashes_told(house) == told_by(FIRST, "MessageSent", "MessageDeferred")


@pytest.mark.parametrize("restarted", [False, True])
def test_with_another_key_nothing_is_told_of_the_old_one(house: House, restarted: bool) -> None:
    keys = OneKey(FIRST)
    expired = attempt(2, "x").partition(" postfix/")[0] + " postfix/qmgr[7]: " + sending(0).split(": ")[1]
    with keyed(house, keys) as tail:
        write(house, attempt(0, "deferred"))
        house.read(tail)
        keys.key = SECOND
        if not restarted:
            write(
                house,
                attempt(1, "deferred")
                + f"{expired}: from=<x@y.example>, status=expired, returned to sender\n",
            )
            house.read(tail)
    with keyed(house, keys) as tail:
        if restarted:
            write(
                house,
                attempt(1, "deferred")
                + f"{expired}: from=<x@y.example>, status=expired, returned to sender\n",
            )
        house.read(tail)
    assert hashes_told(house) == [
        *told_by(FIRST, "MessageSent", "MessageDeferred"),
        *told_by(SECOND, "MessageSent", "MessageDeferred", "MessageExpired"),
    ]


def test_what_waited_with_hashes_of_the_old_key_is_not_appended(house: House) -> None:
    keys = OneKey(FIRST)
    write(house, attempt(0, "deferred"))
    with keyed(house, keys) as tail:
        with pytest.raises(LogFull):
            tail.step(Refusing(house.log, [LogFull("full")]))
        keys.key = SECOND
        with pytest.raises(TenantForgotten, match="start the tail again"):
            tail.step(PlainAppends(house.log))
    assert hashes_told(house) == []
    with keyed(house, keys) as tail:
        house.read(tail)
    assert hashes_told(house) == told_by(SECOND, "MessageSent", "MessageDeferred")
