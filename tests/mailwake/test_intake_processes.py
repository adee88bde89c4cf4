"""The intake as processes: beside a pipeline, several on one log, killed and ended under load."""

import http.client
import json
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from running import running, until, until_it_says
from worlds import World, finished

from schemas.codec import decode
from streams.keyring.file_keyring import FileKeyring
from streams.spool.spool import Spool


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def posted(port: str, path: str, body: bytes, **headers: str) -> tuple[int, Any]:
    sent = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, sent)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.status, json.loads(answer.read())


def got(port: str, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return json.loads(answer.read())


class Senders:
    """Threads that send numbered events until nobody answers any more, and remember which were taken."""

    def __init__(self, ports: list[str]) -> None:
        self.taken: set[str] = set()
        self.statuses: set[int] = set()
        self._threads = [
            threading.Thread(target=self._send, args=(number, ports[number % len(ports)]))
            for number in range(6)
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, sender: int, port: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
        for number in range(100_000):
            ids = [f"{sender}-{number}-{at}" for at in range(5)]
            batch = [
                {"type": "MessageSent", "from_domain": "s.example", "source_event_id": one} for one in ids
            ]
            try:
                connection.request(
                    "POST", "/v1/events", json.dumps(batch), {"Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return
            self.statuses.add(answer.status)
            if answer.status == 200:
                self.taken.update(ids)

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def kept(world: World) -> set[str]:
    return {str(decode(value).source_event_id) for _, _, value, _ in world.records("mail.events")}


def test_what_was_answered_before_a_kill_is_in_the_log(empty: World) -> None:
    port = free_port()
    for _ in range(2):
        with running(empty, "intake", MAILWAKE_INTAKE_PORT=port) as process:
            until_it_says(b"taking events", process)
            senders = Senders([port])
            until(lambda senders=senders: len(senders.taken) > 500, process)  # type: ignore[misc]
            process.kill()
            senders.join()
        assert senders.taken <= kept(empty) and senders.statuses == {200}


def test_what_was_answered_before_it_was_told_to_end_is_in_the_log_of_both(empty: World) -> None:
    ports = [free_port(), free_port()]
    with (
        running(empty, "intake", MAILWAKE_INTAKE_PORT=ports[0]) as one,
        running(empty, "intake", MAILWAKE_INTAKE_PORT=ports[1]) as two,
    ):
        for process in (one, two):
            until_it_says(b"taking events", process)
        senders = Senders(ports)
        until(lambda: len(senders.taken) > 500, one)
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
        senders.join()
        for process in (one, two):
            assert "Traceback" not in finished(process, expect=0).err
    assert senders.taken <= kept(empty) and senders.statuses == {200}


def ended(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    assert "Traceback" not in finished(process, expect=0).err


def test_up_takes_over_http_and_answers_what_came_of_it(empty: World) -> None:
    port = free_port()
    bounce = {
        "type": "MessageBounced", "from_domain": "s.example", "message_id": "<1@s.example>", "source_event_id": "b",
        "recipient": "gone@gmail.com", "smtp_code": 550, "enhanced_code": "5.1.1",
        "response": "550-5.1.1 The email account that you tried to reach does not exist.",
    }  # fmt: skip
    with running(empty, "up", MAILWAKE_INTAKE_PORT=port) as up:
        until_it_says(b"up: queries at", up)
        assert posted(port, "/v1/events", json.dumps([bounce]).encode())[1]["taken"] == 1
        assert posted(port, "/v1/documents?name=noise.txt", b"no report")[0] == 200
        until(lambda: got(port, "/v1/suppressions/gone@gmail.com")["suppressed"], up)
        (held,) = got(port, "/v1/suppressions/gone@gmail.com")["suppressions"]
        assert (held["reason"], held["stream"]) == ("bounce", "all")
        until(lambda: empty.lag() == 0, up)
        life = got(port, "/v1/messages/1@s.example")
        assert [event["kind"] for event in life["events"]] == ["bounced"]
        assert "gone@gmail.com" not in json.dumps(life)
        ended(up)
    assert empty.rows("SELECT name, outcome FROM documents") == [{"name": "noise.txt", "outcome": "rejected"}]


def test_keys_and_hooks_made_on_the_command_line_work_in_an_intake_that_runs(
    empty: World, tmp_path: Path
) -> None:
    port = free_port()
    with running(empty, "intake", MAILWAKE_INTAKE_PORT=port) as process:
        until_it_says(b"taking events", process)
        said = empty.run("hooks", "add", "sparkpost", "--basic", "-", "--json", stdin=b"user:password\n")
        path = "/hooks/" + json.loads(said.out)["url"].partition("/hooks/")[2]
        basic = {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}

        def taken() -> bool:
            try:
                return posted(port, path, b"[]", **basic)[0] == 200
            except urllib.error.HTTPError as error:
                return error.code != 404

        until(taken, process)
        key = json.loads(empty.run("keys", "create", "one", "--scopes", "emit,read", "--json").out)
        bearer = {"Authorization": f"Bearer {key['key']}"}
        event = b'{"type": "MessageSent", "from_domain": "s.example"}'

        def heard() -> bool:
            try:
                return posted(port, "/v1/events", event, **bearer)[0] == 200
            except urllib.error.HTTPError as error:
                return error.code != 401

        until(heard, process)
        empty.run("keys", "revoke", "one")
        until(lambda: not heard_still(port, event, bearer), process)
        ended(process)
    assert len(empty.records("documents")) >= 1


def heard_still(port: str, event: bytes, bearer: dict[str, str]) -> bool:
    try:
        return posted(port, "/v1/events", event, **bearer)[0] == 200
    except urllib.error.HTTPError:
        return False


def test_behind_a_spool_it_takes_what_comes_while_no_broker_answers(empty: World) -> None:
    port = free_port()
    nowhere = {
        "MAILWAKE_LOG": f"kafka://127.0.0.1:{free_port()}",
        "MAILWAKE_SPOOL": "sqlite:///spool.db",
        "MAILWAKE_INTAKE_PORT": port,
    }
    assert "keyring" in empty.run("intake", expect=None, **nowhere).err
    FileKeyring.open(empty.folder / "mailwake.keys", create=True)
    with running(empty, "intake", **nowhere) as process:
        until_it_says(b"taking events", process)
        event = b'{"type": "MessageSent", "from_domain": "s.example"}'
        assert posted(port, "/v1/events", event)[0] == 200
        try:
            got(port, "/v1/suppressions/gone@gmail.com")
        except urllib.error.HTTPError as error:
            assert error.code == 503
        process.kill()
    spool = Spool.open(empty.folder / "spool.db", 2**30, nowhere["MAILWAKE_LOG"])
    assert spool.held().records == 1
    spool.close()
