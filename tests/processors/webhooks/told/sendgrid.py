import zlib
from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

AT = 1_767_603_600_000
WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": AT,
    "message_id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
    "provider_message_id": "14c5d75ce93.dfd.64b469",
}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "email": JO,
        "timestamp": 1_767_603_600,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": kind,
        "category": ["cat facts", "spring"],
        "sg_event_id": f"{kind}-{zlib.crc32(repr(more).encode())}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        **more,
    }


UNKNOWN = "550 5.1.1 The email account that you tried to reach does not exist."
BLOCK = "550 5.7.1 Our system has detected that this message is likely unsolicited mail."

CASES: list[Case] = [
    case("processed", [event("processed", pool={"name": "marketing-pool", "id": 210}, sg_event_id="EvT_1==")],
         ("MessageSent", {**WHO, "pool": "marketing-pool", "campaign": "cat facts", "source_event_id": "EvT_1=="})),
    case("delivered", [event("delivered", response="250 OK", ip="192.0.2.1", tls=1)],
         ("MessageDelivered", {**WHO, "smtp_code": 250, "response": "250 OK", "ip": "192.0.2.1"})),
    case("deferred", [event("deferred", response="421 4.7.0 try again later", attempt="5", domain="gmail.com")],
         ("MessageDeferred", {**WHO, "smtp_code": 421, "enhanced_code": "4.7.0", "attempt": 5})),
    case("bounce", [event("bounce", type="bounce", status="5.1.1", reason=UNKNOWN, bounce_classification="Invalid Address")],
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1", "response": UNKNOWN})),
    case("block", [event("bounce", type="blocked", status="5.7.1", reason=BLOCK, bounce_classification="Content")],
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.7.1", "response": BLOCK})),
    case("block that SendGrid lays to the address", [event("bounce", type="blocked", bounce_classification="Invalid Address")],
         ("MessageBounced", {**WHO, "enhanced_code": None})),
    case("bounce by mail, later", [{**event("bounce", type="bounce", status="5.1.1", reason=UNKNOWN), "sg_message_id": ""}],
         ("MessageBounced", {"recipient_hash": JO_HASH, "is_async": True, "provider_message_id": None})),
    case("given up after days", [event("bounce", type="expired", reason="unable to deliver message for 72 hours")], ("MessageExpired", WHO)),
    case("bounce by its classification", [event("bounce", type="bounce", bounce_classification="Invalid Address")],
         ("MessageBounced", {**WHO, "smtp_code": None, "enhanced_code": "5.1.1", "response": None})),
    case("dropped", [event("dropped", reason="Bounced Address", status="5.0.0"), event("dropped", reason="Invalid", a=1),
                     event("dropped", reason="Spam Content (if Spam Checker app is enabled)", a=1, b=1),
                     event("dropped", reason="Recipient List over Package Quota", a=1, b=1, c=1),
                     event("dropped", reason="Unsubscribed Address", a=1, b=1, c=1, d=1),
                     event("dropped", reason="Spam Reporting Address", a=2), event("dropped", reason="Invalid SMTPAPI header", a=3),
                     event("dropped")],
         *(("MessageDropped", {**WHO, "reason": reason, "listed_for": why})
           for reason, why in (("suppressed", "bounce"), ("invalid", "bounce"), ("policy", None), ("policy", None),
                               ("suppressed", "unsubscribe"), ("suppressed", "complaint"), ("other", None), ("other", None)))),
    case("opens", [event("open", useragent=AGENT, ip="203.0.113.5", sg_machine_open=False),
                   event("open", useragent="Mozilla/5.0", ip="203.0.113.5", sg_machine_open=True, a=1),
                   event("open", useragent="Mozilla/5.0")],
         ("MessageOpened", {**WHO, "user_agent": AGENT, "is_machine": False, "ip": None}),
         ("MessageOpened", {"is_machine": True}), ("MessageOpened", {"is_machine": None})),
    case("click", [event("click", useragent=AGENT, url=URL, ip="203.0.113.5", url_offset={"index": 0, "type": "html"})],
         ("LinkClicked", {**WHO, "url_hash": URL_HASH, "user_agent": AGENT, "ip": None})),
    case("spam report", [event("spamreport")], ("ComplaintReceived", {**WHO, "feedback_type": "abuse", "incidents": 1})),
    case("unsubscribe", [event("unsubscribe")], ("RecipientUnsubscribed", {**WHO, "method": "link"})),
    case("group", [event("group_unsubscribe", asm_group_id=10), event("group_resubscribe", asm_group_id=10)],
         ("RecipientUnsubscribed", {**WHO, "method": "list", "stream": "marketing"}),
         ("RecipientResubscribed", {**WHO, "method": "list", "stream": "marketing"})),
    case("a stream of our words", [event("processed", stream="transactional", asm_group_id=10),
                                   event("processed", category="stream:cold", a=1)],
         ("MessageSent", {"stream": "transactional"}), ("MessageSent", {"stream": "cold"})),
    case("an id as SendGrid gives it now", [event("open", sg_message_id="yW5utel5TYuIBREiXJi7aA.recvd-5f9ffdf494-9kc6l-1-673C6EB0-B.0"),
                                            event("open", sg_message_id="yW5utel5TYuIBREiXJi7aA", a=1)],
         *(("MessageOpened", {"provider_message_id": "yW5utel5TYuIBREiXJi7aA"}),) * 2),
    case("account", [{"event": "account_status_change", "sg_event_id": "x", "timestamp": 1_767_603_600, "type": "compliance_suspend"}],
         ignored=1),
]  # fmt: skip
