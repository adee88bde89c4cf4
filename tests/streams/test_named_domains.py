import pytest

from schemas.mail import MessageSent
from schemas.record import InvalidEvent
from streams.emitter import typed
from streams.named_domains import FIELDS, other_domains


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("EXAMPLE.com.", "example.com"),
        (" example.com ", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("XN--bcher-kva.example", "xn--bcher-kva.example"),
        ("_bounce.mail_host.lan", "_bounce.mail_host.lan"),
        ("localhost", "localhost"),
        (None, None),
    ],
)
@pytest.mark.parametrize("field", FIELDS)
def test_a_domain_has_one_form_however_it_is_told(field: str, given: str | None, kept: str | None) -> None:
    event = typed({"type": "MessageSent", field: given})
    same = typed(MessageSent(**{field: given}))
    assert (getattr(event, field), getattr(same, field)) == (kept, kept)


@pytest.mark.parametrize(
    "given",
    [
        "https://example.com", "example.com/", "example.com:25", "exa,mple", "-", "-a.example", "example..com", ".example",
        "<example.com>", "example com", "", ".", "a" * 64, "a." * 127 + "a", "[192.0.2.1]", "\ud800", "ﬃ\u2060!.example",
    ],
)  # fmt: skip
def test_what_is_no_domain_is_refused_by_its_field(given: str) -> None:
    for field in ("from_domain", "mail_from_domain", "dkim_domain"):
        with pytest.raises(InvalidEvent, match=r"as in example\.com") as caught:
            other_domains("MessageSent", {field: given})
        assert caught.value.field == field


def test_an_address_literal_may_be_whom_a_message_went_to() -> None:
    assert other_domains("MessageSent", {"recipient_domain": "[192.0.2.1]"}) == {}


def test_other_fields_of_an_event_stay_as_they_are() -> None:
    event = MessageSent(from_domain="example.com.", source_event_id="one", tenant="acme", size=5)
    known = typed(event, "other")
    assert known == event.model_copy(update={"from_domain": "example.com"})
    assert known.model_fields_set == event.model_fields_set
