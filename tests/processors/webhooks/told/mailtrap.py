import json
from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": 1_767_603_600_000,
    "provider_message_id": "1df37d17-0286-4d8b-8edf-bc4ec5be86e6",
    "from_domain": "shop.example",
    "stream": "transactional",
}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "event": kind, "message_id": "1df37d17-0286-4d8b-8edf-bc4ec5be86e6", "sending_stream": "transactional", "email": JO,
        "sending_domain_name": "shop.example", "timestamp": 1_767_603_600, "event_id": f"bede7236-{kind}-{len(more)}",
        "category": "Password reset", "custom_variables": {"variable_a": "value"}, **more,
    }  # fmt: skip


def events(*each: dict[str, Any]) -> dict[str, Any]:
    return {"events": list(each)}


SOFT = event(
    "soft bounce",
    response="soft bounce (450 4.2.0 The email account is temporarily unavailable)",
    response_code=450,
    bounce_category="unavailable",
)
HARD = event(
    "bounce", response=f"bounced (550 5.1.1 {JO} does not exist)", response_code=550, bounce_category="hard"
)
CASES: list[Case] = [
    case("delivery", events(event("delivery")), ("MessageDelivered", {**WHO, "campaign": "Password reset"})),
    case("bounces", events(SOFT, HARD), ("MessageDeferred", {**WHO, "smtp_code": 450, "enhanced_code": "4.2.0"}),
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1", "response": "bounced (550 5.1.1 <address> does not exist)"})),
    case("by its category", events(event("bounce", bounce_category="badmailbox")), ("MessageBounced", {"enhanced_code": "5.1.1"})),
    case("suspension", events(event("suspension", reason="other")), ("MessageDropped", {**WHO, "reason": "policy"})),
    case("rejects", events(event("reject", reason="Recipient in suppression list. Reason: unsubscription"), event("reject", reason="other", a=1)),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "unsubscribe"}),
         ("MessageDropped", {**WHO, "reason": "policy", "listed_for": None})),
    case("engagement, a line each", b"\n".join(json.dumps(each).encode() for each in (
         event("open", ip="203.0.113.7", user_agent=AGENT), event("click", ip="203.0.113.7", user_agent=AGENT, url=URL))),
         ("MessageOpened", {**WHO, "user_agent": AGENT}), ("LinkClicked", {**WHO, "url_hash": URL_HASH})),
    case("unsubscribe", events(event("unsubscribe", sending_stream="bulk")), ("RecipientUnsubscribed", {**WHO, "method": "link", "stream": "marketing"})),
    case("complaint", events(event("spam")), ("ComplaintReceived", WHO)),
    case("mail that came in", events({"event": "inbound.message_received", "event_id": "x", "timestamp": 1_767_603_600_000, "message_id": "y"}), ignored=1),
]  # fmt: skip
