"""Recipients' hashes by the tenant's key, which may go away, or become another, while a tail runs."""

import hashlib

from processors.origin import Hashed
from schemas.keyring import TenantKeys
from schemas.recipient import InvalidAddress, RecipientHashes
from streams.keyring.keyring import writing_keys


class TenantHashes:
    """Addresses to hashes, by the key as it was last asked for. Not safe for use by two threads at once."""

    def __init__(self, keys: TenantKeys, tenant: str) -> None:
        """Ask for the key. Raises as `ask`."""
        self._keys, self._tenant = keys, tenant
        self._key: bytes | None = None
        self.key_id = ""
        """Tells this key from others, and nothing of it."""
        self.ask()

    def ask(self) -> str:
        """Ask for the key again; its id. Raises TenantForgotten, KeyringUnavailable (wait), KeyringError."""
        key = writing_keys(self._keys, self._tenant)[0]
        if key != self._key:
            self._key, self._hashed = key, hash_or_none(RecipientHashes(key))
            self.key_id = hashlib.sha256(b"mailwake tail\0" + key).hexdigest()[:32]
        return self.key_id

    @property
    def key(self) -> bytes:
        """The key, for processes that hash as this one does."""
        assert self._key is not None
        return self._key

    def __call__(self, address: str) -> str | None:
        """The hash of a recipient; None for what is no address."""
        return self._hashed(address)


def hash_or_none(hashes: RecipientHashes) -> Hashed:
    """The hash of a recipient by one key; None for what is no address."""

    def hashed(address: str) -> str | None:
        try:
            return hashes(address)
        except InvalidAddress:
            return None

    return hashed
