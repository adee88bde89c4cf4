"""Saying yes to SNS: the URL is visited once, and nowhere else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from sources.intake.confirming import NotConfirmed, confirm

visited: list[str] = []


class Amazon(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        visited.append(self.path)
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def amazon() -> Iterator[str]:
    visited.clear()
    server = HTTPServer(("127.0.0.1", 0), Amazon)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_yes_is_said_by_a_visit(amazon: str) -> None:
    confirm(f"{amazon}/200")
    assert visited == ["/200"]


@pytest.mark.parametrize("status", [302, 307, 403, 500])
def test_any_other_answer_is_none_and_leads_nowhere(amazon: str, status: int) -> None:
    with pytest.raises(NotConfirmed, match=str(status)):
        confirm(f"{amazon}/{status}")
    assert visited == [f"/{status}"]


def test_nobody_there_is_no_answer() -> None:
    with pytest.raises(NotConfirmed, match="no answer"):
        confirm("http://127.0.0.1:1/")
