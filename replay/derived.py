"""Stages in a row: within a rebuild the later one takes what the earlier one derives anew, from its shadow."""

from collections.abc import Iterable
from dataclasses import dataclass

from processors.stage import Flush, Slice, Stage, Tally


@dataclass(frozen=True, slots=True, eq=False)
class FromShadow:
    """A stage that reads a shadow in place of the topic that it stands for."""

    stage: Stage
    reads: str

    @property
    def name(self) -> str:
        """That of the stage: it goes on by this name when the rebuild is swapped in."""
        return self.stage.name

    def restore(self, chunks: Iterable[tuple[bytes, bytes]]) -> None:
        """See `Stage.restore`."""
        self.stage.restore(chunks)

    def take(self, records: Slice) -> None:
        """See `Stage.take`."""
        self.stage.take(records)

    def flush(self) -> Flush:
        """See `Stage.flush`."""
        return self.stage.flush()

    def tally(self) -> Tally:
        """See `Stage.tally`."""
        return self.stage.tally()
