"""The keyring's contract: keys of tenants, tenants that were forgotten, and the journal of erasures.

A keyring stands apart from the log and from its backups: whoever has a log without its keyring has hashes, counts, and
sealed bytes. `tests/streams/keyring/keyring_conformance.py` holds what every implementation must pass.
"""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from schemas.keyring import TenantKeys
from schemas.sealing import KEY_BYTES
from streams.log import LogError, LogUnavailable


class KeyringError(LogError):
    """A keyring that can't be used as it is; says what, where and what to do."""


class KeyringUnavailable(KeyringError, LogUnavailable):
    """The keyring's server, or its lock, can't be had now. It passes: wait, and do the same again."""


class NoKeyring(KeyringError):
    """There is no keyring yet, and making one without being told to would make keys that nobody else has."""


class OtherKeyring(KeyringError):
    """It is another keyring than the one that what is there was hashed and sealed with."""


class TenantForgotten(KeyringError):
    """The tenant was forgotten: nothing of it is taken until somebody lets it come back."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one tenant: 32 random bytes each, made once, never changed."""

    hashing: bytes
    data: bytes
    created_at: int
    """When they were made, ms."""

    @classmethod
    def new(cls, now_ms: int) -> Self:
        """Keys that nobody has."""
        return cls(secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES), now_ms)

    def fields(self) -> dict[str, Any]:
        """As they are stored."""
        return {
            "hashing": base64.b64encode(self.hashing).decode(),
            "data": base64.b64encode(self.data).decode(),
            "created_at": self.created_at,
        }

    @classmethod
    def of(cls, fields: Any) -> Self:
        """Keys as they were stored. Raises ValueError, which names no key, where they are none."""
        try:
            hashing, data = (base64.b64decode(fields[name], validate=True) for name in ("hashing", "data"))
            created_at = int(fields["created_at"])
        except (KeyError, TypeError, ValueError):
            raise ValueError("two keys in base64 and when they were made") from None
        if len(hashing) != KEY_BYTES or len(data) != KEY_BYTES:
            raise ValueError(f"keys of {KEY_BYTES} bytes")
        return cls(hashing, data, created_at)

    def __repr__(self) -> str:
        return f"Keys(created_at={self.created_at})"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One recipient that was erased: enough to erase it again from an older backup, and nothing in clear."""

    tenant: str
    recipient_hash: str
    sealed_address: str
    """The address under the tenant's data key, in base64."""
    at: int
    """When it was asked for, ms."""

    def line(self) -> str:
        """As JSON, without a line break."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, line: str) -> Self:
        """An erasure from its JSON. Raises ValueError."""
        try:
            return cls(**json.loads(line))
        except TypeError:
            raise ValueError("an erasure: tenant, recipient_hash, sealed_address, at") from None


class Keyring(TenantKeys, Protocol):
    """Keys by tenant, made when a tenant is first asked for. Safe to use from threads and from several processes.

    What another process changed is seen within seconds. Every method raises KeyringUnavailable (wait) and KeyringError.
    """

    def identity(self, *, create: bool = True) -> str | None:
        """Which keyring this is: 32 hex digits, made with it, never changed, and no secret.

        None where there is none yet and `create` does not say to make one.
        """

    def keys(self, tenant: str) -> Keys | None:
        """Both keys of a tenant, made where it never had any; None for one that was forgotten."""

    def hashing_key(self, tenant: str) -> bytes | None:
        """See `TenantKeys.hashing_key`; made where the tenant never had one."""
        keys = self.keys(tenant)
        return keys.hashing if keys else None

    def data_key(self, tenant: str) -> bytes | None:
        """See `TenantKeys.data_key`; made where the tenant never had one."""
        keys = self.keys(tenant)
        return keys.data if keys else None

    def tenants(self) -> Sequence[str]:
        """The tenants that have keys, in order."""

    def forgotten(self) -> Sequence[str]:
        """The tenants that were forgotten, in order."""

    def forget(self, tenant: str) -> bool:
        """Delete a tenant's keys for good and remember that; False where it was forgotten before."""

    def readmit(self, tenant: str) -> None:
        """Let a forgotten tenant have keys again: new ones. Raises KeyringError where it was not forgotten."""

    def erasures(self) -> Sequence[Erasure]:
        """The journal, the oldest first."""

    def record(self, erasure: Erasure) -> None:
        """Add to the journal; durable when it returns. One that is in it already (tenant and hash) is not added again."""


def writing_keys(keys: TenantKeys, tenant: str) -> tuple[bytes, bytes]:
    """The hashing key and the data key for whoever takes something in. Raises TenantForgotten."""
    hashing, data = keys.hashing_key(tenant), keys.data_key(tenant)
    if hashing is None or data is None:
        raise TenantForgotten(
            f"tenant {tenant} was forgotten, and nothing is taken for it: mailwake keyring readmit {tenant} gives it new keys"
        )
    return hashing, data
