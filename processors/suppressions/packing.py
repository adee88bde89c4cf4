"""How a recipient stands as bytes, the same standing always the same ones.

Numbers are fixed-width, big-endian. The words of a fact or lift, of which bounces have few combinations, are a block of
their own behind them, encoded and decoded once for each combination.
"""

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache

from processors.suppressions.standing import REASONS, Fact, Lift, Standing, StreamStanding

_STREAMS = ("all", "transactional", "marketing", "cold", "other")
_STREAM_NUMBER = {stream: number for number, stream in enumerate(_STREAMS)}
_REASON_NUMBER = {reason: number for number, reason in enumerate(REASONS)}

_STREAM = struct.Struct(">BIBB")
"""Number of the stream, revision, how many facts, how many lifts."""
_FACT = struct.Struct(">Bq16sqB")
"""Number of the reason, at, id, recorded_at, after."""
_LIFT = struct.Struct(">Bq16sq?")
"""Number of the reason, at, id, recorded_at, resubscribed."""
_SIZE = struct.Struct(">I")
_NO_TEXT = 2**32 - 1
"""What stands for the size of a word that was not said."""

Words = tuple[str | None, ...]


def pack(standing: Standing) -> bytes:
    """A recipient as bytes."""
    parts = [_packed_words((standing.domain,))]
    streams = standing.streams
    for name in sorted(streams) if len(streams) > 1 else streams:
        stream = streams[name]
        facts = [
            (number, fact) for number, reason in _in_order(stream.facts) for fact in stream.facts[reason]
        ]
        lifts = [(number, stream.lifts[reason]) for number, reason in _in_order(stream.lifts)]
        parts.append(_STREAM.pack(_STREAM_NUMBER[name], stream.revision, len(facts), len(lifts)))
        for number, fact in facts:
            parts += (_FACT.pack(number, *fact[:4]), _packed_words(fact[4:]))
        for number, lift in lifts:
            parts += (_LIFT.pack(number, *lift[:4]), _packed_words(lift[4:]))
    return b"".join(parts)


def _in_order(reasons: Iterable[str]) -> list[tuple[int, str]]:
    """Reasons with their numbers, by these."""
    return sorted([(_REASON_NUMBER[reason], reason) for reason in reasons])


def unpack(body: bytes) -> Standing:
    """What `pack` made the bytes of."""
    (domain,), at = _words_at(body, 0)
    standing = Standing(domain)
    while at < len(body):
        name, revision, facts, lifts = _STREAM.unpack_from(body, at)
        at += _STREAM.size
        stream = standing.streams[_STREAMS[name]] = StreamStanding(revision=revision)
        for _ in range(facts):
            reason, *told = _FACT.unpack_from(body, at)
            words, at = _words_at(body, at + _FACT.size)
            stream.facts.setdefault(REASONS[reason], []).append(Fact(*told, *words))
        for _ in range(lifts):
            reason, *told = _LIFT.unpack_from(body, at)
            words, at = _words_at(body, at + _LIFT.size)
            stream.lifts[REASONS[reason]] = Lift(*told, *words)
    return standing


@lru_cache(4096)
def _packed_words(words: Sequence[str | None]) -> bytes:
    """A block of words: its size, then each word's size and text."""
    parts: list[bytes] = []
    for word in words:
        text = b"" if word is None else word.encode()
        parts += (_SIZE.pack(_NO_TEXT if word is None else len(text)), text)
    block = b"".join(parts)
    return _SIZE.pack(len(block)) + block


def _words_at(body: bytes, at: int) -> tuple[Words, int]:
    """The words of a block, and where it ends."""
    start = at + _SIZE.size
    end = start + _SIZE.unpack_from(body, at)[0]
    return _unpacked_words(body[start:end]), end


@lru_cache(4096)
def _unpacked_words(block: bytes) -> Words:
    words: list[str | None] = []
    at = 0
    while at < len(block):
        (size,) = _SIZE.unpack_from(block, at)
        at += _SIZE.size
        if size == _NO_TEXT:
            words.append(None)
        else:
            words.append(block[at : at + size].decode())
            at += size
    return tuple(words)
