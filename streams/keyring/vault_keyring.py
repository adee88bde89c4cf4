"""A keyring in Vault or OpenBao: a KV version 2 secrets engine, one secret for each tenant, one for each erasure.

Under the keyring's path: `identity` holds its id; `tenants/NAME` holds a tenant's two keys, or when it was forgotten; `erasures/TENANT/HASH` one
line of the journal. Writes use check-and-set, so of several processes that make keys at once one wins and the others take
its keys. Forgetting writes the mark first and then destroys every earlier version: doing it again finishes one that was cut off.

Keys are asked for again after five seconds; while the server is away, whoever needs one waits.
"""

import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, unquote

from schemas.record import now_ms
from streams.keyring.address import VaultPlace
from streams.keyring.keyring import Erasure, Keyring, KeyringError, KeyringUnavailable, Keys

if TYPE_CHECKING:
    import hvac

FRESH_S = 5.0
"""How long a key that was read is used without asking again."""
TIMEOUT_S = 5.0
"""How long one request may take."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class VaultAccess:
    """How the server lets us in, and whom to trust."""

    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    ca_file: Path | None = None
    timeout_s: float = TIMEOUT_S

    def current_token(self) -> str:
        """The token as of now. Raises KeyringError where the file can't be read."""
        if self.token_file is None:
            return self.token or ""
        try:
            return self.token_file.read_text("utf-8").strip()
        except OSError as error:
            raise KeyringError(f"MAILWAKE_KEYRING_TOKEN_FILE {self.token_file}: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class _Held:
    """A tenant's secret as it was read: keys, or None for one that was forgotten; and the version it has."""

    keys: Keys | None
    version: int
    until: float


class VaultKeyring(Keyring):
    """`Keyring` on a server; `open` makes one."""

    def __init__(self, place: VaultPlace, access: VaultAccess) -> None:
        self._place, self._access = place, access
        self._lock = threading.Lock()
        self._client: hvac.Client | None = None
        self._held: dict[str, _Held] = {}
        self._identity: str | None = None

    @classmethod
    def open(cls, place: VaultPlace, access: VaultAccess) -> "VaultKeyring":
        """The keyring at this place, if the server lets us in. Raises KeyringUnavailable, KeyringError."""
        keyring = cls(place, access)
        keyring.tenants()
        return keyring

    def keys(self, tenant: str) -> Keys | None:
        """See `Keyring.keys`."""
        held = self._held.get(tenant)
        if held is None or time.monotonic() >= held.until:
            held = self._read(tenant)
            if held is None:
                self._write(tenant, Keys.new(now_ms()).fields(), 0)
                held = self._read(tenant)
            if held is None:
                raise KeyringError(
                    f"{self._where()}: the keys of tenant {tenant} are gone as soon as they are made"
                )
            self._held[tenant] = held
        return held.keys

    def identity(self, *, create: bool = True) -> str | None:
        """See `Keyring.identity`; asked for once."""
        if self._identity is None:
            path = f"{self._place.path}/identity"
            secret = self._secret(path)
            if secret is None and create:
                self._create(path, {"id": secrets.token_hex(16)}, 0)
                secret = self._secret(path)
            self._identity = str(secret[0]["id"]) if secret and secret[0].get("id") else None
        return self._identity

    def tenants(self) -> Sequence[str]:
        """See `Keyring.tenants`."""
        return [tenant for tenant, held in self._all() if held.keys]

    def forgotten(self) -> Sequence[str]:
        """See `Keyring.forgotten`."""
        return [tenant for tenant, held in self._all() if not held.keys]

    def forget(self, tenant: str) -> bool:
        """See `Keyring.forget`."""
        held = self._read(tenant)
        news = held is None or held.keys is not None
        if news:
            written = self._write(tenant, {"forgotten_at": now_ms()}, held.version if held else 0)
            if not written:
                return self.forget(tenant)
        self._held.pop(tenant, None)
        latest = self._read(tenant)
        earlier = list(range(1, latest.version)) if latest else []
        if earlier:
            path = self._path(tenant)
            self._ask(
                lambda kv: kv.destroy_secret_versions(path, versions=earlier, mount_point=self._place.mount)
            )
        return news

    def readmit(self, tenant: str) -> None:
        """See `Keyring.readmit`."""
        held = self._read(tenant)
        if held is None or held.keys is not None:
            raise KeyringError(f"tenant {tenant} was not forgotten: mailwake keyring list")
        self._write(tenant, Keys.new(now_ms()).fields(), held.version)
        self._held.pop(tenant, None)

    def erasures(self) -> Sequence[Erasure]:
        """See `Keyring.erasures`."""
        base = f"{self._place.path}/erasures"
        found: list[Erasure] = []
        for tenant in self._list(base):
            for name in self._list(f"{base}/{tenant.rstrip('/')}"):
                secret = self._secret(f"{base}/{tenant.rstrip('/')}/{name}")
                if secret is not None:
                    found.append(_erasure(secret[0], name))
        return sorted(found, key=lambda erasure: erasure.at)

    def record(self, erasure: Erasure) -> None:
        """See `Keyring.record`."""
        path = f"{self._place.path}/erasures/{_quoted(erasure.tenant)}/{erasure.recipient_hash}"
        self._create(path, {"line": erasure.line()}, 0)

    def _all(self) -> list[tuple[str, _Held]]:
        tenants = sorted(
            unquote(name.replace("~", "%")) for name in self._list(f"{self._place.path}/tenants")
        )
        found = ((tenant, self._read(tenant)) for tenant in tenants)
        return [(tenant, held) for tenant, held in found if held is not None]

    def _read(self, tenant: str) -> _Held | None:
        secret = self._secret(self._path(tenant))
        if secret is None:
            return None
        fields, version = secret
        until = time.monotonic() + FRESH_S
        if "forgotten_at" in fields:
            return _Held(None, version, until)
        try:
            return _Held(Keys.of(fields), version, until)
        except ValueError as error:
            raise KeyringError(
                f"{self._where()}: the secret of tenant {tenant} is damaged (wants {error})"
            ) from None

    def _write(self, tenant: str, fields: dict[str, Any], version: int) -> bool:
        return self._create(self._path(tenant), fields, version)

    def _create(self, path: str, fields: dict[str, Any], version: int) -> bool:
        """Write a secret whose latest version is this one (0: none); False where somebody else was first."""
        from hvac.exceptions import InvalidRequest

        def write(kv: Any) -> bool:
            try:
                kv.create_or_update_secret(path, secret=fields, cas=version, mount_point=self._place.mount)
            except InvalidRequest as error:
                if "check-and-set" in str(error):
                    return False
                raise
            return True

        return self._ask(write)

    def _secret(self, path: str) -> tuple[dict[str, Any], int] | None:
        """The fields of a secret's latest version, and that version's number; None where there is none."""
        from hvac.exceptions import InvalidPath

        def read(kv: Any) -> tuple[dict[str, Any], int] | None:
            try:
                answer = kv.read_secret_version(
                    path, mount_point=self._place.mount, raise_on_deleted_version=True
                )
            except InvalidPath:
                return None
            return dict(answer["data"]["data"]), int(answer["data"]["metadata"]["version"])

        return self._ask(read)

    def _list(self, path: str) -> Sequence[str]:
        from hvac.exceptions import InvalidPath

        def names(kv: Any) -> Sequence[str]:
            try:
                answer = kv.list_secrets(path, mount_point=self._place.mount)
            except InvalidPath:
                return ()
            return [str(name) for name in answer["data"]["keys"]]

        return self._ask(names)

    def _ask(self, question: Callable[[Any], _Answer]) -> _Answer:
        """The server's answer, with a token that was replaced meanwhile if it refuses the one we had."""
        from hvac import exceptions
        from requests.exceptions import RequestException

        try:
            with self._lock:
                try:
                    return question(self._connected().secrets.kv.v2)
                except exceptions.Forbidden:
                    self._client = None
                    return question(self._connected().secrets.kv.v2)
        except (exceptions.Forbidden, exceptions.Unauthorized) as error:
            raise KeyringError(
                f"{self._where()} does not let us in ({_said(error)}): the token wants create, read, update and list on "
                f"{self._place.mount}/data, /metadata and update on /destroy of {self._place.path}"
            ) from None
        except (
            exceptions.VaultDown,
            exceptions.VaultNotInitialized,
            exceptions.InternalServerError,
            exceptions.BadGateway,
            exceptions.RateLimitExceeded,
        ) as error:
            raise KeyringUnavailable(f"{self._where()} does not answer now ({_said(error)})") from None
        except RequestException as error:
            raise KeyringUnavailable(f"{self._where()} does not answer ({type(error).__name__})") from None
        except exceptions.VaultError as error:
            raise KeyringError(
                f"{self._where()} refuses ({_said(error)}): is it a KV version 2 engine?"
            ) from None

    def _connected(self) -> "hvac.Client":
        if self._client is None:
            import hvac

            authority = self._access.ca_file
            if authority is not None and not authority.is_file():
                raise KeyringError(f"MAILWAKE_KEYRING_CA_FILE names {authority}, and there is no such file")
            self._client = hvac.Client(
                url=self._place.url,
                token=self._access.current_token(),
                verify=str(authority) if authority else True,
                timeout=self._access.timeout_s,
            )
        return self._client

    def _path(self, tenant: str) -> str:
        return f"{self._place.path}/tenants/{_quoted(tenant)}"

    def _where(self) -> str:
        return f"the keyring {self._place.url}/{self._place.mount}/{self._place.path}"


def _quoted(tenant: str) -> str:
    """A tenant's name as part of a path: letters, digits, - and _ stay, anything else is its bytes after a tilde."""
    return quote(tenant, safe="").replace(".", "%2E").replace("~", "%7E").replace("%", "~")


def _erasure(fields: dict[str, Any], name: str) -> Erasure:
    try:
        return Erasure.of(fields["line"])
    except (KeyError, ValueError):
        raise KeyringError(f"the keyring's journal holds an erasure that is damaged: {name}") from None


def _said(error: Exception) -> str:
    return str(error.args[0] if error.args and error.args[0] else type(error).__name__).splitlines()[0]
