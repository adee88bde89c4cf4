"""A log that was hashed and sealed with one keyring is not gone on with by another."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from mailwake.backup import make_backup, restore_backup
from mailwake.cli.app import app
from mailwake.emitter import Emitter
from mailwake.keyring import of_log
from mailwake.keyring.opening import KeysWhenAsked, default_file, open_keyring
from mailwake.opening import open_log
from mailwake.privacy.holdings import UnknownTenant
from mailwake.settings import Settings, load_settings
from mailwake.suppressed.recipients import hash_of
from schemas.documents import DocumentReceived
from sources.documents import DocumentIntake
from streams.blobs import Blobs
from streams.keyring.file_keyring import FileKeyring
from streams.keyring.keyring import NoKeyring, OtherKeyring
from streams.log import LogError, Record, TopicPartition
from streams.log_copy import CopyRefused

ADDRESS = "john@example.com"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a folder of its own with an empty log."""
    monkeypatch.chdir(tmp_path)
    open_log(load_settings()).close()
    return load_settings()


def emit() -> None:
    with Emitter() as emitter:
        emitter.emit({"type": "MessageSent", "recipient": ADDRESS, "from_domain": "a.example"})


def lost(settings: Settings) -> Path:
    return default_file(settings).rename("copy.keys")


def look_up(settings: Settings) -> object:
    return hash_of(KeysWhenAsked(settings), "default", ADDRESS)


def emitted(_: Settings) -> object:
    return emit()


def ingested(settings: Settings) -> object:
    log = open_log(settings)
    try:
        return DocumentIntake(log, Blobs(settings.blobs), "default", keys=KeysWhenAsked(settings)).prepare(
            b"a", "a"
        )
    finally:
        log.close()


@pytest.mark.parametrize("use", [look_up, emitted, ingested, open_keyring])
def test_one_that_is_missing_is_not_made_anew(settings: Settings, use: Callable[[Settings], object]) -> None:
    emit()
    known = look_up(settings)
    copy = lost(settings)
    with pytest.raises(
        LogError, match=r"there is no keyring at .*mailwake\.keys.*put back the copy.*--force"
    ):
        use(settings)
    assert not default_file(settings).exists()
    copy.rename(default_file(settings))
    use(settings)
    assert look_up(settings) == known


def test_another_one_is_refused(settings: Settings) -> None:
    emit()
    mistyped = Settings(keyring="file:///mistypd.keys")
    with pytest.raises(NoKeyring, match="mistypd"):
        open_keyring(mistyped)
    assert not Path("mistypd.keys").exists()
    FileKeyring.open(Path("mistypd.keys"), create=True)
    with pytest.raises(OtherKeyring, match=r"another keyring \(id [0-9a-f]{32}\) than file:///mistypd.keys"):
        open_keyring(mistyped)
    with pytest.raises(OtherKeyring):
        open_keyring(mistyped, create=True)


@pytest.mark.parametrize("asked_before", [True, False])
def test_a_log_that_was_away_is_asked_when_it_is_met(settings: Settings, asked_before: bool) -> None:
    """As it is behind a spool, which is there before the log is."""
    emit()
    FileKeyring.open(Path("other.keys"), create=True)
    spooled = Settings(log="kafka://127.0.0.1:1", spool="sqlite:///spool.db", keyring="file:///other.keys")
    keys, log = KeysWhenAsked(spooled), open_log(settings)
    try:
        if asked_before:
            assert keys.hashing_key("default")
            with pytest.raises(
                OtherKeyring, match=r"another keyring \(id [0-9a-f]{32}\) than file:///other.keys"
            ):
                keys.meet(log)
        else:
            keys.meet(log)
        for _ in range(2):
            with pytest.raises(OtherKeyring):
                keys.hashing_key("default")
        own = KeysWhenAsked(spooled.model_copy(update={"keyring": "file:///mailwake.keys"}))
        own.meet(log)
        assert own.hashing_key("default") == KeysWhenAsked(settings).hashing_key("default")
        own.meet(log)
    finally:
        log.close()


def test_an_empty_log_that_is_met_belongs_to_the_keyring_that_is_open(settings: Settings) -> None:
    FileKeyring.open(Path("other.keys"), create=True)
    spooled = Settings(log="kafka://127.0.0.1:1", spool="sqlite:///spool.db", keyring="file:///other.keys")
    keys, log = KeysWhenAsked(spooled), open_log(settings)
    try:
        keys.hashing_key("default")
        keys.meet(log)
        assert of_log.noted(log) == keys.keyring().identity()
    finally:
        log.close()


def test_whoever_insists_goes_on_with_another_one(settings: Settings) -> None:
    emit()
    before = look_up(settings)
    lost(settings)
    open_keyring(settings, create=True, insist=True)
    emit()
    assert look_up(settings) != before


def test_a_log_that_holds_nothing_takes_any(settings: Settings) -> None:
    first = open_keyring(settings).identity()
    lost(settings)
    second = open_keyring(settings).identity()
    assert first != second
    emit()
    assert open_keyring(settings).identity() == second


def test_a_log_with_sealed_documents_that_no_keyring_is_noted_in_wants_one(settings: Settings) -> None:
    document = DocumentIntake(
        None, Blobs(settings.blobs), "default", keys=open_keyring(Settings(log="sqlite:///other.db"))
    )  # type: ignore[arg-type]
    received, record = document.prepare(b"a mail", "a.eml")
    assert isinstance(received, DocumentReceived) and isinstance(record, Record)
    log = open_log(settings)
    log.append("documents", [record])
    log.close()
    with pytest.raises(NoKeyring, match="was hashed and sealed with one"):
        open_keyring(settings)


def test_a_backup_is_restored_with_its_own_keyring_or_none(settings: Settings, tmp_path: Path) -> None:
    emit()
    make_backup(settings, Path("saved"))
    elsewhere = Settings(log="sqlite:///new/mailwake.db", blobs=Path("new/blobs"))
    list(restore_backup(elsewhere, Path("saved")))
    with pytest.raises(NoKeyring, match="put back the copy"):
        look_up(elsewhere)
    default_file(elsewhere).write_bytes(default_file(settings).read_bytes())
    assert look_up(elsewhere) == look_up(settings)
    default_file(elsewhere).unlink()
    FileKeyring.open(default_file(elsewhere), create=True)
    with pytest.raises(OtherKeyring, match="another keyring"):
        list(restore_backup(elsewhere, Path("saved")))
    assert elsewhere.log_path.exists() and not list(Path("new").glob("*.before-*"))


def copied(source: str, target: str) -> Result:
    return CliRunner().invoke(app, ["log", "copy", f"sqlite:///{source}", f"sqlite:///{target}"])


def test_a_copy_belongs_to_the_keyring_of_its_source(settings: Settings) -> None:
    emit()
    identity = open_keyring(settings).identity()
    assert copied("mailwake.db", "copy.db").exit_code == 0
    copy = open_log(Settings(log="sqlite:///copy.db"))
    assert of_log.noted(copy) == identity
    copy.close()
    with pytest.raises(NoKeyring):
        open_keyring(Settings(log="sqlite:///copy.db"))


def test_a_copy_into_a_log_of_another_keyring_is_refused(settings: Settings) -> None:
    emit()
    other = Settings(log="sqlite:///other.db")
    open_log(other).close()
    open_keyring(other)
    refused = copied("mailwake.db", "other.db")
    assert isinstance(refused.exception, OtherKeyring) and "could not be read there" in str(refused.exception)
    log = open_log(other)
    assert log.end(TopicPartition("mail.events")) == 0
    log.close()


def test_a_copy_that_is_refused_notes_nothing(settings: Settings) -> None:
    emit()
    log = open_log(Settings(log="sqlite:///full.db"))
    log.append("mail.events", [Record(b"default/a.example", b"another fact", 0)])
    log.close()
    assert isinstance(copied("mailwake.db", "full.db").exception, CopyRefused)
    log = open_log(Settings(log="sqlite:///full.db"))
    assert of_log.noted(log) is None
    log.close()


@pytest.mark.parametrize("command", ["export", "erase"])
def test_a_tenant_that_is_not_known_gets_no_keys(settings: Settings, command: str) -> None:
    emit()
    said = CliRunner().invoke(app, ["privacy", command, ADDRESS, "--tenant", "nosuch"])
    assert isinstance(said.exception, UnknownTenant) and "tenant nosuch is not known" in str(said.exception)
    assert list(open_keyring(settings).tenants()) == ["default"]
