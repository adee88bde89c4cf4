from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": 1_767_603_600_000,
    "provider_message_id": "19421777835146490",
    "campaign": "spring",
}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "event": kind, "time": 1_767_603_600, "MessageID": 19_421_777_835_146_490, "Message_GUID": "1ab23cd4", "email": JO,
        "mj_campaign_id": 7257, "mj_contact_id": 4, "customcampaign": "spring", "mj_message_id": "19421777835146490",
        "CustomID": "", "Payload": "", **more,
    }  # fmt: skip


NO_USER = "550 5.1.1 no such user"
AWAY = {"Auto-Submitted": "auto-replied", "In-Reply-To": "<1@shop.example>", "Received": ["by a", "by b"]}


def came_in(headers: dict[str, Any]) -> dict[str, Any]:
    about = {
        "Sender": JO,
        "Recipient": "hi@in.shop.example",
        "From": f"Jo <{JO}>",
        "Date": "20260105T100000",
        "Subject": "Away",
    }
    return {**about, "Headers": headers, "Parts": [], "Text-part": "away", "SpamAssassinScore": "0.602"}


CASES: list[Case] = [
    case("greylisted", event("bounce", hard_bounce=False, error_related_to="domain", error="greylisted", comment=""),
         ("MessageDeferred", {**WHO, "enhanced_code": "4.7.1"})),
    case("vacation notice", came_in(AWAY), ("AutoReplyReceived", {"recipient_hash": JO_HASH, "message_id": "<1@shop.example>",
         "from_domain": "in.shop.example", "occurred_at": 1_767_700_000_000})),
    case("mail that came in", came_in({"Subject": "Hi"}), ignored=1),
    case("sent", event("sent", smtp_reply="sent (250 2.0.0 OK 4242 fa5si855896wjc.199 - gsmtp)"),
         ("MessageDelivered", {**WHO, "smtp_code": 250})),
    case("an array", [event("open", ip="203.0.113.7", geo="US", agent=AGENT), event("click", agent=AGENT, url=URL, ip="203.0.113.7")],
         ("MessageOpened", {**WHO, "user_agent": AGENT, "ip": None}), ("LinkClicked", {**WHO, "url_hash": URL_HASH})),
    case("hard bounce", event("bounce", blocked=False, hard_bounce=True, error_related_to="recipient", error="user unknown", comment=NO_USER),
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1", "response": NO_USER})),
    case("soft bounce", event("bounce", blocked=False, hard_bounce=False, error_related_to="recipient", error="quota exceeded", comment=""),
         ("MessageBounced", {**WHO, "enhanced_code": "4.2.2", "response": None})),
    case("blocked", [event("blocked", error_related_to="recipient", error="user unknown"),
                     event("blocked", error_related_to="mailjet", error="preblocked", time=1_767_603_601),
                     event("blocked", error_related_to="content", error="error in template language", time=1_767_603_602)],
         ("MessageDropped", {**WHO, "reason": "invalid", "listed_for": "bounce"}),
         ("MessageDropped", {"reason": "suppressed", "listed_for": None}), ("MessageDropped", {"reason": "rendering"})),
    case("hard bounce without a word", event("bounce", blocked=False, hard_bounce=True, error_related_to="", error="", comment=""),
         ("MessageBounced", {**WHO, "enhanced_code": "5.1.1", "response": None})),
    case("hard bounce about the content without a word",
         event("bounce", blocked=False, hard_bounce=True, error_related_to="content", error="", comment=""),
         ("MessageBounced", {**WHO, "enhanced_code": None, "response": None})),
    case("no campaign", event("spam", mj_campaign_id=0, customcampaign=""), ("ComplaintReceived", {"campaign": None})),
    case("spam", event("spam", source="JMRPP"), ("ComplaintReceived", {**WHO, "feedback_type": "abuse"})),
    case("unsub", event("unsub", mj_list_id=1, ip="203.0.113.7", geo="FR", agent=AGENT), ("RecipientUnsubscribed", {**WHO, "method": "link"})),
    case("typofix", event("typofix"), ignored=1),
]  # fmt: skip
