"""Opening the keyring that the settings name."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mailwake.keyring import of_log
from mailwake.opening import open_log_as_it_is
from mailwake.settings import Settings, SettingsError, is_kafka
from schemas.keyring import TenantKeys
from streams.keyring.address import KeyringAddress
from streams.keyring.file_keyring import FileKeyring, journal_of
from streams.keyring.keyring import Keyring, KeyringError, OtherKeyring
from streams.log import NoLog, NotedLog
from streams.sealed_letters import LetterSeal


def open_keyring(
    settings: Settings, log: NotedLog | None = None, *, create: bool | None = None, insist: bool = False
) -> Keyring:
    """The keyring of this installation, whose log is opened to be asked unless it is open already.

    A file is made on first use beside a log in SQLite, unless that was hashed and sealed with one before. Processes on a log
    in Kafka must share one, and keys that one of them made by itself would be unknown to the others: there a file is only
    made with `create`; and it is noted in the log once that is there. With `insist` a log that belongs to another keyring
    belongs to this one from now on. Raises SettingsError, NoKeyring, OtherKeyring, KeyringUnavailable, KeyringError;
    LogError where the log can't be read.
    """
    address = _address(settings)
    with nullcontext(log) if log is not None else _log(settings) as log:
        if log is None:
            return _opened(settings, address, create)
        if not insist and address.file is not None and not address.file.exists():
            of_log.check_new(log, _log_name(settings), address.file)
        keyring = _opened(settings, address, create)
        if not insist:
            of_log.check(log, _log_name(settings), keyring, keyring_name(settings))
        if of_log.noted(log) != keyring.identity():
            of_log.note(log, keyring)
        return keyring


def existing_keyring(settings: Settings) -> Keyring | None:
    """The keyring of this installation where there is one, whichever log it belongs to. Raises as `open_keyring`.

    A file that is missing is not made.
    """
    address = _address(settings)
    if address.file is not None and not address.file.exists():
        return None
    return _opened(settings, address, create=False)


def _address(settings: Settings) -> KeyringAddress:
    return KeyringAddress.of(settings.keyring) if settings.keyring else KeyringAddress(default_file(settings))


@contextmanager
def _log(settings: Settings) -> Iterator[NotedLog | None]:
    """The log whose keyring it is; None where it is not there yet.

    And with a spool, whose owner has to start while the log is away: it is asked when it is met (`KeysWhenAsked.meet`).
    """
    if settings.spool is not None:
        yield None
        return
    try:
        log = open_log_as_it_is(settings, settings.log)
    except NoLog:
        yield None
        return
    try:
        yield log
    finally:
        log.close()


def _log_name(settings: Settings) -> str:
    return settings.log if is_kafka(settings.log) else str(settings.log_path.absolute())


def _opened(settings: Settings, address: KeyringAddress, create: bool | None) -> Keyring:
    if address.vault is not None:
        from streams.keyring.vault_keyring import VaultAccess, VaultKeyring

        if settings.keyring_token is None and settings.keyring_token_file is None:
            raise SettingsError(
                f"the keyring {settings.keyring} wants a token: MAILWAKE_KEYRING_TOKEN, or MAILWAKE_KEYRING_TOKEN_FILE"
            )
        token = settings.keyring_token
        access = VaultAccess(
            token.get_secret_value() if token else None, settings.keyring_token_file, settings.keyring_ca_file
        )
        return VaultKeyring.open(address.vault, access)
    assert address.file is not None
    if address.file.is_dir():
        raise SettingsError(f"the keyring {address.file} is a folder: let MAILWAKE_KEYRING name a file in it")
    embedded = not is_kafka(settings.log)
    return FileKeyring.open(address.file, create=embedded if create is None else create)


def default_file(settings: Settings) -> Path:
    """Where the keyring is unless the settings say: beside a log in SQLite, here for one in Kafka."""
    if is_kafka(settings.log):
        return Path("mailwake.keys")
    return settings.log_path.with_suffix(".keys")


def has_keyring(settings: Settings) -> bool:
    """Whether there is a keyring already, or one is named."""
    return settings.keyring is not None or default_file(settings).is_file()


def keyring_name(settings: Settings) -> str:
    """What to call the keyring in a message: its URL or its file."""
    return settings.keyring or str(default_file(settings).absolute())


def kept_apart(settings: Settings) -> list[str]:
    """What has to be kept apart from the log's backups: the keyring's files, or its URL."""
    address = _address(settings)
    if address.file is None:
        return [str(settings.keyring)]
    file = address.file.absolute()
    return [str(one) for one in (file, journal_of(file)) if one == file or one.exists()]


def letter_seal(settings: Settings) -> LetterSeal:
    """What this installation's dead letters are sealed with."""
    return LetterSeal(_KeysForLetters(settings), settings.tenant)


class KeysWhenAsked(TenantKeys):
    """The keys of the keyring that the settings name, which is opened, and made where it may be, when one is asked for.

    For whoever may never need any: an Emitter whose events have their hash already.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._keyring: Keyring | None = None
        self._belongs_to: str | None = None
        self._refused = False

    def hashing_key(self, tenant: str) -> bytes | None:
        """See `TenantKeys.hashing_key`. Raises as `open_keyring`."""
        return self.keyring().hashing_key(tenant)

    def data_key(self, tenant: str) -> bytes | None:
        """See `TenantKeys.data_key`. Raises as `open_keyring`."""
        return self.keyring().data_key(tenant)

    def tenants(self) -> Sequence[str]:
        """See `Keyring.tenants`. Raises as `open_keyring`."""
        return self.keyring().tenants()

    def forgotten(self) -> Sequence[str]:
        """See `Keyring.forgotten`. Raises as `open_keyring`."""
        return self.keyring().forgotten()

    def keyring(self) -> Keyring:
        """The keyring, opened when it is first asked for. Raises as `open_keyring`."""
        if self._keyring is None or self._refused:
            with self._lock:
                keyring = self._keyring or open_keyring(self._settings)
                self._check(keyring)
                self._keyring = keyring
        return self._keyring

    def meet(self, log: NotedLog) -> None:
        """Ask a log that was away when the keyring was opened which one it belongs to.

        Raises OtherKeyring where it is another one, as asking for keys does from then on.
        """
        with self._lock:
            self._belongs_to = of_log.belongs_to(log)
            if self._keyring is not None:
                self._check(self._keyring)
                if of_log.noted(log) is None:
                    of_log.note(log, self._keyring)

    def _check(self, keyring: Keyring) -> None:
        self._refused = False
        try:
            of_log.check_same(
                self._belongs_to, _log_name(self._settings), keyring, keyring_name(self._settings)
            )
        except OtherKeyring:
            self._refused = True
            raise


class _KeysForLetters(KeysWhenAsked):
    """Keys without which a dead letter is kept all the same: a setting that names no keyring stops no stage here."""

    def keyring(self) -> Keyring:
        """See `KeysWhenAsked.keyring`; raises KeyringError, too, where the settings name none that can be opened."""
        try:
            return super().keyring()
        except (SettingsError, OSError) as error:
            raise KeyringError(str(error)) from None
