"""What `mailwake message` says above the events, and whom it says each is about."""

from typing import Any

from mailwake.cli.message import about, table

ONE, OTHER = "e825" + "0" * 28, "77aa" + "0" * 28


def event(kind: str, **said: Any) -> dict[str, Any]:
    return {"occurred_at": "2026-11-30T10:00:00Z", "kind": kind, "stream": "other"} | said


def test_what_is_the_same_all_along_is_said_once() -> None:
    events = [
        event("sent", from_domain="a.example", recipient_hash=ONE, ip="192.0.2.1", dkim_domain="a.example"),
        event("bounced", from_domain="a.example", recipient_hash=ONE, recipient_domain="yahoo.com"),
    ]
    assert about(events) == {
        "from": "a.example",
        "recipient": f"{ONE} at yahoo.com",
        "sent by": "ip 192.0.2.1",
        "authentication": "DKIM d=a.example",
    }
    assert table(events)[0] == ("when", "what", "where", "meaning", "answer")


def test_what_differs_is_counted_and_each_row_says_whom_it_is_about() -> None:
    events = [
        event("sent", recipient_hash=ONE, recipient_domain="yahoo.com", ip="192.0.2.1", pool="p",
              dkim_domain="a.example", dmarc_expected=True),
        event("sent", recipient_hash=OTHER, recipient_domain="gmx.net", ip="192.0.2.2", pool="p",
              dkim_domain="b.example", dmarc_expected=False),
        event("bounced", recipient_hash=OTHER, recipient_domain="gmx.net", mx_host="mx00.gmx.net"),
        event("opened"),
    ]  # fmt: skip
    assert about(events) == {"recipient": "2 recipients", "sent by": "2 addresses, pool p"}
    columns, rows = table(events)
    assert columns == ("when", "what", "recipient", "where", "meaning", "answer")
    assert [row[2] for row in rows] == [
        f"{ONE[:8]} at yahoo.com",
        f"{OTHER[:8]} at gmx.net",
        f"{OTHER[:8]} at gmx.net",
        "",
    ]


def test_a_recipient_without_a_hash_is_another_only_at_another_domain() -> None:
    hashed = event("sent", recipient_hash=ONE, recipient_domain="yahoo.com")
    assert about([hashed, event("complained", recipient_domain="yahoo.com")]) == {
        "recipient": f"{ONE} at yahoo.com"
    }
    assert about([hashed, event("complained", recipient_domain="gmx.net")]) == {"recipient": "2 recipients"}


def test_of_a_sender_nothing_is_said_where_nothing_is_known() -> None:
    assert about([event("opened")]) == {}
    assert about([event("sent", stream="cold"), event("opened")]) == {"sent by": "stream cold"}
