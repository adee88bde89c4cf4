import random
import tracemalloc

import pytest

from processors.dmarc.seen import BUCKETS, ENTRY, SeenReports

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
