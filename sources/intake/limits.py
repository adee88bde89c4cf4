"""How much the intake takes at once, from one request and from all of them: strangers decide neither memory nor time."""

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """Bytes, seconds and counts. What is beyond them is refused, saying so, before it is kept."""

    events_bytes: int = 16 * MIB
    """Of a body of events, unpacked."""
    hook_bytes: int = 16 * MIB
    """Of a webhook's body, unpacked. Providers post up to a few MiB; mail that one forwards whole may have more."""
    document_bytes: int = 64 * MIB
    """Of a document, unpacked."""
    events: int = 10_000
    """In one request."""
    parts: int = 100
    """Files in one upload."""
    ratio: int = 100
    """Unpacked bytes for each byte of a compressed body, once `ratio_floor` is passed."""
    ratio_floor: int = MIB
    """Below so many unpacked bytes the ratio is not looked at."""
    header_bytes: int = 32 * 1024
    """Of a request's line and headers; of a chunked body's trailers, and of what stands between two pieces of it."""
    header_seconds: float = 10.0
    """From a connection's first byte, or its being made, to the end of the headers."""
    silence_seconds: float = 10.0
    """Without a byte of the body; or with answers, or its end, that a client does not take, twice that."""
    body_seconds: float = 120.0
    """For the whole body."""
    connections: int = 2_000
    """Open at once; one more takes the place of the one that was idle the longest, or is told to come again (503)."""
    requests: int = 512
    """Worked on at once, and as many questions beside them; one more is told to come again (429)."""
    memory_bytes: int = 256 * MIB
    """Of all bodies together, from their first byte to their answer."""
    append_seconds: float = 20.0
    """How long a request waits for its append. Then it is told to come again (503)."""
    retry_seconds: int = 2
    """What `Retry-After` says when too much comes at once."""
    retry_later_seconds: int = 15
    """What it says when the log can't take anything now."""
    drain_seconds: float = 20.0
    """How long requests in hand may take to end once the intake was told to."""
