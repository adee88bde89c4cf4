"""A log, a warehouse and blobs in a folder, worked on as the commands do: opened, held, closed each time."""

import hashlib
import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from processors.classification.stage import ClassifyStage
from processors.documents.stage import DocumentStage
from processors.reputation.stage import ReputationStage
from processors.stage import Stage
from processors.suppressions.stage import SuppressStage
from replay.differences import _compared, _total
from replay.lineage import LOADED, live_lineage
from replay.verify import live_lane
from replay.view import ends_now
from replay.work import Pace, Replay
from schemas.catalog import TOPIC_OF
from schemas.codec import encode
from schemas.documents import DocumentReceived
from schemas.mail import ComplaintReceived, MessageBounced, RecipientResubscribed, RecipientUnsubscribed
from schemas.record import Event
from schemas.suppression import SuppressionEvidence
from sinks.warehouse.warehouse import Warehouse
from sources.simulator import Scenario, into_log
from streams.blobs import Blobs
from streams.keyring.keyring import KeyringUnavailable
from streams.keys import key_of
from streams.log import Record
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

START_MS = 1_780_272_000_000
DAY_MS = 86_400_000
KEY = bytes(range(32))
Rows = Sequence[Sequence[object]]


def recipients_speak(seed: int, start_ms: int) -> dict[str, list[Record]]:
    """Bounces, complaints, subscriptions given up and taken again, and what somebody entered meanwhile."""
    chance = random.Random(seed)
    kinds = (MessageBounced, MessageBounced, ComplaintReceived, RecipientUnsubscribed, RecipientResubscribed)
    told: list[Event] = []
    for number in range(60):
        at = start_ms + chance.randrange(DAY_MS)
        who: dict[str, Any] = {
            "source_event_id": f"{seed}/{number}",
            "occurred_at": at,
            "recorded_at": at + 5,
            "recipient_hash": f"{chance.randrange(12):032x}",
            "stream": chance.choice(("marketing", "cold")),
        }
        record = chance.choice(kinds)
        answer = {"smtp_code": 550, "enhanced_code": "5.1.1", "response": "550 5.1.1 no such user"}
        told.append(record(**who, **(answer if record is MessageBounced else {})))
        if number % 6 == 0:
            kind = chance.choice(("manual", "import", "lift"))
            told.append(SuppressionEvidence(**who, kind=kind, by="anna", note="she asked"))
    records: dict[str, list[Record]] = {}
    for event in told:
        records.setdefault(TOPIC_OF[type(event)], []).append(
            Record(key_of(event), encode(event), event.recorded_at)
        )
    return records


def a_bounce(seed: int, start_ms: int) -> Record:
    """A document that tells of a message: its facts are mail events."""
    mail = (
        b"From: MAILER-DAEMON@mx.example.net\nSubject: failure\nContent-Type: multipart/report; "
        b'report-type=delivery-status; boundary="b"\n\n--b\nContent-Type: message/delivery-status\n\n'
        b"Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; someone@example.org\nAction: failed\n"
        b"Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n--b\nContent-Type: text/rfc822-headers\n\n"
        b"From: news@example.com\nMessage-ID: <%d@example.com>\n--b--\n" % seed
    )
    document = DocumentReceived(
        receipt_id=f"bounce-{seed}",
        source_event_id=f"bounce-{seed}",
        occurred_at=start_ms,
        recorded_at=start_ms + 5,
        sha256=hashlib.sha256(mail).hexdigest(),
        size=len(mail),
        content=mail,
    )
    return Record(key_of(document), encode(document), document.recorded_at)


class AwayAtFirst:
    """A keyring whose server does not answer the first times that it is asked."""

    def __init__(self, times: int) -> None:
        self.times = times

    def hashing_key(self, tenant: str) -> bytes | None:
        if self.times > 0:
            self.times -= 1
            raise KeyringUnavailable("the keyring does not answer")
        return KEY

    data_key = hashing_key

    def tenants(self) -> Sequence[str]:
        self.hashing_key("default")
        return ["default"]

    def forgotten(self) -> Sequence[str]:
        return []


class Crash(BaseException):
    """What a killed process does not survive: nothing may catch it."""


@dataclass(frozen=True)
class House:
    folder: Path
    step_records: int = 400

    def log(self) -> SqliteLog:
        self.folder.mkdir(exist_ok=True)
        return SqliteLog.open(self.folder / "mailwake.db", TOPICS)

    def stages(self) -> list[Stage]:
        return [
            DocumentStage(Blobs(self.folder / "blobs").get),
            ReputationStage(),
            ClassifyStage(),
            SuppressStage(),
        ]

    @contextmanager
    def replay(self, at: Callable[[str], None] = lambda _: None) -> Iterator[Replay]:
        with ExitStack() as stack:
            log = self.log()
            stack.callback(log.close)
            stack.enter_context(log.hold())
            warehouse = Warehouse.open(f"chdb://{self.folder / 'warehouse'}")
            stack.callback(warehouse.close)
            warehouse.migrate()
            yield Replay(log, warehouse, self.stages, Pace(self.step_records), at=at)

    def run(self) -> None:
        """Drive the live pipeline until nothing is left."""
        with self.replay() as replay:
            live = live_lineage(replay.log, replay.warehouse)
            live_lane(replay, live, {}).drain()

    def simulate(self, seed: int = 1, start_ms: int = START_MS, days: float = 2) -> None:
        log = self.log()
        into_log(log, Scenario(seed, start_ms, days, 3, 100, "none", late_share=0.05, repeat_share=0.05))
        log.append_all(recipients_speak(seed, start_ms))
        log.append("documents", [a_bounce(seed, start_ms)])
        log.close()

    def append(self, topic: str, values: Iterable[bytes], timestamp: int = START_MS) -> None:
        log = self.log()
        log.append(topic, [Record(None, value, timestamp) for value in values])
        log.close()

    def views(self, generation: int | None = None) -> dict[str, tuple[int, str]]:
        """Count and digest of every view that says whether two generations are equal."""
        with self.replay() as replay:
            shown = replay.warehouse.current_generation() if generation is None else generation
            names = [view.name for view in replay.warehouse.views() if view.compared]
            found = {name: _compared(replay.warehouse, name, None).digests(shown) for name in names}
            return {
                view: (sum(count for count, _ in shards.values()), _total(shards))
                for view, shards in found.items()
            }

    def ends(self) -> dict[str, int]:
        log = self.log()
        found = {source.topic: end for source, end in ends_now(log, LOADED).items()}
        log.close()
        return found

    def copy(self, folder: Path) -> "House":
        shutil.copytree(self.folder, folder, symlinks=True)
        return replace(self, folder=folder)
