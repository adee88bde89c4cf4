"""What a user can get wrong: one line that says what, where and what to do; its exit code; never a traceback."""

import io
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import pytest
from worlds import Said, World, finished

from mailwake.__main__ import main
from mailwake.cli import failures

NOT_SO, USAGE, REFUSED = 1, 2, 3

EVENT = b'{"type": "MessageSent", "from_domain": "example.com"}\n'


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A folder with a small log and warehouse, and things that are neither."""
    folder = tmp_path_factory.mktemp("mistakes")
    world = World(folder)
    world.run("emit", stdin=EVENT)
    world.run("run", "--until-idle")
    (folder / "file").write_text("no folder")
    (folder / "folder").mkdir()
    (folder / "noise").write_bytes(bytes(range(256)) * 100)
    (folder / "broken.toml").write_text("[[[")
    (folder / "unknown.toml").write_text("tennant = 'x'")
    (folder / "large").write_bytes(b"large" * 200_000)
    return world


Typed = Callable[..., Said]


@pytest.fixture
def typed(there: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Typed:
    """Run a command in this process, which takes a tenth of the time; for those that do not open the warehouse."""

    def run(*arguments: str, stdin: bytes = EVENT, **settings: str) -> Said:
        monkeypatch.chdir(there.folder)
        monkeypatch.setattr(sys, "argv", ["mailwake", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as left:
            main()
        return Said(int(left.value.code or 0), *capfd.readouterr())

    return run


@pytest.mark.parametrize(("module", "error", "code"), failures._CODES)
def test_every_error_with_a_code_is_where_it_is_looked_for(module: str, error: str, code: int) -> None:
    kind = getattr(import_module(module), error)
    assert issubclass(kind, Exception)
    assert failures.code_of(kind.__new__(kind)) == code


def assert_told(said: Said, code: int, says: str) -> None:
    assert says in " ".join(said.err.split())
    assert said.code == code
    assert "Traceback" not in said.err
    *logged, told = said.err.splitlines()
    assert told.startswith("mailwake: ") and all(" INFO " in line for line in logged)
    assert not said.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["frobnicate"], USAGE, "No such command 'frobnicate'"),
        (["run", "--nope"], USAGE, "No such option: --nope"),
        (["run"], USAGE, "say --until-idle, or use mailwake up"),
        (["ingest"], USAGE, "mailwake: ingest: PATHS is wanted (mailwake ingest --help)"),
        (
            ["tail"],
            USAGE,
            "tail: FILES and --format postfix|kumomta|powermta|haraka are wanted (mailwake tail --help)",
        ),
        (
            ["suppressed", "lift", "a@b.example"],
            USAGE,
            "complaint, unsubscribe, bounce, manual, import, or your words) and --by",
        ),
        (["suppressed", "chek"], USAGE, "Did you mean 'check'? (mailwake suppressed --help)"),
        (["keys", "create", "--scopes"], USAGE, "mailwake: Option '--scopes' requires an argument"),
        (["status", "\x1b[31m"], USAGE, "\\x1b[31m"),
        (["ingest", "missing.xml"], USAGE, "missing.xml: no such file or folder"),
        (["worker"], USAGE, "workers share a log in Kafka, and MAILWAKE_LOG is sqlite"),
        (["backup", "/proc/x"], USAGE, "name one where this user may write"),
        (["inspect", "missing.xml"], USAGE, "missing.xml: no such file or folder"),
        (["simulate", "--days", "x"], USAGE, "--days"),
        (["simulate", "--days", "nan"], USAGE, "--days: got nan"),
        (["simulate", "--days", "1e9"], USAGE, "ten years"),
        (["simulate", "--domains", "0"], USAGE, "--domains"),
        (["simulate", "--start", "yesterday"], USAGE, "--start"),
        (["simulate", "--start", "9999-12-31"], USAGE, "from 1971 to 2199"),
        (["simulate", "--incidents", "lots"], USAGE, "'lots' is not one of 'none'"),
        (["simulate", "--truth", "missing/truth.json"], USAGE, "there is no folder"),
        (["pause", "nothing"], USAGE, "there are documents, reputation, classify, suppress, warehouse"),
        (["dead-letters", "show", "x"], USAGE, "offset"),
        (["dead-letters", "show", "7"], USAGE, "no dead letter at offset 7"),
        (["dead-letters", "list", "--limit", "-1"], USAGE, "--limit"),
        (["schemas", "show", "Nothing"], USAGE, "there are DocumentReceived,"),
        (["query", "SELECT 1", "--json", "--format", "CSV"], USAGE, "not both"),
        (["restore", "missing"], USAGE, "it is no backup"),
        (["restore", "file"], USAGE, "it is no backup"),
        (["backup", "folder"], USAGE, "exists already"),
        (["demo", "--folder", "file"], USAGE, "file"),
        (["replay", "rebuild", "--from", "2030-01-01", "--to", "2020-01-01"], USAGE, "is not before"),
    ],
)
def test_arguments(typed: Typed, arguments: Sequence[str], code: int, says: str) -> None:
    assert_told(typed(*arguments), code, says)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["query", "nonsense"], NOT_SO, "UNKNOWN_IDENTIFIER"),
        (["query", ""], NOT_SO, "Empty query"),
        (["query", "SELECT 1; SELECT 2"], NOT_SO, "Multi-statements are not allowed"),
        (["query", "SELECT 1", "--format", "Nothing"], NOT_SO, "Unknown format Nothing"),
        (["query", "DROP TABLE mail_events_told"], NOT_SO, "readonly"),
        (["replay", "swap"], REFUSED, "mailwake replay rebuild makes one"),
        (["replay", "generations", "drop", "1"], REFUSED, "is the live one"),
    ],
)
def test_arguments_of_commands_that_open_the_warehouse(
    there: World, arguments: Sequence[str], code: int, says: str
) -> None:
    assert_told(there.run(*arguments, expect=None), code, says)


@pytest.mark.parametrize(
    ("settings", "arguments", "code", "says"),
    [
        (
            {"LOG": "sqlite:///folder"},
            ["run", "--until-idle"],
            USAGE,
            "is a folder: let MAILWAKE_LOG name a file",
        ),
        ({"LOG": "sqlite:///folder"}, ["emit"], USAGE, "is a folder"),
        ({"LOG": "sqlite:///file/log.db"}, ["emit"], USAGE, "let MAILWAKE_LOG name another place"),
        ({"LOG": "sqlite:///noise"}, ["run", "--until-idle"], REFUSED, "is damaged or no log"),
        ({"LOG": "sqlite:///noise"}, ["status"], REFUSED, "restore a backup in its place"),
        ({"LOG": "sqlite:///none.db"}, ["status"], USAGE, "there is no log at"),
        ({"LOG": "sqlite:///none.db"}, ["backup", "new"], USAGE, "there is no log at"),
        (
            {"LOG": "sqlite:///none.db"},
            ["dead-letters", "list"],
            USAGE,
            "mailwake emit, ingest or demo makes one",
        ),
        ({"LOG": "sqlite:///none.db"}, ["replay", "rebuild"], USAGE, "there is no log at"),
        ({"LOG": "redis://broker"}, ["status"], USAGE, "setting log (MAILWAKE_LOG): got 'redis://broker'"),
        ({"LOG": "kafka://a,,b"}, ["status"], USAGE, "setting log (MAILWAKE_LOG): got 'kafka://a,,b'"),
        ({"LOG": "kafka://broker"}, ["up"], USAGE, "mailwake worker works on that one"),
        ({"LOG": "kafka://broker"}, ["run", "--until-idle"], USAGE, "mailwake worker works on that one"),
        ({"LOG": "kafka://broker"}, ["pause", "count"], USAGE, "mailwake worker --only"),
        ({"LOG": "kafka://broker"}, ["resume", "count"], USAGE, "mailwake worker --only"),
        ({"LOG": "kafka://broker"}, ["replay", "rebuild"], USAGE, "mailwake log copy into a new prefix"),
        ({"LOG": "kafka://broker"}, ["replay", "generations", "list"], USAGE, "mailwake log copy"),
        ({"LOG": "kafka://broker"}, ["backup", "new"], USAGE, "mailwake log copy into another cluster"),
        ({"LOG": "kafka://broker"}, ["restore", "old"], USAGE, "mailwake log copy from a copy"),
        ({}, ["worker"], USAGE, "use mailwake up for that one"),
        ({}, ["worker", "--only", "count,fould"], USAGE, "--only: got fould, wants some of documents, count"),
        ({}, ["warehouse", "serve"], USAGE, "set MAILWAKE_WAREHOUSE_PASSWORD"),
        (
            {"SPOOL": "spool.db"},
            ["emit"],
            USAGE,
            "setting spool (MAILWAKE_SPOOL): got 'spool.db', wants sqlite:///",
        ),
        ({"SPOOL": "sqlite:///spool.db"}, ["emit"], USAGE, "MAILWAKE_SPOOL is for a log in Kafka"),
        ({}, ["emit", "--retry-refused"], USAGE, "MAILWAKE_SPOOL names none"),
        (
            {"WAREHOUSE": "chdb:///file"},
            ["run", "--until-idle"],
            USAGE,
            "let MAILWAKE_WAREHOUSE name a folder",
        ),
        ({"WAREHOUSE": "chdb:///file"}, ["query", "SELECT 1"], USAGE, "is a file"),
        ({"WAREHOUSE": "chdb:///what%3F"}, ["run", "--until-idle"], USAGE, "no path with a ? in it"),
        ({"WAREHOUSE": "chdb:///none"}, ["query", "SELECT 1"], USAGE, "mailwake run --until-idle fills it"),
        ({"WAREHOUSE": "chdb:///file/x"}, ["up"], USAGE, "let MAILWAKE_WAREHOUSE name another place"),
        ({"BLOBS": "file"}, ["ingest", "large"], USAGE, "file"),
        ({"WATCH": "file"}, ["up"], USAGE, "file is a file: let MAILWAKE_WATCH name folders"),
        ({"CONFIG": "missing.toml"}, ["status"], USAGE, "there is no such file"),
        ({"CONFIG": "broken.toml"}, ["status"], USAGE, "broken.toml is no TOML file that can be read"),
        ({"CONFIG": "noise"}, ["status"], USAGE, "noise is no TOML file that can be read"),
        ({"CONFIG": "unknown.toml"}, ["status"], USAGE, "no such setting; there are log, warehouse"),
        ({"HTTP_PORT": "high"}, ["up"], USAGE, "setting http_port (MAILWAKE_HTTP_PORT): got 'high'"),
        ({"STEP_RECORDS": "0"}, ["status"], USAGE, "setting step_records"),
    ],
)
def test_settings(
    typed: Typed, settings: dict[str, str], arguments: Sequence[str], code: int, says: str
) -> None:
    assert_told(
        typed(*arguments, **{f"MAILWAKE_{name}": value for name, value in settings.items()}), code, says
    )


def test_a_port_in_use_is_named(there: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = there.run("up", expect=None, MAILWAKE_HTTP_PORT=port)
    assert_told(said, REFUSED, f"can't listen on 127.0.0.1:{port}")
    assert "or choose another port: MAILWAKE_HTTP_PORT" in said.err


def test_a_host_that_is_none_is_named(there: World) -> None:
    said = there.run("up", expect=None, MAILWAKE_HTTP_HOST="256.0.0.1")
    assert_told(said, REFUSED, "can't listen on 256.0.0.1")


def test_a_folder_that_must_not_be_written_to_is_named(tmp_path: Path) -> None:
    """As another user, since nothing is forbidden to root."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    probe = subprocess.run(["touch", str(folder / "probe")], capture_output=True)
    if probe.returncode == 0:
        (folder / "probe").unlink()
        pytest.skip("this user may write everywhere (root)")
    for command in (("emit",), ("run", "--until-idle")):
        said = World(folder).run(*command, stdin=EVENT, expect=None)
        assert said.code in (USAGE, REFUSED)
        assert str(folder) in said.err and "Traceback" not in said.err


@pytest.mark.parametrize(
    ("second_line", "says"),
    [
        (bytes(range(128, 256)), "line 2: not JSON"),
        (b"\xff\xfe{\x00}\x00", "line 2: not JSON ('utf-8' codec"),
        (b"{", "line 2: not JSON"),
        (b"[" * 100_000, "line 2: not JSON"),
        (b"17", "line 2: an object is wanted"),
        (b'{"from_domain": "example.com"}', "line 2"),
        (b'{"type": "Nothing"}', "line 2"),
        (b'{"type": ["MessageSent"], "from_domain": "example.com"}', "line 2"),
        (b'{"type": "MessageSent", "from_domain": 5}', "from_domain"),
        (b'{"type": "MessageSent", "from_domain": "example.com", "surprise": 1}', "surprise"),
        (b'{"type": "MessageSent", "from_domain": "example.com", "_line": 1}', "_line"),
        (b'{"type": "MessageSent", "from_domain": "example.com", "occurred_at": 1e99}', "occurred_at"),
        (b'{"type": "MessageSent", "from_domain": "someone@example.com"}', "line 2: MessageSent.from_domain"),
        (b'{"type": "MessageSent", "occurred_at": 1780272000}', "line 2: MessageSent.occurred_at"),
        (b'{"type": "MessageSent", "from_domain": "\\ud800.example"}', "line 2"),
    ],
)
def test_a_line_that_is_no_event_is_named_and_nothing_of_its_batch_is_emitted(
    there: World, typed: Typed, second_line: bytes, says: str
) -> None:
    before = len(there.records("mail.events"))
    said = typed("emit", "--json", stdin=EVENT + second_line + b"\n" + EVENT)
    assert_told(said, NOT_SO, says)
    assert "nothing from line 1 on was emitted" in said.err
    assert len(there.records("mail.events")) == before


def test_nobody_is_told_that_the_reader_left_early(there: World) -> None:
    process = there.start("query", "SELECT number FROM numbers(10000000)")
    assert process.stdout
    process.stdout.read(10)
    process.stdout.close()
    process.stdout = None
    assert not finished(process, expect=NOT_SO).err


def test_numbers_of_events_are_told_as_json(there: World) -> None:
    said = there.run("emit", "--json", stdin=EVENT * 3)
    assert json.loads(said.out) == {"emitted": 3}
