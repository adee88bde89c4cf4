"""`mailwake suppressed` and `mailwake message` as somebody types them, and the lists that are imported and exported."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import running, until
from typer.testing import CliRunner
from worlds import World

from mailwake.cli.app import app
from mailwake.suppressed.entries import Entry
from mailwake.suppressed.lists import BadList, BadRow, Defaults, read_rows, write_rows
from sinks.suppressions.index import Suppression

NOW = 1_780_272_000_000
WHO = "0123456789abcdef0123456789abcdef"
DEFAULTS = Defaults("import", "all", NOW, by="anna", note="the old list")


def hashed(given: str) -> tuple[str, str | None]:
    if "@" not in given and len(given) != 32:
        raise ValueError(f"{given!r} is neither")
    return f"h{given}", given.rpartition("@")[2] or None if "@" in given else None


def read(text: str) -> list[Entry | BadRow]:
    return list(read_rows(io.StringIO(text, newline=""), DEFAULTS, hashed))


@pytest.mark.parametrize(
    ("text", "reason", "since", "note"),
    [
        ("recipient_hash,reason\n" + WHO + ",complaint\n", "complaint", NOW, "the old list"),
        ("Email,Reason,LastUpdateTime\na@b.example,BOUNCE,2024-05-01T10:00:00Z\n", "bounce", 1_714_557_600_000, "the old list"),
        ('email,created\n"a@b.example",1714557600\n', "import", 1_714_557_600_000, "the old list"),
        ("status,reason,email,created\n5.1.1,550 no <x@y.example>,a@b.example,1714557600\n", "import", 1_714_557_600_000,
         "550 no <address>"),
        ('address,code,error,created_at\na@b.example,550,No such user,"Wed, 01 May 2024 10:00:00 UTC"\n', "import",
         1_714_557_600_000, "No such user"),
        ("\ufeffaddress;\n".replace(";", ",tags") + "a@b.example,*\n", "import", NOW, "the old list"),
        ("a@b.example,COMPLAINT\n", "complaint", NOW, "the old list"),
        (WHO + "\n", "import", NOW, "the old list"),
        (WHO.upper() + "\n", "import", NOW, "the old list"),
        ("EmailAddress;SuppressionReason;CreatedAt\na@b.example;HardBounce;2024-05-01T12:00:00+02:00\n", "bounce",
         1_714_557_600_000, "the old list"),
        ('"reason"\t"email"\nspam; really, a@b.example\ta@b.example\n', "import", NOW, "spam; really, <address>"),
        ("a@b.example;COMPLAINT\n", "complaint", NOW, "the old list"),
        ("a@b.example,550 no; not here; at all\n", "import", NOW, "550 no; not here; at all"),
        ("email,reason,created_at\na@b.example,hard-bounce,2024-05-01 10:00:00\n", "bounce", 1_714_557_600_000, "the old list"),
    ],
    ids=["ours", "ses", "sendgrid spam reports", "sendgrid bounces", "mailgun", "a byte order mark", "no header", "a hash",
         "a hash in capitals", "Excel in Europe", "tabs", "semicolons without a header", "semicolons in words", "mandrill"],
)  # fmt: skip
def test_lists_of_others_are_understood(text: str, reason: str, since: int, note: str) -> None:
    (entry,) = read(text)
    assert isinstance(entry, Entry)
    assert (entry.kind, entry.reasons, entry.at, entry.stream) == ("import", (reason,), since, "all")
    assert (entry.note, entry.by) == (note, "anna")


def test_bad_rows_are_named_with_their_line_and_the_others_are_taken() -> None:
    rows = read(
        "email,created,stream\n\na@b.example,yesterday,\n,,cold\nb@b.example,,billing\nnobody,,\nc@b.example,9999999999,\n"
        "d@b.example,,cold\n"
    )
    assert [(row.line, row.why.split(":")[0]) for row in rows if isinstance(row, BadRow)] == [
        (3, "'yesterday' is no time"),
        (4, "names no recipient"),
        (5, "stream 'billing' is none of all, transactional, marketing, cold, other"),
        (6, "'nobody' is neither"),
        (7, "'9999999999' is no moment before now"),
    ]
    assert [row.stream for row in rows if isinstance(row, Entry)] == ["cold"]


@pytest.mark.parametrize(
    ("column", "cell", "why"),
    [
        ("recipient_domain", "jo@b.example", "the recipient's domain is none"),
        ("recipient_domain", "b example", "the recipient's domain is none"),
        ("recipient_domain", "b" * 254, "the recipient's domain is none"),
        ("bounce_class", "jo@b.example", "bounce_class holds an address or is too long"),
        ("bounce_class", "jo%40b.example", "bounce_class holds an address or is too long"),
        ("leaf", "<jo@b.example> unknown", "leaf holds an address or is too long"),
        ("leaf", "l" * 257, "leaf holds an address or is too long"),
    ],
)
def test_no_column_takes_what_the_event_would_not(column: str, cell: str, why: str) -> None:
    bad, good = read(f"recipient_hash,{column}\n{WHO},{cell}\n{WHO},good\n")
    assert isinstance(bad, BadRow) and bad.line == 2 and bad.why.startswith(why)
    assert cell not in bad.why
    assert isinstance(good, Entry) and getattr(good, column) == "good"


def test_a_list_of_something_else_is_refused() -> None:
    with pytest.raises(BadList, match="neither an address nor a hash"):
        read("name,colour\nanna,blue\n")


@pytest.mark.parametrize(
    "broken",
    ['b@b.example,"550 no\nc@b.example,"550 no"\n', 'b@b.example,"550 "no" here"\nc@b.example,550 no\n'],
    ids=["not closed", "not doubled"],
)
def test_a_quote_that_is_broken_hides_nobody(broken: str) -> None:
    """What follows it would be somebody's note, and whom it names mailed."""
    rows = read("email,note\na@b.example,550\n" + broken + "d@b.example,550\n")
    told = {row.recipient_domain: row for row in rows if isinstance(row, Entry)}
    bad = [row for row in rows if isinstance(row, BadRow)]
    hashes = {row.recipient_hash for row in rows if isinstance(row, Entry)}
    assert {"ha@b.example", "hd@b.example"} <= hashes and told and bad
    assert not any("b.example" in (row.note or "") for row in told.values())
    assert bad[0].line == 3 and "a quote in it is not closed or not doubled" in bad[0].why
    assert "hc@b.example" in hashes or "lines 3 to 4 are not taken" in bad[0].why


def test_a_quote_that_is_never_closed_is_named_where_it_begins() -> None:
    rows = read('email,note\na@b.example,\nb@b.example,"550\n' + "c@b.example,\n" * 3)
    assert isinstance(rows[0], Entry) and isinstance(rows[1], BadRow)
    assert rows[1].line == 3 and "lines 3 to 6 are not taken" in rows[1].why and len(rows) == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_a_list_in_utf_16_is_read(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bom = "\ufeff" if encoding == "utf-16-be" else ""
    Path("list.txt").write_bytes(f"{bom}email\tcreated\r\njö@b.example\t1714557600\r\n".encode(encoding))
    said = CliRunner().invoke(app, ["suppressed", "import", "list.txt", "--json"])
    assert json.loads(said.stdout) == {"imported": 1, "bad": 0} and said.exit_code == 0


def test_what_is_exported_is_read_as_it_was() -> None:
    one = Suppression(
        "default", WHO, "cold", "complaint", ("complaint", "bounce"), NOW - 1, ("e",), "bad_mailbox", "unknown",
        "b.example", "anna", 'said, "no"\nmore',
    )  # fmt: skip
    out = io.StringIO(newline="")
    assert write_rows(out, [one]) == 2
    complaint, bounce = read(out.getvalue())
    assert isinstance(complaint, Entry) and isinstance(bounce, Entry)
    assert {(e.recipient_hash, e.stream, e.at) for e in (complaint, bounce)} == {(f"h{WHO}", "cold", NOW - 1)}
    assert (complaint.reasons, complaint.by, complaint.note) == (("complaint",), "anna", 'said, "no"\nmore')
    assert (bounce.reasons, bounce.bounce_class, bounce.leaf) == (("bounce",), "bad_mailbox", "unknown")


def events() -> Iterator[dict[str, object]]:
    who = {"recipient": "Dead@B.example", "from_domain": "a.example", "provider_message_id": "p1"}
    sent = {
        "type": "MessageSent",
        "message_id": "<1@a.example>",
        "dkim_domain": "a.example",
        "dmarc_expected": True,
    }
    yield who | sent | {"source_event_id": "1", "occurred_at": "2026-06-01T10:00:00Z"}
    answer = {
        "smtp_code": 550,
        "enhanced_code": "5.1.1",
        "response": "550 5.1.1 <Dead@B.example>: user unknown",
    }
    yield (
        who
        | {"type": "MessageBounced", "source_event_id": "2", "occurred_at": "2026-06-01T10:00:05Z"}
        | answer
    )
    late = {
        "type": "MessageDeferred",
        "message_id": "<1@a.example>",
        "source_event_id": "3",
        "smtp_code": 451,
    }
    yield late | {"from_domain": "a.example", "occurred_at": "2026-06-01T10:00:02Z"}
    other = {
        "type": "ComplaintReceived",
        "recipient": "angry@b.example",
        "stream": "marketing",
        "source_event_id": "4",
    }
    yield other | {"from_domain": "a.example", "occurred_at": "2026-06-01T11:00:00Z"}


@pytest.fixture(scope="module")
def told_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A bounce and a complaint, taken in. Not to be changed."""
    world = World(tmp_path_factory.mktemp("told"))
    world.run("emit", stdin="".join(json.dumps(event) + "\n" for event in events()).encode())
    world.run("run", "--until-idle")
    return world


@pytest.fixture
def told(told_once: World, tmp_path: Path) -> World:
    """The same, for a test that changes it."""
    return told_once.copy(tmp_path / "told")


def checked(world: World, address: str, *options: str) -> list[tuple[str, str]]:
    said = world.run("suppressed", "check", address, "--json", *options, expect=None)
    (line,) = map(json.loads, said.out.splitlines())
    assert said.code == int(line["suppressed"])
    return [(one["stream"], "+".join(one["reasons"])) for one in line["suppressions"]]


def test_from_what_happened_to_a_lift_and_back(told: World, tmp_path: Path) -> None:
    closed = [("cold", "complaint"), ("marketing", "complaint"), ("other", "complaint")]
    assert checked(told, "dead@b.example") == [("all", "bounce")]
    assert checked(told, "angry@b.example") == closed
    assert checked(told, "angry@b.example", "--stream", "transactional") == []
    assert checked(told, "someone@b.example") == []

    by_stream = told.run(
        "suppressed",
        "lift",
        "dead@b.example",
        "--by",
        "anna",
        "--reason",
        "bounce",
        "--stream",
        "cold",
        expect=1,
    )
    assert "stays suppressed for every stream, cold too, for bounce: --stream all" in by_stream.err
    assert by_stream.out == ""
    told.run("suppressed", "export", "-o", tmp_path / "list.csv")
    refused = told.run(
        "suppressed",
        "lift",
        "dead@b.example",
        "angry@b.example",
        "--by",
        "anna",
        "--reason",
        "asked",
        expect=1,
    )
    assert refused.out == "dead@b.example is lifted, as soon as mailwake up or run has taken it in\n"
    assert "angry@b.example stays suppressed for complaint: name it with --reason complaint" in refused.err
    assert "records are not taken in" in told.run("suppressed", "check", "x@b.example").err.replace(
        "record is", "records are"
    )
    too_soon = ("suppressed", "lift", "nobody@b.example", "--by", "anna", "--reason", "bounce")
    assert "not taken in yet, and may say otherwise" in told.run(*too_soon).err
    told.run("run", "--until-idle")
    assert checked(told, "dead@b.example") == []
    (row,) = told.rows("SELECT by, note FROM suppressions WHERE kind = 'lifted'")
    assert row == {"by": "anna", "note": "asked"}
    told.run("suppressed", "lift", "angry@b.example", "--by", "anna", "--reason", "complaint")

    with running(told, "up") as up:
        until(lambda: told.lag() == 0, up)
        assert checked(told, "angry@b.example") == []
        told.run("suppressed", "import", tmp_path / "list.csv")
        until(lambda: told.lag() == 0, up)
        assert checked(told, "angry@b.example") == []
        told.run("suppressed", "add", "angry@b.example", "--by", "anna", "--note", "told us@x.example again")
        until(lambda: checked(told, "angry@b.example") == [("all", "manual")], up)

    fresh = World(tmp_path / "fresh")
    fresh.folder.mkdir()
    assert json.loads(fresh.run("suppressed", "import", tmp_path / "list.csv", "--json").out) == {
        "imported": 4,
        "bad": 0,
    }
    fresh.run("run", "--until-idle")
    fresh.run("suppressed", "export", "-o", tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "list.csv").read_text()
    assert b'b.example"' not in (fresh.folder / "mailwake.suppressions").read_bytes()


def test_mistakes_are_one_line_each(told: World) -> None:
    for arguments, code, words in (
        (("check", "nobody"), 2, "'nobody' is neither an address nor a recipient_hash"),
        (("list", "--reason", "whim"), 2, "--reason: got whim, wants one of complaint"),
        (("add", "a@b.example", "--by", "anna", "--stream", "billing"), 2, "--stream: got billing"),
        (("import", "no.csv"), 2, "no.csv: No such file"),
        (
            ("lift", "new@b.example", "--by", "anna", "--reason", "bounce"),
            0,
            "is not suppressed: there is nothing to lift",
        ),
    ):
        said = told.run("suppressed", *arguments, expect=code)
        assert words in said.err and said.err.count("\n") == 1


@pytest.mark.parametrize("asked", ["<1@a.example>", "1@a.example", "p1"])
def test_a_message_is_followed_by_either_id(told: World, asked: str) -> None:
    found = json.loads(told.run("message", asked, "--json").out)
    assert [event["kind"] for event in found["events"]] == ["sent", "deferred", "bounced"]
    assert (found["message_ids"], found["provider_message_ids"]) == (["<1@a.example>"], ["p1"])
    bounced = found["events"][-1]
    assert (bounced["bounce_class"], bounced["leaf"], bounced["address_fatal"]) == (
        "bad_mailbox",
        "unknown",
        True,
    )
    assert bounced["response"] == "550 5.1.1 <address>: user unknown"
    assert "b.example>" not in json.dumps(found["events"])
    assert {one["topic"] for one in found["loaded"]} == {"mail.events", "mail.classified"}


def test_an_id_with_brackets_and_without_is_one_whatever_is_asked(told: World) -> None:
    """Who emits events may write the Message-ID as an API told it, and another as the mail has it."""
    opened = {"type": "MessageOpened", "message_id": "1@a.example", "source_event_id": "opened"}
    told.run("emit", stdin=json.dumps(opened).encode())
    told.run("run", "--until-idle")
    for asked in ("p1", "<1@a.example>", "1@a.example"):
        found = json.loads(told.run("message", asked, "--json").out)
        assert sorted(event["kind"] for event in found["events"]) == ["bounced", "deferred", "opened", "sent"]
        assert found["message_ids"] == ["<1@a.example>"]


def test_a_message_is_shown_and_one_that_nobody_knows_is_said_so(told: World) -> None:
    said = told.run("message", "<1@a.example>").out
    for words in (
        "DKIM d=a.example",
        "DMARC expected",
        "bad_mailbox.unknown (address dead): suppress",
        "2026-06-01T10:00:05",
    ):
        assert words in said
    unknown = told.run("message", "it's\\none", expect=1)
    assert (
        "nothing is known of message it's\\none of tenant default: the warehouse holds what was recorded until 20"
        in unknown.err
    )
    assert unknown.out == ""


def test_rulesets_are_compared_on_what_happened(told: World, tmp_path: Path) -> None:
    from processors.classification.ruleset import FOLDER, ruleset_names

    newest = ruleset_names()[-1]
    assert told.run("rules", "diff", newest, newest).out.startswith("0 of 2 failures mean something else")
    other = tmp_path / "other"
    for file in (FOLDER / newest).rglob("*.toml"):
        (other / file.relative_to(FOLDER / newest)).parent.mkdir(parents=True, exist_ok=True)
        text = file.read_text()
        if file.name == "leaves.toml":
            head, found, tail = text.partition("[bad_mailbox.unknown]")
            assert found
            text = head + found + tail.replace("address_fatal = true", "address_fatal = false", 1)
        (other / file.relative_to(FOLDER / newest)).write_text(text)
    found = json.loads(told.run("rules", "diff", newest, other, "--json", expect=1).out)
    assert (found["failures"], found["moved"], found["no_longer_fatal"], found["newly_fatal"]) == (2, 1, 1, 0)
    (move,) = found["moves"]
    assert (move["before"]["address_fatal"], move["after"]["address_fatal"], move["count"]) == (
        True,
        False,
        1,
    )
    assert found["by_domain"] == {"a.example": 1}
    assert (found["no_longer_suppressed"], found["newly_suppressed"]) == (1, 0)
    back = json.loads(told.run("rules", "diff", other, newest, "--json", expect=1).out)
    assert (back["no_longer_suppressed"], back["newly_suppressed"]) == (0, 1)
    assert "1 addresses more would be suppressed" in told.run("rules", "diff", other, newest, expect=1).out
    backwards = told.run(
        "rules", "diff", other, newest, "--from", "2026-06-02", "--to", "2026-06-01", expect=2
    )
    assert "--from is not before --to" in backwards.err
    later = told.run("rules", "diff", newest, other, "--from", "2026-06-02", "--json")
    assert json.loads(later.out)["failures"] == 0
    assert "no ruleset 1999" in told.run("rules", "diff", "1999-01-01", newest, expect=2).err

    told.run("replay", "rebuild", "--json", MAILWAKE_RULESET=str(other))
    told.run("replay", "swap", MAILWAKE_RULESET=str(other))
    assert checked(told, "dead@b.example") == []
    assert [stream for stream, _ in checked(told, "angry@b.example")] == ["cold", "marketing", "other"]
    assert (
        "MAILWAKE_RULESET: no ruleset nope"
        in told.run("run", "--until-idle", expect=2, MAILWAKE_RULESET="nope").err
    )
