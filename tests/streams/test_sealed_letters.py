"""Dead letters are sealed for the tenant that their record was appended for, the same way whoever reads it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from processors.dead_letters import dead_letter
from processors.stage import Emission, Flush, Slice, Tally
from schemas.codec import decode
from schemas.documents import DeadLetter
from schemas.sealing import DamagedSeal, Forgotten, is_sealed
from streams.keyring.keyring import KeyringUnavailable, NoKeyring
from streams.log import LogUnavailable, Record, TopicPartition
from streams.running.runner import StageRunner
from streams.sealed_letters import LetterSeal, OpensLetters
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

SOURCE = TopicPartition("mail.events", 3)
BYTES = b"\x00 no event of john@example.com"


@dataclass
class Keys:
    known: dict[str, bytes] = field(
        default_factory=lambda: {
            name: bytes([number]) * 32 for number, name in enumerate(("default", "acme"))
        }
    )
    gone: tuple[str, ...] = ()
    failing: Exception | None = None

    def hashing_key(self, tenant: str) -> bytes | None:
        return self.data_key(tenant)

    def data_key(self, tenant: str) -> bytes | None:
        assert tenant in (*self.known, *self.gone), f"keys would have been made for {tenant}"
        return self.known.get(tenant)

    def tenants(self) -> Sequence[str]:
        if self.failing:
            raise self.failing
        return sorted(self.known)

    def forgotten(self) -> Sequence[str]:
        return self.gone


def letter(offset: int = 5) -> Record:
    records = Slice(SOURCE.topic, SOURCE.partition, offset, offset + 1, [offset], [BYTES])
    told = dead_letter(records, 0, "reputation", "no event", 1)
    return Record(told.key, told.value, told.recorded_at)


def content(record: Record) -> DeadLetter:
    kept = decode(record.value or b"")
    assert isinstance(kept, DeadLetter)
    return kept


@pytest.mark.parametrize(
    ("key", "tenant"),
    [(b"acme/example.com", "acme"), (b"other/x", "default"), (b"\xff/x", "default"), (b"x", "default"), (None, "default")],
)  # fmt: skip
def test_sealed_for_whom_it_was_appended(key: bytes | None, tenant: str) -> None:
    keys = Keys()
    (sealed,) = LetterSeal(keys).sealed([letter()], SOURCE, [5], [key])
    assert is_sealed(content(sealed).content) and BYTES not in (sealed.value or b"")
    assert OpensLetters(keys).content(content(sealed)) == BYTES
    assert (sealed.key, sealed.timestamp, content(sealed).size) == (letter().key, 1, len(BYTES))
    keys.known.pop(tenant)
    with pytest.raises(Forgotten):
        OpensLetters(keys).content(content(sealed))


def test_the_same_record_gives_the_same_letter() -> None:
    seal = LetterSeal(Keys())
    (one,) = seal.sealed([letter()], SOURCE, [5], [b"acme/x"])
    (same,) = LetterSeal(Keys()).sealed([letter()], SOURCE, [4, 5], [b"default/x", b"acme/x"])
    (other,) = seal.sealed([letter(6)], SOURCE, [6], [b"acme/x"])
    assert one == same
    assert seal.sealed([one], SOURCE, [5], [b"acme/x"]) == [one]
    assert content(one).content[17:] != content(other).content[17:]
    moved = content(other).model_copy(update={"content": content(one).content})
    with pytest.raises(DamagedSeal):
        OpensLetters(Keys()).content(moved)


def test_letters_of_other_records_stay_as_they_are() -> None:
    seal = LetterSeal(Keys())
    assert seal.sealed([letter()], TopicPartition("dead.letters"), [5], [b"acme/x"]) == [letter()]
    assert seal.sealed([letter()], SOURCE, [6], [b"acme/x"]) == [letter()]
    assert OpensLetters(Keys(failing=NoKeyring("none"))).content(content(letter())) == BYTES


def test_nothing_is_kept_for_who_was_forgotten() -> None:
    keys = Keys()
    keys.known.pop("acme")
    (kept,) = LetterSeal(replace(keys, gone=("acme",))).sealed([letter()], SOURCE, [5], [b"acme/x"])
    assert (content(kept).content, content(kept).size) == (b"", len(BYTES))


def test_waits_for_a_keyring_and_goes_without_one_that_is_none() -> None:
    with pytest.raises(KeyringUnavailable):
        LetterSeal(Keys(failing=KeyringUnavailable("away"))).sealed([letter()], SOURCE, [5], [b"acme/x"])
    (kept,) = LetterSeal(Keys(failing=NoKeyring("none"))).sealed([letter()], SOURCE, [5], [b"acme/x"])
    assert content(kept).content == b""
    assert LetterSeal(Keys(failing=NoKeyring("none"))).sealed([], SOURCE, [], []) == []


class Refusing:
    """Understands nothing, and counts what it was given."""

    name, reads = "refusing", "mail.events"

    def __init__(self) -> None:
        self.taken = 0
        self._letters: list[Emission] = []

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """It has no state."""

    def take(self, records: Slice) -> None:
        self.taken += len(records)
        self._letters += [dead_letter(records, index, self.name, "no", 1) for index in range(len(records))]

    def flush(self) -> Flush:
        letters, self._letters = self._letters, []
        return Flush(letters)

    def tally(self) -> Tally:
        return Tally(self.taken)


def test_a_step_waits_for_keys_and_takes_nothing_twice(tmp_path: Path) -> None:
    log, keys, stage = SqliteLog.open(tmp_path / "log.db", TOPICS), Keys(), Refusing()
    log.append("mail.events", [Record(b"acme/x", BYTES, 1), Record(b"default/x", BYTES, 1)])
    with log.hold():
        runner = StageRunner(log, stage, seal=LetterSeal(keys))
        keys.failing = KeyringUnavailable("away")
        for _ in range(2):
            with pytest.raises(LogUnavailable):
                runner.step()
        keys.failing = None
        assert runner.step() == 2
        assert stage.taken == 2
    kept = [
        content(Record(None, value, 1)) for value in log.read(TopicPartition("dead.letters"), 0, 9).values
    ]
    log.close()
    assert [OpensLetters(keys).content(one) for one in kept] == [BYTES, BYTES]
    del keys.known["acme"]
    with pytest.raises(Forgotten):
        OpensLetters(keys).content(kept[0])
    assert OpensLetters(keys).content(kept[1]) == BYTES
