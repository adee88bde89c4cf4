"""The generations there are, and removing those that nobody needs any more."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from replay.lineage import FIRST, Lineage, Span, base_lineage, forget, highest, known_to_log, lineages
from replay.rebuild import origin_of
from replay.work import Replay, ReplayRefused
from streams.log import Retention, Topic
from streams.sqlite.log import SqliteLog
from streams.topics import SHADOW

Standing = Literal["live", "replaced", "rebuilt", "begun", "span", "remains"]
"""live: the views show it; replaced by a later one; rebuilt and ready to be swapped in; begun and not complete; a span
of time, for comparison; what an interrupted drop or another log left."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A generation, and what is kept of it."""

    number: int
    standing: Standing
    made_from: str
    span: Span | None
    rows: int
    """Stored in the warehouse, repeats that are not merged yet included."""
    shadow_bytes: int
    """Of its shadow topics in the log."""


def listed(replay: Replay) -> Sequence[Listed]:
    """Every generation that log or warehouse hold anything of, by number."""
    base_lineage(replay.log, replay.warehouse)
    live = replay.warehouse.current_generation()
    known = lineages(replay.log)
    rows = {found.number: sum(found.rows.values()) for found in replay.warehouse.generations()}
    shadows = _shadow_bytes(replay.log)
    numbers = {live, *known, *(n for n, count in rows.items() if count), *shadows}
    return [
        _listed(number, known.get(number), live, rows.get(number, 0), shadows.get(number, 0))
        for number in sorted(numbers)
    ]


def drop(replay: Replay, number: int) -> None:
    """Remove a generation: its lineage and state, then its positions, its shadows and its rows.

    Its lineage goes first, so that nobody goes on with a generation that is half removed; dropping it again
    removes what is left. Shadows that a later generation takes for facts are kept as long as that one is. Raises
    ReplayRefused for the live generation, or one that there is nothing of.
    """
    log = replay.log
    there = {found.number: found for found in listed(replay)}
    if number not in there:
        raise ReplayRefused(f"there is no generation {number}; there are {', '.join(map(str, there))}")
    if there[number].standing == "live":
        raise ReplayRefused(
            f"generation {number} is the live one: swap another one in first (mailwake replay rebuild && "
            "mailwake replay swap)"
        )
    groups = list(_groups(replay, number))
    with log.transaction() as transaction:
        forget(transaction, number, max(highest(log), number))
        for group in groups:
            transaction.put_state(group, {key: None for key, _ in log.state(group)})
    replay.at("forgotten")
    for group in groups:
        log.forget(group)
    replay.at("positions forgotten")
    empty_shadows(replay)
    replay.at("shadows emptied")
    replay.warehouse.drop_generation(number)
    replay.at("dropped")


def empty_shadows(replay: Replay) -> None:
    """Remove the records of shadows that no generation needs, and give their space back."""
    known, live = lineages(replay.log), known_to_log(replay.log) or FIRST.number
    needed = {name for lineage in known.values() for name in (*lineage.inherited, *lineage.shadows())}
    needed |= {name for lineage in known.values() if lineage.number > live for name in lineage.waiting()}
    idle = [
        stats.source.topic
        for stats in replay.log.stats()
        if SHADOW in stats.source.topic and stats.records and stats.source.topic not in needed
    ]
    empty(replay.log, idle)


def empty(log: SqliteLog, names: Sequence[str]) -> None:
    """Remove the records of these topics, and give their space back."""
    if not names:
        return
    # Retention is what a log is opened with: the replay's own log keeps shadows for ever.
    emptying = [Topic(name, retention=Retention(max_bytes=-1)) for name in names]
    opened = SqliteLog.open(log.path, emptying, create=False)
    try:
        opened.retain(0)
    finally:
        opened.close()


def _listed(number: int, known: Lineage | None, live: int, rows: int, shadow_bytes: int) -> Listed:
    known = known or (FIRST if number == FIRST.number else None)
    if known is None and number != live:
        return Listed(number, "remains", "", None, rows, shadow_bytes)
    standing: Standing = "replaced"
    if number == live or known is None:
        standing = "live"
    elif number > live:
        standing = "span" if known.span else "rebuilt" if known.complete else "begun"
    made_from = "another log" if known is None else "the log" if known is FIRST else origin_of(known)
    return Listed(number, standing, made_from, known.span if known else None, rows, shadow_bytes)


def _shadow_bytes(log: SqliteLog) -> Mapping[int, int]:
    held: dict[int, int] = {}
    for stats in log.stats():
        _, _, generation = stats.source.topic.rpartition(SHADOW)
        if stats.records and generation.isdigit():
            held[int(generation)] = held.get(int(generation), 0) + stats.bytes
    return held


def _groups(replay: Replay, number: int) -> Iterator[str]:
    """What positions and state of this generation go by."""
    lineage = lineages(replay.log).get(number, Lineage(number))
    yield lineage.loader_group
    yield from (lineage.live.group(stage.name) for stage in replay.fresh_stages())
    if number != FIRST.number:
        known = set(replay.log.groups())
        yield from sorted(group for group in known if group.endswith(f"{SHADOW}{number}"))
