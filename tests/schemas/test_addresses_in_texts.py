"""No text of an event has an address in clear, however a server writes it."""

import pytest

from schemas.mail import MessageBounced, without_addresses
from schemas.suppression import RecipientSuppressed, SuppressionEvidence, SuppressionLifted

REPLACED = [
    "john.doe@example.com",
    "<john.doe@example.com>",
    '"john.doe"@example.com',
    '<"john doe"@example.com>',
    '"john".doe@example.com',
    "root@localhost",
    "john(doe)@example.com",
    "john.doe@(there)example.com",
    "john@b.c",
    "user@[192.0.2.1]",
    "<user@[IPv6:2001:db8::1]>",
    "john%40example.com",
    "john%40localhost",
    "john=40example.com",
    "john=40localhost",
    "john+2Bnews+40example.com",
    "john&#64;example.com",
    "john\\u0040example.com",
    "bounce+john=example.com@news.example",
    "jö@bücher.example",
    f"{'a' * 200}@example.com",
]


@pytest.mark.parametrize("address", REPLACED)
def test_an_address_is_replaced_whole(address: str) -> None:
    assert without_addresses(f"550 5.1.1 {address}: unknown") == "550 5.1.1 <address>: unknown"
    assert MessageBounced(response=f"no {address}").response == "no <address>"


@pytest.mark.parametrize(
    "words",
    ["limit=4000 of 40", "rate=400/h", "delay=40ms, took=40.5s", "call +4021 or 0049+40123", "see https://example.com/?a=40", "at @ home", "<address>"],
)  # fmt: skip
def test_what_is_none_stays(words: str) -> None:
    assert without_addresses(words) == words


def test_what_grows_fits_all_the_same() -> None:
    response = MessageBounced(response="a@b " * 1024).response
    assert response is not None and len(response) == 4096
    assert MessageBounced(response=response).response == response


def test_neither_a_note_nor_who_wrote_it_has_one() -> None:
    who = {"recipient_hash": "0" * 32, "by": "anna@example.com", "note": "john@example.com asked"}
    for event in (
        SuppressionEvidence(kind="manual", **who),
        RecipientSuppressed(reason="manual", since=1, **who),
        SuppressionLifted(reason="lifted", **who),
    ):
        assert (event.by, event.note) == ("<address>", "<address> asked")
