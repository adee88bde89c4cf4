"""What the demo asks the warehouse: the questions of a person who has just plugged in."""

from collections.abc import Sequence
from dataclasses import dataclass

from sinks.warehouse.warehouse import Warehouse
from sources.simulator import Incident

WORST_DOMAINS = """
SELECT identity AS domain, sum(r.sent) AS sent, round(100 * sum(r.delivered) / sum(r.sent), 2) AS delivered_pct,
       round(100 * sum(r.bounced) / sum(r.sent), 2) AS bounced_pct,
       round(100 * sum(r.deferred) / sum(r.sent), 1) AS deferred_pct,
       round(100 * sum(r.complained) / nullIf(sum(r.delivered), 0), 3) AS complained_pct
FROM reputation_days AS r WHERE kind = 'domain' GROUP BY identity HAVING sum(r.sent) > 0
ORDER BY greatest(ifNull(complained_pct, 0) / 0.1, bounced_pct / 2) DESC, domain LIMIT 12
"""
"""Worst first: by how far complaints exceed 0.1 % or bounces 2 %, what receivers warn at."""

DMARC_BY_DOMAIN = """
SELECT policy_domain AS domain, any(p) AS policy, sum(count) AS messages,
       round(100 * sumIf(count, dmarc_pass) / sum(count), 2) AS dmarc_pass_pct,
       sumIf(count, NOT dmarc_pass) AS failing,
       uniqIf(source_ip, NOT dmarc_pass) AS failing_sources,
       arrayStringConcat(topKWeightedIf(3)(source_ip, count, NOT dmarc_pass), ', ') AS top_failing_sources
FROM dmarc_records GROUP BY policy_domain ORDER BY dmarc_pass_pct, domain LIMIT 10
"""

_RATE = """
SELECT round(100 * sumIf({over}, bucket >= {{start:DateTime64(3)}}) /
             nullIf(sumIf({under}, bucket >= {{start:DateTime64(3)}}), 0), 2),
       round(100 * sumIf({over}, bucket < {{start:DateTime64(3)}}) /
             nullIf(sumIf({under}, bucket < {{start:DateTime64(3)}}), 0), 2)
FROM reputation_hours WHERE kind = {{identity_kind:String}} AND identity = {{identity:String}}
 AND ({{provider:String}} = '' OR provider = {{provider:String}})
 AND bucket >= {{start:DateTime64(3)}} - INTERVAL 7 DAY AND bucket < {{end:DateTime64(3)}}
"""

_PER_HOUR = """
SELECT round(sumIf(sent, bucket >= {start:DateTime64(3)}) / {hours:Float64}, 1),
       round(sumIf(sent, bucket < {start:DateTime64(3)}) / 168, 1)
FROM reputation_hours WHERE kind = {identity_kind:String} AND identity = {identity:String}
 AND bucket >= {start:DateTime64(3)} - INTERVAL 7 DAY AND bucket < {end:DateTime64(3)}
"""

_DMARC_A_DAY = """
SELECT round(sumIf(count, begin >= toStartOfDay({{start:DateTime64(3)}})) / ({{hours:Float64}} / 24), 1),
       round(sumIf(count, begin < toStartOfDay({{start:DateTime64(3)}})) / 7, 1)
FROM dmarc_records WHERE {which}
 AND begin >= toStartOfDay({{start:DateTime64(3)}}) - INTERVAL 7 DAY AND begin < {{end:DateTime64(3)}}
"""

EFFECTS: dict[str, tuple[str, str]] = {
    "bad_list_import": ("bounced, % of sent", _RATE.format(over="bounced", under="sent")),
    "compromised_account": ("sent an hour", _PER_HOUR),
    "blocklisted_ip": (
        "bounces and deferrals per 100 sent",
        _RATE.format(over="bounced + deferred", under="sent"),
    ),
    "provider_throttling": ("deferrals per 100 sent", _RATE.format(over="deferred", under="sent")),
    "dkim_broken": (
        "DKIM failing in DMARC reports, messages a day",
        _DMARC_A_DAY.format(which="dkim = 'fail' AND header_from = {identity:String}"),
    ),
    "complaint_spike": ("complained, % of delivered", _RATE.format(over="complained", under="delivered")),
    "spoofing_campaign": (
        "failing DMARC, messages a day",
        _DMARC_A_DAY.format(which="NOT dmarc_pass AND policy_domain = {identity:String}"),
    ),
    "new_legitimate_source": (
        "from this address in DMARC reports, messages a day",
        _DMARC_A_DAY.format(which="source_ip = {identity:String}"),
    ),
}
"""For each kind of incident what it shows in: during, and in the seven days before."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What an incident did to the number it shows in."""

    incident: Incident
    measure: str
    during: float | None
    before: float | None


def effects(warehouse: Warehouse, incidents: Sequence[Incident]) -> list[Effect]:
    """The effect of each incident, as the warehouse has it."""
    found = []
    for incident in incidents:
        measure, sql = EFFECTS[incident.kind]
        parameters = {
            "identity_kind": incident.identity_kind,
            "identity": incident.identity,
            "provider": incident.provider or "",
            "start": incident.start_ms / 1000,
            "end": incident.end_ms / 1000,
            "hours": (incident.end_ms - incident.start_ms) / 3_600_000,
        }
        ((during, before),) = warehouse.rows(sql, parameters)
        found.append(Effect(incident, measure, during, before))
    return found
