"""The intake on a real broker: 2xx only for what is in the log, also when the broker dies in the middle of it."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from test_intake_server import free_port

from deploy.kafka.broker import Broker
from mailwake.intake import opening
from mailwake.keyring.opening import open_keyring
from mailwake.opening import open_any_log, open_spooled_log
from mailwake.settings import Settings
from schemas.codec import decode, encode
from schemas.record import Event
from schemas.suppression import RecipientSuppressed
from sources.intake.hook_editing import add_hook
from sources.intake.keys import KeyFile
from sources.intake.limits import IntakeLimits
from streams.kafka.log import KafkaLog
from streams.log import Record
from streams.spool.spooled_log import SpooledLog
from tests.conftest import FOR_TESTS, started

SENDERS = 6
LIMITS = replace(IntakeLimits(), requests=SENDERS - 2, append_seconds=1.0)
"""One request fewer than come at once is let in, and none waits for long."""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One of the test's own, to be killed."""
    with started(Broker(0, tmp_path / "broker", properties=FOR_TESTS)) as broker:
        yield broker


class Front:
    """An intake that runs, and programs that post to it as long as they are let."""

    def __init__(self, settings: Settings, key: str, hook: str) -> None:
        self._port, self._key, self._hook = settings.intake_port, key, hook
        self._posting = threading.Event()
        self.events: set[str] = set()
        self.receipts: set[str] = set()
        self.refused: Counter[tuple[int, str]] = Counter()
        self.wrong: list[object] = []
        self._threads = [threading.Thread(target=self._post, args=(number,)) for number in range(SENDERS)]

    @property
    def taken(self) -> int:
        return len(self.events) + len(self.receipts)

    @contextmanager
    def posting(self) -> Iterator[None]:
        self._posting.set()
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._posting.clear()
            for thread in self._threads:
                thread.join()

    def _post(self, sender: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        number = 0
        while self._posting.is_set():
            time.sleep(0.05)
            number += 1
            try:
                (self._event if number % 2 else self._webhook)(connection, f"{self._port}-{sender}-{number}")
            except Exception as error:  # noqa: BLE001 - told where all of it is asserted
                self.wrong.append(error)
                return

    def _event(self, connection: http.client.HTTPConnection, name: str) -> None:
        domains = [f"d{at}.example" for at in range(3)]
        batch = [
            {"type": "MessageSent", "from_domain": domain, "source_event_id": f"{name} {domain}"}
            for domain in domains
        ]
        said = self._answered(connection, "/v1/events", batch, {"Authorization": f"Bearer {self._key}"})
        if said is not None:
            self.events.update(str(event["source_event_id"]) for event in batch)

    def _webhook(self, connection: http.client.HTTPConnection, name: str) -> None:
        said = self._answered(connection, self._hook, [{"msys": {"message_event": {"event_id": name}}}], {})
        if said is not None:
            self.receipts.add(str(said["receipt_id"]))

    def _answered(
        self, connection: http.client.HTTPConnection, path: str, value: object, headers: dict[str, str]
    ) -> dict[str, object] | None:
        connection.request("POST", path, json.dumps(value), {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status == 200:
            return dict(said)
        assert int(answer.headers["Retry-After"]) > 0, (answer.status, said)
        self.refused[answer.status, said["error"]] += 1
        return None

    def got(self, path: str) -> tuple[int, dict[str, object]]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        connection.request("GET", path, headers={"Authorization": f"Bearer {self._key}"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def suppresses(self, number: int) -> bool:
        """Whether this recipient is known to be suppressed; where that is not known at all, the others are no answer."""
        status, said = self.got(f"/v1/suppressions/{number:032x}")
        return status == 200 and said["suppressed"] is True


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def suppress(log: KafkaLog, number: int) -> None:
    event = RecipientSuppressed(
        source_event_id=str(number), occurred_at=1, recorded_at=1, recipient_hash=f"{number:032x}", reason="bounce",
        reasons=("bounce",), since=1,
    )  # fmt: skip
    log.append("suppressions", [Record(b"k%d" % number, encode(event), 1)])


def everything(log: KafkaLog, topic: str) -> list[Event]:
    found: list[Event] = []
    for source in log.partitions(topic):
        at = log.begin(source)
        while (batch := log.read(source, at, 10_000)).next > at:
            found += [decode(value) for value in batch.values if value is not None]
            at = batch.next
    return found


@contextmanager
def intake(settings: Settings, log: KafkaLog | SpooledLog) -> Iterator[None]:
    try:
        with opening.served(settings, log, lambda: None):
            yield
    finally:
        log.close()


def test_what_was_answered_with_2xx_is_in_kafka_once_though_the_broker_was_killed(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(opening, "limits_of", lambda _: LIMITS)
    direct = Settings(
        log=f"kafka://{broker.address}/i", kafka_partitions=2, intake_port=free_port(), metrics_port=0
    )
    behind_a_spool = direct.model_copy(update={"spool": "sqlite:///spool.db", "intake_port": free_port()})
    log = open_any_log(direct)
    assert isinstance(log, KafkaLog)
    open_keyring(direct, create=True)
    key = KeyFile(direct.keys).create("test", "default", ["emit", "read"])[1]
    hook = add_hook(direct.hooks, "test", {"provider": "sparkpost", "unsigned": True})
    one, other = (
        Front(settings, key, f"/hooks/sparkpost/{hook.token}") for settings in (direct, behind_a_spool)
    )
    suppress(log, 1)
    spooled = open_spooled_log(behind_a_spool)
    assert spooled is not None
    with ExitStack() as end:
        end.enter_context(intake(direct, log))
        end.enter_context(intake(behind_a_spool, spooled))
        for front in (one, other):
            until(lambda front=front: front.suppresses(1))  # type: ignore[misc]
            assert front.got(f"/v1/suppressions/{2:032x}") == (200, {"suppressed": False, "suppressions": []})
            end.enter_context(front.posting())
        until(lambda: min(one.taken, other.taken) > 100)

        broker.stop(kill=True)
        log._connection.timeout_s = 2
        in_spool = other.taken
        until(lambda: one.got("/healthz")[0] == one.got("/readyz")[0] == 503)
        until(lambda: other.taken > in_spool + 200)
        assert other.got("/healthz") == (200, {"status": "ok"}) and one.got("/livez")[0] == 200
        assert one.suppresses(1) and other.suppresses(1)

        broker.run()
        before = one.taken
        until(lambda: one.taken > before + 50 and one.got("/readyz")[0] == 200)
        suppress(log, 2)
        for front in (one, other):
            until(lambda front=front: front.suppresses(2))  # type: ignore[misc]

    assert not one.wrong and not other.wrong
    assert {status for status, _ in one.refused} == {429, 503} and {s for s, _ in other.refused} <= {429}
    log = open_any_log(direct)
    try:
        told = Counter(event.source_event_id for event in everything(log, "mail.events"))
        kept = Counter(document.receipt_id for document in everything(log, "documents"))
    finally:
        log.close()
    assert one.events | other.events <= told.keys() and one.receipts | other.receipts <= kept.keys()
    assert set(told.values()) == set(kept.values()) == {1}
