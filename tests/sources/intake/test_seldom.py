"""What strangers can cause at will fills no log."""

import logging

import pytest

from sources.intake import seldom


def test_of_each_kind_one_line_now_and_then(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr(seldom.time, "monotonic", lambda: clock[0])
    with caplog.at_level(logging.WARNING):
        lines = seldom.Seldom()
        for _ in range(1_000):
            lines.warning("a", "%s was refused", "a")
        lines.warning("b", "b was refused")
        clock[0] += seldom.EVERY_S
        lines.warning("a", "%s was refused", "a")
    assert caplog.messages == ["a was refused", "b was refused", "a was refused (and 999 like it before)"]
