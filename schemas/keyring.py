"""The keys of a tenant, as whoever needs them asks for them. They never change; a forgotten tenant has none."""

from typing import Protocol


class TenantKeys(Protocol):
    """Looks up keys by tenant. Asking keeps a stage pure, as asking for a blob does."""

    def hashing_key(self, tenant: str) -> bytes | None:
        """The key of `schemas.recipient.recipient_hash`; None where the tenant was forgotten."""

    def data_key(self, tenant: str) -> bytes | None:
        """The AES-256-GCM key that the tenant's documents are sealed with; None where there is none any more."""


class _NoKeys:
    def hashing_key(self, tenant: str) -> None:
        """Nobody's."""

    def data_key(self, tenant: str) -> None:
        """Nobody's."""


NO_KEYS: TenantKeys = _NoKeys()
"""For who has no keys: recipients stay unnamed."""
