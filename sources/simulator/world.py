"""Who sends: organisations, their domains, keys, pools and addresses, and the flows of mail they send.

Names are under the reserved TLD `example` (RFC 2606), addresses from the ranges set apart for documentation and
benchmarks (RFC 5737, RFC 3849, RFC 2544).
"""

from dataclasses import dataclass
from itertools import islice, product
from random import Random
from typing import Literal, get_args

from sources.simulator.rhythm import Rhythm, campaigns, office_hours, transactions

StreamName = Literal["transactional", "marketing", "cold", "other"]
Policy = Literal["none", "quarantine", "reject"]
Audience = Literal["consumers", "businesses"]

DAYS_OF_A_KEY = 45
"""How long a DKIM selector signs before the next one takes over."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Sending addresses used together."""

    name: str
    region: str
    ips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who owns a registered domain, and the DMARC policy published there."""

    name: str
    domain: str
    policy: Policy
    subdomain_policy: Policy
    adkim: Literal["r", "s"]
    aspf: Literal["r", "s"]
    audience: Audience
    utc_offset_hours: int


@dataclass(frozen=True, slots=True)
class SendingDomain:
    """A From domain: how its mail is signed and routed, how much there is, and how well its lists are kept."""

    name: str
    organisation: Organisation
    dkim_domain: str
    selectors: tuple[str, ...]
    mail_from_domain: str
    dkim_aligned: bool
    spf_aligned: bool
    pool: Pool
    weight: float
    """Its share of all mail."""
    bad_addresses: float
    """Share of its recipients that do not exist."""
    annoyance: float
    """How readily its recipients complain; 1 is ordinary."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One stream of one domain: the unit that has a rhythm."""

    domain: SendingDomain
    stream: StreamName
    weight: float
    """Its share of all mail, averaged over the week; an incident's flow has that share while it lasts."""
    rhythm: Rhythm
    campaigns: tuple[str, ...]
    """What its campaigns are called; marketing adds the day."""
    incident: int | None = None
    """Index of the incident that this flow exists for."""


@dataclass(frozen=True, slots=True)
class World:
    """Everybody who sends."""

    domains: tuple[SendingDomain, ...]
    flows: tuple[Flow, ...]
    pools: tuple[Pool, ...]

    def domain(self, name: str) -> SendingDomain:
        """The sending domain of that name. Raises ValueError naming those there are."""
        for domain in self.domains:
            if domain.name == name:
                return domain
        raise ValueError(
            f"no domain {name!r} in this world; it has {', '.join(d.name for d in self.domains)}"
        )

    @property
    def organisations(self) -> tuple[Organisation, ...]:
        """Who owns the domains, each once."""
        return tuple(dict.fromkeys(domain.organisation for domain in self.domains))

    @property
    def addresses(self) -> frozenset[str]:
        """Every address that legitimate mail is sent from."""
        return frozenset(ip for flow in self.flows for ip in flow.domain.pool.ips)


_FIRST = (
    "acme", "birchwood", "copperleaf", "driftline", "eastgate", "fernhill", "goldfinch", "harborview", "ironbark",
    "juniper", "kestrel", "larkspur", "maplestone", "northwind", "oakmont", "pinecrest", "quillworks", "riverbend",
    "silverfern", "thistledown", "umberline", "vantage", "westbrook", "yarrow", "zephyr",
)  # fmt: skip
_SECOND = ("", "-goods", "-travel", "-books", "-health", "-bank", "-games", "-garden", "-media", "-cloud", "-tools",
           "-foods", "-sports", "-music", "-homes", "-energy")  # fmt: skip
_SUBDOMAINS: tuple[tuple[str, tuple[StreamName, ...]], ...] = (
    ("", ("transactional", "marketing")),
    ("news", ("marketing",)),
    ("mail", ("transactional",)),
    ("hello", ("cold",)),
    ("offers", ("marketing",)),
)
_CAMPAIGNS: dict[StreamName, tuple[str, ...]] = {
    "transactional": ("receipt", "password-reset", "shipping-update", "welcome"),
    "marketing": ("newsletter", "weekly-offers", "product-update"),
    "cold": ("intro-step-1", "intro-step-2", "intro-step-3"),
    "other": ("migration",),
}
_REGIONS = (("us-east-1", -5), ("eu-west-1", 1), ("ap-southeast-2", 10))
_ESP = "sendwell.example"


def build_world(seed: int, domains: int) -> World:
    """The world of a seed: `domains` From domains, few of them large and many small. Raises ValueError below 1."""
    if domains < 1:
        raise ValueError(f"domains: got {domains}, wants at least 1")
    random = Random(f"world {seed}")
    shared = tuple(
        Pool(f"shared-{region.split('-')[0]}", region, tuple(f"192.0.2.{i * 16 + k}" for k in range(1, 9)))
        for i, (region, _) in enumerate(_REGIONS)
    )
    owned: list[SendingDomain] = []
    names = (first + second for second, first in product(_SECOND, _FIRST))
    dedicated = iter(_dedicated_addresses())
    while len(owned) < domains:
        number = len({domain.organisation for domain in owned})
        name = next(names, None) or f"sender-{number}"
        region = random.choices(range(len(_REGIONS)), (5, 4, 1))[0]
        organisation = _organisation(random, name, _REGIONS[region][1])
        subdomains = [_SUBDOMAINS[0], *random.sample(_SUBDOMAINS[1:], random.choice((0, 1, 1, 2, 2)))]
        for prefix, _ in subdomains[: domains - len(owned)]:
            rank = len(owned) + 1
            weight = rank**-0.9 * random.uniform(0.7, 1.3)
            pool = shared[region]
            if rank <= 12:
                ips = tuple(islice(dedicated, 4 if rank <= 4 else 2))
                pool = Pool(f"{name}-{prefix or 'main'}", _REGIONS[region][0], ips)
            owned.append(_domain(random, organisation, prefix, pool, weight))
    total = sum(domain.weight for domain in owned)
    flows = tuple(flow for domain in owned for flow in _flows(random, domain, total))
    return World(tuple(owned), flows, tuple(dict.fromkeys(domain.pool for domain in owned)))


def _dedicated_addresses() -> list[str]:
    v4 = [f"198.51.100.{i}" for i in range(10, 200)]
    v6 = [f"2001:db8:25:{i:x}::25" for i in range(1, 64)]
    return [
        ip
        for i, four in enumerate(v4)
        for ip in ((four, v6[i // 3]) if i % 3 == 2 and i // 3 < 63 else (four,))
    ]


def _organisation(random: Random, name: str, offset: int) -> Organisation:
    policies: tuple[Policy, ...] = get_args(Policy)
    policy = random.choices(policies, (45, 25, 30))[0]
    strict = random.random() < 0.08
    return Organisation(
        name=name,
        domain=f"{name}.example",
        policy=policy,
        subdomain_policy=policy if random.random() < 0.85 else "none",
        adkim="r",
        aspf="s" if strict else "r",
        audience="businesses" if random.random() < 0.3 else "consumers",
        utc_offset_hours=offset,
    )


def _domain(random: Random, owner: Organisation, prefix: str, pool: Pool, weight: float) -> SendingDomain:
    name = f"{prefix}.{owner.domain}" if prefix else owner.domain
    lenient = owner.policy == owner.subdomain_policy == "none" and owner.aspf == "r"
    setups = (62, 26, 6, 6) if lenient else (72, 28, 0, 0)
    setup = random.choices(("both", "dkim", "spf", "neither"), setups)[0]
    dkim_aligned = setup in ("both", "dkim")
    spf_aligned = setup in ("both", "spf") and owner.aspf == "r"
    return SendingDomain(
        name=name,
        organisation=owner,
        dkim_domain=(name if random.random() < 0.6 else owner.domain) if dkim_aligned else _ESP,
        selectors=random.choice((("s1", "s2"), ("sw1", "sw2"), ("2026a", "2026b"), ("k1", "k2"))),
        mail_from_domain=f"bounce.{name}" if setup in ("both", "spf") else f"bounces.{_ESP}",
        dkim_aligned=dkim_aligned,
        spf_aligned=spf_aligned,
        pool=pool,
        weight=weight,
        bad_addresses=0.001 + 0.012 * random.random() ** 2,
        annoyance=0.4 + 1.4 * random.random() ** 2,
    )


def _flows(random: Random, domain: SendingDomain, total: float) -> list[Flow]:
    prefix = domain.name.removesuffix(domain.organisation.domain).rstrip(".")
    streams = dict(_SUBDOMAINS)[prefix]
    offset = domain.organisation.utc_offset_hours
    flows = []
    for stream in streams:
        share = (
            domain.weight / total * (1.0 if len(streams) == 1 else 0.7 if stream == "transactional" else 0.3)
        )
        rhythm = {
            "transactional": transactions(offset),
            "marketing": campaigns(
                offset, random.sample(range(5), random.choice((2, 3, 4))), random.randrange(8, 16)
            ),
            "cold": office_hours(offset),
        }[stream]
        kinds = _CAMPAIGNS[stream]
        flows.append(Flow(domain, stream, share, rhythm, kinds[: 1 if stream == "marketing" else len(kinds)]))
    return flows
