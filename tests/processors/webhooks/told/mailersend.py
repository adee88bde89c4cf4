from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": 1_767_603_600_250,
    "provider_message_id": "63fd1c1d5f010335ed07066b",
    "campaign": "welcome",
}


def event(kind: str, **meta: Any) -> dict[str, Any]:
    return {
        "type": f"activity.{kind}", "domain_id": "yv69oxl5kl785kw2", "created_at": "2026-01-05T09:00:00.250000Z",
        "webhook_id": "2351ndgwr4zqx8ko", "url": "https://example.com/webhook",
        "data": {"id": f"63fd1c1d31b9c750540fe85c-{kind}", "type": kind, "message_id": "63fd1c1d5f010335ed07066b", "recipient": JO,
                 "tags": ["welcome"], "meta": meta or []},
    }  # fmt: skip


def by_email(kind: str) -> dict[str, Any]:
    found = event(kind)
    found["data"]["email"] = found["data"].pop("recipient")
    return found


def earlier(kind: str, morph: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": f"activity.{kind}", "created_at": "2026-01-05T09:00:01.000000Z",
        "data": {
            "object": "activity", "id": "63fd1c1d31b9c750540fe85c", "type": kind, "created_at": "2026-01-05T09:00:00.250000Z",
            "email": {"id": "63fd1c1de225707fa905f0a8", "from": "hi@shop.example", "status": "sent", "tags": ["welcome", "Tag 2"],
                      "message": {"id": "63fd1c1d5f010335ed07066b"}, "recipient": {"id": "63f3bb", "email": JO}},
            "morph": morph, "template_id": "",
        },
    }  # fmt: skip


def inbound(headers: dict[str, str]) -> dict[str, Any]:
    return {"type": "inbound.message", "data": {"id": "x", "created_at": "2026-01-05T09:00:00.250000Z", "headers": headers,
            "from": {"email": JO}, "sender": {"email": JO}, "recipients": {"rcptTo": [{"email": "hi@in.shop.example"}]}}}  # fmt: skip


MORPH = {"object": "recipient_bounce", "reason": "Host or domain name not found"}
CASES: list[Case] = [
    case("hard bounce without a word", event("hard_bounced"), ("MessageBounced", {**WHO, "enhanced_code": "5.1.1", "response": None})),
    case("sent", event("sent"), ("MessageSent", WHO)),
    case("sent to an address under another name", by_email("sent"), ("MessageSent", WHO)),
    case("sent, as it was", earlier("sent"), ("MessageSent", {**WHO, "from_domain": "shop.example", "source_event_id": "63fd1c1d31b9c750540fe85c"})),
    case("delivered", event("delivered"), ("MessageDelivered", WHO)),
    case("deferred", event("deferred", bounce_code="451 4.7.1", bounce_reason="451 4.7.1 Greylisted"),
         ("MessageDeferred", {**WHO, "smtp_code": 451, "enhanced_code": "4.7.1"})),
    case("hard bounce", event("hard_bounced", bounce_code=550, bounce_reason="5.1.1 no such user"),
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1"})),
    case("soft bounce, as it was", earlier("soft_bounced", MORPH), ("MessageBounced", {**WHO, "response": MORPH["reason"]})),
    case("suppressed", event("suppressed", suppression_reason="blocklist"),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": None})),
    case("suppressed for a complaint", event("suppressed", suppression_reason="spam_complaint"),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "complaint"})),
    case("hard bounce for a reason that is none, as it was", earlier("hard_bounced", {**MORPH, "reason": "Unknown reason"}),
         ("MessageBounced", {**WHO, "enhanced_code": "5.1.1", "response": None})),
    case("hard bounce for a reason that is none", event("hard_bounced", bounce_code="550", bounce_reason="Unknown reason"),
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1", "response": None})),
    case("soft bounce for a reason that is none", event("soft_bounced", bounce_code="550", bounce_reason="Unknown reason"),
         ("MessageBounced", {**WHO, "enhanced_code": "4.0.0", "response": None})),
    case("rejected", event("rejected"), ("MessageDropped", {**WHO, "reason": "policy"})),
    case("opened", event("opened_unique", user_agent=AGENT), ("MessageOpened", {**WHO, "user_agent": AGENT})),
    case("clicked", event("clicked", url=URL, user_agent=AGENT), ("LinkClicked", {**WHO, "url_hash": URL_HASH})),
    case("clicked, as it was", earlier("clicked", {"object": "click", "url": URL}), ("LinkClicked", {**WHO, "url_hash": URL_HASH})),
    case("unsubscribed", event("unsubscribed", unsubscribe_reason="x"), ("RecipientUnsubscribed", {**WHO, "method": "link"})),
    case("spam complaint", event("spam_complaint"), ("ComplaintReceived", WHO)),
    case("vacation notice", inbound({"Auto-Submitted": "auto-replied", "In-Reply-To": "<1@shop.example>"}),
         ("AutoReplyReceived", {"recipient_hash": JO_HASH, "message_id": "<1@shop.example>", "from_domain": "in.shop.example"})),
    case("mail that came in", inbound({"Subject": "Hi"}), ignored=1),
    case("survey", event("survey_submitted"), ignored=1),
    case("test", {"type": "webhook.test", "data": []}, ignored=1),
]  # fmt: skip
