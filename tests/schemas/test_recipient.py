"""Many addresses under one key hash as one by one."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.recipient import InvalidAddress, RecipientHashes, normalised, recipient_hash


@given(
    st.binary(min_size=1, max_size=200),
    st.sampled_from(["Ann@Example.ORG", "Jörg@BÜCHER.example", '"a b"@[192.0.2.1]']),
)
def test_a_key_of_any_length_gives_the_hash_of_the_standard_library(key: bytes, address: str) -> None:
    expected = hmac.digest(key, normalised(address).encode(), "sha256").hex()[:32]
    hashes = RecipientHashes(key)
    assert [hashes(address), hashes(address), recipient_hash(key, address)] == [expected] * 3


@pytest.mark.parametrize("address", ["", "@", "a@", "@b", "nobody", "ü@", "@ü", "\x00"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidAddress):
        RecipientHashes(b"key")(address)
    with pytest.raises(InvalidAddress):
        recipient_hash(b"key", address)


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValueError, match="an empty key"):
        RecipientHashes(b"")
    with pytest.raises(ValueError, match="an empty key"):
        recipient_hash(b"", "a@b")


@pytest.mark.parametrize(
    ("address", "as_hashed"),
    [("A.B+c@EXAMPLE.org", "a.b+c@example.org"), ('"A b"@X', '"a b"@x'), ("a@b@C", "a@b@c"), ("a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]")],
)  # fmt: skip
def test_ascii_addresses_are_lower_cased_and_nothing_else(address: str, as_hashed: str) -> None:
    assert normalised(address) == as_hashed
