"""Any mail events, over few enough identities and moments that they meet in the same buckets."""

from typing import Any

from hypothesis import strategies as st
from reference_fold import START

from schemas.mail import MAIL_EVENTS, ComplaintReceived, LinkClicked, MailEvent, MessageBounced, MessageOpened

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000

_LATENESS = st.one_of(
    st.integers(-30 * MINUTE, 30 * MINUTE),
    st.integers(0, 5 * HOUR),
    st.integers(0, 5 * DAY),
    st.integers(0, 60 * DAY),
    st.sampled_from((3 * HOUR, 3 * DAY, 40 * DAY, 3650 * DAY, -3650 * DAY)),
)


@st.composite
def mail_events(draw: st.DrawFn) -> MailEvent:
    """One event; its id is one of a few thousand, so that some are told twice, as different things at times; its names what no Emitter lets pass."""
    record = draw(st.sampled_from(MAIL_EVENTS))
    recorded = START + draw(st.one_of(st.integers(0, 2 * HOUR), st.integers(0, 30 * HOUR)))
    particular: dict[str, Any] = {}
    if record is ComplaintReceived:
        particular = {
            "feedback_type": draw(st.sampled_from(("abuse", "not-spam", "auth-failure", "virus", "fraud"))),
            "incidents": draw(st.integers(1, 9)),
        }
    elif record is MessageBounced:
        particular = {"is_async": draw(st.booleans())}
    elif record in (MessageOpened, LinkClicked):
        particular = {"is_machine": draw(st.sampled_from((None, True, False)))}
    event = record(
        source_event_id=f"event-{draw(st.integers(0, 3000))}",
        recorded_at=recorded,
        occurred_at=recorded - draw(_LATENESS),
        provider=draw(st.sampled_from(("gmail", "yahoo"))),
        from_domain=draw(st.sampled_from((None, "a.example", "b.example"))),
        dkim_domain=draw(st.sampled_from((None, "a.example"))),
        ip=draw(st.sampled_from((None, "192.0.2.1", "2001:db8::1"))),
        stream=draw(st.sampled_from(("cold", "marketing"))),
        **particular,
    )
    unchecked = {
        "tenant": draw(st.sampled_from(("default", "other\x1ftenant"))),
        "campaign": draw(st.sampled_from((None, "spring\x1fsale", "x/y"))),
    }
    return event.model_copy(update=unchecked)
