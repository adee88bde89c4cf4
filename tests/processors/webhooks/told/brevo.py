from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": 1_767_603_600_250,
    "message_id": "<202601050900.12345@smtp-relay.mailin.fr>",
    "from_domain": "shop.example",
    "campaign": "spring",
}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "event": kind, "email": JO, "id": 26224, "date": "2026-01-05 10:00:00", "ts": 1_767_607_200,
        "message-id": "<202601050900.12345@smtp-relay.mailin.fr>", "ts_event": 1_767_603_600, "ts_epoch": 1_767_603_600_250,
        "subject": "Hi", "X-Mailin-custom": "some_custom_header", "sending_ip": "192.0.2.3", "template_id": 22,
        "tags": ["spring"], "tag": "spring", "sender_email": "hi@shop.example", "contact_id": 8, **more,
    }  # fmt: skip


def marketing(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "id": 490, "camp_id": 73, "email": JO, "campaign name": "My First Campaign", "date_sent": "2026-01-05 09:50:00",
        "date_event": "2026-01-05 10:00:00", "event": kind, "tag": "", "ts_sent": 1_767_603_000, "ts_event": 1_767_603_600, **more,
    }  # fmt: skip


def came_in(headers: dict[str, Any]) -> dict[str, Any]:
    return {"items": [{"Uuid": ["x"], "From": {"Name": "Jo", "Address": JO}, "To": [{"Name": None, "Address": "hi@shop.example"}],
            "SentAtDate": "Mon, 05 Jan 2026 10:00:00 +0100", "Headers": headers}]}  # fmt: skip


UNKNOWN = "550 5.1.1 no such user"
CASES: list[Case] = [
    case("hard bounce without a word", event("hard_bounce"), ("MessageBounced", {**WHO, "enhanced_code": "5.1.1", "response": None})),
    case("request", event("request"), ("MessageSent", {**WHO, "ip": "192.0.2.3"})),
    case("delivered", event("delivered"), ("MessageDelivered", WHO)),
    case("tags in JSON", event("delivered", tags=None, tag='["stream:cold","autumn"]'), ("MessageDelivered", {"stream": "cold"})),
    case("a tag that is no list", event("delivered", tags=None, tag="[autumn"), ("MessageDelivered", {"campaign": "[autumn"})),
    case("hard bounce", event("hard_bounce", reason=UNKNOWN), ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1"})),
    case("soft bounce", event("soft_bounce", reason="452 4.2.2 full"), ("MessageBounced", {**WHO, "smtp_code": 452})),
    case("deferred", event("deferred", reason="421 4.7.0 later"), ("MessageDeferred", {**WHO, "smtp_code": 421})),
    case("blocked", event("blocked", reason="blocked : due to blacklist user"), ("MessageDropped", {**WHO, "reason": "suppressed"})),
    case("invalid", event("invalid_email"), ("MessageDropped", {**WHO, "reason": "invalid"})),
    case("error", event("error", reason="x"), ("MessageDropped", {**WHO, "reason": "other"})),
    case("opened", event("opened", user_agent=AGENT), ("MessageOpened", {**WHO, "is_machine": False, "user_agent": AGENT, "ip": None})),
    case("proxy", event("proxy_open"), ("MessageOpened", {**WHO, "is_machine": True})),
    case("click", event("click", link=URL), ("LinkClicked", {**WHO, "url_hash": URL_HASH})),
    case("complaints", [event("spam"), marketing("complaint")], ("ComplaintReceived", WHO),
         ("ComplaintReceived", {"stream": "marketing", "occurred_at": 1_767_603_600_000, "campaign": "My First Campaign"})),
    case("unsubscribes", [event("unsubscribed"), marketing("unsubscribe", list_id=[3])], ("RecipientUnsubscribed", {**WHO, "method": "link"}),
         ("RecipientUnsubscribed", {"recipient_hash": JO_HASH, "stream": "marketing", "occurred_at": 1_767_603_600_000})),
    case("marketing click", marketing("click", URL=URL), ("LinkClicked", {"url_hash": URL_HASH, "stream": "marketing"})),
    case("contacts", [marketing("list_addition"), {"event": "contact_deleted", "email": [JO], "key": "x", "date": "2026-01-05"}], ignored=2),
    case("vacation notice", came_in({"Auto-Submitted": "auto-replied", "In-Reply-To": "<1@shop.example>"}),
         ("AutoReplyReceived", {"recipient_hash": JO_HASH, "message_id": "<1@shop.example>", "from_domain": "shop.example",
          "occurred_at": 1_767_603_600_000})),
    case("mail that came in", came_in({"Subject": "Hi"}), ignored=1),
]  # fmt: skip
