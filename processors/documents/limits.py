"""How much work and memory one document may cost: nothing a stranger sends decides that."""

from dataclasses import dataclass

MIB = 1024 * 1024


class OverBudget(ValueError):
    """A document unpacks to more than it may; the message names the limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one received document may unpack to. Beyond it the rest is rejected; its bytes stay in the log."""

    document_bytes: int = 64 * MIB
    """Bytes as received."""
    member_bytes: int = 64 * MIB
    """Bytes of one thing inside it, unpacked."""
    total_bytes: int = 128 * MIB
    """Bytes unpacked in all, at every level of nesting."""
    members: int = 1000
    """Streams, archive entries and mail parts in all."""
    depth: int = 3
    """Containers within containers: a gzip in a zip in a mail is three."""
    ratio: int = 200
    """Unpacked bytes for each byte received, once `ratio_floor` is passed."""
    ratio_floor: int = 8 * MIB
    """Below so many unpacked bytes the ratio is not looked at."""
    records: int = 200_000
    """DMARC records in all."""


class Budget:
    """What is left of the limits while one document is unpacked."""

    def __init__(self, limits: Limits, received: int) -> None:
        self.limits = limits
        self.unpacked = 0
        self.members = 0
        self.at: str | None = None
        """The member being unpacked, and below, the entry in it: for the message when a limit is passed."""
        self.entry: str | None = None
        by_ratio = max(limits.ratio_floor, limits.ratio * received)
        self._allowed = min(limits.total_bytes, by_ratio)
        self._binding = "ratio" if by_ratio < limits.total_bytes else "total_bytes"

    def spend(self, size: int) -> None:
        """Count unpacked bytes. Raises OverBudget."""
        self.unpacked += size
        if self.unpacked > self._allowed:
            raise OverBudget(f"unpacks to more than {self._allowed} bytes (limit {self._binding})")

    def check_member(self, size: int) -> None:
        """Raises OverBudget when one thing has grown beyond what a member may have."""
        if size > self.limits.member_bytes:
            raise OverBudget(f"a member is larger than {self.limits.member_bytes} bytes (limit member_bytes)")

    def member(self, count: int = 1) -> None:
        """Count members. Raises OverBudget."""
        self.members += count
        if self.members > self.limits.members:
            raise OverBudget(f"has more than {self.limits.members} members (limit members)")
