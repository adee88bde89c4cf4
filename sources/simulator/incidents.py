"""What goes wrong, when, and for whom: the truth that detection is measured against."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal, get_args

from sources.simulator.providers import PROVIDERS
from sources.simulator.rhythm import DAY_MS, HOUR_MS, hours_of, nights, office_hours, steady
from sources.simulator.world import Flow, Pool, SendingDomain, World

Kind = Literal[
    "bad_list_import", "compromised_account", "blocklisted_ip", "provider_throttling", "dkim_broken",
    "complaint_spike", "spoofing_campaign", "new_legitimate_source",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)

IDENTITY_KINDS: dict[Kind, str] = {
    "bad_list_import": "campaign",
    "compromised_account": "domain",
    "blocklisted_ip": "ip",
    "provider_throttling": "domain",
    "dkim_broken": "dkim",
    "complaint_spike": "stream",
    "spoofing_campaign": "domain",
    "new_legitimate_source": "ip",
}
"""What each kind of incident befalls. A campaign is written `domain/campaign`, a stream `domain/stream`; the
domain of a spoofing campaign is the organisation's, where its DMARC policy is published."""

_HOURS: dict[Kind, tuple[float, float]] = {
    "bad_list_import": (4, 10),
    "compromised_account": (18, 40),
    "blocklisted_ip": (24, 60),
    "provider_throttling": (8, 30),
    "dkim_broken": (20, 50),
    "complaint_spike": (24, 72),
    "spoofing_campaign": (48, 120),
    "new_legitimate_source": (96, 240),
}


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that goes wrong (or looks as if it did), from `start_ms` up to `end_ms`.

    `provider` is the mailbox provider it is confined to, None for all of them. A new source names in `domain`
    whose mail it sends; for the other kinds the identity says it.
    """

    kind: Kind
    identity: str
    provider: str | None
    start_ms: int
    end_ms: int
    domain: str | None = None

    @property
    def identity_kind(self) -> str:
        """domain, dkim, ip, stream or campaign."""
        return IDENTITY_KINDS[self.kind]


def check(incidents: Sequence[Incident], world: World) -> None:
    """Raise ValueError for an incident that can't befall anybody in this world; it says which and why."""
    ips = {ip for domain in world.domains for ip in domain.pool.ips}
    known: dict[str, set[str]] = {
        "domain": {d.name for d in world.domains} | {o.domain for o in world.organisations},
        "dkim": {d.dkim_domain for d in world.domains},
        "ip": ips,
        "stream": {f"{flow.domain.name}/{flow.stream}" for flow in world.flows},
        "campaign": {d.name for d in world.domains},
    }
    for incident in incidents:
        where = f"incident {incident.kind} of {incident.identity}"
        if incident.kind not in KINDS:
            raise ValueError(f"{where}: no such kind; there are {', '.join(KINDS)}")
        if incident.end_ms <= incident.start_ms:
            raise ValueError(
                f"{where}: ends at {incident.end_ms}, wants later than its start {incident.start_ms}"
            )
        if incident.provider is not None and incident.provider not in {p.name for p in PROVIDERS}:
            raise ValueError(f"{where}: no provider {incident.provider!r} is simulated")
        if incident.kind == "new_legitimate_source":
            world.domain(incident.domain or "")
            if incident.identity in ips:
                raise ValueError(f"{where}: that address sends already; a new source wants a new one")
            continue
        identity = incident.identity
        if incident.identity_kind == "campaign":
            identity, _, campaign = identity.partition("/")
            if not campaign:
                raise ValueError(f"{where}: wants domain/campaign")
        if identity not in known[incident.identity_kind]:
            raise ValueError(f"{where}: this world has no {incident.identity_kind} {identity!r}")


def some(
    world: World, seed: int, start_ms: int, days: float, kinds: Sequence[Kind] | None = None
) -> tuple[Incident, ...]:
    """Incidents of the given kinds (five of the eight, unless given), spread over the middle of the span.

    Each befalls a domain large enough for it to be seen.
    """
    random = Random(f"incidents {seed}")
    chosen = list(kinds) if kinds is not None else sorted(random.sample(KINDS, 5), key=KINDS.index)
    random.shuffle(chosen)
    span = days * DAY_MS
    made = []
    for i, kind in enumerate(chosen):
        middle = start_ms + span * (0.12 + 0.76 * (i + 0.5 * random.random()) / len(chosen))
        length = min(random.uniform(*_HOURS[kind]) * HOUR_MS, span / 4)
        start = int(middle - middle % HOUR_MS) if span > 8 * HOUR_MS else int(middle)
        made.append(_befall(random, world, kind, start, int(start + length)))
    return tuple(sorted(made, key=lambda incident: (incident.start_ms, incident.kind)))


def flows_of(incidents: Sequence[Incident], world: World) -> tuple[Flow, ...]:
    """The mail that exists only because of an incident: imports, a thief's spam, the new source's messages."""
    flows = []
    for i, incident in enumerate(incidents):
        if incident.kind == "bad_list_import":
            name, _, campaign = incident.identity.partition("/")
            domain = world.domain(name)
            flows.append(Flow(domain, "marketing", 3 * _share(world, domain), steady(), (campaign,), i))
        elif incident.kind == "compromised_account":
            domain = world.domain(incident.identity)
            rhythm = nights(domain.organisation.utc_offset_hours)
            flows.append(Flow(domain, "transactional", 2 * _share(world, domain), rhythm, ("welcome",), i))
        elif incident.kind == "new_legitimate_source":
            domain = world.domain(incident.domain or "")
            source = replace(
                domain,
                dkim_domain="crm-relay.example",
                selectors=("crm1", "crm1"),
                mail_from_domain="returns.crm-relay.example",
                dkim_aligned=False,
                spf_aligned=False,
                pool=Pool("crm", domain.pool.region, (incident.identity,)),
            )
            rhythm = office_hours(domain.organisation.utc_offset_hours)
            flows.append(Flow(source, "other", 0.5 * _share(world, domain), rhythm, ("crm-notice",), i))
    return tuple(flows)


def write_truth(path: Path, incidents: Sequence[Incident]) -> None:
    """Write the incidents as a JSON array of {kind, identity_kind, identity, provider, start, end, domain}.

    Times are milliseconds since the epoch; `provider` is null where all are concerned.
    """
    path.write_text(json.dumps([truth_of(incident) for incident in incidents], indent=1) + "\n")


def truth_of(incident: Incident) -> dict[str, str | int | None]:
    """An incident as `write_truth` writes it."""
    fields = asdict(incident)
    return {
        "kind": incident.kind,
        "identity_kind": incident.identity_kind,
        "identity": incident.identity,
        "provider": incident.provider,
        "start": fields["start_ms"],
        "end": fields["end_ms"],
        "domain": incident.domain,
    }


def _share(world: World, domain: SendingDomain) -> float:
    return max(0.05, sum(flow.weight for flow in world.flows if flow.domain == domain))


def _befall(random: Random, world: World, kind: Kind, start: int, end: int) -> Incident:
    """An incident of that kind and span for somebody who sends enough in it for it to be seen."""

    def volume(flow: Flow) -> float:
        return flow.weight * hours_of(flow.rhythm, start, end)

    def largest(flows: Iterable[Flow], most: int) -> list[Flow]:
        return sorted(flows, key=volume, reverse=True)[:most]

    few = max(1, min(8, len(world.domains) // 4))
    if kind == "complaint_spike":
        marketing = [flow for flow in world.flows if flow.stream == "marketing"] or list(world.flows)
        while not any(volume(flow) for flow in marketing):
            end += HOUR_MS
        flow = random.choice([flow for flow in largest(marketing, 3) if volume(flow)])
        return Incident(kind, f"{flow.domain.name}/{flow.stream}", None, start, end)
    if kind == "dkim_broken":
        signing = [flow for flow in world.flows if flow.domain.dkim_aligned] or list(world.flows)
        only = [f for f in signing if not f.domain.spf_aligned and f.domain.organisation.policy != "none"]
        flow = largest(only, 1)[0] if only and random.random() < 0.5 else random.choice(largest(signing, few))
        return Incident(kind, flow.domain.dkim_domain, None, start, end)
    domain = random.choice(largest(world.flows, 3 if kind == "provider_throttling" else few)).domain
    if kind == "bad_list_import":
        return Incident(kind, f"{domain.name}/list-import", None, start, end)
    if kind == "blocklisted_ip":
        return Incident(kind, random.choice(domain.pool.ips), "microsoft", start, end)
    if kind == "provider_throttling":
        return Incident(kind, domain.name, random.choice(("gmail", "yahoo")), start, end)
    if kind == "spoofing_campaign":
        return Incident(kind, domain.organisation.domain, None, start, end)
    if kind == "new_legitimate_source":
        return Incident(
            kind, f"198.51.100.{random.randrange(210, 250)}", None, start, end, domain=domain.name
        )
    return Incident(kind, domain.name, None, start, end)
