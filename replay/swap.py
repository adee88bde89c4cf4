"""Makes a rebuilt generation the live one, at one row.

First the log is made ready, in one transaction: where the plain topics take over from the shadows, and the state
of the stages that did not run again. Nobody looks at that before the row is written; a crash in between leaves the
old generation live, and the next swap does it anew. After the row the new one is live, whatever the log's copy
says: `live_lineage` brings it up to date.
"""

from dataclasses import replace

from processors.stage import Stage
from replay.carried import Carry
from replay.generations import empty
from replay.lineage import Lineage, base_lineage, copy_to_log, lineage, store
from replay.rebuild import EVENTS, advance, candidate, retells, runs_again, stages_of
from replay.work import Replay, ReplayRefused
from streams.log import Log, Transaction
from streams.topics import SHADOW


def swap(replay: Replay) -> Lineage:
    """Catch up with what arrived since the rebuild, then make that generation the live one; returns it.

    Raises ReplayRefused, LogError, SinkError.
    """
    known = swappable(replay)
    advance(replay, known)
    replay.at("caught up")
    known = hand_over(replay, known)
    replay.at("handed over")
    replay.warehouse.set_current_generation(known.number)
    replay.at("flipped")
    copy_to_log(replay.log, known.number)
    replay.at("copied")
    release(replay, known)
    replay.at("released")
    return known


def release(replay: Replay, known: Lineage) -> None:
    """Forget the positions that nobody goes on from any more, so that retention does not wait for them."""
    base = lineage(replay.log, known.base) or Lineage(known.base)
    old = [base.loader_group, *(base.live.group(stage.name) for stage in replay.fresh_stages())]
    carried = [known.live.group(stage.name) for stage in stages_of(replay, known) if isinstance(stage, Carry)]
    for group in (*old, *carried, retells(known)):
        replay.log.forget(group)
    empty(replay.log, known.waiting())


def swappable(replay: Replay) -> Lineage:
    """The generation that can become the live one. Raises ReplayRefused when there is none."""
    known = candidate(replay)
    if known is None:
        live = base_lineage(replay.log, replay.warehouse).number
        raise ReplayRefused(
            f"generation {live} is live, and no other one waits to be swapped in: mailwake replay rebuild makes one"
        )
    if known.span is not None:
        raise ReplayRefused(
            f"generation {known.number} holds a span of time only, to be compared: it can't become the live one. "
            f"Remove it and rebuild everything: mailwake replay generations drop {known.number} && "
            "mailwake replay rebuild"
        )
    if not known.complete:
        raise ReplayRefused(
            f"the rebuild of generation {known.number} was interrupted; run it again and it goes on: "
            f"mailwake replay rebuild{' --reparse' if 'dmarc.records' in known.shadowed else ''}"
        )
    return known


def hand_over(replay: Replay, known: Lineage) -> Lineage:
    """Write to the log, in one transaction, what the generation goes on with when it is live."""
    log = replay.log
    base = lineage(log, known.base) or Lineage(known.base)
    ready = replace(known, handed_over=True, starts={**known.starts, **_takeovers(replay, known)})
    with log.transaction() as transaction:
        store(transaction, ready)
        for topic in ready.shadowed:
            for source in log.partitions(topic):
                transaction.commit(ready.loader_group, source, ready.starts[topic])
        for stage in replay.fresh_stages():
            if not runs_again(stage, known):
                _copy(log, transaction, stage, base, ready)
            elif stage.reads in ready.shadowed:
                for source in log.partitions(stage.reads):
                    transaction.commit(ready.live.group(stage.name), source, ready.starts[stage.reads])
    return ready


def _takeovers(replay: Replay, known: Lineage) -> dict[str, int]:
    """Where the plain topics take over: after what was carried over of them, else where they end."""
    log = replay.log
    takeovers = {topic: max(log.end(source) for source in log.partitions(topic)) for topic in known.shadowed}
    for stage in stages_of(replay, known):
        if stage.reads in takeovers and SHADOW not in stage.reads:
            carried = log.committed(known.live.group(stage.name))
            takeovers[stage.reads] = max(carried.values(), default=takeovers[stage.reads])
    if EVENTS in takeovers:
        gone_through = log.committed(retells(known))
        takeovers[EVENTS] = max(gone_through[source] for source in log.partitions(EVENTS))
    return takeovers


def _copy(log: Log, transaction: Transaction, stage: Stage, base: Lineage, known: Lineage) -> None:
    """Let a stage go on with the state and position that it has in the base."""
    old, new = base.live.group(stage.name), known.live.group(stage.name)
    stale: dict[bytes, bytes | None] = {key: None for key, _ in log.state(new)}
    transaction.put_state(new, {**stale, **dict(log.state(old))})
    for source, offset in log.committed(old).items():
        transaction.commit(new, source, offset)
