"""The views: what analysts read, each fact once, of the current generation.

Each is made twice. `x_by_generation` gives the facts of every generation, with a column that says which; `x` gives
those of the current one. Views hold no data, so they are no migrations: they are made anew whenever their
definition changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from processors.reputation.rates import RATES
from schemas.reputation import COUNTS
from sinks.warehouse.tables import BUCKETS, BucketTable

CURRENT_GENERATION = """
SELECT if(count() = 0, toUInt32(1), argMax(generation, swap)) AS generation
FROM generation_swaps
"""
"""The latest swap names it; before the first one it is 1."""


@dataclass(frozen=True, slots=True)
class View:
    """A view of facts, or of sums of them."""

    name: str
    comment: str
    select: str
    """Gives the rows of every generation, with the column `generation`."""
    of: tuple[str, ...]
    """The tables it is drawn from; their columns' descriptions are its own."""
    docs: Mapping[str, str] = field(default_factory=dict)
    """What those columns are that no schema describes, or describes otherwise."""
    compared: bool = True
    """Whether two generations made from the same log are equal only when this view is."""

    @property
    def by_generation(self) -> str:
        """The name of the view under it, of every generation."""
        return f"{self.name}_by_generation"


def all_views() -> Sequence[View]:
    """Every view, in an order in which they can be made."""
    return (*_FACTS, *_reputation(), _LATE_ADDITIONS, _FRESHNESS)


_MAIL_EVENTS = View(
    "mail_events",
    "The whole life of every message: one row for each event, `kind` says which.",
    """
    SELECT * EXCEPT (first_told), least(occurred_at, recorded_at + INTERVAL 5 MINUTE) AS effective_at
    FROM mail_events_told FINAL
    """,
    ("mail_events",),
    {
        "kind": "sent, delivered, deferred, bounced, dropped, expired, complained, opened, clicked, unsubscribed, "
        "resubscribed or auto_replied. Columns that a kind does not have are null in its rows.",
        "effective_at": "The time it is counted at: occurred_at, but at most 5 minutes after recorded_at.",
    },
)

_BOUNCES_CLASSIFIED = View(
    "bounces_classified",
    "What each bounce, deferral and expiry means, by the ruleset it was judged by.",
    "SELECT * EXCEPT (first_told) FROM bounces_classified_told FINAL",
    ("bounces_classified",),
)

_MESSAGE_TIMELINE = View(
    "message_timeline",
    "The life of every message with what its failures mean: mail_events with the columns of bounces_classified. Ask for "
    "one message, by message_id or provider_message_id.",
    """
    SELECT event.generation AS generation, event.tenant AS tenant, event.event_id AS event_id,
           event.* EXCEPT (generation, tenant, event_id),
           meaning.* EXCEPT (generation, tenant, classified_event_id)
    FROM (
        SELECT * EXCEPT (first_told), least(occurred_at, recorded_at + INTERVAL 5 MINUTE) AS effective_at
        FROM mail_events_told FINAL
    ) AS event
    LEFT JOIN (
        SELECT generation, tenant, classified_event_id,
               CAST(argMax(told.bounce_class, told.ruleset), 'LowCardinality(Nullable(String))') AS bounce_class,
               CAST(argMax(told.leaf, told.ruleset), 'LowCardinality(Nullable(String))') AS leaf,
               toNullable(argMax(told.address_fatal, told.ruleset)) AS address_fatal,
               toNullable(argMax(told.message_fatal, told.ruleset)) AS message_fatal,
               CAST(argMax(told.scope, told.ruleset), 'LowCardinality(Nullable(String))') AS scope,
               CAST(argMax(told.action, told.ruleset), 'LowCardinality(Nullable(String))') AS action,
               CAST(argMax(told.rule, told.ruleset), 'LowCardinality(Nullable(String))') AS rule,
               CAST(max(told.ruleset), 'LowCardinality(Nullable(String))') AS ruleset
        FROM bounces_classified_told AS told
        GROUP BY generation, tenant, classified_event_id
    ) AS meaning
    ON event.generation = meaning.generation AND event.tenant = meaning.tenant
        AND event.event_id = meaning.classified_event_id
    """,
    ("mail_events", "bounces_classified"),
    {
        "kind": "As in mail_events.",
        "effective_at": "The time it is counted at: occurred_at, but at most 5 minutes after recorded_at.",
    },
    compared=False,
)

_SUPPRESSION_EVIDENCE = View(
    "suppression_evidence",
    "What speaks for or against mailing a recipient: fatal bounces, complaints, unsubscriptions, what somebody entered.",
    "SELECT * EXCEPT (first_told) FROM suppression_evidence_told FINAL",
    ("suppression_evidence",),
)

_SUPPRESSIONS = View(
    "suppressions",
    "Who is not to be mailed any more, by stream, and who may be mailed again: one row for each recipient and stream.",
    "SELECT * EXCEPT (revision) FROM suppressions_told FINAL",
    ("suppressions",),
    {"kind": "suppressed, or lifted since."},
)

_DMARC_REPORTS = View(
    "dmarc_reports",
    "DMARC aggregate reports: the first told for each reporter, report id, policy domain and span.",
    "SELECT * EXCEPT (first_told, is_conflict) FROM dmarc_reports_told FINAL WHERE NOT is_conflict",
    ("dmarc_reports",),
)

_DMARC_RECORDS = View(
    "dmarc_records",
    "Rows of the reports in dmarc_reports: so many messages from an address, with these results.",
    "SELECT * EXCEPT (first_told, is_conflict) FROM dmarc_records_told FINAL WHERE NOT is_conflict",
    ("dmarc_records",),
)

_DMARC_REPORT_CONFLICTS = View(
    "dmarc_report_conflicts",
    "Reports that say something else under an identity that was told before, beside the first, which counts.",
    """
    SELECT later.generation AS generation, later.tenant AS tenant, later.event_id AS event_id,
           later.occurred_at AS occurred_at, later.recorded_at AS recorded_at, later.org_name AS org_name,
           later.report_id AS report_id, later.policy_domain AS policy_domain, later.begin AS begin,
           later.end AS end, later.content_hash AS content_hash, later.receipt_id AS receipt_id,
           later.records AS records, later.messages AS messages,
           first.content_hash AS first_content_hash, first.receipt_id AS first_receipt_id,
           first.records AS first_records, first.messages AS first_messages
    FROM (SELECT *, ifNull(org_name, '') AS org FROM dmarc_reports_told FINAL WHERE is_conflict) AS later
    LEFT JOIN (
        SELECT generation, tenant, ifNull(org_name, '') AS org, report_id, policy_domain, begin, end,
               toNullable(content_hash) AS content_hash, receipt_id,
               toNullable(records) AS records, toNullable(messages) AS messages
        FROM dmarc_reports_told FINAL WHERE NOT is_conflict
    ) AS first
    USING (generation, tenant, org, report_id, policy_domain, begin, end)
    """,
    ("dmarc_reports",),
    {
        "first_content_hash": "SHA-256 of the parsed content of the report told first.",
        "first_receipt_id": "The document the report told first came in.",
        "first_records": "How many records the report told first has.",
        "first_messages": "How many messages they stand for.",
    },
)

_DOCUMENTS = View(
    "documents",
    "Documents as received and what became of them: one row for each document found in a receipt, and one with a "
    "null outcome for a receipt that is not processed yet. The bytes stay in the log.",
    """
    SELECT received.* EXCEPT (last_told), outcome.* EXCEPT (generation, tenant, receipt_id)
    FROM (SELECT * FROM documents_told FINAL) AS received
    LEFT JOIN (
        SELECT generation, tenant, receipt_id, member, toNullable(ordinal) AS ordinal,
               CAST(kind, 'LowCardinality(Nullable(String))') AS kind,
               CAST(outcome, 'LowCardinality(Nullable(String))') AS outcome,
               toNullable(records) AS records, warnings, reason, toNullable(parser_version) AS parser_version,
               toNullable(recorded_at) AS processed_at
        FROM document_outcomes_told FINAL
    ) AS outcome
    USING (generation, tenant, receipt_id)
    """,
    ("documents", "document_outcomes"),
    {"processed_at": "When the outcome was appended; null while there is none."},
)

_DEAD_LETTERS = View(
    "dead_letters",
    "Records that could not be understood: where they are, why not, and their first 64 KiB.",
    "SELECT * EXCEPT (first_told) FROM dead_letters_told FINAL",
    ("dead_letters",),
)

_FACTS = (
    _MAIL_EVENTS,
    _BOUNCES_CLASSIFIED,
    _MESSAGE_TIMELINE,
    _SUPPRESSION_EVIDENCE,
    _SUPPRESSIONS,
    _DMARC_REPORTS,
    _DMARC_RECORDS,
    _DMARC_REPORT_CONFLICTS,
    _DOCUMENTS,
    _DEAD_LETTERS,
)


def _reputation() -> Sequence[View]:
    return [view for table in BUCKETS for view in (_per_provider(table), _all_providers(table))]


def _per_provider(table: BucketTable) -> View:
    return View(
        table.name,
        f"Counts and rates of each identity at each mailbox provider, by {table.grain} of event time (UTC).",
        _sums(table, "generation, tenant, kind, identity, provider, bucket"),
        (table.name,),
        _rate_docs(table),
    )


def _all_providers(table: BucketTable) -> View:
    return View(
        f"{table.name}_all_providers",
        f"Counts and rates of each identity at all mailbox providers together, by {table.grain} of event time (UTC).",
        _sums(table, "generation, tenant, kind, identity, bucket"),
        (table.name,),
        _rate_docs(table),
        compared=False,
    )


def _sums(table: BucketTable, key: str) -> str:
    sums = ", ".join(f"sum({count}) AS {count}" for count in COUNTS)
    rates = ", ".join(f"{rate.sql()} AS {name}" for name, rate in RATES.items())
    once = f"SELECT {key}, {sums} FROM {table.name}_told FINAL GROUP BY {key} SETTINGS {_IN_ORDER}"
    return f"SELECT *, {rates} FROM ({once})"


_IN_ORDER = "optimize_aggregation_in_order = 1"
"""The rows come sorted by the key: summed as they come, they need no memory for a table of all keys."""


def _rate_docs(table: BucketTable) -> Mapping[str, str]:
    rates = {
        name: f"{rate.numerator} / {rate.denominator} of the same {table.grain}; null where nothing was {rate.denominator}."
        for name, rate in RATES.items()
    }
    return {"bucket": f"Start of the {table.grain}, UTC.", **rates}


_LATE_ADDITIONS = View(
    "reputation_late_additions",
    "Counts that came after their bucket's horizon; the reputation views have them summed in.",
    " UNION ALL ".join(
        f"SELECT generation, '{table.grain}' AS grain, * EXCEPT (generation, revision) "
        f"FROM {table.name}_told FINAL WHERE part != 0"
        for table in BUCKETS
    ),
    tuple(table.name for table in BUCKETS),
    {"part": "Which addition: a bucket has one for each time something late came."},
    compared=False,
)

_FRESHNESS = View(
    "freshness",
    "How far each topic is loaded.",
    """
    SELECT generation, topic, count() AS partitions, sum(records) AS records, sum(bad) AS bad,
           max(occurred_until) AS occurred_until, max(recorded_until) AS recorded_until,
           max(loaded_at) AS loaded_at
    FROM positions_told FINAL
    GROUP BY generation, topic
    """,
    (),
    {
        "topic": "The topic of the log, with its generation (topic@2) where a rebuild made it.",
        "partitions": "How many of its partitions anything was loaded from.",
        "records": "Records loaded, repeats told at another place included.",
        "bad": "Records that could not be understood.",
        "occurred_until": "The latest event time loaded, a wrong clock's corrected.",
        "recorded_until": "The latest time of record loaded.",
        "loaded_at": "When something was last loaded from it.",
    },
    compared=False,
)
