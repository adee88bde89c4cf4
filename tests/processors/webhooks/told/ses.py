import json
from typing import Any

from webhook_case import AGENT, ANN, ANN_HASH, JO, JO_HASH, URL, URL_HASH, Case, case

MAIL: dict[str, Any] = {
    "timestamp": "2026-01-05T09:00:00.000Z",
    "source": "news@bounces.shop.example",
    "sourceArn": "arn:aws:ses:eu-west-1:123456789012:identity/shop.example",
    "sendingAccountId": "123456789012",
    "messageId": "0102018f1c2d3e4f-11112222-3333-4444-5555-666677778888-000000",
    "destination": [JO],
    "headersTruncated": False,
    "headers": [{"name": "From", "value": "News <news@shop.example>"}],
    "commonHeaders": {
        "from": ["News <news@shop.example>"],
        "to": [JO],
        "messageId": "<1@shop.example>",
        "subject": "Hi",
    },
    "tags": {
        "ses:configuration-set": ["main"],
        "ses:source-ip": ["198.51.100.9"],
        "ses:from-domain": ["shop.example"],
        "ses:caller-identity": ["mailer"],
        "ses:outgoing-ip": ["192.0.2.25"],
        "campaign": ["spring"],
        "stream": ["marketing"],
    },
}
SENT_AT, AT, LATER = 1_767_603_600_000, 1_767_603_605_250, "2026-01-05T09:00:05.250Z"
ROUTE = {
    "message_id": "<1@shop.example>",
    "provider_message_id": MAIL["messageId"],
    "from_domain": "shop.example",
    "mail_from_domain": "bounces.shop.example",
    "ip": "192.0.2.25",
    "region": "eu-west-1",
    "stream": "marketing",
    "campaign": "spring",
}
WHO = {"recipient_hash": JO_HASH, "recipient_domain": "gmail.com", "provider": "gmail"}
TWO = {**MAIL, "destination": [JO, ANN]}


def event(kind: str, mail: dict[str, Any] | None = None, /, **about: Any) -> dict[str, Any]:
    return {"eventType": kind, "mail": mail or MAIL, **about}


def sns(message: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "7c1d2f0a-0000-5000-9000-000000000001",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:mail",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": "2026-01-05T09:00:06.000Z",
        "SignatureVersion": "1",
        "Signature": "xxxx",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-x.pem",
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    }


def bridge(detail_type: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": "0", "id": "12345678-1234-1234-1234-123456789012", "detail-type": detail_type, "source": "aws.ses",
        "account": "123456789012", "time": "2026-01-05T09:00:06Z", "region": "eu-west-1",
        "resources": ["arn:aws:ses:eu-west-1:123456789012:configuration-set/main"], "detail": detail,
    }  # fmt: skip


BOUNCED = {
    "bounceType": "Permanent",
    "bounceSubType": "General",
    "bouncedRecipients": [
        {"emailAddress": JO, "action": "failed", "status": "5.1.1",
         "diagnosticCode": f"smtp; 550-5.1.1 The email account <{JO}> that you tried to reach does not exist."},
        {"emailAddress": ANN},
    ],
    "timestamp": LATER,
    "feedbackId": "0102018f-feedback",
    "reportingMTA": "dsn; a8-70.smtp-out.eu-west-1.amazonses.com",
}  # fmt: skip
BOUNCE = event("Bounce", bounce=BOUNCED)
BOUNCE_TOLD = (
    ("MessageBounced", {**ROUTE, **WHO, "occurred_at": AT, "smtp_code": 550, "enhanced_code": "5.1.1",
     "response": "smtp; 550-5.1.1 The email account <address> that you tried to reach does not exist."}),
    ("MessageBounced", {"recipient_hash": ANN_HASH, "recipient_domain": "example.org", "provider": "other",
     "smtp_code": None, "enhanced_code": "5.1.1", "response": None}),
)  # fmt: skip


def bounce(kind: str, sub_type: str) -> dict[str, Any]:
    recipients = [{"emailAddress": JO}]
    about = {
        "bounceType": kind,
        "bounceSubType": sub_type,
        "bouncedRecipients": recipients,
        "timestamp": LATER,
    }
    return event("Bounce", bounce=about)


def complaint(**more: Any) -> dict[str, Any]:
    about = {"complainedRecipients": [{"emailAddress": JO}], "timestamp": LATER, "feedbackId": "f", **more}
    return event("Complaint", complaint=about)


def subscription(source: str, new: dict[str, Any]) -> dict[str, Any]:
    about = {"contactList": "All", "timestamp": LATER, "source": source, "newTopicPreferences": new}
    return event("Subscription", subscription=about)


def received(headers: list[dict[str, str]]) -> dict[str, Any]:
    common = {"from": [f"Jo <{JO}>"], "to": ["news@shop.example"], "messageId": "<9@gmail.com>"}
    mail = {
        **MAIL,
        "destination": ["news@shop.example"],
        "source": JO,
        "commonHeaders": common,
        "headers": headers,
    }
    del mail["tags"]
    return {"notificationType": "Received", "mail": mail, "receipt": {}}


EXPIRED = event("Bounce", bounce={"bounceType": "Transient", "bounceSubType": "General", "timestamp": LATER, "bouncedRecipients": [
    {"emailAddress": JO, "action": "failed", "status": "4.4.7", "diagnosticCode": "smtp; 550 4.4.7 Message expired: unable to deliver in 840 minutes."}]})  # fmt: skip
DELAYED = {
    "timestamp": LATER,
    "delayType": "MailboxFull",
    "expirationTime": "2026-01-06T09:00:05.250Z",
    "delayedRecipients": [{"emailAddress": JO, "status": "4.2.2", "diagnosticCode": "smtp; 452 4.2.2 The inbox is out of storage"}],
}  # fmt: skip
DELIVERY = {
    "timestamp": LATER, "processingTimeMillis": 4250, "recipients": [JO], "smtpResponse": "250 2.0.0 OK gsmtp",
    "reportingMTA": "a8-70.smtp-out.eu-west-1.amazonses.com", "remoteMtaIp": "192.0.2.99",
}  # fmt: skip
CLICK = {"timestamp": LATER, "ipAddress": "203.0.113.7", "userAgent": AGENT, "link": URL, "linkTags": None}
OPT_OUT = {
    "unsubscribeAll": False,
    "topicSubscriptionStatus": [{"topicName": "news", "subscriptionStatus": "OptOut"}],
}

CASES: list[Case] = [
    case("send to two", sns(event("Send", TWO, send={})),
         ("MessageSent", {**ROUTE, **WHO, "occurred_at": SENT_AT}),
         ("MessageSent", {"recipient_hash": ANN_HASH, "occurred_at": SENT_AT})),
    case("delivery", sns(event("Delivery", delivery=DELIVERY)),
         ("MessageDelivered", {**ROUTE, **WHO, "occurred_at": AT, "smtp_code": 250, "latency_ms": 4250,
          "response": "250 2.0.0 OK gsmtp"})),
    case("bounce by SNS", sns(BOUNCE), *BOUNCE_TOLD),
    case("bounce by raw delivery", BOUNCE, *BOUNCE_TOLD),
    case("bounce by EventBridge", bridge("Email Bounced", BOUNCE), *BOUNCE_TOLD),
    case("bounce as feedback notification", sns({"notificationType": "Bounce", "mail": MAIL, "bounce": BOUNCED}),
         *BOUNCE_TOLD),
    case("a full mailbox, given up", sns(bounce("Transient", "MailboxFull")),
         ("MessageBounced", {**WHO, "enhanced_code": "4.2.2", "response": None, "is_async": False})),
    case("expired", sns(EXPIRED), ("MessageExpired", {**WHO, "occurred_at": AT})),
    case("suppressed by SES", sns(bounce("Permanent", "OnAccountSuppressionList")),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "bounce", "occurred_at": AT})),
    case("unsubscribed at SES", sns(bounce("Permanent", "UnsubscribedRecipient")),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "unsubscribe"})),
    case("complaint", sns(complaint(userAgent="Yahoo!-Mail-Feedback/2.0", complaintFeedbackType="abuse")),
         ("ComplaintReceived", {**WHO, "occurred_at": AT, "feedback_type": "abuse",
          "user_agent": "Yahoo!-Mail-Feedback/2.0"})),
    case("complaint without a type", sns(complaint(complaintSubType=None)), ("ComplaintReceived", {"feedback_type": "abuse"})),
    case("not sent since it was complained about", sns(complaint(complaintSubType="OnAccountSuppressionList")),
         ("MessageDropped", {**WHO, "reason": "suppressed", "listed_for": "complaint"})),
    case("reject", sns(event("Reject", reject={"reason": "Bad content"})),
         ("MessageDropped", {**WHO, "reason": "policy", "occurred_at": SENT_AT})),
    case("rendering failure", sns(event("Rendering Failure", failure={"errorMessage": "no attribute", "templateName": "t"})),
         ("MessageDropped", {**WHO, "reason": "rendering"})),
    case("delay", sns(event("DeliveryDelay", deliveryDelay=DELAYED)),
         ("MessageDeferred", {**WHO, "occurred_at": AT, "smtp_code": 452, "enhanced_code": "4.2.2", "attempt": 1})),
    case("open", sns(event("Open", open={"timestamp": LATER, "ipAddress": "203.0.113.7", "userAgent": AGENT})),
         ("MessageOpened", {**WHO, "occurred_at": AT, "user_agent": AGENT, "is_machine": None})),
    case("open that is a machine's", sns(event("Open", open={"timestamp": LATER, "userAgent": AGENT, "isBotEvent": "Likely"})),
         ("MessageOpened", {"is_machine": True})),
    case("click that is likely a person's", sns(event("Click", click={**CLICK, "isBotEvent": "Unlikely"})),
         ("LinkClicked", {"is_machine": False})),
    case("open of a message to two", sns(event("Open", TWO, open={"timestamp": LATER, "userAgent": AGENT})),
         ("MessageOpened", {"recipient_hash": None, "recipient_domain": None})),
    case("click", sns(event("Click", click=CLICK)), ("LinkClicked", {**WHO, "url_hash": URL_HASH, "user_agent": AGENT})),
    case("one-click unsubscribe", sns(subscription("UnsubscribeHeader", {"unsubscribeAll": True})),
         ("RecipientUnsubscribed", {**WHO, "method": "one-click", "occurred_at": AT})),
    case("opted out of a topic", sns(subscription("SubscriptionPage", OPT_OUT)), ("RecipientUnsubscribed", {"method": "link"})),
    case("opted in", sns(subscription("SubscriptionPage", {"unsubscribeAll": False, "topicSubscriptionStatus": []})),
         ("RecipientResubscribed", {**WHO, "method": "link"})),
    case("vacation notice", sns(received([{"name": "Auto-Submitted", "value": "auto-replied"},
                                          {"name": "In-Reply-To", "value": "<1@shop.example>"}])),
         ("AutoReplyReceived", {**WHO, "message_id": "<1@shop.example>", "from_domain": "shop.example"})),
    case("mail that came in", sns(received([{"name": "Subject", "value": "Re: Hi"}])), ignored=1),
    case("topic to be confirmed", {"Type": "SubscriptionConfirmation", "Token": "t", "TopicArn": "arn:aws:sns:eu-west-1:1:mail",
         "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/", "Message": "You have chosen to subscribe"}, ignored=1),
    case("topic left", {"Type": "UnsubscribeConfirmation", "Message": "You have chosen to deactivate"}, ignored=1),
    case("topic validated", sns("Successfully validated SNS topic for Amazon SES event publishing."), ignored=1),
    case("sending stopped", bridge("Sending Status Disabled", {"version": "1.0.0", "data": {}}), ignored=1),
]  # fmt: skip
