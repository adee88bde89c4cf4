"""How long it takes from the append of an event until its reputation is there, at a steady rate.

Every 100 ms a probe goes in with the traffic: an event with a campaign of its own, and one of eight domains. It is seen
in the topic of buckets, as committed, by a reader that looks every 50 ms; and in the warehouse's view of days, by a
query every half second. Both readers take their share of the same cores.

    python -m from_broker.latency ADDRESS PREFIX RATE SECONDS     the producer, a process of its own
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from from_broker.places import HERE, PARTITIONS, Place
from mailwake.opening import open_any_log
from mailwake.settings import Settings
from schemas.codec import encode
from schemas.columns import unpack_rows
from schemas.mail import MessageSent
from schemas.reputation import ReputationBuckets
from sinks.warehouse.warehouse import Warehouse
from sources.simulator.records import mail_records
from sources.simulator.traffic import dense
from streams.log import Record

PROBE = "probe-"
_PORTIONS_A_SECOND = 10
_AFTER_S = 20.0
"""How long what is late is waited for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Of each probe, how many seconds after its append it was seen."""

    appended: int
    in_topic: Sequence[float]
    in_warehouse: Sequence[float]
    slipped_s: float
    """How far the producer was behind its timetable at the worst."""


@dataclass(slots=True)
class _Sightings:
    moments: dict[str, float] = field(default_factory=dict)

    def add(self, names: Sequence[str]) -> None:
        now = time.time()
        for name in names:
            self.moments.setdefault(name, now)


def measured(place: Place, rate: int, seconds: int) -> Seen:
    """Produce at a steady rate, and look; workers are running."""
    topic, warehouse, ended = _Sightings(), _Sightings(), threading.Event()
    lookers = [threading.Thread(target=_look_in_topic, args=(place, topic, ended))]
    if place.server is not None:
        lookers.append(threading.Thread(target=_look_in_warehouse, args=(place, warehouse, ended)))
    for looker in lookers:
        looker.start()
    try:
        told = subprocess.run(
            [sys.executable, "-m", "from_broker.latency", place.broker.address, place.prefix, str(rate), str(seconds)],
            check=True, cwd=HERE.parent, stdout=subprocess.PIPE,
        )  # fmt: skip
        produced = json.loads(told.stdout)
        appended: dict[str, float] = produced["appended"]
        deadline = time.time() + _AFTER_S
        wanted = [topic, warehouse] if place.server is not None else [topic]
        while any(appended.keys() - one.moments.keys() for one in wanted) and time.time() < deadline:
            time.sleep(0.1)
    finally:
        ended.set()
        for looker in lookers:
            looker.join()
    took = [
        sorted(
            one.moments[name] - at if name in one.moments else float("inf") for name, at in appended.items()
        )
        for one in (topic, warehouse)
    ]
    return Seen(len(appended), took[0], took[1] if place.server is not None else (), produced["slipped"])


def percentile(values: Sequence[float], share: float) -> float:
    """Of sorted values."""
    return round(values[min(len(values) - 1, int(len(values) * share))], 2) if values else float("nan")


def _look_in_topic(place: Place, seen: _Sightings, ended: threading.Event) -> None:
    with place.log() as log:
        positions = {source: log.end(source) for source in log.partitions("reputation.buckets")}
        while not ended.wait(0.05):
            for source, position in positions.items():
                batch = log.read(source, position, 1_000)
                positions[source] = batch.next
                if len(batch):
                    rows = unpack_rows(ReputationBuckets, batch.values).rows
                    seen.add(_probes(rows.get_column("identity").unique().to_list()))


def _look_in_warehouse(place: Place, seen: _Sightings, ended: threading.Event) -> None:
    server = place.settings().warehouse_server
    assert server is not None
    with Warehouse.on(server) as warehouse:
        while not ended.wait(0.5):
            found = warehouse.rows(
                f"SELECT DISTINCT identity FROM reputation_days WHERE kind = 'campaign' AND identity LIKE '%/{PROBE}%'"
            )
            seen.add(_probes([identity for (identity,) in found]))


def _probes(identities: Sequence[str]) -> list[str]:
    return [name.partition("/")[2] for name in identities if f"/{PROBE}" in name]


def produce(address: str, prefix: str, rate: int, seconds: int, now: Callable[[], float] = time.time) -> None:
    """Append traffic at a steady rate, a portion every 100 ms with a probe in each; tells when each went in."""
    log = open_any_log(Settings(log=f"kafka://{address}/{prefix}", kafka_partitions=PARTITIONS))
    records = [record for frames in dense(7, rate * seconds).frames() for record in mail_records(frames)]
    portion = rate // _PORTIONS_A_SECOND
    appended: dict[str, float] = {}
    begun, slipped = now(), 0.0
    for number in range(seconds * _PORTIONS_A_SECOND):
        some = records[number * portion : (number + 1) * portion]
        due = begun + number / _PORTIONS_A_SECOND
        time.sleep(max(0.0, due - now()))
        slipped = max(slipped, now() - due)
        appended[f"{PROBE}{number}"] = now()
        log.append_all({"mail.events": [*some, _probe(number, some[-1].timestamp)]})
    log.close()
    print(json.dumps({"appended": appended, "slipped": slipped}))


def _probe(number: int, at_ms: int) -> Record:
    domain = f"probes-{number % 8}.example"
    event = MessageSent(
        tenant="default", occurred_at=at_ms - 1, recorded_at=at_ms, source="bench", source_event_id=f"{PROBE}{number}",
        from_domain=domain, provider="gmail", campaign=f"{PROBE}{number}",
    )  # fmt: skip
    return Record(f"default/{domain}".encode(), encode(event), at_ms)


if __name__ == "__main__":
    produce(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
