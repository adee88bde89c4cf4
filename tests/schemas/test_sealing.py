import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.erased import hash_in, knowing_stand_ins, stand_in
from schemas.sealing import (
    MAGIC,
    OVERHEAD,
    DamagedSeal,
    Forgotten,
    blob_place,
    document_place,
    is_sealed,
    keyed_digest,
    plain_content,
    seal,
    unseal,
)

KEY, OTHER_KEY, NONCE = bytes(range(32)), bytes(range(1, 33)), bytes(range(12))
PLACE = document_place("acme", "receipt")


class Keys:
    """Keys of one tenant, None once it was forgotten."""

    def __init__(self, data: bytes | None) -> None:
        self.data = data

    def hashing_key(self, tenant: str) -> bytes | None:
        return self.data

    def data_key(self, tenant: str) -> bytes | None:
        return self.data


@given(st.binary(max_size=300))
def test_what_was_sealed_is_unsealed(plain: bytes) -> None:
    sealed = seal(KEY, PLACE, plain, NONCE)
    assert is_sealed(sealed) and len(sealed) == len(plain) + OVERHEAD
    assert unseal(KEY, PLACE, sealed) == plain
    assert len(plain) < 8 or plain not in sealed[sealed.index(NONCE) :]


def test_the_envelope_stays_what_it_is() -> None:
    sealed = seal(KEY, PLACE, b"hello", NONCE)
    assert sealed.hex() == (
        "896d777365616c0a01"
        + hashlib.sha256(b"mailwake data key" + KEY).hexdigest()[:16]
        + "000102030405060708090a0b"
        + sealed[-21:].hex()
    )
    assert unseal(KEY, PLACE, sealed) == b"hello"


def test_a_nonce_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        seal(KEY, PLACE, b"x", b"short")


@pytest.mark.parametrize(
    "place",
    [document_place("acme", "another"), document_place("bcme", "receipt"), blob_place("acme", "receipt")],
)
def test_in_another_place_it_is_refused(place: bytes) -> None:
    with pytest.raises(DamagedSeal, match="another document"):
        unseal(KEY, place, seal(KEY, PLACE, b"hello", NONCE))


@given(st.integers(0, OVERHEAD + 4), st.integers(0, 7))
def test_no_changed_bit_goes_unseen(index: int, bit: int) -> None:
    sealed = bytearray(seal(KEY, PLACE, b"hello", NONCE))
    sealed[index] ^= 1 << bit
    changed = bytes(sealed)
    if not is_sealed(changed):
        assert unseal(KEY, PLACE, changed) == changed
        return
    with pytest.raises((DamagedSeal, Forgotten)):
        unseal(KEY, PLACE, changed)


@pytest.mark.parametrize("length", range(len(MAGIC), OVERHEAD))
def test_cut_short_it_is_refused(length: int) -> None:
    with pytest.raises(DamagedSeal):
        unseal(KEY, PLACE, seal(KEY, PLACE, b"", NONCE)[:length])


@pytest.mark.parametrize("key", [None, OTHER_KEY])
def test_without_its_key_it_is_forgotten(key: bytes | None) -> None:
    with pytest.raises(Forgotten):
        unseal(key, PLACE, seal(KEY, PLACE, b"hello", NONCE))


def test_what_was_never_sealed_is_read_as_it_is() -> None:
    assert unseal(None, PLACE, b"From: a") == b"From: a"
    assert plain_content(Keys(None), "acme", "receipt", "0" * 64, b"From: a", None) == b"From: a"


def test_a_document_is_inline_or_a_blob() -> None:
    inline = seal(KEY, PLACE, b"inline", NONCE)
    blob = seal(KEY, blob_place("acme", "0" * 64), b"blob", NONCE)
    keys = Keys(KEY)
    assert plain_content(keys, "acme", "receipt", "0" * 64, inline, None) == b"inline"
    assert plain_content(keys, "acme", "receipt", "0" * 64, None, blob) == b"blob"
    assert plain_content(keys, "acme", "receipt", "0" * 64, None, None) is None
    with pytest.raises(Forgotten):
        plain_content(Keys(None), "acme", "receipt", "0" * 64, None, blob)


def test_a_digest_tells_nothing_without_the_key() -> None:
    digest = keyed_digest(KEY, b"john@example.com")
    assert digest == keyed_digest(KEY, b"john@example.com") and len(digest) == 64
    assert digest != hashlib.sha256(b"john@example.com").hexdigest()
    assert digest not in (
        keyed_digest(OTHER_KEY, b"john@example.com"),
        keyed_digest(KEY, b"jane@example.com"),
    )


def test_a_stand_in_is_known_by_its_hash() -> None:
    hashed = "0123456789abcdef" * 2
    assert stand_in(hashed, "John@EXAMPLE.com") == f"erased.{hashed}@example.com"
    assert hash_in(f"Erased.{hashed.upper()}@example.com") == hashed
    assert hash_in("john@example.com") is None and hash_in(f"x.erased.{hashed}@example.com") is None


def test_only_a_stand_in_needs_no_hashing() -> None:
    hashed: Callable[[str], str | None] = knowing_stand_ins(lambda address: f"hash of {address}")
    assert hashed("john@example.com") == "hash of john@example.com"
    assert hashed(f"erased.{'a' * 32}@example.com") == "a" * 32
