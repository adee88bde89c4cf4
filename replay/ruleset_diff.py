"""What another ruleset would say of the failures that are in the log: a replay that writes nothing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from processors.classification.classify import Ruleset, Verdict
from processors.classification.stage import failures, judged
from processors.stage import Slice
from processors.suppressions.chunks import recipient_key
from processors.suppressions.standing import bounces_suffice
from replay.lineage import FIRST, known_to_log, lineage
from schemas.columns import EFFECTIVE_TIME
from streams.log import Log, TopicPartition
from streams.running.runner import as_slice
from streams.sqlite.log import SqliteLog

EVENTS = "mail.events"
STEP = 50_000
EXAMPLES = 3
"""How many answers are kept of each move."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a ruleset says, as far as two of them are compared."""

    bounce_class: str
    leaf: str
    address_fatal: bool
    after: int
    message_fatal: bool
    action: str
    scope: str

    @classmethod
    def of(cls, verdict: Verdict) -> "Meaning":
        """That part of a verdict."""
        return cls(
            verdict.bounce_class,
            verdict.leaf,
            verdict.address_fatal,
            verdict.after,
            verdict.message_fatal,
            verdict.action,
            verdict.scope,
        )


@dataclass(slots=True)
class Suppressing:
    """Whose bounces suppress them by one ruleset, whatever else was said of them."""

    recipients: set[bytes] = field(default_factory=set)
    _some: dict[bytes, dict[str, int]] = field(default_factory=dict)
    """Of those whose bounces do not suffice yet: how many each asks for, by the event's id."""

    def add(self, recipient: bytes, event_id: str, after: int) -> None:
        """Take a bounce that is fatal to the address after so many."""
        if recipient in self.recipients:
            return
        some = self._some.setdefault(recipient, {})
        some[event_id] = after
        if bounces_suffice(some.values()):
            self.recipients.add(recipient)
            del self._some[recipient]


@dataclass(frozen=True, slots=True)
class Move:
    """Failures that mean something else by the other ruleset."""

    before: Meaning
    after: Meaning
    provider: str
    from_domain: str


@dataclass(slots=True)
class RulesetDiff:
    """How two rulesets differ on what happened. Counts are of records: a failure told twice is two."""

    one: str
    other: str
    failures: int = 0
    """All that were judged."""
    moves: Counter[Move] = field(default_factory=Counter)
    examples: dict[tuple[Meaning, Meaning], list[str]] = field(default_factory=dict)
    """Some answers of each move."""
    rules: dict[tuple[Meaning, Meaning], tuple[str, str]] = field(default_factory=dict)
    """The rules that said so, of the first of each move."""
    suppressing: tuple[Suppressing, Suppressing] = field(
        default_factory=lambda: (Suppressing(), Suppressing())
    )
    """By each ruleset."""

    @property
    def moved(self) -> int:
        """How many failures mean something else."""
        return self.moves.total()

    @property
    def newly_suppressed(self) -> int:
        """How many recipients the other would suppress for their bounces, and the one does not."""
        one, other = self.suppressing
        return len(other.recipients - one.recipients)

    @property
    def no_longer_suppressed(self) -> int:
        """How many recipients the one suppresses for their bounces, and the other would not."""
        one, other = self.suppressing
        return len(one.recipients - other.recipients)

    @property
    def newly_fatal(self) -> int:
        """How many would suppress their recipient that did not, once they happen often enough."""
        return sum(
            n for move, n in self.moves.items() if move.after.address_fatal and not move.before.address_fatal
        )

    @property
    def no_longer_fatal(self) -> int:
        """How many would not suppress their recipient any more."""
        return sum(
            n for move, n in self.moves.items() if move.before.address_fatal and not move.after.address_fatal
        )

    def by(self, what: Callable[[Move], object]) -> Sequence[tuple[object, int]]:
        """How many moved by something about a move, the most first."""
        counts: Counter[object] = Counter()
        for move, count in self.moves.items():
            counts[what(move)] += count
        return sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))

    def add(self, failed: pl.DataFrame, one: Ruleset, other: Ruleset) -> None:
        """Judge some failures by both."""
        self.failures += failed.height
        for (row, before), (_, after) in zip(judged(failed, one), judged(failed, other), strict=True):
            if row["recipient_hash"] and row["_kind"] == "bounced":
                recipient = recipient_key(row["tenant"], row["recipient_hash"])
                for verdict, suppressing in zip((before, after), self.suppressing, strict=True):
                    if verdict.address_fatal:
                        suppressing.add(recipient, row["event_id"], verdict.after)
            pair = Meaning.of(before), Meaning.of(after)
            if pair[0] == pair[1]:
                continue
            self.moves[Move(*pair, row["provider"], row["from_domain"] or "")] += 1
            self.rules.setdefault(pair, (before.rule, after.rule))
            seen = self.examples.setdefault(pair, [])
            answer = row["response"] or f"{row['smtp_code'] or ''} {row['enhanced_code'] or ''}".strip()
            if answer and len(seen) < EXAMPLES and answer not in seen:
                seen.append(answer)


def compare(
    log: Log,
    one: Ruleset,
    other: Ruleset,
    span: tuple[int | None, int | None] = (None, None),
    progress: Callable[[int], None] = lambda records: None,
) -> RulesetDiff:
    """Judge every failure in the log by both rulesets; `span` limits them by effective event time, ms.

    Nothing is written. Raises LogError.
    """
    found = RulesetDiff(one.name, other.name)
    for records in _events(log):
        found.add(_within(failures(records.values), span), one, other)
        progress(len(records))
    return found


def summary(found: RulesetDiff) -> Mapping[str, object]:
    """The whole of it as JSON has it."""

    def shown(meaning: Meaning) -> dict[str, object]:
        return {name: getattr(meaning, name) for name in Meaning.__slots__}

    pairs = found.by(lambda move: (move.before, move.after))
    return {
        "one": found.one,
        "other": found.other,
        "failures": found.failures,
        "moved": found.moved,
        "newly_fatal": found.newly_fatal,
        "no_longer_fatal": found.no_longer_fatal,
        "newly_suppressed": found.newly_suppressed,
        "no_longer_suppressed": found.no_longer_suppressed,
        "moves": [
            {
                "before": shown(pair[0]),
                "after": shown(pair[1]),
                "rules": found.rules[pair],
                "count": count,
                "examples": found.examples.get(pair, []),
            }
            for pair, count in pairs
            if isinstance(pair, tuple)
        ],
        "by_provider": dict(found.by(lambda move: move.provider)),
        "by_domain": dict(found.by(lambda move: move.from_domain)),
    }


def _events(log: Log) -> Iterator[Slice]:
    """The mail events of the live generation, step by step, to the log's present end."""
    live = FIRST
    if isinstance(log, SqliteLog):
        live = lineage(log, known_to_log(log) or FIRST.number) or FIRST
    for topic, start in live.parts(EVENTS):
        for source in log.partitions(topic):
            yield from _read(log, source, max(start, log.begin(source)), log.end(source))


def _read(log: Log, source: TopicPartition, offset: int, end: int) -> Iterator[Slice]:
    while offset < end:
        batch = log.read(source, offset, min(STEP, end - offset))
        if batch.next == batch.first:
            return
        yield as_slice(batch)
        offset = batch.next


def _within(failed: pl.DataFrame, span: tuple[int | None, int | None]) -> pl.DataFrame:
    begin, end = span
    if not failed.height or (begin is None and end is None):
        return failed
    after_begin = EFFECTIVE_TIME.ge(begin) if begin is not None else pl.lit(value=True)
    before_end = EFFECTIVE_TIME.lt(end) if end is not None else pl.lit(value=True)
    return failed.filter(after_begin & before_end)
