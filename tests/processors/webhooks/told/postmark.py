from typing import Any

from webhook_case import AGENT, JO, JO_HASH, URL, URL_HASH, Case, case

AT, TIME = 1_767_603_600_907, "2026-01-05T09:00:00.9070259Z"
ID = "883953f4-6105-42a2-a16a-77a8eac79483"
WHO = {
    "recipient_hash": JO_HASH,
    "recipient_domain": "gmail.com",
    "provider": "gmail",
    "occurred_at": AT,
    "provider_message_id": ID,
    "campaign": "welcome",
    "stream": "transactional",
}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "RecordType": kind, "MessageStream": "outbound", "MessageID": ID, "Recipient": JO, "Tag": "welcome", "ServerID": 23,
        "Metadata": {"a_key": "a_value"}, **more,
    }  # fmt: skip


def bounce(kind: str, details: str = "", **more: Any) -> dict[str, Any]:
    about = event(
        "Bounce",
        ID=4_323_372_036_854_775_807,
        Type=kind,
        TypeCode=1,
        Name=kind,
        Email=JO,
        From="hi@shop.example",
    )
    del about["Recipient"]
    return {
        **about, "Description": "The server was unable to deliver your message.", "Details": details, "BouncedAt": TIME,
        "DumpAvailable": True, "Inactive": True, "CanActivate": True, "Subject": "Hi", "Content": "", **more,
    }  # fmt: skip


def inbound(*headers: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {
        "FromName": "Jo", "From": JO, "FromFull": {"Email": JO, "Name": "Jo", "MailboxHash": ""}, "To": "hi@shop.example",
        "OriginalRecipient": "hi@shop.example", "Subject": "Away", "MessageID": "73e6d360-66eb-11e1-8e72-a8904824019b",
        "MessageStream": "inbound", "Date": "Mon, 5 Jan 2026 10:00:00 +0100", "TextBody": "away",
        "Headers": [{"Name": name, "Value": value} for name, value in headers], **more,
    }  # fmt: skip


UNKNOWN = f"smtp;550 5.1.1 <{JO}>: Recipient address rejected"
AWAY = inbound(("Auto-Submitted", "auto-replied (vacation)"), ("In-Reply-To", "<1@shop.example>"))
CASES: list[Case] = [
    case("delivery", event("Delivery", DeliveredAt=TIME, Details="250 2.0.0 OK gsmtp"),
         ("MessageDelivered", {**WHO, "smtp_code": 250, "response": "250 2.0.0 OK gsmtp"})),
    case("hard bounce", bounce("HardBounce", UNKNOWN),
         ("MessageBounced", {**WHO, "smtp_code": 550, "enhanced_code": "5.1.1", "from_domain": "shop.example",
          "response": "smtp;550 5.1.1 <address>: Recipient address rejected", "source_event_id": "4323372036854775807"})),
    case("soft bounce", bounce("SoftBounce", "smtp;452 4.2.2 mailbox full"),
         ("MessageBounced", {**WHO, "smtp_code": 452, "enhanced_code": "4.2.2"})),
    case("blocked without the server's words", bounce("Blocked"),
         ("MessageBounced", {"enhanced_code": "5.7.1", "response": None})),
    case("transient", bounce("Transient", "smtp;421 4.4.1 timeout"), ("MessageDeferred", {**WHO, "smtp_code": 421})),
    case("auto responder", bounce("AutoResponder"), ("AutoReplyReceived", WHO)),
    case("challenge", bounce("ChallengeVerification"), ("AutoReplyReceived", WHO)),
    case("complaint", {**bounce("SpamComplaint"), "RecordType": "SpamComplaint"}, ("ComplaintReceived", WHO)),
    case("complaint of no type", {**bounce(""), "RecordType": "SpamComplaint"}, ("ComplaintReceived", WHO)),
    case("unsubscribe", bounce("Unsubscribe"), ("RecipientUnsubscribed", {**WHO, "method": "mailto"})),
    case("subscribe", bounce("Subscribe"), ("RecipientResubscribed", {**WHO, "method": "mailto"})),
    *(case(kind, bounce(kind), ("MessageDropped", {**WHO, "reason": reason}))
      for kind, reason in {"BadEmailAddress": "invalid", "ManuallyDeactivated": "suppressed", "Unconfirmed": "policy",
                           "TemplateRenderingFailed": "rendering", "SMTPApiError": "other"}.items()),
    case("not of what was sent", bounce("OpenRelayTest"), ignored=1),
    case("open", event("Open", FirstOpen=True, ReceivedAt=TIME, UserAgent=AGENT, Client={}, OS={}, Platform="Desktop", Geo={}),
         ("MessageOpened", {**WHO, "user_agent": AGENT, "is_machine": None})),
    case("click", event("Click", ClickLocation="HTML", ReceivedAt=TIME, UserAgent=AGENT, OriginalLink=URL, Platform="Desktop"),
         ("LinkClicked", {**WHO, "url_hash": URL_HASH})),
    case("unsubscribed", event("SubscriptionChange", ChangedAt=TIME, Origin="Recipient", SuppressSending=True,
                               SuppressionReason="ManualSuppression", MessageStream="broadcast"),
         ("RecipientUnsubscribed", {**WHO, "method": "link", "stream": "marketing"})),
    case("suppressed by the customer", event("SubscriptionChange", ChangedAt=TIME, Origin="Customer", SuppressSending=True,
                                             SuppressionReason="ManualSuppression"),
         ("RecipientUnsubscribed", {**WHO, "method": "other"})),
    case("reactivated", event("SubscriptionChange", ChangedAt=TIME, Origin="Customer", SuppressSending=False, SuppressionReason=None),
         ("RecipientResubscribed", {**WHO, "method": "other"})),
    case("suppressed for a bounce", event("SubscriptionChange", ChangedAt=TIME, Origin="Recipient", SuppressSending=True,
                                          SuppressionReason="HardBounce"), ignored=1),
    case("vacation notice", AWAY, ("AutoReplyReceived", {"recipient_hash": JO_HASH, "message_id": "<1@shop.example>",
         "from_domain": "shop.example", "occurred_at": 1_767_603_600_000})),
    case("mail that came in", {**inbound(("X-Spam-Status", "No")), "RecordType": "Inbound"}, ignored=1),
]  # fmt: skip
