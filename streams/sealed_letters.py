"""Dead letters as they are kept: the bytes that nobody understood sealed with the key of the tenant they were appended for.

Whose they are nobody can read in them, so it goes by the key that their record has in the log, which begins with a tenant.
What names no tenant that is known is sealed for the tenant that the settings name. The nonce is made of key, place and
bytes, so that the same record gives the same letter, whoever reads it, and how often.
"""

import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemas.codec import decode, encode
from schemas.documents import DeadLetter
from schemas.keyring import TenantKeys
from schemas.sealing import NONCE_BYTES, Forgotten, is_sealed, key_id, letter_place, seal, sealed_with, unseal
from streams.keyring.keyring import KeyringError, KeyringUnavailable
from streams.log import Record, TopicPartition

logger = logging.getLogger(__name__)

TOPIC = "dead.letters"


class KnownKeys(TenantKeys, Protocol):
    """Keys of tenants, and which tenants there are: asking for the keys of one that is not known would make some."""

    def tenants(self) -> Sequence[str]:
        """The tenants that have keys."""

    def forgotten(self) -> Sequence[str]:
        """The tenants that were forgotten."""


@dataclass(frozen=True, slots=True)
class LetterSeal:
    """What the dead letters of a process are sealed with."""

    keys: KnownKeys
    tenant: str = "default"
    """For whom what names no known tenant is sealed."""

    def sealed(
        self,
        letters: Sequence[Record],
        source: TopicPartition,
        offsets: Sequence[int],
        keys: Sequence[bytes | None],
    ) -> list[Record]:
        """The same letters, sealed; `offsets` and `keys` are of the records of one partition that they may be of.

        Letters of other records stay as they are. Where there is no keyring, or another one than the log's, the letter says
        where its record is and holds nothing of it. Raises KeyringUnavailable (wait); then ask again.
        """
        if not letters:
            return []
        try:
            known, gone = set(self.keys.tenants()), set(self.keys.forgotten())
            by_offset = dict(zip(offsets, keys, strict=True))
            return [self._sealed(letter, source, by_offset, known, gone) for letter in letters]
        except KeyringUnavailable:
            raise
        except KeyringError as error:
            logger.warning("dead letters are kept without the bytes of their records: %s", error)
            return [_without_bytes(letter, source) for letter in letters]

    def _sealed(
        self,
        record: Record,
        source: TopicPartition,
        keys: Mapping[int, bytes | None],
        known: set[str],
        gone: set[str],
    ) -> Record:
        letter = _to_seal(record, source)
        if letter is None or letter.origin_offset not in keys:
            return record
        tenant = tenant_of(keys[letter.origin_offset])
        if tenant in gone:
            return _without_bytes(record, source)
        data = self.keys.data_key(tenant if tenant in known and tenant is not None else self.tenant)
        if data is None:
            return _without_bytes(record, source)
        place = letter_place(_origin(letter))
        digest = hashlib.sha256(letter.content).digest()
        nonce = hmac.digest(data, b"mailwake letter nonce\x1f" + place + b"\x1f" + digest, "sha256")
        return _with(record, letter, seal(data, place, letter.content, nonce[:NONCE_BYTES]))


@dataclass(slots=True)
class OpensLetters:
    """Opens dead letters with whichever tenant's key they were sealed with."""

    keys: KnownKeys
    _by_id: dict[bytes, bytes] | None = field(default=None, init=False)

    def content(self, letter: DeadLetter) -> bytes:
        """The bytes of its record; what was never sealed as it is.

        Raises `schemas.sealing.Forgotten` and `DamagedSeal`, and what the keys raise.
        """
        if not is_sealed(letter.content):
            return letter.content
        if self._by_id is None:
            found = (self.keys.data_key(tenant) for tenant in self.keys.tenants())
            self._by_id = {key_id(key): key for key in found if key is not None}
        key = self._by_id.get(sealed_with(letter.content))
        if key is None:
            raise Forgotten(
                "the tenant it was sealed for was forgotten, or it was sealed with another keyring"
            )
        return unseal(key, letter_place(_origin(letter)), letter.content)


def tenant_of(key: bytes | None) -> str | None:
    """Whose record goes under this key."""
    if key is None or b"/" not in key:
        return None
    return key.partition(b"/")[0].decode("utf-8", "replace")


def _to_seal(record: Record, source: TopicPartition) -> DeadLetter | None:
    """The letter in a record where it is one of this partition's, with bytes in clear."""
    letter = decode(record.value or b"")
    if not isinstance(letter, DeadLetter) or not letter.content or is_sealed(letter.content):
        return None
    return letter if (letter.origin_topic, letter.origin_partition) == source else None


def _without_bytes(record: Record, source: TopicPartition) -> Record:
    letter = _to_seal(record, source)
    return record if letter is None else _with(record, letter, b"")


def _with(record: Record, letter: DeadLetter, content: bytes) -> Record:
    return record._replace(value=encode(letter.model_copy(update={"content": content})))


def _origin(letter: DeadLetter) -> str:
    return DeadLetter.key_of(letter.origin_topic, letter.origin_partition, letter.origin_offset)
