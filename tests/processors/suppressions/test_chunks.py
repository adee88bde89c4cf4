"""Recipients in chunks: what is written and taken away, flush by flush, restores to what was flushed."""

import random
from collections.abc import Iterable

import pytest

from processors.suppressions import chunks
from processors.suppressions.chunks import BUCKETS, FEW, JOURNAL, Recipients, recipient_key
from processors.suppressions.standing import Fact, Standing

Chunks = dict[bytes, bytes]


@pytest.fixture(autouse=True)
def short_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "JOURNALED", 600)
    monkeypatch.setattr(chunks, "_PART", 5_000)


def key(number: int) -> bytes:
    return recipient_key("default", f"{number:032x}")


def told(recipients: Recipients, numbers: Iterable[int], at: int) -> None:
    """A bounce of each."""
    for number in numbers:
        fact = Fact(at, number.to_bytes(16, "big"), at, note="x" * (number % 7))
        recipients.standing(key(number)).add("all", "bounce", fact)
        recipients.changed(key(number))


def kept(state: Chunks, recipients: Recipients) -> Chunks:
    """A flush, as a log keeps it."""
    for name, chunk in recipients.flush().items():
        if chunk is None:
            state.pop(name, None)
        else:
            state[name] = chunk
    return state


def restored(state: Chunks) -> Recipients:
    recipients = Recipients()
    recipients.restore(state.items())
    return recipients


@pytest.mark.parametrize("seed", range(4))
def test_restored_after_any_flush_everyone_stands_and_is_flushed_the_same(seed: int) -> None:
    chance = random.Random(seed)
    undisturbed, again = Recipients(), Recipients()
    state: Chunks = {}
    said: dict[int, int] = {}
    names: set[bytes] = set()
    for at in range(40):
        numbers = chance.sample(range(1_500), chance.choice((1, 3, FEW, 200, 400)))
        told(undisturbed, numbers, at)
        told(again, numbers, at)
        said |= dict.fromkeys(numbers, at)
        before = dict(state)
        kept(state, undisturbed)
        assert kept(before, again) == state
        again = restored(dict(chance.sample([*state.items()], len(state))))
        names |= {name[: len(JOURNAL)] for name in state}
    assert {
        number: again.standing(key(number)).streams["all"].facts["bounce"][0].at for number in said
    } == said
    assert again.standing(key(1_501)) == Standing()
    assert len(names) == 2


def test_a_flush_of_many_writes_about_what_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "JOURNALED", 10_000)
    recipients, state = Recipients(), Chunks()
    for first in range(0, 6_000, 500):
        told(recipients, range(first, first + 500), 1)
        kept(state, recipients)
    told(recipients, range(0, 6_000, 12), 2)
    flushed = recipients.flush()
    assert all(name.startswith(JOURNAL) for name in flushed)
    assert sum(len(chunk or b"") for chunk in flushed.values()) < 500 * 200


def test_a_flush_of_few_writes_their_buckets_alone() -> None:
    recipients, state = Recipients(), Chunks()
    told(recipients, range(500), 1)
    kept(state, recipients)
    told(recipients, [3, 4], 2)
    flushed = recipients.flush()
    assert sorted(flushed) == sorted(BUCKETS + key(number)[:2].hex().encode() for number in (3, 4))


def test_the_journal_is_kept_short_and_what_it_said_is_kept() -> None:
    recipients, state = Recipients(), Chunks()
    for at in range(30):
        told(recipients, range(400), at)
        kept(state, recipients)
        journaled = sum(len(chunk) for name, chunk in state.items() if name.startswith(JOURNAL))
        assert journaled < 600 * 100
    assert len([name for name in state if name.startswith(BUCKETS)]) == len({key(n)[:2] for n in range(400)})


def test_a_journal_whose_buckets_are_all_written_is_gone() -> None:
    recipients, state = Recipients(), Chunks()
    told(recipients, range(FEW + 40), 1)
    kept(state, recipients)
    assert any(name.startswith(JOURNAL) for name in state)
    for first in range(0, FEW + 40, FEW):
        told(recipients, range(first, min(first + FEW, FEW + 40)), 2)
        kept(state, recipients)
    assert state and not any(name.startswith(JOURNAL) for name in state)


def test_one_key_within_what_is_said_of_another_is_not_taken_for_it() -> None:
    recipients, state = Recipients(), Chunks()
    mine = key(7)
    other = next(key(number) for number in range(8, 2_000_000) if key(number)[:2] == mine[:2])
    recipients.standing(other).add("all", "manual", Fact(1, mine, 1))
    recipients.changed(other)
    kept(state, recipients)
    again = restored(state)
    assert again.standing(mine) == Standing()
    again.standing(mine).add("all", "manual", Fact(2, other, 2))
    again.changed(mine)
    kept(state, again)
    once_more = restored(state)
    assert [once_more.standing(one).streams["all"].facts["manual"][0].at for one in (mine, other)] == [2, 1]


@pytest.mark.parametrize(
    "name", [b"recipients/00017", b"recipients/zzzz", b"journal/1/1", b"reports/2024-03/0001"]
)
def test_a_chunk_of_another_is_refused(name: bytes) -> None:
    with pytest.raises(ValueError, match="no chunk of recipients"):
        Recipients().restore([(name, b"")])
