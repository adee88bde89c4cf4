"""Queries that fail when the answer has begun, or that are no text."""

import json
import os
import socket

import pytest
from worlds import World


@pytest.mark.parametrize("settings", [{}, {"MAILWAKE_QUERY_ROWS": "1000000"}], ids=["error", "limit"])
def test_a_query_that_fails_half_way_is_not_taken_for_whole(empty: World, settings: dict[str, str]) -> None:
    """The rows that came are printed, the error is none of them, and the exit code tells."""
    empty.run("run", "--until-idle")
    sql = "SELECT number FROM numbers(3000000)" + (
        "" if settings else " WHERE intDiv(1, number - 2000000) < 9"
    )
    said = empty.run("query", sql, "--json", expect=1, **settings)
    assert said.out.startswith('{"number":0}\n')
    assert "__exception__" not in said.out and "DB::Exception" not in said.out
    assert said.err.startswith("mailwake: Code: 396." if settings else "mailwake: Code: 153.")
    assert said.err.endswith(")\n") and "__exception__" not in said.err


def test_a_query_that_is_no_text_is_refused_like_any_other(empty: World) -> None:
    empty.run("run", "--until-idle")
    sql = b"SELECT hex('\xff')"
    for said in (
        empty.run("query", os.fsdecode(sql), expect=1),
        empty.run("query", "-", stdin=sql, expect=1, PYTHONIOENCODING="utf-8:strict"),
    ):
        assert said.err.startswith("mailwake: Code: 62. DB::Exception: the statement is not UTF-8")


def test_what_a_killed_pipeline_left_is_not_asked(empty: World) -> None:
    """Its process id may be another process's by now: in a container it often is."""
    empty.run("run", "--until-idle")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    note = {"url": f"http://127.0.0.1:{port}", "pid": os.getpid()}
    (empty.folder / "mailwake.db.serving").write_text(json.dumps(note))
    assert empty.run("query", "SELECT 1 AS one").out == "one\n1\n"
