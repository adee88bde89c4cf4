from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

AT = 1_767_603_600_250
WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": AT,
    "message_id": "<20260105090000.1.F2@mg.shop.example>",
    "from_domain": "shop.example",
}
ROUTE = {
    "mail_from_domain": "mg.shop.example",
    "ip": "192.0.2.1",
    "mx_host": "gmail-smtp-in.l.google.com",
    "dkim_domain": "mg.shop.example",
    "dkim_selector": "s1",
    "stream": "transactional",
    "campaign": "welcome",
}


def event(kind: str, status: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "signature": {"timestamp": "1767603601", "token": "50 characters", "signature": "hex"},
        "event-data": {
            "event": kind,
            "id": f"CPgfbmQMTCKtHW6uIWtuVe-{kind}",
            "timestamp": 1767603600.25,
            "log-level": "info",
            "recipient": JO,
            "recipient-domain": "gmail.com",
            "tags": ["welcome"],
            "campaigns": [],
            "user-variables": {"stream": "transactional"},
            "flags": {"is-routed": False, "is-authenticated": True, "is-test-mode": False},
            "domain": {"name": "mg.shop.example"},
            "primary-dkim": "s1._domainkey.mg.shop.example",
            "envelope": {"transport": "smtp", "sender": "bounce+1@mg.shop.example", "sending-ip": "192.0.2.1", "targets": JO},
            "message": {
                "headers": {"to": JO, "message-id": "20260105090000.1.F2@mg.shop.example", "from": "Shop <hi@shop.example>"},
                "attachments": [],
                "size": 867,
            },
            **({"delivery-status": status} if status else {}),
            **more,
        },
    }  # fmt: skip


CLIENT = {
    "client-os": "macOS",
    "device-type": "desktop",
    "client-name": "Chrome",
    "client-type": "browser",
    "user-agent": AGENT,
    "bot": "",
}
GOOD = {
    "code": 250,
    "message": "OK",
    "mx-host": "gmail-smtp-in.l.google.com",
    "tls": True,
    "attempt-no": 1,
    "session-seconds": 0.4,
}
FAILED = {"code": 550, "message": "", "description": "5.1.1 The email account that you tried to reach does not exist.",
          "enhanced-code": "5.1.1", "mx-host": "gmail-smtp-in.l.google.com", "attempt-no": 1}  # fmt: skip
LATER = {
    "code": 452,
    "message": "4.2.2 The recipient's inbox is out of storage space.",
    "attempt-no": 2,
    "retry-seconds": 600,
}
TOO_OLD = {"code": 602, "message": "Too old", "attempt-no": 8}

CASES: list[Case] = [
    case("accepted", event("accepted"),
         ("MessageSent", {**WHO, "size": 867, "source_event_id": "CPgfbmQMTCKtHW6uIWtuVe-accepted/2026-01-05"})),
    case("delivered", event("delivered", GOOD), ("MessageDelivered", {**WHO, **ROUTE, "smtp_code": 250, "response": "OK"})),
    case("failed for good", event("failed", FAILED, severity="permanent", reason="bounce"),
         ("MessageBounced", {**WHO, **ROUTE, "smtp_code": 550, "enhanced_code": "5.1.1", "response": FAILED["description"]})),
    case("failed for now", event("failed", LATER, severity="temporary", reason="generic"),
         ("MessageDeferred", {**WHO, "smtp_code": 452, "enhanced_code": "4.2.2", "attempt": 2})),
    case("greylisted without a word", event("failed", severity="temporary", reason="greylisted"),
         ("MessageDeferred", {"enhanced_code": "4.7.1", "response": None})),
    case("given up", event("failed", TOO_OLD, severity="permanent", reason="old"), ("MessageExpired", {**WHO, "attempts": 8})),
    case("not tried", event("failed", {"code": 605, "message": "Not delivering to previously bounced address"},
                            severity="permanent", reason="suppress-bounce"),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "bounce"})),
    case("not tried, for what they said", event("failed", severity="permanent", reason="suppress-unsubscribe"),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "unsubscribe"})),
    case("rejected", event("rejected", reject={"reason": "Sandbox subdomains are for test purposes only.", "description": ""}),
         ("MessageDropped", {**WHO, "reason": "policy"})),
    case("opened", event("opened", ip="203.0.113.7", **{"client-info": CLIENT}),
         ("MessageOpened", {**WHO, "user_agent": AGENT, "is_machine": False, "ip": "192.0.2.1"})),
    case("opened by Apple", event("opened", **{"client-info": {**CLIENT, "bot": "apple"}}), ("MessageOpened", {"is_machine": True})),
    case("clicked", event("clicked", url=URL, **{"client-info": CLIENT}), ("LinkClicked", {**WHO, "url_hash": URL_HASH})),
    case("unsubscribed", event("unsubscribed"), ("RecipientUnsubscribed", {**WHO, "method": "link"})),
    case("complained", event("complained"), ("ComplaintReceived", {**WHO, "feedback_type": "abuse"})),
    case("stored", event("stored"), ignored=1),
    case("list", event("list_member_uploaded"), ignored=1),
]  # fmt: skip
