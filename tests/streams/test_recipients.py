import pytest

from schemas.mail import MessageSent
from schemas.recipient import recipient_hash
from schemas.record import InvalidEvent
from streams.emitter import typed
from streams.keyring.keyring import TenantForgotten
from streams.recipients import with_recipient_hashed

KEYS = {"default": bytes(32), "acme": bytes(range(32))}


class Keys:
    def hashing_key(self, tenant: str) -> bytes | None:
        return KEYS.get(tenant)

    def data_key(self, tenant: str) -> bytes | None:
        return KEYS.get(tenant)


def hashed(**fields: object) -> dict[str, object]:
    return dict(with_recipient_hashed({"type": "MessageSent", **fields}, Keys()))


def test_an_address_becomes_hash_and_domain() -> None:
    fields = hashed(recipient="John@EXAMPLE.com", from_domain="a.example")
    assert "recipient" not in fields and fields["recipient_domain"] == "example.com"
    assert fields["recipient_hash"] == recipient_hash(KEYS["default"], "john@example.com")
    assert fields["from_domain"] == "a.example"


def test_each_tenant_has_its_own_hash() -> None:
    other = hashed(recipient="john@example.com", tenant="acme")["recipient_hash"]
    assert other == recipient_hash(KEYS["acme"], "john@example.com")
    default = dict(with_recipient_hashed({"recipient": "john@example.com"}, Keys(), "acme"))
    assert default["recipient_hash"] == other


def test_fields_without_one_stay_as_they_are() -> None:
    fields = {"type": "MessageSent", "recipient_hash": "h"}
    assert with_recipient_hashed(fields, None) is fields
    assert dict(with_recipient_hashed({"recipient": None, "a": 1}, None)) == {"a": 1}


def test_a_key_made_of_the_address_becomes_one_of_its_hash() -> None:
    fields = hashed(recipient="John@example.com", source_event_id="sent-1-john@EXAMPLE.com", subject="x")
    assert fields["source_event_id"] == f"sent-1-{fields['recipient_hash']}"


@pytest.mark.parametrize(
    "name", ["user_agent", "message_id", "provider_message_id", "note", "url_hash", "mx_host"]
)
@pytest.mark.parametrize(
    "written",
    ["John.Doe@example.com", '"john.doe"@EXAMPLE.com', '\\"john.doe\\"@example.com', "john.doe=example.com",
     "john.doe%40example.com", "john.doe=40example.com", "john.doe&#64;example.com", "john.doe\\u0040example.com"],
)  # fmt: skip
def test_its_recipient_is_in_no_text_of_an_event(name: str, written: str) -> None:
    fields = hashed(recipient="john.doe@example.com", **{name: f"to {written}, again {written}"})
    assert fields[name] == f"to {fields['recipient_hash']}, again {fields['recipient_hash']}"
    said = hashed(recipient="john.doe@example.com", response=f"550 <{written}> unknown; {written}")
    assert said["response"] == "550 <address> unknown; <address>"


def test_a_recipient_of_a_local_host_or_an_odd_domain_is_in_no_text_either() -> None:
    for address in ("root@localhost", "root@[192.0.2.1]", '"a b"@example.com', "jö@bücher.example"):
        fields = hashed(recipient=address, response=f"no {address}", campaign=f"c {address}")
        assert fields["response"] == "no <address>" and fields["campaign"] == f"c {fields['recipient_hash']}"
    fields = hashed(recipient="jö@bücher.example", response="no jö@xn--bcher-kva.example")
    assert fields["response"] == "no <address>"


@pytest.mark.parametrize(
    "address", ["john", "@example.com", "john@", "", "a b@c", "john@example.com,", "j\x00@c.example", "x" * 300 + "@c.example"]
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(InvalidEvent, match="recipient: got 'what is not shown here'") as refused:
        hashed(recipient=address)
    assert "or no recipient where none is known" in refused.value.wants


@pytest.mark.parametrize("written", ["<john@example.com>", " john@example.com\n", "< John@Example.com >"])
def test_one_in_brackets_is_the_one_within(written: str) -> None:
    fields = hashed(recipient=written, response=f"no {written}", source_event_id=f"sent {written.strip()}")
    assert fields["recipient_hash"] == recipient_hash(KEYS["default"], "john@example.com")
    assert fields["recipient_domain"] == "example.com" and "john" not in str(fields).lower()


@pytest.mark.parametrize("told", [{"recipient_hash": "john@example.com"}, {"recipient_hash": "x@"}])
def test_an_address_is_no_hash(told: dict[str, str]) -> None:
    for event in ({"type": "MessageSent", **told}, MessageSent(**told)):
        with pytest.raises(
            InvalidEvent, match=r"recipient_hash: got 'what is not shown here'.*goes under recipient"
        ):
            typed(event)


def test_another_hash_beside_it_is_refused() -> None:
    right = recipient_hash(KEYS["default"], "john@example.com")
    assert hashed(recipient="john@example.com", recipient_hash=right)["recipient_hash"] == right
    with pytest.raises(InvalidEvent, match="the hash of its recipient"):
        hashed(recipient="john@example.com", recipient_hash="another")


def test_without_keys_or_for_a_forgotten_tenant_nothing_is_taken() -> None:
    with pytest.raises(InvalidEvent, match="no keyring"):
        with_recipient_hashed({"recipient": "john@example.com"}, None)
    with pytest.raises(TenantForgotten):
        hashed(recipient="john@example.com", tenant="forgotten")


@pytest.mark.parametrize("fields", [{"recipient": 5}, {"recipient": "a@b.c", "tenant": 5}])
def test_what_is_no_text_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(InvalidEvent):
        hashed(**fields)
