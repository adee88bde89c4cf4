"""`mailwake tail` as a process: killed while a log grows and is rotated, refused, told what it can't do."""

import gzip
import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
import tail_processes
from tail_processes import LONGEST_S, begun, ended, interleaved

from mailwake.settings import Settings
from mailwake.tail.opening import TailOptions, opened_tail
from schemas.codec import decode
from schemas.mail import MailEvent, MessageSent
from streams.keyring.file_keyring import FileKeyring
from streams.keyring.keyring import TenantForgotten
from streams.log import TopicPartition
from streams.sqlite.log import SqliteLog
from streams.topics import TOPICS

KILLS = 4


def tail(folder: Path, *arguments: str, format_name: str = "postfix") -> "subprocess.Popen[str]":
    """A tail into a log in this folder."""
    where = {"MAILWAKE_LOG": f"sqlite:///{folder}/events.db", "MAILWAKE_TENANT": "acme"}
    return tail_processes.tail(*arguments, format_name=format_name, **where)


def events(folder: Path) -> list[MailEvent]:
    log = SqliteLog.open(folder / "events.db", TOPICS)
    source, found, offset = TopicPartition("mail.events"), list[MailEvent](), 0
    while (batch := log.read(source, offset, 10_000)).next > offset:
        decoded = [decode(value) for value in batch.values if value is not None]
        found += [event for event in decoded if isinstance(event, MailEvent)]
        offset = batch.next
    log.close()
    return found


def facts(found: list[MailEvent]) -> Counter[str]:
    """What the events say, each as text, without when it was recorded."""
    return Counter(f"{type(e).__name__} {e.model_dump(exclude={'recorded_at'})}" for e in found)


def until_events(folder: Path, count: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + LONGEST_S
    while not (folder / "events.db").exists() or len(events(folder)) < count:
        assert process.poll() is None, ended(process)
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_while_the_log_grows_and_is_rotated_it_tells_each_line_once(tmp_path: Path) -> None:
    lines = interleaved(1_500)
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    for folder in (killed, undisturbed):
        folder.mkdir()
    (undisturbed / "mail.log").write_text("".join(lines))
    assert ended(tail(undisturbed, "--until-end", str(undisturbed / "mail.log")))[0] == 0
    (killed / "events.keys").write_bytes((undisturbed / "events.keys").read_bytes())
    (killed / "events.keys").chmod(0o600)

    draw, log, rotations, at = random.Random(5), killed / "mail.log", 0, 0
    log.touch()
    pieces = sorted(draw.sample(range(1, len(lines)), KILLS - 1))
    for end in [*pieces, len(lines)]:
        process = tail(killed, str(log))
        begun(process)
        while at < end:
            step = min(end, at + draw.randrange(20, 400))
            with log.open("a") as file:
                file.write("".join(lines[at:step]))
            at = step
            time.sleep(draw.random() * 0.15)
            if draw.random() < 0.3:
                rotations += 1
                rotated = log.rename(killed / f"mail.log.{100 - rotations}")
                if draw.random() < 0.5:
                    rotated.with_name(rotated.name + ".gz").write_bytes(gzip.compress(rotated.read_bytes()))
                    os.utime(rotated.with_name(rotated.name + ".gz"), ns=(0, rotated.stat().st_mtime_ns))
                    rotated.unlink()
        time.sleep(draw.random() * 0.8)
        process.kill()
        process.communicate()
    log.touch()
    assert ended(tail(killed, "--until-end", str(log)))[0] == 0
    told, wanted = events(killed), events(undisturbed)
    assert len({event.event_id for event in told}) == len(told) == len(wanted) == 4_500
    assert facts(told) == facts(wanted)


def test_killed_while_others_read_ahead_it_leaves_none_of_them_and_tells_each_line_once(
    tmp_path: Path,
) -> None:
    log, each = tmp_path / "kumo.log", 16_000
    # First it is killed amid its work, then when those that read ahead have nothing left to do.
    for kill, wanted in enumerate((1, 2 * each)):
        with log.open("a") as file:
            for number in range(kill * each, (kill + 1) * each):
                record = {
                    "type": "Bounce", "id": f"{number:032x}", "sender": "x@news.example", "recipient": f"u{number}@b.example",
                    "timestamp": 1_795_946_400 + number, "response": {"code": 550, "content": "gone " * 200}, "num_attempts": 0,
                }  # fmt: skip
                file.write(json.dumps(record) + "\n")
        process = tail(tmp_path, "--processes", "2", str(log), format_name="kumomta")
        ahead = children_of(process)
        until_events(tmp_path, wanted, process)
        process.kill()
        process.communicate()
        deadline = time.monotonic() + LONGEST_S
        while any(runs(child) for child in ahead):
            assert time.monotonic() < deadline, "processes that read ahead outlive the tail"
            time.sleep(0.05)
    told = events(tmp_path)
    assert len({event.event_id for event in told}) == len(told) == 2 * each


def children_of(process: "subprocess.Popen[str]") -> list[str]:
    """The processes that it started, once it has."""
    children, deadline = (
        Path(f"/proc/{process.pid}/task/{process.pid}/children"),
        time.monotonic() + LONGEST_S,
    )
    # One of them is multiprocessing's own, which looks after what the others share.
    while not (found := children.read_text().split())[1:]:
        assert process.poll() is None, ended(process)
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def runs(process: str) -> bool:
    """Whether it does: one that ended may wait for its parent, whoever that is, to see it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_second_tail_of_the_same_file_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("".join(interleaved(10)))
    first = tail(tmp_path, str(log))
    try:
        until_events(tmp_path, 30, first)
        code, _, err = ended(tail(tmp_path, "--name", "other", str(log)))
        assert code == 3
        assert f"another tail, process {first.pid}, is at work" in err
    finally:
        first.send_signal(signal.SIGTERM)
    code, out, _ = ended(first)
    assert code == 0
    assert json.loads(out)["events"] == {"MessageSent": 10, "MessageDeferred": 10, "MessageDelivered": 10}


def test_what_its_options_say_is_in_every_event(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("".join(interleaved(1)).replace("2026-11-29T", "2026-11-29 ").replace(".000Z", ""))
    options = ("--from-domain", "Brand.Example", "--ip", "192.0.2.7", "--pool", "p", "--stream", "marketing")
    code, _, err = ended(tail(tmp_path, "--once", "--zone", "UTC", *options, str(log)))
    assert code == 0, err
    sent = events(tmp_path)[0]
    assert isinstance(sent, MessageSent)
    assert (sent.tenant, sent.source, sent.channel) == ("acme", "postfix", "log")
    assert (sent.from_domain, sent.ip, sent.pool, sent.stream) == (
        "brand.example",
        "192.0.2.7",
        "p",
        "marketing",
    )
    assert b"u0@b.example" not in (tmp_path / "events.db").read_bytes()


def test_a_forgotten_tenant_is_refused_also_while_a_tail_runs(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    log.write_text("".join(interleaved(5)))
    running = tail(tmp_path, str(log))
    until_events(tmp_path, 15, running)
    FileKeyring.open(tmp_path / "events.keys", create=False).forget("acme")
    code, _, err = ended(running)
    assert code == 3
    assert "tenant acme was forgotten, and nothing is taken for it" in err
    assert "Traceback" not in err
    with log.open("a") as file:
        file.write("".join(interleaved(10)[25:]))
    settings = Settings(log=f"sqlite:///{tmp_path}/events.db", tenant="acme")
    with (
        pytest.raises(TenantForgotten, match="mailwake keyring readmit acme"),
        opened_tail(settings, TailOptions("postfix", (str(log),))),
    ):
        pass
    assert len(events(tmp_path)) == 15


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--until-end", "nowhere.log"), "nowhere.log: no such file or folder"),
        (
            ("--from-domain", "a b", "mail.log"),
            "--from-domain a b: a domain is wanted, as in example.com, or envelope",
        ),
        (("--ip", "example.com", "mail.log"), "--ip example.com: an IP address is wanted"),
        (("--zone", "Mars/Base", "mail.log"), "Mars/Base: no time zone that is known here"),
    ],
)
def test_mistakes_are_said_in_a_line(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = ended(tail(tmp_path, *arguments))
    assert code == 2
    assert says in err
    assert "Traceback" not in err
