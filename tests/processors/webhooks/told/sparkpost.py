from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

AT = 1_767_603_600_000
WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": AT,
    "provider_message_id": "000443ee14578172be22",
    "from_domain": "shop.example",
    "mail_from_domain": "bounces.shop.example",
    "ip": "192.0.2.77",
    "pool": "shared",
    "campaign": "spring",
}


def event(kind: str, family: str = "message_event", **more: Any) -> dict[str, Any]:
    about = {
        "type": kind, "event_id": f"92356927693813856-{kind}-{len(more)}", "timestamp": "1767603600",
        "message_id": "000443ee14578172be22", "transmission_id": "65832150921904138", "rcpt_to": JO.lower(), "raw_rcpt_to": JO,
        "campaign_id": "spring", "friendly_from": "Shop <news@shop.example>", "msg_from": "msprvs1=1@bounces.shop.example",
        "sending_ip": "192.0.2.77", "ip_pool": "shared", "ip_address": "203.0.113.9", "subaccount_id": "101",
        "mailbox_provider": "Gmail", "routing_domain": "gmail.com", "rcpt_meta": {"customKey": "customValue"},
        "rcpt_tags": ["male", "US"], "transactional": "1", "num_retries": "2", "msg_size": "1337", **more,
    }  # fmt: skip
    return {"msys": {family: about}}


def failed(kind: str, bounce_class: str, raw: str, **more: Any) -> list[dict[str, Any]]:
    return [event(kind, bounce_class=bounce_class, raw_reason=raw, reason="cut", error_code="550", **more)]


HEADERS = [{"Auto-Submitted": "auto-replied"}, {"In-Reply-To": "<1@shop.example>"}]


def relayed(headers: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [{"msys": {"relay_message": {"content": {"headers": headers, "text": "away", "email_rfc822": "..."},
            "friendly_from": JO, "msg_from": JO, "rcpt_to": "hi@in.shop.example", "webhook_id": "4839201967643219"}}}]  # fmt: skip


UNKNOWN = "550 5.1.1 no such user"
CASES: list[Case] = [
    case("injection", [event("injection")], ("MessageSent", {**WHO, "size": 1337, "stream": "transactional"})),
    case("delivery", [event("delivery", queue_time="3004", outbound_tls="1")], ("MessageDelivered", {**WHO, "latency_ms": 3004})),
    case("delay", failed("delay", "22", "452 4.2.2 mailbox full"),
         ("MessageDeferred", {**WHO, "attempt": 2, "enhanced_code": "4.2.2", "smtp_code": 550})),
    case("bounce", failed("bounce", "10", UNKNOWN), ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1",
         "response": UNKNOWN, "is_async": False})),
    case("bounce by its class", failed("bounce", "52", "rejected"), ("MessageBounced", {"enhanced_code": "5.7.1"})),
    case("out of band", failed("out_of_band", "30", UNKNOWN), ("MessageBounced", {**WHO, "is_async": True})),
    case("auto reply", failed("out_of_band", "60", "I am away"), ("AutoReplyReceived", WHO)),
    case("unsubscribe by mail", failed("out_of_band", "90", "unsubscribe"), ("RecipientUnsubscribed", {**WHO, "method": "mailto"})),
    case("subscribe by mail", failed("out_of_band", "80", "subscribe"), ("RecipientResubscribed", {**WHO, "method": "mailto"})),
    case("expired", failed("bounce", "24", "554 5.4.7 [internal] exceeded max time without delivery"),
         ("MessageExpired", {**WHO, "attempts": 2})),
    case("suppressed", failed("policy_rejection", "25", "recipient address suppressed due to customer policy"),
         ("MessageDropped", {**WHO, "reason": "suppressed"})),
    case("rejected", [event("generation_rejection", "gen_event", raw_reason="Daily quota exceeded")],
         ("MessageDropped", {**WHO, "reason": "policy"})),
    case("not rendered", [event("generation_failure", "gen_event")], ("MessageDropped", {**WHO, "reason": "rendering"})),
    case("complaint", [event("spam_complaint", fbtype="abuse", report_by="yahoo.com", report_to="abuse@sparkpost.com")],
         ("ComplaintReceived", {**WHO, "feedback_type": "abuse"})),
    case("track", [event("open", "track_event", user_agent=AGENT, is_prefetched=True),
                   event("amp_open", "track_event", user_agent=AGENT),
                   event("click", "track_event", user_agent=AGENT, target_link_url=URL),
                   event("amp_click", "track_event", target_link_url=URL)],
         ("MessageOpened", {**WHO, "user_agent": AGENT, "is_machine": True}), ("MessageOpened", {"is_machine": None}),
         ("LinkClicked", {**WHO, "url_hash": URL_HASH}), ("LinkClicked", {"url_hash": URL_HASH})),
    case("unsubscribe", [event("list_unsubscribe", "unsubscribe_event"), event("link_unsubscribe", "unsubscribe_event")],
         ("RecipientUnsubscribed", {**WHO, "method": "list"}), ("RecipientUnsubscribed", {**WHO, "method": "link"})),
    case("vacation notice", relayed(HEADERS), ("AutoReplyReceived", {"recipient_hash": JO_HASH, "message_id": "<1@shop.example>",
         "from_domain": "in.shop.example", "occurred_at": 1_767_700_000_000})),
    case("others", [*relayed([{"Subject": "Hi"}]), event("relay_injection", "relay_event"), event("initial_open", "track_event"),
                    event("ab_test_completed", "ab_test_event"), event("success", "ingest_event"), {"msys": {}}], ignored=6),
]  # fmt: skip
