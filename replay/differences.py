"""Whether a view has the same rows in two generations, found out inside ClickHouse; and the rows that differ.

Rows are spread over shards by a hash of their key, and each shard gets a count and a sum of hashes over the rows'
text. Only the rows of shards that differ are looked at, and a view that sums is read in several passes, some shards
in each: so it takes a bounded amount of memory, however large the views are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from replay.lineage import Span
from sinks.warehouse.warehouse import Warehouse

SHARDS = 256
MOST_SHARDS = 4
"""How many shards that differ are searched for rows."""
PASS_ROWS = 750_000
"""About how many rows of a view that sums are held in memory at once: some 300 MB."""

_EVENT = ("tenant", "event_id")
_BUCKET = ("tenant", "kind", "identity", "provider", "bucket")


@dataclass(frozen=True, slots=True)
class Rule:
    """How a view is compared."""

    key: tuple[str, ...] = ()
    """What names a row; without it a row that changed shows as one missing and one added."""
    time: str | None = None
    """The column of its event time, to which a span is limited; None compares the whole view."""
    without: tuple[str, ...] = ()
    """Columns that say when or by whom something was noticed, not what is the case."""
    sums: bool = False
    """Whether the view adds rows up, which takes memory for each of them."""


RULES: Mapping[str, Rule] = {
    "mail_events": Rule(_EVENT, "effective_at"),
    "bounces_classified": Rule(_EVENT, "occurred_at"),
    "suppression_evidence": Rule(_EVENT, "occurred_at"),
    "suppressions": Rule(("tenant", "recipient_hash", "stream")),
    "dmarc_reports": Rule(_EVENT, "occurred_at"),
    "dmarc_records": Rule(_EVENT, "occurred_at"),
    "dmarc_report_conflicts": Rule(_EVENT, "occurred_at"),
    "documents": Rule(("tenant", "receipt_id", "ordinal"), "occurred_at"),
    # The loader stamps the letters it writes with the time at which it met the record.
    "dead_letters": Rule(_EVENT, None, ("occurred_at", "recorded_at")),
    "reputation_minutes": Rule(_BUCKET, "bucket", sums=True),
    "reputation_hours": Rule(_BUCKET, "bucket", sums=True),
    "reputation_days": Rule(_BUCKET, "bucket", sums=True),
}
"""By view; one that is not named is compared whole, all columns."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not the same in both generations."""

    key: Mapping[str, Any]
    live: Mapping[str, Any] | None
    """The columns that differ as the live generation has them; all of them where the other has no such row; None
    where the live one has none."""
    rebuilt: Mapping[str, Any] | None
    """The same, of the rebuilt one."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One view in both generations."""

    view: str
    live_rows: int
    rebuilt_rows: int
    live_digest: str
    """The sum of the rows' hashes, 16 hex digits."""
    rebuilt_digest: str
    differences: Sequence[Difference] = field(default=())
    """The first rows that differ."""

    @property
    def equal(self) -> bool:
        """Whether there is no difference."""
        return (self.live_rows, self.live_digest) == (self.rebuilt_rows, self.rebuilt_digest)


def compare_view(
    warehouse: Warehouse, view: str, live: int, rebuilt: int, span: Span | None = None, rows: int = 10
) -> Comparison:
    """Compare a view of two generations, within a span of event time where one is given. Raises SinkBusy.

    At most `rows` rows that differ are given.
    """
    compared = _compared(warehouse, view, span)
    here, there = compared.digests(live), compared.digests(rebuilt)
    shards = sorted(shard for shard in {*here, *there} if here.get(shard) != there.get(shard))
    return Comparison(
        view,
        sum(count for count, _ in here.values()),
        sum(count for count, _ in there.values()),
        _total(here),
        _total(there),
        compared.differences(live, rebuilt, shards[:MOST_SHARDS], rows) if shards else (),
    )


Digests = dict[int, tuple[int, int]]
"""Count and sum of hashes, by shard."""


@dataclass(frozen=True, slots=True)
class _Compared:
    """A view, and the queries that tell its generations apart."""

    warehouse: Warehouse
    view: str
    rule: Rule
    columns: Sequence[str]
    """Those that count, in the view's order."""
    span: Span | None

    def digests(self, generation: int) -> Digests:
        passes = self._passes(generation)
        found = (row for each in range(passes) for row in self._digests(generation, each, passes))
        return {int(shard): (int(count), int(digest)) for shard, count, digest in found}

    def _digests(self, generation: int, each: int, passes: int) -> Sequence[Sequence[Any]]:
        return self.warehouse.rows(
            f"SELECT {self._shard()} AS shard, count(), sum(sipHash64({_text(self.columns)})) FROM ({self._select(generation)}) "
            f"WHERE {self._shard()} % {passes} = {each} GROUP BY shard"
        )

    def _passes(self, generation: int) -> int:
        if not self.rule.sums:
            return 1
        table = f"{self.warehouse.database}.{self.view}_told"
        ((rows,),) = self.warehouse.rows(f"SELECT count() FROM {table} WHERE generation = {generation}")
        return min(SHARDS, 1 + int(rows) // PASS_ROWS)

    def differences(self, live: int, rebuilt: int, shards: Sequence[int], limit: int) -> Sequence[Difference]:
        """The rows of these shards that are in one generation and not, or not the same, in the other, by key."""
        key = self.rule.key or self.columns
        listed = ", ".join(map(str, shards))
        sides = " UNION ALL ".join(
            f"SELECT *, {side} AS _side, {_text(self.columns)} AS _text FROM ({self._select(generation)}) "
            f"WHERE {self._shard()} IN ({listed})"
            for side, generation in ((0, live), (1, rebuilt))
        )
        # Two rows of each key, if they differ: one from each side.
        found = self.warehouse.rows(
            f"SELECT * EXCEPT (_text) FROM ({sides}) WHERE _text IN "
            f"(SELECT _text FROM ({sides}) GROUP BY _text HAVING uniqExact(_side) = 1 OR count() % 2 = 1) "
            f"ORDER BY {', '.join(map(_quoted, key))}, _side LIMIT {2 * limit}"
        )
        pairs: dict[tuple[str, ...], dict[int, dict[str, Any]]] = {}
        for *values, side in found:
            row = dict(zip(self.columns, values, strict=True))
            pairs.setdefault(tuple(str(row[name]) for name in key), {})[side] = row
        return [_difference(self.rule.key, pair) for pair in list(pairs.values())[:limit]]

    def _select(self, generation: int) -> str:
        sql = self.warehouse.view_sql(self.view, generation)
        within = ""
        if self.span is not None and self.rule.time is not None:
            begin, end = (f"fromUnixTimestamp64Milli({int(ms)}, 'UTC')" for ms in self.span)
            within = f" WHERE {self.rule.time} >= {begin} AND {self.rule.time} < {end}"
        return f"SELECT {', '.join(map(_quoted, self.columns))} FROM ({sql}){within}"

    def _shard(self) -> str:
        return f"sipHash64({_text(self.rule.key or self.columns)}) % {SHARDS}"


def _compared(warehouse: Warehouse, view: str, span: Span | None) -> _Compared:
    rule = RULES.get(view, Rule())
    described = warehouse.rows(f"DESCRIBE ({warehouse.view_sql(view, 0)})")
    return _Compared(
        warehouse, view, rule, [name for name, *_ in described if name not in rule.without], span
    )


def _text(columns: Sequence[str]) -> str:
    """A row as text: values quoted, null apart from any of them, where a hash of columns would itself be null."""
    return f"toString(tuple({', '.join(map(_quoted, columns))}))"


def _quoted(column: str) -> str:
    return f"`{column}`"


def _total(digests: Digests) -> str:
    return f"{sum(digest for _, digest in digests.values()) % 2**64:016x}"


def _difference(key: Sequence[str], pair: Mapping[int, Mapping[str, Any]]) -> Difference:
    live, rebuilt = pair.get(0), pair.get(1)
    row = live if live is not None else rebuilt
    assert row is not None
    named = {name: row[name] for name in key}
    if live is None or rebuilt is None:
        return Difference(named, live, rebuilt)
    changed = [name for name in live if live[name] != rebuilt[name]]
    return Difference(
        named, {name: live[name] for name in changed}, {name: rebuilt[name] for name in changed}
    )
