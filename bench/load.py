"""From the log into the warehouse: full-width mail events per second, and what queries of them then cost.

    python bench/load.py [--events 500000] [--queries] [--json]

The events are the whole lifecycle with every field of each record filled in. Reported are the parts on their own
(decode, shape, insert), the whole from an SQLite log into the embedded engine, and the process's memory.
"""

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

from schemas.codec import encode_rows
from schemas.columns import decode_frames
from schemas.mail import MAIL_EVENTS, MailEvent
from sinks.loading import Loader, LoadPlan
from sinks.warehouse.arrow import arrow_file, with_values
from sinks.warehouse.frames import read_slice
from sinks.warehouse.warehouse import Warehouse
from streams.log import Record, TopicPartition
from streams.running.runner import as_slice
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

BATCH = 50_000
START_MS = 1_750_000_000_000
WEIGHTS = (40, 34, 8, 2, 0.5, 0.2, 0.1, 10, 3, 0.1, 0.02, 0.5)
"""How often each record of MAIL_EVENTS occurs."""
ID = slice(6, 42)
"""Where the event id lies in a framed record: after the header and the id's length."""


def templates(count: int, seed: int) -> list[bytes]:
    """Framed events with every field filled in."""
    rng = random.Random(seed)
    made = []
    for record in rng.choices(MAIL_EVENTS, WEIGHTS, k=count):
        made += encode_rows(record, [full_width(record, rng)])
    return made


def full_width(record: type[MailEvent], rng: random.Random) -> dict[str, object]:
    """The fields of one event, none left out."""
    domain = f"mail{rng.randrange(50)}.example.com"
    at = START_MS + rng.randrange(30 * 86_400_000)
    hashed = f"{rng.getrandbits(128):032x}"
    fields: dict[str, object] = {
        "event_id": str(UUID(int=rng.getrandbits(128))),
        "tenant": f"tenant{rng.randrange(5)}",
        "occurred_at": at,
        "recorded_at": at + rng.randrange(2000),
        "source": "bench",
        "channel": "upload",
        "source_event_id": f"{hashed}/{record.__name__}",
        "message_id": f"<{hashed}@{domain}>",
        "provider_message_id": f"{rng.getrandbits(64):016x}",
        "recipient_hash": hashed,
        "recipient_domain": rng.choice(
            ["gmail.com", "outlook.com", "yahoo.com", "icloud.com", "example.net"]
        ),
        "mx_host": f"mx{rng.randrange(9)}.receiver.example",
        "provider": rng.choice(["gmail", "microsoft", "yahoo", "apple", "other"]),
        "from_domain": domain,
        "mail_from_domain": f"bounce.{domain}",
        "dkim_domain": domain,
        "dkim_selector": "s1",
        "ip": f"192.0.2.{rng.randrange(32)}",
        "pool": "shared",
        "region": "eu",
        "stream": rng.choice(["transactional", "marketing"]),
        "campaign": f"campaign{rng.randrange(40)}",
        "subject_hash": hashed[:16],
        "size": rng.randrange(2_000, 90_000),
        "content_fingerprint": hashed[:12],
        "spf_aligned": True,
        "dkim_aligned": True,
        "dmarc_expected": True,
        "smtp_code": 250,
        "enhanced_code": "4.7.1",
        "response": f"250 2.0.0 OK {rng.getrandbits(40):x} - gsmtp",
        "latency_ms": rng.randrange(60_000),
        "tls_version": "TLSv1.3",
        "attempt": rng.randrange(1, 5),
        "attempts": 9,
        "is_async": False,
        "reason": "suppressed",
        "feedback_type": "abuse",
        "user_agent": "Mozilla/5.0 (compatible; bench)",
        "incidents": 1,
        "is_machine": rng.random() < 0.3,
        "url_hash": hashed[:20],
        "method": "one-click",
    }
    return {name: fields[name] for name in record.model_fields}


def batches(count: int) -> Iterator[list[bytes]]:
    """So many events in batches, each with an id of its own."""
    made = templates(min(count, 100_000), seed=1)
    rng = random.Random(2)
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        ids = (str(UUID(int=rng.getrandbits(128), version=4)).encode() for _ in range(size))
        at = start % len(made)
        chosen = (made[at:] + made[:at])[:size]
        yield [body[: ID.start] + new + body[ID.stop :] for body, new in zip(chosen, ids, strict=True)]


def rate(count: int, work: Callable[[], object]) -> float:
    """Events per second of some work."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def measure(count: int, folder: Path, queries: bool) -> dict[str, float]:
    """Every figure, by what it is of."""
    log = SqliteLog.open(folder / "log.db", TOPICS)
    values: list[bytes] = []
    for values in batches(count):
        log.append("mail.events", [Record(b"bench", value, START_MS) for value in values])
    figures: dict[str, float] = {"events": count, "bytes per event": sum(map(len, values)) / len(values)}

    source = TopicPartition("mail.events")
    piece = as_slice(log.read(source, 0, 25_000))
    size = len(piece)
    told = with_values(read_slice("mail.events", piece, 1).tables["mail_events"])
    figures["read /s"] = rate(size, lambda: log.read(source, 0, 25_000))
    figures["decode /s"] = rate(size, lambda: decode_frames(piece.values))
    figures["decode and shape /s"] = rate(size, lambda: read_slice("mail.events", piece, 1))
    figures["to Arrow /s"] = rate(size, lambda: arrow_file(told).close())
    figures["Arrow bytes per event"] = arrow_file(told).seek(0, 2) / size
    before_engine = peak_mb()
    with Warehouse.open(f"chdb://{folder / 'warehouse'}") as warehouse, log.hold():
        warehouse.migrate()
        loader = Loader(
            log, warehouse.sink(), LoadPlan(["mail.events"], {}, frozenset(), batch_records=100_000)
        )
        began = time.process_time()
        figures["log to warehouse /s"] = rate(count, lambda: drain(loader))
        figures["CPU ns per event, merges included"] = (time.process_time() - began) / count * 1e9
        figures["peak memory before, MB"] = before_engine
        figures["peak memory after, MB"] = peak_mb()
        if queries:
            figures |= timed_queries(warehouse)
            figures["peak memory after queries, MB"] = peak_mb()
    log.close()
    return figures


def drain(loader: Loader) -> None:
    """Load all there is."""
    while loader.step():
        pass


QUERIES = {
    "count": "SELECT count() FROM mailwake.mail_events",
    "per domain": "SELECT from_domain, countIf(kind = 'bounced') / countIf(kind = 'sent') FROM mailwake.mail_events "
    "GROUP BY from_domain",
    "one day per domain": "SELECT from_domain, count() FROM mailwake.mail_events "
    "WHERE effective_at >= '2025-06-20' AND effective_at < '2025-06-21' GROUP BY from_domain",
    "one event": "SELECT * FROM mailwake.mail_events WHERE tenant = {tenant:String} AND event_id = {id:UUID}",
    "one message": "SELECT kind, occurred_at FROM mailwake.mail_events WHERE message_id = {message:String}",
}


def timed_queries(warehouse: Warehouse) -> dict[str, float]:
    """Milliseconds of each query, the second time it is asked."""
    ((tenant, event_id, message_id),) = warehouse.rows(
        "SELECT tenant, toString(event_id), message_id FROM mailwake.mail_events_told LIMIT 1"
    )
    parameters = {"tenant": tenant, "id": event_id, "message": message_id}
    times = {}
    for name, sql in QUERIES.items():
        warehouse.rows(sql, parameters)
        began = time.perf_counter()
        warehouse.rows(sql, parameters)
        times[f"query: {name}, ms"] = (time.perf_counter() - began) * 1000
    return times


def peak_mb() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--queries", action="store_true", help="time some queries of what was loaded")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mailwake-bench-") as folder:
        figures = measure(given.events, Path(folder), given.queries)
    if given.json:
        json.dump({name: round(figure, 1) for name, figure in figures.items()}, sys.stdout)
        print()
        return
    width = max(map(len, figures))
    for name, figure in figures.items():
        print(f"{name:<{width}}  {figure:>12,.0f}")


if __name__ == "__main__":
    main()
