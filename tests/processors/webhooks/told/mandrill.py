from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case, form

ID = "7761629d0a3b4d9ea5e7a4b1d3c5f001"
WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": 1_767_603_600_000,
    "provider_message_id": ID,
    "from_domain": "shop.example",
    "campaign": "spring",
    "stream": "marketing",
}
TRY = {"ts": 1_767_603_590, "type": "deferred", "diag": "451 4.3.5 Temporarily unavailable, try again later.",
       "source_ip": "192.0.2.9", "destination_ip": "203.0.113.1", "size": 0}  # fmt: skip


def event(kind: str, message: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    about = {
        "ts": 1_767_603_500, "_id": ID, "state": "sent", "subject": "Hi", "email": JO, "tags": ["webhook-example"], "opens": [],
        "clicks": [], "smtp_events": [], "resends": [], "sender": "hi@shop.example", "template": None, "subaccount": None,
        "metadata": {"user_id": 111, "campaign": "spring", "stream": "marketing"}, **(message or {}),
    }  # fmt: skip
    return {"event": kind, "_id": ID, "msg": about, "ts": 1_767_603_600, **more}


def inbound(headers: dict[str, Any]) -> dict[str, Any]:
    return {
        "event": "inbound",
        "ts": 1_767_603_600,
        "msg": {"from_email": JO, "email": "hi@in.shop.example", "headers": headers},
    }


HARD = {
    "bounce_description": "bad_mailbox",
    "bgtools_code": 10,
    "diag": "smtp;550 5.1.1 The email account does not exist.",
    "state": "bounced",
}
SOFT = {"bounce_description": "mailbox_full", "bgtools_code": 22, "diag": "", "state": "soft-bounced"}
CASES: list[Case] = [
    case("send", form([event("send")]), ("MessageSent", WHO)),
    case("delivered", form([event("delivered", {"smtp_events": [{**TRY, "type": "sent", "diag": "250 OK"}]})]),
         ("MessageDelivered", {**WHO, "smtp_code": 250, "ip": "192.0.2.9"})),
    case("deferral", form([event("deferral", {"smtp_events": [TRY]})]),
         ("MessageDeferred", {**WHO, "smtp_code": 451, "enhanced_code": "4.3.5", "ip": "192.0.2.9"})),
    case("bounces", form([event("hard_bounce", HARD), event("soft_bounce", SOFT)]),
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1"}),
         ("MessageBounced", {**WHO, "enhanced_code": "4.2.2", "response": None})),
    case("reject", form([event("reject", {"state": "rejected", "reject": {"reason": "hard-bounce"}}),
                         event("reject", {"reject": {"reason": "invalid-sender"}}, ts=1_767_603_601)]),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "bounce"}),
         ("MessageDropped", {"reason": "policy", "listed_for": None})),
    case("engagement", form([event("open", user_agent=AGENT, ip="203.0.113.7", location={}),
                             event("click", user_agent=AGENT, url=URL, ip="203.0.113.7")]),
         ("MessageOpened", {**WHO, "user_agent": AGENT, "ip": None}), ("LinkClicked", {**WHO, "url_hash": URL_HASH})),
    case("spam", form([event("spam")]), ("ComplaintReceived", WHO)),
    case("unsub", form([event("unsub")]), ("RecipientUnsubscribed", {**WHO, "method": "link"})),
    case("vacation notice", form([inbound({"Auto-Submitted": "auto-replied", "In-Reply-To": "<1@shop.example>"})]),
         ("AutoReplyReceived", {"recipient_hash": JO_HASH, "message_id": "<1@shop.example>", "from_domain": "in.shop.example"})),
    case("others", form([inbound({"Subject": "Hi"}), {"type": "blacklist", "action": "add", "ts": 1, "reject": {"email": JO, "reason": "unsub"}}]),
         ignored=2),
    case("nothing, to try the URL", form([])),
]  # fmt: skip
