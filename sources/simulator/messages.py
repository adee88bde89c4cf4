"""Which messages are sent in a span of hours: when, by which flow, from which address, to whom."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sources.simulator.draws import Draws, Floats, Ints, Numbers
from sources.simulator.incidents import Incident
from sources.simulator.providers import PROVIDERS, Mailbox
from sources.simulator.rhythm import DAY_MS, HOUR_MS, hour_of_week
from sources.simulator.world import DAYS_OF_A_KEY, Flow

MAILBOXES: tuple[Mailbox, ...] = tuple(mailbox for provider in PROVIDERS for mailbox in provider.mailboxes)
PROVIDER_OF: Ints = np.array([p for p, provider in enumerate(PROVIDERS) for _ in provider.mailboxes])
"""For each of MAILBOXES, the index into PROVIDERS."""

_IMPORTED = 1 << 39


@dataclass(frozen=True, slots=True)
class Messages:
    """A column for each thing to know of a message; rows are in order of their numbers."""

    number: Numbers
    """Hour since the start << 32 | which of that hour's messages."""
    sent_at: Ints
    flow: Ints
    recipient: Numbers
    """Organisation << 40 | which of its recipients."""
    mailbox: Ints
    """Index into MAILBOXES."""
    address: Ints
    """Index into the scenario's addresses."""
    selector: Ints
    """Which of the domain's DKIM selectors signs."""
    campaign: Ints
    """Flow << 32 | day << 4 | which of the flow's campaigns; the day is 0 but for marketing."""

    def __len__(self) -> int:
        return len(self.number)

    @property
    def provider(self) -> Ints:
        """Index into PROVIDERS."""
        providers: Ints = PROVIDER_OF[self.mailbox]
        return providers


class Sending:
    """All flows of a scenario, as columns, and the messages that they send."""

    def __init__(
        self,
        draws: Draws,
        flows: Sequence[Flow],
        incidents: Sequence[Incident],
        start_ms: int,
        end_ms: int,
        messages_per_day: int,
    ) -> None:
        self.flows = tuple(flows)
        self.addresses = tuple(dict.fromkeys(ip for flow in flows for ip in flow.domain.pool.ips))
        self._draws, self._start = draws, start_ms
        place = {ip: i for i, ip in enumerate(self.addresses)}
        self._pool_sizes = np.array([len(flow.domain.pool.ips) for flow in flows])
        self._pools = np.zeros((len(flows), self._pool_sizes.max()), dtype=np.int64)
        for f, flow in enumerate(flows):
            self._pools[f, : self._pool_sizes[f]] = [place[ip] for ip in flow.domain.pool.ips]
        self._expected = np.array([flow.rhythm for flow in flows]) * (
            np.array([flow.weight for flow in flows])[:, None] * messages_per_day / 24
        )
        during = [incidents[flow.incident] if flow.incident is not None else None for flow in flows]
        self._from = np.array([start_ms if i is None else max(start_ms, i.start_ms) for i in during])
        self._until = np.array([end_ms if i is None else min(end_ms, i.end_ms) for i in during])
        organisations = list(dict.fromkeys(flow.domain.organisation.domain for flow in flows))
        owner = np.array([organisations.index(flow.domain.organisation.domain) for flow in flows])
        volumes = np.bincount(owner, [flow.weight for flow in flows]) * messages_per_day
        self._owner = owner.astype(np.uint64)
        self._audience = np.maximum(300, volumes * 12).astype(np.int64)[owner]
        self._imported = np.array([i is not None and i.kind == "bad_list_import" for i in during])
        self._businesses = np.array([flow.domain.organisation.audience == "businesses" for flow in flows])
        self._campaigns = np.array([len(flow.campaigns) for flow in flows])
        self._dated = np.array([flow.stream == "marketing" and flow.incident is None for flow in flows])

    def between(self, first_hour: int, hours: int) -> Messages:
        """The messages of `hours` hours from the `first_hour`th after the start."""
        counts, lows, highs = self._volumes(first_hour, hours)
        flow = np.repeat(np.tile(np.arange(len(self.flows)), hours), counts.ravel())
        hourly = counts.sum(axis=1)
        hour = np.repeat(np.arange(hours), hourly)
        position = np.arange(len(flow)) - np.repeat(np.cumsum(hourly) - hourly, hourly)
        number = ((hour + first_hour).astype(np.uint64) << np.uint64(32)) | position.astype(np.uint64)
        low, high = lows[hour, flow], highs[hour, flow]
        draws = self._draws
        sent_at = low + (draws.uniform("moment", number) * (high - low)).astype(np.int64)
        which = draws.below("recipient", number, self._audience[flow]).astype(np.uint64)
        which |= self._imported[flow].astype(np.uint64) * np.uint64(_IMPORTED)
        recipient = (self._owner[flow] << np.uint64(40)) | which
        day = sent_at // DAY_MS
        campaign = draws.below("campaign", number, self._campaigns[flow]) | (day * self._dated[flow] << 4)
        ages = day // DAYS_OF_A_KEY + self._owner[flow].astype(np.int64)
        return Messages(
            number=number,
            sent_at=sent_at,
            flow=flow,
            recipient=recipient,
            mailbox=self._mailboxes(recipient, self._businesses[flow]),
            address=self._pools[flow, draws.below("address", number, self._pool_sizes[flow])],
            selector=ages % 2,
            campaign=(flow << 32) | campaign,
        )

    def _volumes(self, first_hour: int, hours: int) -> tuple[Ints, Ints, Ints]:
        begins = self._start + (first_hour + np.arange(hours)) * HOUR_MS
        lows = np.maximum(begins[:, None], self._from)
        highs = np.minimum(begins[:, None] + HOUR_MS, self._until)
        active = np.clip((highs - lows) / HOUR_MS, 0.0, 1.0)
        of_week = [hour_of_week(hour) for hour in (begins // HOUR_MS).tolist()]
        cell = ((first_hour + np.arange(hours))[:, None] << 20) | np.arange(len(self.flows))
        cells = cell.astype(np.uint64)
        noise = 0.85 + 0.3 * self._draws.uniform("volume", cells)
        expected = self._expected[:, of_week].T * noise * active
        return np.floor(expected + self._draws.uniform("rounding", cells)).astype(np.int64), lows, highs

    def _mailboxes(self, recipient: Numbers, business: NDArray[np.bool_]) -> Ints:
        drawn = self._draws.uniform("mailbox", recipient)
        return np.where(business, np.searchsorted(_BUSINESSES, drawn), np.searchsorted(_CONSUMERS, drawn))


def _mailbox_weights(shares: Sequence[float]) -> Floats:
    weights = []
    for share, provider in zip(shares, PROVIDERS, strict=True):
        whole = sum(mailbox.weight for mailbox in provider.mailboxes)
        weights += [share * mailbox.weight / whole for mailbox in provider.mailboxes]
    running: Floats = np.cumsum(weights) / sum(weights)
    return running


_CONSUMERS = _mailbox_weights([provider.consumers for provider in PROVIDERS])
_BUSINESSES = _mailbox_weights([provider.businesses for provider in PROVIDERS])
