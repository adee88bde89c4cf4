"""How fast webhooks' bodies become events: `python bench/webhooks.py`. `--json` prints one JSON object.

For each provider a body as it posts them: an array of a hundred events where it batches, else one event. Recipients are
distinct, hashed by a key; the mix is sends, deliveries, bounces with a server's words, openings and clicks.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote_plus

from processors.origin import Origin
from processors.webhooks.read import read_webhook
from processors.webhooks.tables import PROVIDERS
from schemas.recipient import recipient_hash

EVENTS = 5000
BATCH = 100
AT = 1_767_603_600
SAID = "550-5.1.1 The email account <{who}> that you tried to reach does not exist. Please try double-checking it"
AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15"
ISO = "2026-01-05T09:00:00.250Z"

Make = Callable[[int, str], dict[str, Any]]


def _kind(number: int, *kinds: str) -> str:
    return kinds[number % len(kinds)]


def ses(number: int, who: str) -> dict[str, Any]:
    """An event as SES by SNS posts it."""
    kind = _kind(number, "Send", "Delivery", "Bounce", "Open", "Click")
    mail = {
        "timestamp": ISO, "messageId": f"0102018f-{number}", "source": "news@shop.example", "destination": [who],
        "sourceArn": "arn:aws:ses:eu-west-1:1:identity/shop.example",
        "headers": [{"name": "From", "value": "news@shop.example"}, {"name": "To", "value": who}],
        "commonHeaders": {"from": ["News <news@shop.example>"], "to": [who], "messageId": f"<{number}@shop.example>"},
        "tags": {"ses:outgoing-ip": ["192.0.2.25"], "campaign": ["spring"], "ses:from-domain": ["shop.example"]},
    }  # fmt: skip
    about = {
        "timestamp": ISO, "recipients": [who], "smtpResponse": "250 ok", "bounceType": "Permanent", "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": who, "status": "5.1.1", "diagnosticCode": SAID.format(who=who)}],
        "userAgent": AGENT, "link": "https://shop.example/sale",
    }  # fmt: skip
    event = {"eventType": kind, "mail": mail, kind.lower(): about}
    return {"Type": "Notification", "MessageId": str(number), "TopicArn": "arn", "Message": json.dumps(event)}


def sendgrid(number: int, who: str) -> dict[str, Any]:
    """An event as SendGrid posts it."""
    return {
        "email": who, "timestamp": AT, "smtp-id": f"<{number}@ismtpd-555>", "sg_event_id": f"event-{number}==", "ip": "192.0.2.1",
        "event": _kind(number, "processed", "delivered", "bounce", "open", "click"), "category": ["spring"], "response": "250 OK",
        "sg_message_id": f"14c5d75ce93.{number}", "reason": SAID.format(who=who), "status": "5.1.1", "type": "bounce",
        "useragent": AGENT, "url": "https://shop.example/sale", "sg_machine_open": False,
    }  # fmt: skip


def mailgun(number: int, who: str) -> dict[str, Any]:
    """An event as Mailgun posts it."""
    event = {
        "event": _kind(number, "accepted", "delivered", "failed", "opened", "clicked"), "severity": "permanent", "reason": "bounce",
        "id": f"CPgfbmQMTCKtHW6uIWtuVe-{number}", "timestamp": AT + 0.25, "recipient": who, "recipient-domain": "gmail.com",
        "tags": ["welcome"], "user-variables": {"stream": "transactional"}, "url": "https://shop.example/sale",
        "envelope": {"sender": "bounce@mg.shop.example", "sending-ip": "192.0.2.1"}, "client-info": {"user-agent": AGENT, "bot": ""},
        "message": {"headers": {"message-id": f"{number}@mg.shop.example", "from": "Shop <hi@shop.example>"}, "size": 867},
        "delivery-status": {"code": 550, "message": SAID.format(who=who), "mx-host": "gmail-smtp-in.l.google.com", "attempt-no": 1},
    }  # fmt: skip
    return {
        "signature": {"timestamp": str(AT), "token": "t" * 50, "signature": "f" * 64},
        "event-data": event,
    }


def postmark(number: int, who: str) -> dict[str, Any]:
    """An event as Postmark posts it."""
    return {
        "RecordType": _kind(number, "Delivery", "Bounce", "Open", "Click"), "Type": "HardBounce", "MessageStream": "outbound",
        "ID": number + 1, "MessageID": f"883953f4-6105-42a2-a16a-{number:012}", "Recipient": who, "Tag": "welcome",
        "DeliveredAt": ISO, "BouncedAt": ISO, "ReceivedAt": ISO, "Details": SAID.format(who=who), "UserAgent": AGENT,
        "OriginalLink": "https://shop.example/sale", "From": "hi@shop.example", "Metadata": {"a": "b"},
    }  # fmt: skip


def sparkpost(number: int, who: str) -> dict[str, Any]:
    """An event as SparkPost posts it."""
    event = {
        "type": _kind(number, "injection", "delivery", "bounce", "open", "click"), "event_id": str(number), "timestamp": str(AT),
        "message_id": f"000443ee{number}", "rcpt_to": who, "campaign_id": "spring", "friendly_from": "news@shop.example",
        "msg_from": "b@bounces.shop.example", "sending_ip": "192.0.2.77", "ip_pool": "shared", "raw_reason": SAID.format(who=who),
        "error_code": "550", "bounce_class": "10", "rcpt_meta": {}, "transactional": "1", "user_agent": AGENT,
        "target_link_url": "https://shop.example/sale", "queue_time": "3004", "msg_size": "1337",
    }  # fmt: skip
    return {"msys": {"message_event": event}}


def mailjet(number: int, who: str) -> dict[str, Any]:
    """An event as Mailjet posts it."""
    return {
        "event": _kind(number, "sent", "bounce", "open", "click"), "time": AT, "MessageID": number, "email": who, "error": "user unknown",
        "customcampaign": "spring", "hard_bounce": True, "comment": SAID.format(who=who), "agent": AGENT,
        "url": "https://shop.example/sale", "smtp_reply": "sent (250 2.0.0 OK)",
    }  # fmt: skip


def brevo(number: int, who: str) -> dict[str, Any]:
    """An event as Brevo posts it."""
    return {
        "event": _kind(number, "request", "delivered", "hard_bounce", "opened", "click"), "email": who, "ts_epoch": AT * 1000 + 250,
        "message-id": f"<{number}@smtp-relay.mailin.fr>", "reason": SAID.format(who=who), "link": "https://shop.example/sale",
        "sending_ip": "192.0.2.3", "tags": ["spring"], "sender_email": "hi@shop.example", "user_agent": AGENT,
    }  # fmt: skip


def resend(number: int, who: str) -> dict[str, Any]:
    """An event as Resend posts it."""
    data = {
        "email_id": f"56761188-7520-42d8-8898-{number:012}", "from": "Shop <hi@shop.example>", "to": [who], "subject": "Hi",
        "message_id": f"<{number}@shop.example>", "bounce": {"type": "Permanent", "subType": "General", "message": SAID.format(who=who)},
        "click": {"link": "https://shop.example/sale", "timestamp": ISO, "userAgent": AGENT}, "tags": {"campaign": "welcome"},
    }  # fmt: skip
    kind = _kind(number, "email.sent", "email.delivered", "email.bounced", "email.opened", "email.clicked")
    return {"type": kind, "created_at": ISO, "data": data}


def mandrill(number: int, who: str) -> dict[str, Any]:
    """An event as Mandrill posts it."""
    message = {
        "_id": str(number), "email": who, "sender": "hi@shop.example", "tags": ["welcome"], "diag": SAID.format(who=who),
        "bounce_description": "bad_mailbox", "metadata": {"campaign": "spring"}, "smtp_events": [{"source_ip": "192.0.2.9", "diag": "250 OK"}],
    }  # fmt: skip
    kind = _kind(number, "send", "delivered", "hard_bounce", "open", "click")
    return {
        "event": kind,
        "_id": str(number),
        "ts": AT,
        "msg": message,
        "user_agent": AGENT,
        "url": "https://shop.example/sale",
    }


def mailersend(number: int, who: str) -> dict[str, Any]:
    """An event as MailerSend posts it."""
    kind = _kind(number, "sent", "delivered", "hard_bounced", "opened", "clicked")
    meta = {
        "bounce_code": 550,
        "bounce_reason": SAID.format(who=who),
        "user_agent": AGENT,
        "url": "https://shop.example/sale",
    }
    data = {
        "id": str(number),
        "type": kind,
        "message_id": str(number),
        "recipient": who,
        "tags": ["welcome"],
        "meta": meta,
    }
    return {"type": f"activity.{kind}", "created_at": ISO, "data": data}


def mailtrap(number: int, who: str) -> dict[str, Any]:
    """An event as Mailtrap posts it."""
    return {
        "event": _kind(number, "delivery", "bounce", "open", "click"), "message_id": str(number), "sending_stream": "transactional",
        "email": who, "timestamp": AT, "event_id": str(number), "category": "Password reset", "custom_variables": {},
        "response": SAID.format(who=who), "response_code": 550, "user_agent": AGENT, "url": "https://shop.example/sale",
        "sending_domain_name": "shop.example",
    }  # fmt: skip


def postal(number: int, who: str) -> dict[str, Any]:
    """An event as Postal posts it."""
    message = {
        "id": number,
        "direction": "outgoing",
        "message_id": f"{number}@app34.mail",
        "to": who,
        "from": "hi@shop.example",
        "tag": "welcome",
    }
    payload = {
        "message": message, "details": "Message sent by SMTP to aspmx.l.google.com (192.0.2.27)", "output": SAID.format(who=who),
        "url": "https://shop.example/sale", "user_agent": AGENT, "timestamp": AT + 0.25,
    }  # fmt: skip
    kind = _kind(number, "MessageSent", "MessageDeliveryFailed", "MessageLoaded", "MessageLinkClicked")
    return {"event": kind, "timestamp": AT + 0.25, "uuid": str(number), "payload": payload}


MAKERS: dict[str, Make] = {
    make.__name__: make
    for make in (ses, sendgrid, mailgun, postmark, sparkpost, mailjet, brevo, resend, mandrill, mailersend, mailtrap, postal)
}  # fmt: skip
BATCHED = frozenset({"sendgrid", "sparkpost", "mailjet", "brevo", "mandrill", "mailtrap"})
"""Providers that post many events at once."""


def bodies(provider: str) -> list[bytes]:
    """So many events, in as many bodies as the provider would post."""
    made = [MAKERS[provider](number, f"Someone.{number}@gmail.com") for number in range(EVENTS)]
    if provider not in BATCHED:
        return [json.dumps(each).encode() for each in made]
    batches = [made[start : start + BATCH] for start in range(0, EVENTS, BATCH)]
    if provider == "mandrill":
        return [b"mandrill_events=" + quote_plus(json.dumps(batch)).encode() for batch in batches]
    if provider == "mailtrap":
        return [json.dumps({"events": batch}).encode() for batch in batches]
    return [json.dumps(batch).encode() for batch in batches]


def measured(provider: str, rounds: int) -> float:
    """Events a second of one core, the best of so many rounds."""
    origin = Origin(
        "bench", provider, "hook", AT * 1000, AT * 1000, lambda address: recipient_hash(b"a key", address)
    )
    posted = bodies(provider)
    best = 0.0
    for _ in range(rounds):
        begun = time.process_time()
        told = sum(len(read_webhook(provider, body, origin).events) for body in posted)
        took = time.process_time() - begun
        if told != EVENTS:
            raise SystemExit(f"{provider}: {told} events of {EVENTS}")
        best = max(best, told / took)
    return best


def main() -> None:
    """Measure each provider and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    rates = {provider: round(measured(provider, asked.rounds)) for provider in PROVIDERS}
    if asked.json:
        print(
            json.dumps({f"webhooks_{provider}_events_per_second": rate for provider, rate in rates.items()})
        )
        return
    print("| provider | events/s |\n| --- | ---: |")
    for provider, rate in rates.items():
        print(f"| {provider} | {rate:,} |")


if __name__ == "__main__":
    main()
