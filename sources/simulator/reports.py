"""DMARC aggregate reports about the simulated traffic: counted while it flows, sent when a UTC day is over.

Each receiver that reports tells every organisation about the messages it judged that day, about copies that came
by forwarders, and about mail of spoofers that names the organisation's domain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from sources.simulator.draws import Draws, Numbers, stable_bits
from sources.simulator.incidents import Incident
from sources.simulator.lifecycle import DISPOSITIONS, Evaluated
from sources.simulator.messages import MAILBOXES, Messages
from sources.simulator.providers import Reporter
from sources.simulator.report_xml import Auth, Row, compressed, render
from sources.simulator.rhythm import DAY_MS, HOUR_MS
from sources.simulator.world import Flow, Organisation

REPORTERS: tuple[Reporter, ...] = tuple(
    dict.fromkeys(mailbox.reporter for mailbox in MAILBOXES if mailbox.reporter)
)

_FORWARDED = 0.012
_FORWARDERS = tuple(f"203.0.113.{i}" for i in range(20, 44))
_LISTS = tuple(f"203.0.113.{i}" for i in range(80, 88))
_SPOOFED_DAILY = 0.25
"""Chance that a reporter sees a spoofer of an organisation on an ordinary day."""
_CAMPAIGN_HOSTS = 6


@dataclass(frozen=True, slots=True)
class Document:
    """A report as it arrives: a gzipped XML file."""

    receipt_id: str
    """Names this arrival: the same report sent twice has two."""
    name: str
    """receiver!policy-domain!begin!end!id.xml.gz (RFC 7489, 7.2.1.1)."""
    receiver: str
    policy_domain: str
    received_at: int
    """Milliseconds since the epoch."""
    content: bytes


class Reports:
    """Counts what receivers judged, by day, and writes their reports."""

    def __init__(
        self,
        draws: Draws,
        flows: Sequence[Flow],
        addresses: Sequence[str],
        incidents: Sequence[Incident],
        start_ms: int,
        end_ms: int,
        repeat_share: float,
    ) -> None:
        self._draws, self._flows, self._addresses = draws, tuple(flows), tuple(addresses)
        self._incidents = tuple(i for i in incidents if i.kind == "spoofing_campaign")
        self._organisations = list(dict.fromkeys(flow.domain.organisation for flow in flows))
        self._owner = np.array([self._organisations.index(flow.domain.organisation) for flow in flows])
        self._counted: list[pl.DataFrame] = []
        self._next_day = start_ms // DAY_MS
        self._spoofed_until, self._repeat_share = end_ms, repeat_share
        self._waiting: list[Document] = []

    @property
    def waiting(self) -> bool:
        """Whether there are days unreported or reports not yet sent."""
        return bool(self._waiting) or any(frame.height for frame in self._counted)

    def count(self, messages: Messages, evaluated: Evaluated) -> None:
        """Take in what receivers judged."""
        rows = evaluated.message
        mailbox = messages.mailbox[rows]
        reported = _REPORTER_OF[mailbox] >= 0
        number = messages.number[rows]
        direct = pl.DataFrame(
            {
                "day": evaluated.occurred // DAY_MS,
                "reporter": _REPORTER_OF[mailbox],
                "owner": self._owner[messages.flow[rows]],
                "via": np.zeros(len(rows), dtype=np.int64),
                "flow": messages.flow[rows],
                "address": messages.address[rows],
                "selector": messages.selector[rows],
                "dkim": evaluated.dkim_passes,
                "spf": evaluated.spf_passes,
                "disposition": evaluated.disposition,
                "mailbox": np.where(_SAYS_TO[mailbox], mailbox, -1),
            }
        )
        copied = (self._draws.uniform("forwarded", number) < _FORWARDED) & evaluated.delivered
        copies = direct.filter(pl.Series(copied & reported))
        self._counted.append(
            _counts(
                pl.concat(
                    [direct.filter(pl.Series(reported)), self._forwarded(copies, number[copied & reported])]
                )
            )
        )

    def due(self, until_ms: int, complete_until_ms: int) -> list[Document]:
        """Reports sent before `until_ms`; all traffic before `complete_until_ms` has been counted."""
        while (self._next_day + 1) * DAY_MS <= complete_until_ms:
            self._waiting += self._of_day(self._next_day)
            self._next_day += 1
        sent = sorted(
            (d for d in self._waiting if d.received_at < until_ms), key=lambda d: (d.received_at, d.name)
        )
        self._waiting = [document for document in self._waiting if document.received_at >= until_ms]
        return sent

    def _forwarded(self, copies: pl.DataFrame, number: Numbers) -> pl.DataFrame:
        """Copies by forwarders keep their signature; mailing lists break it."""
        by_list = self._draws.uniform("by list", number) < 0.15
        hosts = np.where(
            by_list,
            len(_FORWARDERS) + self._draws.below("list", number, len(_LISTS)),
            self._draws.below("forwarder", number, len(_FORWARDERS)),
        )
        return copies.with_columns(
            via=pl.Series(np.where(by_list, 2, 1)),
            address=pl.Series(hosts),
            dkim=pl.col("dkim") & pl.Series(~by_list),
            spf=pl.lit(False),
        )

    def _of_day(self, day: int) -> list[Document]:
        counted = pl.concat(self._counted) if self._counted else _counts(None)
        today = counted.filter(pl.col("day") == day)
        self._counted = [counted.filter(pl.col("day") > day)]
        keys = [column for column in today.columns if column != "count"]
        today = today.group_by(keys).agg(pl.col("count").sum()).sort(keys)
        found: dict[tuple[int, int], list[Row]] = {}
        for row in today.iter_rows(named=True):
            found.setdefault((row["reporter"], row["owner"]), []).append(self._row(row))
        volumes = dict(today.filter(via=0).group_by("owner").agg(pl.col("count").sum()).iter_rows())
        for owner, organisation in enumerate(self._organisations):
            for r in range(len(REPORTERS) if day * DAY_MS < self._spoofed_until else 0):
                spoofed = self._spoofed(day, r, owner, organisation, volumes.get(owner, 0))
                if spoofed:
                    found.setdefault((r, owner), []).extend(spoofed)
        documents = []
        for (r, o), rows in sorted(found.items()):
            documents += self._documents(day, REPORTERS[r], self._organisations[o], rows)
        return documents

    def _row(self, counted: dict[str, int]) -> Row:
        flow = self._flows[counted["flow"]]
        domain, via = flow.domain, counted["via"]
        hosts = self._addresses if via == 0 else _FORWARDERS + _LISTS
        dkim_passes, spf_passes = bool(counted["dkim"]), bool(counted["spf"])
        dkim = dkim_passes and domain.dkim_aligned
        spf = spf_passes and domain.spf_aligned
        disposition, reason = DISPOSITIONS[counted["disposition"]], None
        if via:
            disposition, reason = "none", None if dkim else ("mailing_list" if via == 2 else "forwarded")
        elif disposition == "local_policy":
            disposition, reason = "none", "local_policy"
        return Row(
            source_ip=hosts[counted["address"]],
            count=counted["count"],
            disposition=disposition,
            dkim=dkim,
            spf=spf,
            reason=reason,
            header_from=domain.name,
            envelope_from=domain.mail_from_domain,
            envelope_to=MAILBOXES[counted["mailbox"]].domain if counted["mailbox"] >= 0 else None,
            dkim_results=(
                Auth(
                    domain.dkim_domain,
                    "pass" if dkim_passes else "fail",
                    domain.selectors[counted["selector"]],
                ),
            ),
            spf_result=Auth(
                domain.mail_from_domain, "pass" if spf_passes else "softfail" if via else "temperror"
            ),
        )

    def _spoofed(self, day: int, r: int, owner: int, organisation: Organisation, volume: int) -> list[Row]:
        number = np.array([(day << 24) | (r << 16) | owner], dtype=np.uint64)
        rows = []
        if self._draws.uniform("spoofed", number)[0] < _SPOOFED_DAILY:
            count = 1 + int(self._draws.long_waits("spoofed count", number, 2.0, 0.5, 40)[0])
            rows.append(self._spoof(number, organisation, count))
        for incident in self._incidents:
            begin, end = max(incident.start_ms, day * DAY_MS), min(incident.end_ms, (day + 1) * DAY_MS)
            if incident.identity != organisation.domain or begin >= end:
                continue
            hosts = np.arange(_CAMPAIGN_HOSTS, dtype=np.uint64) + (
                np.uint64(stable_bits(incident.identity)) << np.uint64(8)
            )
            share = max(60, volume) * (end - begin) / DAY_MS / len(REPORTERS) / _CAMPAIGN_HOSTS * 1.5
            counts = np.ceil(share * (0.5 + self._draws.uniform("campaign", hosts + number[0]))).astype(int)
            rows += [
                self._spoof(hosts[i : i + 1], organisation, int(count)) for i, count in enumerate(counts)
            ]
        return rows

    def _spoof(self, number: Numbers, organisation: Organisation, count: int) -> Row:
        host = int(self._draws.below("spoofer", number, 1 << 17)[0])
        own = bool(self._draws.uniform("spoofed envelope", number)[0] < 0.6)
        envelope = organisation.domain if own else "bulkhost.example"
        return Row(
            source_ip=f"198.{18 + (host >> 16)}.{host >> 8 & 255}.{host & 255}",
            count=count,
            disposition=organisation.policy,
            dkim=False,
            spf=False,
            reason=None,
            header_from=organisation.domain,
            envelope_from=envelope,
            envelope_to=None,
            dkim_results=(),
            spf_result=Auth(envelope, "fail" if own else "pass"),
        )

    def _documents(
        self, day: int, reporter: Reporter, organisation: Organisation, rows: Sequence[Row]
    ) -> list[Document]:
        """The report, and now and then the same once more."""
        begin = day * DAY_MS // 1000
        end = begin + 86_400 - (0 if reporter.end_is_next_day else 1)
        bits = [stable_bits(self._draws.seed, reporter.domain, organisation.domain, day, i) for i in range(4)]
        report_id = {
            "number": str(bits[0]),
            "hex": f"{bits[0]:016x}{bits[1]:016x}",
            "time": f"{begin + 90_000}.{bits[0] % 1_000_000:06d}",
        }[reporter.id_style]
        delay = reporter.delay_hours * HOUR_MS * (0.7 + 0.6 * bits[1] / 2**64)
        document = Document(
            receipt_id=f"{bits[2]:016x}{bits[3]:016x}",
            name=f"{reporter.domain}!{organisation.domain}!{begin}!{end}!{report_id}.xml.gz",
            receiver=reporter.domain,
            policy_domain=organisation.domain,
            received_at=(day + 1) * DAY_MS + int(delay),
            content=compressed(render(reporter, organisation, report_id, begin, end, rows)),
        )
        if bits[2] / 2**64 >= self._repeat_share:
            return [document]
        again = replace(
            document, receipt_id=f"{bits[3]:016x}{bits[2]:016x}", received_at=document.received_at + HOUR_MS
        )
        return [document, again]


def _counts(rows: pl.DataFrame | None) -> pl.DataFrame:
    if rows is None:
        flags = {"dkim": pl.Boolean, "spf": pl.Boolean}
        return pl.DataFrame(schema={name: flags.get(name, pl.Int64) for name in (*_KEYS, "count")})
    return rows.group_by(_KEYS).agg(pl.len().cast(pl.Int64).alias("count"))


_KEYS = (
    "day", "reporter", "owner", "via", "flow", "address", "selector", "dkim", "spf", "disposition", "mailbox",
)  # fmt: skip
_REPORTER_OF = np.array([REPORTERS.index(m.reporter) if m.reporter else -1 for m in MAILBOXES])
_SAYS_TO = np.array([bool(mailbox.reporter and mailbox.reporter.says_envelope_to) for mailbox in MAILBOXES])
