"""What every stage must pass. Subclass it and give the two fixtures:

- `make_stage`: a callable that makes a fresh stage, always the same;
- `slices`: consecutive slices of one partition, in order, that the stage can read: at least three records.

Override `view` where what a stage emits depends on when it is flushed and only what it adds up to must not.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from processors.stage import Emission, Flush, Slice, Stage
from schemas.codec import decode
from schemas.documents import DeadLetter

MakeStage = Callable[[], Stage]

GARBAGE = (b"", b"\x00", b"no record at all", b"\x00\xff\xff\xff\xff" + b"x" * 20)


@dataclass(frozen=True, slots=True)
class At:
    """One record and where it was read."""

    offset: int
    value: bytes | None


class StageConformance:
    """The stage contract."""

    @pytest.fixture
    def make_stage(self) -> MakeStage:
        raise NotImplementedError("give the fixture make_stage")

    @pytest.fixture
    def slices(self) -> Sequence[Slice]:
        raise NotImplementedError("give the fixture slices")

    def view(self, emissions: Sequence[Emission]) -> Any:
        """What must not depend on batching, flushing and restarts; all of it unless overridden."""
        return list(emissions)

    def garbage(self, good: bytes) -> Iterable[bytes]:
        """Records that this stage can't understand; `good` is one that it can."""
        return (*GARBAGE, good[:-1], good + b"\x00", good[: len(good) // 2])

    def test_names_itself_and_its_topic(self, make_stage: MakeStage, slices: Sequence[Slice]) -> None:
        stage = make_stage()
        assert stage.name
        assert stage.reads == slices[0].topic

    def test_emits_something_from_its_input(self, make_stage: MakeStage, slices: Sequence[Slice]) -> None:
        emissions = run(make_stage(), slices)
        assert emissions
        assert all(type(e.key) is bytes and type(e.value) is bytes for e in emissions)

    def test_same_input_gives_the_same_bytes(self, make_stage: MakeStage, slices: Sequence[Slice]) -> None:
        first, second = make_stage(), make_stage()
        for part in slices:
            first.take(part)
            second.take(part)
            assert first.flush() == second.flush()

    def test_batching_changes_nothing(self, make_stage: MakeStage, slices: Sequence[Slice]) -> None:
        expected = self.view(run(make_stage(), slices))
        records = list(flat(slices))
        assert self.view(run(make_stage(), [sliced(slices[0], records)])) == expected
        for seed in range(6):
            parts = split(slices[0], records, random.Random(seed))
            assert self.view(run(make_stage(), parts)) == expected

    def test_one_flush_for_many_slices_changes_nothing(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        stage = make_stage()
        for part in slices:
            stage.take(part)
        assert self.view(stage.flush().emissions) == self.view(run(make_stage(), slices))

    def test_restored_at_any_boundary_goes_on_the_same(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        records = list(flat(slices))
        step = max(1, len(records) // 12)
        parts = [sliced(slices[0], records[i : i + step]) for i in range(0, len(records), step)]
        undisturbed = make_stage()
        flushes = [taken(undisturbed, part) for part in parts]
        for crash in range(len(parts) + 1):
            restored = make_stage()
            restored.restore(merged(flushes[:crash]).items())
            again = [taken(restored, part) for part in parts[crash:]]
            assert [list(f.emissions) for f in again] == [list(f.emissions) for f in flushes[crash:]]
            assert merged([*flushes[:crash], *again]) == merged(flushes)

    def test_crashing_before_a_flush_loses_nothing(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        expected = self.view(run(make_stage(), slices))
        emissions: list[Emission] = []
        chunks: dict[bytes, bytes] = {}
        for part in slices:
            lost = make_stage()
            lost.restore(chunks.items())
            lost.take(part)
            stage = make_stage()
            stage.restore(chunks.items())
            flush = taken(stage, part)
            emissions += flush.emissions
            apply(chunks, flush)
        assert self.view(emissions) == expected

    def test_garbage_is_a_dead_letter_and_its_neighbours_are_unharmed(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        records = list(flat(slices))
        good = next(r.value for r in records if r.value is not None)
        bad = list(self.garbage(good))
        mixed: list[At] = []
        where: list[int] = []
        for number, record in enumerate(records):
            mixed.append(At(len(mixed), record.value))
            if number % max(1, len(records) // len(bad)) == 0 and len(where) < len(bad):
                where.append(len(mixed))
                mixed.append(At(len(mixed), bad[len(where) - 1]))
        plain = [At(i, r.value) for i, r in enumerate(records)]
        emissions = run(make_stage(), [sliced(slices[0], mixed)])
        letters = [decode(e.value) for e in emissions if e.topic == "dead.letters"]
        assert [letter.origin_offset for letter in letters if isinstance(letter, DeadLetter)] == where
        for letter, value in zip(letters, bad, strict=False):
            assert isinstance(letter, DeadLetter)
            assert (letter.origin_topic, letter.origin_partition) == (slices[0].topic, slices[0].partition)
            assert letter.content == value
            assert letter.size == len(value)
            assert letter.reason
        rest = [e for e in emissions if e.topic != "dead.letters"]
        expected = [e for e in run(make_stage(), [sliced(slices[0], plain)]) if e.topic != "dead.letters"]
        assert self.view(rest) == self.view(expected)

    def test_dead_letters_do_not_depend_on_batching(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        records = [r.value for r in flat(slices)]
        values = [v for value in records for v in (value, b"garbage")]
        mixed = [At(i, v) for i, v in enumerate(values)]
        one = letters_of(run(make_stage(), [sliced(slices[0], mixed)]))
        many = letters_of(run(make_stage(), split(slices[0], mixed, random.Random(7))))
        assert one == many

    def test_nothing_taken_flushes_nothing(self, make_stage: MakeStage, slices: Sequence[Slice]) -> None:
        stage = make_stage()
        assert is_empty(stage.flush())
        run(stage, slices)
        assert is_empty(stage.flush())

    def test_tally_counts_what_was_taken_and_what_died(
        self, make_stage: MakeStage, slices: Sequence[Slice]
    ) -> None:
        stage = make_stage()
        run(stage, slices)
        before = stage.tally()
        assert before.taken == sum(len(part) for part in slices)
        last = slices[-1].next
        stage.take(Slice(slices[0].topic, slices[0].partition, last, last + 1, [last], [b"garbage"]))
        assert stage.tally().dead == before.dead + 1


def run(stage: Stage, slices: Iterable[Slice]) -> list[Emission]:
    """Take and flush slice by slice; everything that was emitted."""
    emissions: list[Emission] = []
    for part in slices:
        emissions += taken(stage, part).emissions
    return emissions


def taken(stage: Stage, part: Slice) -> Flush:
    """Take one slice and flush it."""
    stage.take(part)
    return stage.flush()


def flat(slices: Iterable[Slice]) -> Iterator[At]:
    """Every record with its offset."""
    for part in slices:
        yield from (At(o, v) for o, v in zip(part.offsets, part.values, strict=True))


def sliced(like: Slice, records: Sequence[At]) -> Slice:
    """These records as one slice of the partition that `like` is of."""
    first, following = records[0].offset, records[-1].offset + 1
    values = [r.value for r in records]
    return Slice(like.topic, like.partition, first, following, [r.offset for r in records], values)


def split(like: Slice, records: Sequence[At], chance: random.Random) -> list[Slice]:
    """The same records in slices of random sizes."""
    parts = []
    at = 0
    while at < len(records):
        size = chance.choice((1, 1, 2, 3, 5, 20))
        parts.append(sliced(like, records[at : at + size]))
        at += size
    return parts


def apply(chunks: dict[bytes, bytes], flush: Flush) -> None:
    """Keep a flush's chunks as a runtime does."""
    for key, value in flush.chunks.items():
        if value is None:
            chunks.pop(key, None)
        else:
            chunks[key] = value


def merged(flushes: Iterable[Flush]) -> dict[bytes, bytes]:
    """The chunks that are left after these flushes."""
    chunks: dict[bytes, bytes] = {}
    for flush in flushes:
        apply(chunks, flush)
    return chunks


def letters_of(emissions: Iterable[Emission]) -> list[Emission]:
    """The dead letters among them."""
    return [e for e in emissions if e.topic == "dead.letters"]


def is_empty(flush: Flush) -> bool:
    """True when there is nothing to make durable."""
    return not flush.emissions and not flush.chunks
