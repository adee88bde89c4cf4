import random
import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType

import pytest

from processors.dmarc import seen as seen_module
from processors.dmarc.seen import BUCKETS, CHUNK, CHUNK_REPORTS, ENTRY, SeenReports

MARCH = 1_709_683_200_000


def content(number: int) -> str:
    return f"{number:064x}"[::-1]


def told(seen: SeenReports, identity: str, number: int, tenant: str = "t", begin: int = MARCH) -> str:
    return seen.tell(tenant, "example.com", begin, identity, content(number))


def test_first_then_duplicate_then_conflict() -> None:
    seen = SeenReports()
    answers = [
        told(seen, "a", 1),
        told(seen, "a", 1),
        told(seen, "a", 2),
        told(seen, "a", 2),
        told(seen, "a", 1),
    ]
    assert answers == ["first", "duplicate", "conflict", "duplicate", "duplicate"]


def test_identities_tenants_and_months_are_apart() -> None:
    seen = SeenReports()
    assert told(seen, "a", 1) == "first"
    assert told(seen, "b", 1) == "first"
    assert told(seen, "a", 1, tenant="u") == "first"
    assert told(seen, "a", 1, begin=MARCH + 40 * 86_400_000) == "first"
    assert told(seen, "a", 1, begin=-2_000_000_000_000) == "first"


def test_an_entry_is_found_only_where_an_entry_begins() -> None:
    seen = SeenReports()
    for number in range(2000):
        assert told(seen, f"id-{number}", number) == "first"
    for number in range(2000):
        assert told(seen, f"id-{number}", number) == "duplicate"


def test_restored_from_its_chunks_it_answers_the_same() -> None:
    chance = random.Random(3)
    tells = [(f"id-{chance.randrange(60)}", chance.randrange(3)) for _ in range(600)]
    whole = SeenReports()
    expected = [told(whole, *tell) for tell in tells]
    chunks: dict[bytes, bytes] = {}
    answers = []
    for start in range(0, len(tells), 7):
        seen = SeenReports()
        seen.restore(chunks.items())
        answers += [told(seen, *tell) for tell in tells[start : start + 7]]
        chunks |= seen.flush()
        assert seen.flush() == {}
    assert answers == expected
    assert chunks == whole.flush()


def test_only_what_changed_is_flushed() -> None:
    seen = SeenReports()
    told(seen, "a", 1)
    assert len(seen.flush()) == 1
    told(seen, "a", 1)
    assert seen.flush() == {}
    told(seen, "a", 2, begin=MARCH + 40 * 86_400_000)
    assert [len(chunk) for chunk in seen.flush().values()] == [ENTRY]


def test_a_foreign_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="no chunk of reports"):
        SeenReports().restore([(b"other", b"")])
    with pytest.raises(ValueError, match="no chunk of reports"):
        SeenReports().restore([(b"reports/2024-03/0001", b"short")])


def test_a_year_of_reports_of_many_domains_is_small() -> None:
    day = 86_400_000
    tracemalloc.start()
    try:
        seen = SeenReports()
        for number in range(40_000):
            begin = MARCH + number % 365 * day
            seen.tell("t", f"d{number % 20_000}.example", begin, f"id-{number}", content(number))
        chunks = seen.flush()
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(map(len, chunks.values())) == 40_000 * ENTRY
    assert len(chunks) <= 13 * BUCKETS
    assert size < 40_000 * ENTRY + 13 * BUCKETS * 400, "what a chunk costs besides its reports is bounded"


FLOODS = {
    "identities": lambda number: (f"id-{number}", number),
    "contents of one identity": lambda number: ("a", number),
    "both": lambda number: (f"id-{number // 3}", number),
}


@pytest.fixture(params=FLOODS)
def flood(request: pytest.FixtureRequest) -> Callable[[int], tuple[str, int]]:
    """What is told as the n-th report of one domain and month."""
    return FLOODS[request.param]


def test_a_flood_is_told_apart_as_a_plain_set_does(flood: Callable[[int], tuple[str, int]]) -> None:
    chance = random.Random(5)
    seen, known, identities = SeenReports(), set(), set()
    for _ in range(12_000):
        identity, number = flood(chance.randrange(6 * CHUNK_REPORTS))
        known_identity, known_report = identity in identities, (identity, number) in known
        expected = "duplicate" if known_report else "conflict" if known_identity else "first"
        assert told(seen, identity, number) == expected
        identities.add(identity)
        known.add((identity, number))
    assert sum(map(len, seen.flush().values())) == len(known) * ENTRY > 4 * CHUNK


def test_a_flood_is_flushed_chunk_by_chunk(flood: Callable[[int], tuple[str, int]]) -> None:
    seen, kept, step = SeenReports(), {}, 100
    for number in range(40_000):
        told(seen, *flood(number))
        if number % step == step - 1:
            written = seen.flush()
            assert sum(map(len, written.values())) < CHUNK + step * ENTRY
            assert max(map(len, written.values())) <= CHUNK
            kept |= written
    assert len(kept) == -(-40_000 // CHUNK_REPORTS)
    assert sum(map(len, kept.values())) == 40_000 * ENTRY


def test_a_flood_makes_the_same_chunks_however_it_is_batched(flood: Callable[[int], tuple[str, int]]) -> None:
    whole, chance = SeenReports(), random.Random(7)
    reports = [flood(chance.randrange(5 * CHUNK_REPORTS)) for _ in range(5 * CHUNK_REPORTS)]
    expected = [told(whole, *report) for report in reports]
    chunks: dict[bytes, bytes] = {}
    answers, at = [], 0
    while at < len(reports):
        seen = SeenReports()
        seen.restore(chance.sample(sorted(chunks.items()), len(chunks)))
        for size in (1, CHUNK_REPORTS - 1, 77):
            answers += [told(seen, *report) for report in reports[at : at + size]]
            at += size
            chunks |= seen.flush()
    assert answers == expected
    assert chunks == whole.flush()


def test_one_report_more_writes_one_chunk() -> None:
    seen = SeenReports()
    for number in range(3 * CHUNK_REPORTS):
        told(seen, f"id-{number}", number)
    chunks = seen.flush()
    assert [len(chunk) for chunk in chunks.values()] == [CHUNK] * 3
    restored = SeenReports()
    restored.restore(chunks.items())
    assert told(restored, "id-0", 0) == "duplicate"
    assert restored.flush() == {}
    assert told(restored, "id-0", 1) == "conflict"
    (written,) = restored.flush().items()
    assert written[0] not in chunks and len(written[1]) == ENTRY


def test_the_work_for_a_flood_grows_as_it_does(
    flood: Callable[[int], tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = []
    contains = seen_module._contains
    monkeypatch.setattr(
        seen_module, "_contains", lambda data, what: searched.append(len(data)) or contains(data, what)
    )

    def lines_run(reports: int) -> int:
        lines = 0

        def trace(frame: FrameType, event: str, _: object) -> object:
            nonlocal lines
            lines += event == "line"
            return trace if frame.f_code.co_filename == seen_module.__file__ else None

        seen, before = SeenReports(), sys.gettrace()
        sys.settrace(trace)
        try:
            for number in range(reports):
                told(seen, *flood(number))
        finally:
            sys.settrace(before)
        return lines

    # From one size of the table to four times it, so that both have made as many tables for each report.
    assert lines_run(16 * CHUNK_REPORTS) < 5 * lines_run(4 * CHUNK_REPORTS)
    assert len(searched) <= 2 * 2 * CHUNK_REPORTS, (
        "only the first chunk is searched through, twice for each report"
    )
    assert max(searched) < CHUNK


def test_a_missing_or_cut_chunk_is_refused() -> None:
    seen = SeenReports()
    for number in range(2 * CHUNK_REPORTS + 1):
        told(seen, f"id-{number}", number)
    chunks = seen.flush()
    first, second, _ = chunks
    assert second == first + b"/0001"
    for broken in (
        {key: value for key, value in chunks.items() if key != first},
        {key: value for key, value in chunks.items() if key != second},
        chunks | {second: chunks[second][:-ENTRY]},
    ):
        with pytest.raises(ValueError, match="is missing or cut, but"):
            SeenReports().restore(broken.items())
    for key, value in ((first + b"/0000", b""), (first + b"/x", b""), (first, bytes(CHUNK + ENTRY))):
        with pytest.raises(ValueError, match="no chunk of reports"):
            SeenReports().restore([(key, value)])


def test_a_flooded_bucket_is_small() -> None:
    tracemalloc.start()
    try:
        seen = SeenReports()
        for number in range(40_000):
            told(seen, f"id-{number}", number)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 40_000 * 60
