from typing import Any

from webhook_case import AGENT, ANN, ANN_HASH, JO, JO_HASH, URL, URL_HASH, Case, case

AT = 1_767_603_605_250
WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": AT,
    "provider_message_id": "56761188-7520-42d8-8898-ff6fc54ce618",
    "message_id": "<1@shop.example>",
    "from_domain": "shop.example",
}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "type": f"email.{kind}", "created_at": "2026-01-05T09:00:05.250Z",
        "data": {
            "created_at": "2026-01-05 09:00:00.000000+00", "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
            "message_id": "<1@shop.example>", "from": "Shop <hi@shop.example>", "to": [JO], "subject": "Hi",
            "tags": {"campaign": "welcome"}, **more,
        },
    }  # fmt: skip


def bounce(kind: str, sub_type: str, *diagnosis: str) -> dict[str, Any]:
    about = {
        "type": kind,
        "subType": sub_type,
        "message": "The recipient's email provider sent a bounce message.",
    }
    return event("bounced", bounce={**about, "diagnosticCode": list(diagnosis)} if diagnosis else about)


def contact(kind: str, **more: Any) -> dict[str, Any]:
    about = {
        "id": "e169aa45-1ecf-4183-9955-b1499d5701d3",
        "audience_id": "78261eea",
        "email": JO,
        "updated_at": "2026-01-05T09:00:05.250Z",
    }
    return {"type": f"contact.{kind}", "created_at": "2026-01-05T09:00:06.000Z", "data": {**about, **more}}


CLICK = {"ipAddress": "203.0.113.7", "link": URL, "timestamp": "2026-01-05T09:00:04.000Z", "userAgent": AGENT}
CASES: list[Case] = [
    case("bounced without a word", bounce("Permanent", "General"), ("MessageBounced", {**WHO, "enhanced_code": "5.1.1", "response": None})),
    case("bounced, nobody knows why", bounce("Transient", "General"), ("MessageBounced", {**WHO, "enhanced_code": None})),
    case("sent", event("sent"), ("MessageSent", {**WHO, "campaign": "welcome"})),
    case("a broadcast to two", event("sent", to=[JO, f"Ann <{ANN}>"], broadcast_id="8b146471", tags=[{"name": "x", "value": "y"}]),
         ("MessageSent", {**WHO, "stream": "marketing", "campaign": "8b146471"}), ("MessageSent", {"recipient_hash": ANN_HASH})),
    case("delivered", event("delivered"), ("MessageDelivered", WHO)),
    case("delayed", event("delivery_delayed"), ("MessageDeferred", WHO)),
    case("bounced", bounce("Permanent", "General", f"smtp; 550 5.1.1 <{JO}> unknown"),
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1", "response": "smtp; 550 5.1.1 <address> unknown"})),
    case("a full mailbox", bounce("Transient", "MailboxFull"), ("MessageBounced", {**WHO, "enhanced_code": "4.2.2"})),
    case("expired", bounce("Transient", "General", "smtp; 550 4.4.7 Message expired: unable to deliver"), ("MessageExpired", WHO)),
    case("suppressed, as a bounce", bounce("Permanent", "Suppressed"), ("MessageDropped", {**WHO, "reason": "suppressed"})),
    case("suppressed, as a bounce was first told", event("bounced", bounce={"message": "Resend has suppressed sending to this address"}),
         ("MessageDropped", {**WHO, "reason": "suppressed"})),
    case("bounced, as it was first told", event("bounced", bounce={"message": "Their provider sent a hard bounce message, but why not"}),
         ("MessageBounced", {**WHO, "enhanced_code": "5.1.1", "response": None})),
    case("suppressed", event("suppressed", suppressed={"message": "on the list", "type": "OnAccountSuppressionList"}),
         ("MessageDropped", {**WHO, "reason": "suppressed"})),
    case("failed", event("failed", failed={"reason": "reached_daily_quota"}), ("MessageDropped", {**WHO, "reason": "policy"})),
    case("complained", event("complained"), ("ComplaintReceived", WHO)),
    case("opened", event("opened", open={"userAgent": AGENT, "ipAddress": "203.0.113.7"}), ("MessageOpened", {**WHO, "user_agent": AGENT})),
    case("clicked", event("clicked", click=CLICK), ("LinkClicked", {**WHO, "occurred_at": 1_767_603_604_000, "url_hash": URL_HASH})),
    case("clicked by one of two", event("clicked", click=CLICK, to=[JO, ANN]), ("LinkClicked", {"recipient_hash": None})),
    case("delivered to one of two", event("delivered", to=[JO, ANN]), ("MessageDelivered", {"recipient_hash": None, "provider": "other"})),
    case("bounced for one of two", event("bounced", to=[JO, ANN], bounce={"type": "Permanent", "subType": "General",
         "diagnosticCode": [f"smtp; 550 5.1.1 <{ANN}> unknown"]}),
         ("MessageBounced", {"recipient_hash": None, "recipient_domain": None, "response": "smtp; 550 5.1.1 <address> unknown"})),
    case("one of two complained", event("complained", to=[JO, ANN]), ("ComplaintReceived", {"recipient_hash": None})),
    case("one of two is suppressed", event("suppressed", to=[JO], cc=[ANN]), ("MessageDropped", {"recipient_hash": None, "reason": "suppressed"})),
    case("bounced, with a copy", event("bounced", headers=[{"name": "Cc", "value": f"Ann <{ANN}>"}], bounce={"type": "Permanent", "subType": "General"}),
         ("MessageBounced", {"recipient_hash": None})),
    case("sent, with copies", event("sent", cc=[ANN], bcc=None), ("MessageSent", WHO), ("MessageSent", {"recipient_hash": ANN_HASH})),
    case("contact left", contact("updated", unsubscribed=True), ("RecipientUnsubscribed", {"recipient_hash": JO_HASH, "method": "list",
         "stream": "marketing", "occurred_at": AT})),
    case("contact", contact("updated", unsubscribed=False), ignored=1),
    case("scheduled", event("scheduled"), ignored=1),
    case("domain", {"type": "domain.created", "created_at": "2026-01-05T09:00:05.250Z", "data": {"id": "x", "name": "shop.example"}}, ignored=1),
]  # fmt: skip
