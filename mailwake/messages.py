"""The life of one message, as the warehouse knows it: every event of it in order, with what its failures mean.

Some events know only the Message-ID, as a bounce mail does, others only the id that the ESP or MTA gave, as a webhook
does. MessageSent knows both: whatever shares an id with an event that has the one asked for is of the same message.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mailwake.querying import asking
from mailwake.settings import Settings
from sinks.literals import quoted

MOST = 1_000
"""The most events that are given, the earliest first: a Message-ID that a sender uses again and again has no end."""

_ID_COLUMNS = ("message_id", "provider_message_id")

_LIVE = "generation = (SELECT generation FROM current_generation)"

_ISO = "SETTINGS date_time_output_format = 'iso'"

_TOPICS = ("mail.events", "mail.classified")


@dataclass(frozen=True, slots=True)
class Timeline:
    """What became of a message."""

    asked: str
    tenant: str
    events: Sequence[dict[str, Any]]
    """In order of event time, then of arrival: the columns of the view message_timeline that say anything."""
    message_ids: Sequence[str]
    """Every Message-ID among them: one, unless an ESP's id stands for several messages."""
    provider_message_ids: Sequence[str]
    loaded: Sequence[dict[str, Any]]
    """How far the warehouse is loaded: topic, occurred_until, recorded_until, loaded_at."""
    cut: bool
    """Whether there are more events than are given."""


def timeline(settings: Settings, tenant: str, message_id: str) -> Timeline:
    """What became of the message with this Message-ID, with or without brackets, or this id of an ESP or MTA.

    Raises QueryFailed, NoWarehouse, SettingsError, WarehouseInUse, SinkBusy.
    """
    with asking(settings) as asked:
        events = _rows(b"".join(asked(_sql(tenant, spellings(message_id)), "JSONEachRow")))
        topics = ", ".join(map(quoted, _TOPICS))
        sql = (
            "SELECT topic, occurred_until, recorded_until, loaded_at FROM freshness "
            f"WHERE splitByChar('@', topic)[1] IN ({topics}) ORDER BY topic {_ISO}"
        )
        loaded = _rows(b"".join(asked(sql, "JSONEachRow")))
    found = events[:MOST]
    one, other = (_ids(event[name] for event in found if event.get(name)) for name in _ID_COLUMNS)
    return Timeline(message_id, tenant, found, one, other, loaded, len(events) > MOST)


def _ids(written: Iterable[str]) -> list[str]:
    """Each id once, in brackets where any event has it so."""
    ids: dict[str, str] = {}
    for one in written:
        bare = one.removeprefix("<").removesuffix(">")
        ids[bare] = one if one != bare else ids.get(bare, one)
    return list(ids.values())


def spellings(message_id: str) -> tuple[str, ...]:
    """How an id may be written in an event: as it is, with angle brackets, and without."""
    bare = message_id.strip().removeprefix("<").removesuffix(">")
    return tuple(dict.fromkeys((message_id.strip(), f"<{bare}>", bare)))


def _sql(tenant: str, ids: Sequence[str]) -> str:
    """Ids first, by the columns' indexes, then the rows of their events, by the key: neither reads the whole table."""
    whose = f"{_LIVE} AND tenant = {quoted(tenant)}"
    named = f"({', '.join(map(quoted, ids))})"
    columns = ", ".join(_ID_COLUMNS)

    def by_either(what: str, those: dict[str, str]) -> str:
        return " UNION DISTINCT ".join(
            f"SELECT {what} FROM mail_events_told WHERE {whose} AND {name} IN {these}"
            for name, these in those.items()
        )

    # Each with brackets and without: who tells of a message writes its id in one way, and others in another.
    bare = {name: f"replaceRegexpOne(assumeNotNull({name}), '^<(.*)>$', '\\\\1')" for name in _ID_COLUMNS}
    same = {
        name: f"(SELECT arrayJoin([{bare[name]}, concat('<', {bare[name]}, '>')]) FROM seeds WHERE {name} IS NOT NULL)"
        for name in _ID_COLUMNS
    }
    return f"""
        WITH seeds AS ({by_either(columns, dict.fromkeys(_ID_COLUMNS, named))}),
             ids AS ({by_either("event_id", same)})
        SELECT event.* EXCEPT (generation, first_told),
               meaning.bounce_class AS bounce_class, meaning.leaf AS leaf, meaning.address_fatal AS address_fatal,
               meaning.message_fatal AS message_fatal, meaning.scope AS scope, meaning.action AS action,
               meaning.rule AS rule, meaning.ruleset AS ruleset
        FROM (SELECT * FROM mail_events_told FINAL WHERE {whose} AND event_id IN (SELECT event_id FROM ids)) AS event
        LEFT JOIN (
            SELECT classified_event_id AS event_id, toNullable(argMax(told.bounce_class, told.ruleset)) AS bounce_class,
                   toNullable(argMax(told.leaf, told.ruleset)) AS leaf,
                   toNullable(argMax(told.address_fatal, told.ruleset)) AS address_fatal,
                   toNullable(argMax(told.message_fatal, told.ruleset)) AS message_fatal,
                   toNullable(argMax(told.scope, told.ruleset)) AS scope,
                   toNullable(argMax(told.action, told.ruleset)) AS action,
                   toNullable(argMax(told.rule, told.ruleset)) AS rule, toNullable(max(told.ruleset)) AS ruleset
            FROM bounces_classified_told AS told
            WHERE {whose} AND classified_event_id IN (SELECT event_id FROM ids)
            GROUP BY classified_event_id
        ) AS meaning USING (event_id)
        ORDER BY least(occurred_at, recorded_at + INTERVAL 5 MINUTE), first_told DESC
        LIMIT {MOST + 1}
        {_ISO}
    """


def _rows(answer: bytes) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in json.loads(line).items() if value is not None}
        for line in answer.splitlines()
    ]
