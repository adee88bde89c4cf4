"""What an event makes of its fields, and what it says when it can't."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.codec import decode, encode
from schemas.columns import decode_frames
from schemas.dmarc import DkimResult, DmarcRecordReported
from schemas.mail import MessageBounced, MessageOpened, MessageSent
from schemas.record import Event, InvalidEvent

RECORD = {
    "report_id": "r", "policy_domain": "example.com", "begin": 0, "end": 1, "content_hash": "0" * 64, "ordinal": 0,
    "source_ip": "::1", "count": 1,
}  # fmt: skip
DKIM = {"domain": "example.com", "result": "pass"}


@pytest.mark.parametrize(
    ("record", "fields", "message"),
    [
        (MessageBounced, {"respons": 1}, "MessageBounced.respons: got 1, wants no field of that name: did you mean response?"),
        (MessageBounced, {"xyzzy": 1}, "MessageBounced.xyzzy: got 1, wants no field of that name"),
        (MessageBounced, {"smtp_code": "x"}, "MessageBounced.smtp_code: got 'x', wants a valid integer"),
        (MessageBounced, {"smtp_code": 5}, "MessageBounced.smtp_code: got 5, wants greater than or equal to 100"),
        (MessageSent, {"size": 2**63}, "MessageSent.size: got 9223372036854775808, wants less than or equal to"),
        (MessageSent, {"event_id": "nope"}, "MessageSent.event_id: got 'nope', wants a UUID, as in"),
        (MessageSent, {"occurred_at": "noon"}, "MessageSent.occurred_at: got 'noon', wants milliseconds since the epoch"),
        (MessageSent, {"occurred_at": 2**60}, "MessageSent.occurred_at: got 1152921504606846976, wants less than"),
        (MessageSent, {"occurred_at": 1_780_272_000}, "MessageSent.occurred_at: got 1780272000, wants milliseconds since the epoch: this looks like seconds"),
        (MessageSent, {"occurred_at": 1_780_272_000.0}, "MessageSent.occurred_at: got 1780272000.0, wants milliseconds since"),
        (MessageSent, {"tenant": ""}, "MessageSent.tenant: got '', wants text to have at least 1 character"),
        (MessageSent, {"tenant": "a/b"}, "MessageSent.tenant: got 'a/b', wants text to match"),
        (MessageSent, {"tenant": None}, "MessageSent.tenant: got None, wants a valid string"),
        (MessageSent, {"stream": "bulk"}, "MessageSent.stream: got 'bulk', wants 'transactional', 'marketing', 'cold' or 'other'"),
        (MessageSent, {"from_domain": "a@b.example"}, "MessageSent.from_domain: got 'a@b.example', wants text to be a domain, without @"),
        (MessageSent, {"recipient_domain": "b.example c"}, "MessageSent.recipient_domain: got 'b.example c', wants text to be a domain"),
        (MessageSent, {"from_domain": " "}, "MessageSent.from_domain: got ' ', wants text to have at least 1 character"),
        (MessageSent, {"from_domain": "\ud800"}, "MessageSent.from_domain: got '\\ud800', wants a valid string"),
        (DmarcRecordReported, {}, "DmarcRecordReported.report_id: got nothing, wants a value: it is required"),
        (DkimResult, {"domain": "a"}, "DkimResult.result: got nothing, wants a value"),
        (
            DmarcRecordReported,
            {**RECORD, "dkim_results": [DKIM, {"domain": "a"}]},
            "DmarcRecordReported.dkim_results[1].result: got nothing, wants a value",
        ),
        (
            DmarcRecordReported,
            {**RECORD, "dkim_results": [{**DKIM, "selectr": "s"}]},
            "DmarcRecordReported.dkim_results[0].selectr: got 's', wants no field of that name: did you mean selector?",
        ),
        (
            DmarcRecordReported,
            {**RECORD, "dkim_results": [{**DKIM, "selector": 5}]},
            "DmarcRecordReported.dkim_results[0].selector: got 5, wants a valid string",
        ),
    ],
)  # fmt: skip
def test_an_invalid_event_says_field_value_and_what_it_wants(
    record: type[Any], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidEvent) as raised:
        record(**fields)
    assert str(raised.value).startswith(message)
    assert len(str(raised.value)) < 250
    assert raised.value.record == record.__name__


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(InvalidEvent) as raised:
        MessageSent(message_id="x" * 100_000)
    assert len(str(raised.value)) < 250


def test_which_of_several() -> None:
    error = InvalidEvent("MessageSent", "size", -1, "0 or more").at(7)
    assert str(error) == "event 7: MessageSent.size: got -1, wants 0 or more"
    assert error.index == 7


def test_the_same_key_gives_the_same_id_by_whatever_way() -> None:
    one = MessageSent(tenant="a", source_event_id="k", channel="sns", occurred_at=1)
    assert (
        MessageSent(tenant="a", source_event_id="k", channel="imap", event_id=None).event_id == one.event_id
    )
    assert MessageSent(tenant="a", source_event_id=b"k", event_id="").event_id == one.event_id
    assert MessageSent.model_validate({"tenant": "a", "source_event_id": "k"}).event_id == one.event_id
    assert MessageSent.model_validate_json('{"tenant": "a", "source_event_id": "k"}').event_id == one.event_id
    others = [
        MessageSent(tenant="b", source_event_id="k"),
        MessageSent(tenant="a", source_event_id="l"),
        MessageOpened(tenant="a", source_event_id="k"),
        MessageSent(tenant="a"),
        MessageSent(tenant="a"),
    ]
    assert len({event.event_id for event in (one, *others)}) == 6


def test_a_given_id_is_kept_in_its_canonical_form() -> None:
    given = "0F8FAD5B-D9CB-469F-A165-70867728950E"
    assert MessageSent(event_id=given, source_event_id="k").event_id == given.lower()
    assert MessageSent(event_id="{" + given + "}").event_id == given.lower()


@pytest.mark.parametrize(
    "moment",
    [
        1_790_000_000_123,
        "2026-09-21T14:13:20.123Z",
        "2026-09-21T16:13:20.123+02:00",
        "2026-09-21T14:13:20.123",
        datetime(2026, 9, 21, 14, 13, 20, 123_999, tzinfo=UTC),
        datetime(2026, 9, 21, 14, 13, 20, 123_000),
        datetime(2026, 9, 21, 9, 13, 20, 123_000, tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_times_in_every_form(moment: object) -> None:
    assert MessageSent(occurred_at=moment).occurred_at == 1_790_000_000_123


@pytest.mark.parametrize("moment", [-1, 0, 1_000, 946_684_799, 4_102_444_800, 1_780_272_000_000])
def test_times_that_are_no_likely_seconds_are_milliseconds(moment: int) -> None:
    assert MessageSent(occurred_at=moment).occurred_at == moment


def test_a_time_that_others_wrote_may_look_like_seconds() -> None:
    """A report about 1970 is odd, and no reason to fail: its times are read in a document, not given by a program."""
    report = DmarcRecordReported(**{**RECORD, "occurred_at": 1_780_272_000, "begin": 1_780_272_000})
    assert report.occurred_at == report.begin == 1_780_272_000
    early = datetime(1970, 1, 21, 14, 31, 12, tzinfo=UTC)
    assert MessageSent(occurred_at=early).occurred_at == 1_780_272_000


def test_the_time_is_now_unless_given() -> None:
    before = datetime.now(UTC)
    said = MessageSent().occurred_at
    assert before - timedelta(milliseconds=1) <= datetime.fromtimestamp(said / 1000, UTC) <= datetime.now(UTC)


def test_events_are_frozen_and_compare_by_value() -> None:
    one = MessageSent(source_event_id="k", occurred_at=1)
    assert one == MessageSent(source_event_id="k", occurred_at=1)
    assert hash(one) == hash(MessageSent(source_event_id="k", occurred_at=1))
    with pytest.raises(ValidationError):
        one.tenant = "b"  # type: ignore[misc]


def test_domains_and_providers_are_lower_case() -> None:
    event = MessageSent(from_domain=" Example.COM ", provider="GMail")
    assert (event.from_domain, event.provider) == ("example.com", "gmail")


def test_a_domain_that_others_wrote_may_be_anything() -> None:
    """A report that names an address for a domain is kept as it is; and so is what was written to the log before."""
    assert DmarcRecordReported(**{**RECORD, "header_from": "a@b.example c"}).header_from == "a@b.example c"
    earlier = MessageSent.trusted({**MessageSent().__dict__, "from_domain": "a@b.example"})
    framed = encode(earlier)
    assert decode(framed) == earlier
    assert decode_frames([framed]).frames[MessageSent].get_column("from_domain").to_list() == ["a@b.example"]


def test_the_kind_of_fact_may_be_shared() -> None:
    class Renamed(MessageSent):
        """Tells what MessageSent tells."""

        fact = "MessageSent"

    assert issubclass(Renamed, Event)
    assert Renamed.id_of("a", "k") == MessageSent.id_of("a", "k")
