"""How the events lie in a webhook's body: one function for each way, named in the tables as `body`."""

from collections.abc import Callable, Iterable
from email.utils import getaddresses
from typing import Any
from urllib.parse import unquote_to_bytes

import orjson

Json = dict[str, Any]
MANDRILL_EVENTS = b"mandrill_events="
MOST_OF_HEADER = 8192
"""Characters of a header that are looked at."""


class NotABody(ValueError):
    """A body that is not what the provider posts; says why."""


def _parsed(content: bytes | str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise NotABody(f"it is no JSON: {error.msg}") from None


def _each(document: Any) -> list[Any]:
    return document if isinstance(document, list) else [document]


def one_or_many(content: bytes) -> list[Any]:
    """An event, or an array of them."""
    return _each(_parsed(content))


def lines_or_events(content: bytes) -> list[Any]:
    """`{"events": [...]}`, an event, an array, or one event a line (JSON Lines)."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        events = [_line(line) for line in content.splitlines() if line.strip()]
        if all(event is None for event in events):
            raise NotABody("it is neither JSON nor JSON Lines") from None
        return events
    if isinstance(document, dict) and isinstance(document.get("events"), list):
        return list(document["events"])
    return _each(document)


def _line(line: bytes) -> Any:
    """A line's event; None where it is no JSON, which hurts no other line."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def event_data(content: bytes) -> list[Any]:
    """Mailgun: `{"signature": {...}, "event-data": {...}}`, or an array of such."""
    return [
        each["event-data"] if isinstance(each, dict) and "event-data" in each else each
        for each in _each(_parsed(content))
    ]


def msys(content: bytes) -> list[Any]:
    """SparkPost: `[{"msys": {"message_event": {...}}}]`; the class of event becomes `@class`. Empty is a ping."""
    events: list[Any] = []
    for each in _each(_parsed(content)):
        classes = each.get("msys") if isinstance(each, dict) else None
        if not isinstance(classes, dict):
            events.append(each)
        elif not classes:
            events.append({"type": "ping"})
        for kind, event in classes.items() if isinstance(classes, dict) else ():
            if not isinstance(event, dict):
                events.append(event)
            elif kind == "relay_message":
                content_of = event.get("content")
                headers = content_of.get("headers") if isinstance(content_of, dict) else None
                events.append({**event, "type": kind, **_reply(_pairs(headers))})
            else:
                events.append({**event, "@class": kind})
    return events


def mandrill_form(content: bytes) -> list[Any]:
    """Mandrill: a form whose `mandrill_events` is an array of events in JSON."""
    if content.lstrip()[:1] in (b"[", b"{"):
        document = _parsed(content)
    else:
        told = [
            pair[len(MANDRILL_EVENTS) :] for pair in content.split(b"&") if pair.startswith(MANDRILL_EVENTS)
        ]
        if not told:
            raise NotABody("it is no form with mandrill_events")
        document = _parsed(unquote_to_bytes(told[-1].replace(b"+", b" ")) or b"[]")
    events = []
    for each in _each(document):
        message = each.get("msg") if isinstance(each, dict) and each.get("event") == "inbound" else None
        if isinstance(message, dict):
            each = {**each, **_reply(_pairs(message.get("headers")))}
        events.append(each)
    return events


def postmark(content: bytes) -> list[Any]:
    """Postmark: one event; mail that came in has no RecordType in older webhooks."""
    events = []
    for each in _each(_parsed(content)):
        if isinstance(each, dict) and ("Headers" in each or "FromFull" in each):
            each = {
                **each,
                "RecordType": each.get("RecordType") or "Inbound",
                **_reply(_pairs(each.get("Headers"))),
            }
        events.append(each)
    return events


def mailjet(content: bytes) -> list[Any]:
    """Mailjet: an event, or an array of them; mail that came in (Parse API) names no event."""
    events = []
    for each in _each(_parsed(content)):
        if isinstance(each, dict) and "event" not in each and "Headers" in each:
            each = {**each, "event": "parseapi", **_reply(_pairs(each["Headers"]))}
        events.append(each)
    return events


def mailersend(content: bytes) -> list[Any]:
    """MailerSend: one activity; mail that came in brings its headers."""
    events = []
    for each in _each(_parsed(content)):
        data = each.get("data") if isinstance(each, dict) and each.get("type") == "inbound.message" else None
        if isinstance(data, dict):
            each = {**each, **_reply(_pairs(data.get("headers")))}
        events.append(_without_unknown(each))
    return events


def _without_unknown(event: Any) -> Any:
    """MailerSend's event without a reason that only says that there is none."""
    data = event.get("data") if isinstance(event, dict) else None
    if not isinstance(data, dict):
        return event
    for place, name in (("morph", "reason"), ("meta", "bounce_reason")):
        said = data.get(place)
        if isinstance(said, dict) and said.get(name) == "Unknown reason":
            return {**event, "data": {**data, place: {**said, name: None}}}
    return event


def resend(content: bytes) -> list[Any]:
    """Resend: one event; its tags, `{name: value}` or `[{"name": …, "value": …}]`, become the former.

    Everybody the message went to becomes `@to`: what happened to one of them is told with all of them.
    """
    events = []
    for each in _each(_parsed(content)):
        data = each.get("data") if isinstance(each, dict) else None
        if isinstance(data, dict):
            each = {**each, "@to": [*_listed(data.get("to")), *_copied(data)]}
            if isinstance(data.get("tags"), list):
                each["data"] = {**data, "tags": dict(_named(data["tags"]))}
        bounce = data.get("bounce") if isinstance(data, dict) else None
        if isinstance(bounce, dict):
            each = {
                **each,
                "@bounce": _bounce(bounce.get("type"), bounce.get("subType")) or _explained(bounce),
            }
        events.append(each)
    return events


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _copied(data: Json) -> list[Any]:
    """Whom a message of Resend's was copied to, in fields of their own or as headers."""
    headers = [
        address
        for name, value in _pairs(data.get("headers"))
        if isinstance(name, str) and name.lower() in ("cc", "bcc") and isinstance(value, str)
        for _, address in getaddresses([value[:MOST_OF_HEADER]])
        if address
    ]
    return [*_listed(data.get("cc")), *_listed(data.get("bcc")), *headers]


def _explained(bounce: Json) -> str | None:
    """Which bounce Resend's explanation is about, where it gives neither type nor subtype, as it did at first."""
    said = bounce.get("message")
    if not isinstance(said, str):
        return None
    if "suppression list" in said or "has suppressed" in said:
        return "Permanent/Suppressed"
    return "Permanent/General" if "sent a hard bounce message" in said else None


def _bounce(kind: Any, sub_type: Any) -> str | None:
    """SES's type and subtype in one word: General means one thing of a Permanent bounce, another of a Transient one."""
    return f"{kind}/{sub_type}" if isinstance(kind, str) and isinstance(sub_type, str) else None


def _named(tags: list[Any]) -> Iterable[tuple[str, Any]]:
    return (
        (tag["name"], tag.get("value"))
        for tag in tags
        if isinstance(tag, dict) and isinstance(tag.get("name"), str)
    )


def brevo(content: bytes) -> list[Any]:
    """Brevo: an event, an array (batched), or parsed mails that came in, under `items`."""
    document = _parsed(content)
    if isinstance(document, dict) and isinstance(document.get("items"), list):
        return [
            {**each, "event": "inbound", **_reply(_pairs(each.get("Headers")))}
            if isinstance(each, dict)
            else each
            for each in document["items"]
        ]
    return [_with_tags(each) for each in _each(document)]


def _with_tags(event: Any) -> Any:
    """Brevo's event, its `tag` a list where that is one written as JSON."""
    tag = event.get("tag") if isinstance(event, dict) else None
    if not isinstance(tag, str) or not tag.startswith("["):
        return event
    try:
        return {**event, "tag": orjson.loads(tag)}
    except orjson.JSONDecodeError:
        return event


def amazon(content: bytes) -> list[Any]:
    """SES: an SNS message that holds an event, an event by itself (raw delivery), or EventBridge's `detail`."""
    return [_amazon(each) for each in _each(_parsed(content))]


def _amazon(document: Any) -> Any:
    if not isinstance(document, dict):
        return document
    if "detail-type" in document:
        detail = document.get("detail")
        if isinstance(detail, dict) and ("eventType" in detail or "notificationType" in detail):
            return _told_by_ses(detail)
        return {"eventType": document["detail-type"]}
    kind = document.get("Type")
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return {"eventType": kind}
    message = document.get("Message")
    if kind == "Notification" and isinstance(message, str):
        if message.startswith("Successfully validated SNS topic"):
            return {"eventType": "AmazonSnsSubscriptionSucceeded"}
        event = _parsed(message)
        return _told_by_ses(event) if isinstance(event, dict) else event
    return _told_by_ses(document)


def _told_by_ses(event: Json) -> Json:
    """A bounce's types as `@bounce`; a change of preferences as `@opted_out`; mail that came in with its headers."""
    mail, bounce = event.get("mail"), event.get("bounce")
    if isinstance(bounce, dict):
        return {**event, "@bounce": _bounce(bounce.get("bounceType"), bounce.get("bounceSubType"))}
    if event.get("notificationType") == "Received" and isinstance(mail, dict):
        return {**event, **_reply(_pairs(mail.get("headers")))}
    subscription = event.get("subscription")
    new = subscription.get("newTopicPreferences") if isinstance(subscription, dict) else None
    if not isinstance(new, dict):
        return event
    topics = new.get("topicSubscriptionStatus")
    left = [
        each.get("subscriptionStatus")
        for each in (topics if isinstance(topics, list) else ())
        if isinstance(each, dict)
    ]
    return {**event, "@opted_out": new.get("unsubscribeAll") is True or "OptOut" in left}


def _pairs(headers: Any) -> Iterable[tuple[Any, Any]]:
    """Headers as providers list them: `{name: value}`, `[{"Name": …, "Value": …}]`, `[{name: value}]`, `[[name, value]]`."""
    if isinstance(headers, dict):
        return headers.items()
    pairs: list[tuple[Any, Any]] = []
    for each in headers if isinstance(headers, list) else ():
        if isinstance(each, dict):
            lower = {str(key).lower(): value for key, value in each.items()}
            pairs += [(lower["name"], lower.get("value"))] if "name" in lower else each.items()
        elif isinstance(each, list) and len(each) == 2:
            pairs.append((each[0], each[1]))
    return pairs


def _reply(pairs: Iterable[tuple[Any, Any]]) -> Json:
    """Whether a mail answers by itself (RFC 3834, and what was customary before), and to which message."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(name, str) and isinstance(value, str):
            headers.setdefault(name.lower(), value.strip())
    submitted = headers.get("auto-submitted", "no").lower()
    is_reply = (
        submitted.startswith("auto-replied")
        or (submitted.startswith("auto-generated") and "in-reply-to" in headers)
        or "x-autoreply" in headers
        or "x-autorespond" in headers
        or headers.get("precedence", "").lower() == "auto_reply"
    )
    return {
        "@auto_reply": is_reply,
        "@in_reply_to": headers.get("in-reply-to"),
        "@id": headers.get("message-id"),
    }


BODIES: dict[str, Callable[[bytes], list[Any]]] = {
    function.__name__.replace("_", " "): function
    for function in (
        one_or_many, lines_or_events, event_data, msys, mandrill_form, postmark, mailjet, mailersend, resend, brevo, amazon,
    )
}  # fmt: skip
"""By the name that a table's `body` gives."""
