"""The intake behind a real socket: slow, greedy and odd clients, many at once, and its end."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mailwake.intake import opening
from mailwake.intake.server import IntakeCannotListen
from mailwake.opening import open_any_log
from mailwake.settings import Settings, SettingsError
from sources.intake.hook_editing import add_hook
from sources.intake.limits import IntakeLimits
from streams.log import Log, LogFull, LogUnavailable, TopicPartition

SENT = json.dumps({"type": "MessageSent", "from_domain": "sender.example"}).encode()
HEAD = b"POST /v1/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class There:
    """An intake that runs, and its log."""

    def __init__(self, settings: Settings, log: Log) -> None:
        self.settings, self.log = settings, log

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.settings.intake_port), 20)

    def said(self, *pieces: bytes) -> bytes:
        """What is answered to this, to the end of the connection."""
        with self.connect() as to:
            for piece in pieces:
                to.sendall(piece)
            return everything(to)

    def post(self, body: bytes = SENT) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.intake_port, timeout=20)
        connection.request("POST", "/v1/events", body, {"Content-Type": "application/json"})
        return connection.getresponse()

    def kept(self) -> int:
        return self.log.end(TopicPartition("mail.events"))


def everything(to: socket.socket) -> bytes:
    got = b""
    try:
        while piece := to.recv(65536):
            got += piece
    except ConnectionError:
        pass
    return got


@contextmanager
def there(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: Log | None = None,
    host: str = "127.0.0.1",
    **limits: float,
) -> Iterator[There]:
    monkeypatch.chdir(folder)
    settings = Settings(intake_host=host, intake_port=free_port(), metrics_port=0)
    monkeypatch.setattr(opening, "limits_of", lambda _: replace(IntakeLimits(), **limits))
    opened = open_any_log(settings)
    with opening.served(settings, log or opened, lambda: None):
        yield There(settings, opened)
    opened.close()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_headers_without_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch, header_bytes=8_000) as here:
        many = b"".join(b"X-%d: y\r\n" % at for at in range(2_000))
        assert status(here.said(HEAD, many)) == 431
        assert status(here.said(b"GET /" + b"x" * 9_000)) == 431
        assert here.post().status == 200


def test_whoever_is_slow_on_purpose_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch, header_seconds=0.3, silence_seconds=0.3) as here:
        assert status(here.said(b"")) == 408
        assert status(here.said(HEAD)) == 408
        slow = here.said(HEAD + b"Content-Length: 100\r\n\r\n", b"{")
        assert status(slow) == 408 and b"too_slow" in slow
        assert here.post().status == 200 and here.kept() == 1


def test_whoever_is_slow_with_a_later_request_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with there(tmp_path, monkeypatch, header_seconds=0.3) as here, here.connect() as to:
        for _ in range(2):
            to.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(SENT) + SENT)
            assert status(to.recv(10_000)) == 200
        to.sendall(HEAD)
        assert status(everything(to)) == 408 and here.kept() == 2


def test_a_body_that_drips_is_let_go_at_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch, silence_seconds=5, body_seconds=0.5) as here, here.connect() as to:
        to.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 20:
                to.sendall(b"x")
                time.sleep(0.02)
        except OSError:
            return
        pytest.fail("it was read for as long as it dripped")


def test_a_declared_size_is_believed_before_a_byte_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with there(tmp_path, monkeypatch, events_bytes=1_000) as here:
        said = here.said(HEAD + b"Content-Length: 1001\r\n\r\n")
        assert status(said) == 413 and b"connection: close" in said.lower()
        chunk = b"1f4\r\n" + b" " * 500 + b"\r\n"
        assert (
            status(here.said(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 3 + b"0\r\n\r\n")) == 413
        )
        assert here.kept() == 0


def test_whoever_is_refused_can_not_go_on_sending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch) as here:
        for path, refused in ((b"/hooks/ses/nothing", 404), (b"/v1/events", 401)):
            head = (
                HEAD.replace(b"/v1/events", path)
                + b"Authorization: Bearer wrong\r\nContent-Length: 100000\r\n\r\n"
            )
            said = here.said(head, b"x" * 10)
            assert status(said) == refused and b"connection: close" in said.lower()


def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with there(tmp_path, monkeypatch) as here:
        with here.connect() as to:
            to.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (len(SENT) + 1) + SENT)
        assert here.post().status == 200
        assert here.kept() == 1


def test_one_connection_too_many_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch, connections=2) as here, here.connect() as one, here.connect() as two:
        for held in (one, two):
            held.sendall(HEAD + b"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n")
            assert status(held.recv(1000)) == 100
        assert status(here.said(HEAD)) == 503


def test_one_connection_too_many_has_the_place_of_the_one_that_was_idle_the_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with there(tmp_path, monkeypatch, connections=2) as here, here.connect() as one, here.connect() as two:
        for idle in (one, two):
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status(idle.recv(10_000)) == 200
            time.sleep(0.01)
        assert here.post().status == 200
        assert one.recv(1) == b""
        two.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status(two.recv(10_000)) == 200


CHUNKED = HEAD.replace(b"/v1/events", b"/hooks/x/y") + b"Transfer-Encoding: chunked\r\n\r\n"


def cut_off(to: socket.socket, piece: bytes, at_most: int) -> bool:
    """Whether the other side ends it before it took so many of these."""
    try:
        for _ in range(at_most):
            to.sendall(piece)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("end", [b"", b"0\r\nX: y"])
def test_trailers_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: bytes
) -> None:
    with there(tmp_path, monkeypatch, header_bytes=8_000) as here, here.connect() as to:
        to.sendall(HEAD + b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
        assert status(to.recv(1000)) == 100
        to.sendall(end or b"5;")
        assert cut_off(to, b"x" * 65_536, 1_000)
        assert here.post().status == 200 and here.kept() == 1


def test_what_was_answered_before_its_end_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch) as here:
        for method in (b"POST", b"HEAD", b"PUT"):
            with here.connect() as to:
                to.settimeout(5)
                to.sendall(CHUNKED.replace(b"POST", method))
                assert status(everything(to)) in (404, 405)


def test_a_trailer_is_no_header_of_the_next_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunk = b"%x\r\n" % len(SENT) + SENT + b"\r\n0\r\nAuthorization: Bearer wrong\r\n\r\n"
    with there(tmp_path, monkeypatch) as here:
        said = here.said(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + HEAD + b"Content-Length: 2\r\n\r\n{}"
        )
        assert status(said) == 200 and said.count(b"HTTP/1.1") == 1 and b"connection: close" in said
        assert here.kept() == 1


def test_whoever_takes_no_answers_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch, silence_seconds=0.2) as here, socket.socket() as to:
        to.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        to.settimeout(20)
        to.connect(("127.0.0.1", here.settings.intake_port))
        to.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500)
        deadline = time.monotonic() + 20
        with pytest.raises(ConnectionError):
            while time.monotonic() < deadline:
                to.send(b"G")
                time.sleep(0.05)


def test_a_line_break_behind_a_body_does_not_cut_off_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        def append_emits(self, emits: object) -> None:
            time.sleep(0.5)

    with there(tmp_path, monkeypatch, Slow(), header_seconds=0.1) as here:  # type: ignore[arg-type]
        closing = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(SENT) + SENT
        assert status(here.said(closing, b"\r\n")) == 200


def test_too_many_requests_in_hand_are_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with there(tmp_path, monkeypatch, requests=1) as here, here.connect() as held:
        held.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n{" % len(SENT))
        deadline = time.monotonic() + 20
        while (answer := here.post()).status != 429 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (answer.status, answer.headers["Retry-After"], json.loads(answer.read())["error"]) == (
            429,
            "2",
            "busy",
        )
        held.sendall(SENT[1:])
        assert status(everything(held)) == 200


def test_bodies_take_no_more_memory_than_there_is_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with there(tmp_path, monkeypatch, memory_bytes=10_000) as here:
        assert here.post(b" " * 20_000 + SENT).status == 429
        assert here.post().status == 200


class Failing:
    """A log that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self.error: Exception | None = error

    def append_emits(self, emits: object) -> None:
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    ("error", "word"), [(LogFull("no room on /secret/path"), "full"), (LogUnavailable("broker:9092"), "away")]
)
def test_a_log_that_takes_nothing_is_said_and_health_is_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str
) -> None:
    failing = Failing(error)
    with there(tmp_path, monkeypatch, failing) as here:  # type: ignore[arg-type]
        answer = here.post()
        said = answer.read()
        assert (answer.status, answer.headers["Retry-After"]) == (503, "15")
        assert json.loads(said)["error"] == f"log_{word}" and b"secret" not in said and b"9092" not in said
        assert health(here) == (503, {"status": word})
        failing.error = None
        assert here.post().status == 200 and health(here) == (200, {"status": "ok"})


def health(here: There) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", here.settings.intake_port, timeout=20)
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_who_only_wants_the_status_of_its_health_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with there(tmp_path, monkeypatch) as here:
        for page in (b"healthz", b"livez"):
            head, _, body = here.said(
                b"HEAD /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % page
            ).partition(b"\r\n\r\n")
            assert (status(head), body) == (200, b"")


def test_what_is_in_hand_when_it_ends_is_answered_and_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with there(tmp_path, monkeypatch) as here:
        held = here.connect()
        held.sendall(HEAD + b"Content-Length: %d\r\n\r\n{" % len(SENT))
        finish = threading.Timer(0.5, held.sendall, (SENT[1:],))
        finish.start()
        time.sleep(0.2)
    finish.join()
    assert status(everything(held)) == 200
    held.close()
    monkeypatch.chdir(tmp_path)
    again = open_any_log(Settings())
    assert again.end(TopicPartition("mail.events")) == 1
    again.close()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"intake_certificate_key_file": "key.pem"}, "no certificate: MAILWAKE_INTAKE_CERTIFICATE_FILE"),
        ({"intake_certificate_file": "cert.pem"}, "cert.pem, which must hold its key as well"),
        ({"intake_certificate_file": "cert.pem", "intake_certificate_key_file": "key.pem"}, "with the key in key.pem"),
        ({"intake_certificate_file": "cert.pem", "intake_certificate_key_file": "none.pem"}, "none.pem, and there is no such file"),
    ],
)  # fmt: skip
def test_a_certificate_that_can_not_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cert.pem", "key.pem"):
        Path(name).write_text("no PEM")
    settings = Settings(intake_port=free_port(), metrics_port=0, **files)
    log = open_any_log(settings)
    with pytest.raises(SettingsError, match=says), opening.served(settings, log, lambda: None):
        pass
    log.close()


def test_a_port_that_is_taken_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch) as here:
        port = str(here.settings.intake_port)
        again = opening.served(here.settings, here.log, lambda: None)
        with pytest.raises(IntakeCannotListen, match=port), again:
            pass


def hears_both() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as found:
            found.bind(("::", 0))
            return not found.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    except OSError:
        return False


@pytest.mark.skipif(not hears_both(), reason="this machine has no IPv6, or keeps it apart from IPv4")
def test_an_ipv4_proxy_is_believed_by_what_listens_on_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hooks.toml"
    token = add_hook(path, "brevo", {"provider": "brevo", "unsigned": True}).token
    path.write_text(path.read_text() + 'networks = ["192.0.2.0/24"]\n')
    with there(tmp_path, monkeypatch, host="::") as here:
        post = (
            b"POST /hooks/brevo/%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n"
            % token.encode()
        )
        assert status(here.said(post + b"X-Forwarded-For: 192.0.2.9\r\n\r\n[]")) == 200
        assert status(here.said(post + b"X-Forwarded-For: 198.51.100.9\r\n\r\n[]")) == 403


def test_what_is_no_http_ends_the_connection_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with there(tmp_path, monkeypatch) as here:
        for odd in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET\r\n\r\n", b"POST / HTTP/9.9\r\n\r\n"):
            assert status(here.said(odd)) == 400
        pipelined = (HEAD + b"Content-Length: %d\r\n\r\n" % len(SENT) + SENT) * 3
        last = HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(SENT) + SENT
        assert here.said(pipelined + last).count(b"HTTP/1.1 200") == 4
        assert here.kept() == 4
