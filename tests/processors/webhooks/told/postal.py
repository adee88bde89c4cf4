from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": 1_767_603_600_130,
    "message_id": "<5817a64332f44_4ec93ff59e79d154565eb@app34.mail>",
    "provider_message_id": "12345",
    "from_domain": "shop.example",
    "campaign": "welcome",
}
MESSAGE = {
    "id": 12345, "token": "abcdef123", "direction": "outgoing", "message_id": "5817a64332f44_4ec93ff59e79d154565eb@app34.mail",
    "to": JO, "from": "hi@shop.example", "subject": "Hi", "timestamp": 1767603500.12994, "spam_status": "NotSpam", "tag": "welcome",
}  # fmt: skip


def event(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {"event": kind, "timestamp": 1767603600.12994, "uuid": f"0f8fad5b-{kind}", "payload": payload}


def status(kind: str, word: str, details: str, output: str = "", **message: Any) -> dict[str, Any]:
    about = {
        "status": word,
        "details": details,
        "output": output,
        "time": 0.22,
        "sent_with_ssl": True,
        "timestamp": 1767603600.12994,
    }
    return event(kind, {**about, "message": {**MESSAGE, **message}})


SENT = "Message sent by SMTP to aspmx.l.google.com (192.0.2.27) (from 198.51.100.2)"
FAILED = "Permanent SMTP delivery error when sending to aspmx.l.google.com (192.0.2.27)"
CASES: list[Case] = [
    case("sent", status("MessageSent", "Sent", SENT, "250 2.0.0 OK 1477944899 ly2si31746747wjb.95 - gsmtp"),
         ("MessageDelivered", {**WHO, "smtp_code": 250, "mx_host": "aspmx.l.google.com"})),
    case("delayed", status("MessageDelayed", "SoftFail", "Temporary SMTP delivery error when sending to mx.gmx.net (192.0.2.1)", "450 4.2.1 later"),
         ("MessageDeferred", {**WHO, "provider": "unitedinternet", "mx_host": "mx.gmx.net", "smtp_code": 450, "enhanced_code": "4.2.1"})),
    case("failed", status("MessageDeliveryFailed", "HardFail", FAILED, f"550 5.1.1 <{JO}> unknown"),
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1", "response": "550 5.1.1 <address> unknown", "is_async": False})),
    case("given up", status("MessageDeliveryFailed", "HardFail", "Maximum number of delivery attempts (18) has been reached"), ("MessageExpired", WHO)),
    case("failed by Postal itself", status("MessageDeliveryFailed", "HardFail", "Message's domain no longer exist"),
         ("MessageDropped", {**WHO, "reason": "policy", "listed_for": None})),
    case("held", [status("MessageHeld", "Held", f"Recipient ({JO}) is on the suppression list (reason: too many soft fails)"),
                  {**status("MessageHeld", "Held", "Server is in development mode. All messages are being held."), "uuid": "other"}],
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": None}), ("MessageDropped", {"reason": "policy"})),
    case("held for hard fails", status("MessageHeld", "Held", f"Recipient ({JO}) is on the suppression list (reason: too many hard fails)"),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "bounce"})),
    case("bounced, without its direction", event("MessageBounced", {"original_message": MESSAGE, "bounce": {"id": 12347}}),
         ("MessageBounced", {**WHO, "is_async": True})),
    case("bounced, called a delay", event("MessageDelayed", {"original_message": MESSAGE, "output": "550 5.1.1 unknown",
                                                             "bounce": {**MESSAGE, "id": 12347, "direction": "incoming"}}),
         ("MessageBounced", {**WHO, "is_async": True, "smtp_code": 550})),
    case("bounced", event("MessageBounced", {"original_message": MESSAGE, "bounce": {**MESSAGE, "id": 12347, "direction": "incoming"}}),
         ("MessageBounced", {**WHO, "is_async": True, "response": None})),
    case("clicked", event("MessageLinkClicked", {"url": URL, "token": "VJzsFA0S", "ip_address": "203.0.113.2", "user_agent": AGENT, "message": MESSAGE}),
         ("LinkClicked", {**WHO, "url_hash": URL_HASH, "user_agent": AGENT})),
    case("loaded", event("MessageLoaded", {"ip_address": "203.0.113.2", "user_agent": AGENT, "message": MESSAGE}), ("MessageOpened", {**WHO, "user_agent": AGENT})),
    case("without an id of its own", {name: value for name, value in status("MessageSent", "Sent", SENT).items() if name != "uuid"},
         ("MessageDelivered", {**WHO, "source_event_id": f"MessageSent/12345/{JO_HASH}/1767603600130/"})),
    case("mail that came in", status("MessageSent", "Sent", "", direction="incoming"), ignored=1),
    case("DNS", event("DomainDNSError", {"domain": "shop.example", "spf_status": "OK", "dkim_status": "Invalid"}), ignored=1),
]  # fmt: skip
