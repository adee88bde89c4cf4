"""How senders' habits and incidents change what receivers and recipients do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sources.simulator.draws import Draws, Floats, Ints
from sources.simulator.incidents import Incident
from sources.simulator.messages import Messages
from sources.simulator.providers import PROVIDERS
from sources.simulator.responses import SITUATIONS
from sources.simulator.world import Flow

Flags = NDArray[np.bool_]

POLICIES = ("none", "quarantine", "reject")

_IMPORT_UNKNOWN = 0.30
_STOLEN_CONTENT = 0.35
_LISTED_REFUSED, _LISTED_DEFERRED = 0.75, 0.5
_THROTTLED = 0.85
_BROKEN_REFUSED, _BROKEN_DEFERRED = 0.10, 0.25
_COMPLAINTS = {"bad_list_import": 15.0, "compromised_account": 300.0, "complaint_spike": 40.0}


@dataclass(frozen=True, slots=True)
class Judged:
    """How each message fares with its receiver, whenever it gets that far."""

    fate: Ints
    """Index into SITUATIONS: 0 is accepted, else why it is refused."""
    dkim_passes: Flags
    spf_passes: Flags
    dmarc_passes: Flags
    policy: Ints
    """Index into POLICIES: the one in force for the From domain."""

    @property
    def quarantined(self) -> Flags:
        """Whether it lands in the spam folder for failing DMARC."""
        failing: Flags = ~self.dmarc_passes & (self.policy == 1)
        return failing

    def disposition(self, rows: Ints, delivered: Flags) -> Ints:
        """Of the given messages, the index into `lifecycle.DISPOSITIONS`."""
        asked = np.where(self.dmarc_passes[rows], 0, self.policy[rows])
        return np.where((asked == 2) & delivered, 3, asked)


@dataclass(frozen=True, slots=True)
class Deferral:
    """How likely an attempt is put off, and what the server would say."""

    probability: Floats
    situation: Ints


class Effects:
    """A scenario's incidents and its senders' habits, applied to messages."""

    def __init__(
        self, draws: Draws, flows: Sequence[Flow], addresses: Sequence[str], incidents: Sequence[Incident]
    ) -> None:
        self._draws, self._incidents = draws, tuple(incidents)
        domains = [flow.domain for flow in flows]
        self._bad = np.array([domain.bad_addresses for domain in domains])
        self._annoyance = np.array([domain.annoyance for domain in domains])
        self._dkim_aligned = np.array([domain.dkim_aligned for domain in domains])
        self._spf_aligned = np.array([domain.spf_aligned for domain in domains])
        self._policy = np.array([POLICIES.index(policy_of(flow)) for flow in flows])
        self._flows_hit = [
            np.array([_hits(incident, i, flow) for flow in flows]) for i, incident in enumerate(incidents)
        ]
        self._addresses_hit = [
            np.array([incident.kind != "blocklisted_ip" or ip == incident.identity for ip in addresses])
            for incident in incidents
        ]

    def judge(self, messages: Messages) -> Judged:
        """What each message's receiver makes of it."""
        draws, number, flow, provider = self._draws, messages.number, messages.flow, messages.provider
        everything = np.arange(len(messages))
        broken = self._hit("dkim_broken", messages, everything, messages.sent_at)
        dkim = ~broken & (draws.uniform("dkim", number) > 0.002)
        spf = draws.uniform("spf", number) > 0.001
        dmarc = (dkim & self._dkim_aligned[flow]) | (spf & self._spf_aligned[flow])
        policy = self._policy[flow]
        imported = self._hit("bad_list_import", messages, everything, messages.sent_at)
        stolen = self._hit("compromised_account", messages, everything, messages.sent_at)
        listed = self._hit("blocklisted_ip", messages, everything, messages.sent_at)
        strict = np.isin(provider, _AUTHENTICATION_ASKED)
        bad = np.where(imported, _IMPORT_UNKNOWN, self._bad[flow])
        chances = {
            "listed": np.where(listed, _LISTED_REFUSED, 0.0),
            "dmarc": np.where(~dmarc & (policy == 2), 0.97, 0.0),
            "dkim": np.where(broken & strict, _BROKEN_REFUSED, 0.0),
            "content": np.where(stolen, _STOLEN_CONTENT, 0.0006),
            "unknown": bad * 0.75,
            "disabled": bad * 0.1,
            "quota": bad * 0.15 + 0.0005,
        }
        return Judged(self._fates(messages, chances), dkim, spf, dmarc, policy)

    def deferral(
        self, messages: Messages, rows: Ints, at: Ints, attempt: int, dkim_passes: Flags
    ) -> Deferral:
        """How the given messages' attempts at the given moments go."""
        provider = messages.provider[rows]
        chance = _DEFERS[provider] if attempt == 1 else np.full(len(rows), 0.3)
        number = messages.number[rows] + np.uint64(attempt << 56)
        situation = 1 + self._draws.choice("why deferred", number, np.cumsum([0.45, 0.25, 0.30]))
        cases = (
            ("dkim_broken", "dkim_deferred", _BROKEN_DEFERRED, (provider == _GMAIL) & ~dkim_passes[rows]),
            ("blocklisted_ip", "listed_deferred", _LISTED_DEFERRED, True),
            ("compromised_account", "throttled", 0.25, True),
            ("provider_throttling", "throttled", _THROTTLED, True),
        )
        for kind, said, probability, where in cases:
            hit = self._hit(kind, messages, rows, at) & where
            chance = np.where(hit, probability, chance)
            situation = np.where(hit, SITUATIONS.index(said), situation)
        return Deferral(chance, situation)

    def complaint_factor(self, messages: Messages, rows: Ints) -> Floats:
        """By how much the recipients of the given messages complain more than others."""
        factor: Floats = self._annoyance[messages.flow[rows]]
        for kind, times in _COMPLAINTS.items():
            hit = self._hit(kind, messages, rows, messages.sent_at[rows])
            factor = np.where(hit, factor * times, factor)
        return factor

    def _fates(self, messages: Messages, chances: dict[str, Floats]) -> Ints:
        drawn = self._draws.uniform("fate", messages.number)
        fate = np.zeros(len(messages), dtype=np.int64)
        below = np.zeros(len(messages))
        for why in _LOOKED_AT:
            above = below + (1.0 - below) * chances[why]
            fate = np.where((drawn >= below) & (drawn < above), SITUATIONS.index(why), fate)
            below = above
        return fate

    def _hit(self, kind: str, messages: Messages, rows: Ints, at: Ints) -> Flags:
        hit = np.zeros(len(rows), dtype=bool)
        for i, incident in enumerate(self._incidents):
            if incident.kind != kind or not len(rows):
                continue
            if at.max() < incident.start_ms or at.min() >= incident.end_ms:
                continue
            here = (
                (at >= incident.start_ms) & (at < incident.end_ms) & self._flows_hit[i][messages.flow[rows]]
            )
            here &= self._addresses_hit[i][messages.address[rows]]
            if incident.provider is not None:
                here &= messages.provider[rows] == _NAMES.index(incident.provider)
            hit |= here
        return hit


def policy_of(flow: Flow) -> str:
    """The DMARC policy in force for a flow's From domain."""
    owner = flow.domain.organisation
    return owner.policy if flow.domain.name == owner.domain else owner.subdomain_policy


def _hits(incident: Incident, index: int, flow: Flow) -> bool:
    domain = flow.domain
    if incident.kind in ("bad_list_import", "compromised_account"):
        return flow.incident == index
    if incident.kind == "provider_throttling":
        return domain.name == incident.identity
    if incident.kind == "dkim_broken":
        return domain.dkim_domain == incident.identity
    if incident.kind == "complaint_spike":
        return f"{domain.name}/{flow.stream}" == incident.identity
    return incident.kind == "blocklisted_ip"


_LOOKED_AT = ("listed", "dmarc", "dkim", "content", "unknown", "disabled", "quota")
"""In the order in which a receiver looks."""

_NAMES = [provider.name for provider in PROVIDERS]
_GMAIL = _NAMES.index("gmail")
_AUTHENTICATION_ASKED = [_GMAIL, _NAMES.index("microsoft")]
_DEFERS = np.array([provider.defers for provider in PROVIDERS])
