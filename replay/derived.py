"""A stage as a rebuild runs it: among others that derive anew, and beside facts that stay what they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from processors.stage import Flush, Slice, Stage, Tally


@dataclass(frozen=True, slots=True, eq=False)
class Derived:
    """A stage that takes what another one derives anew, and tells only what is derived anew.

    What documents tell of messages it leaves where `replay.retelling` looks for it.
    """

    stage: Stage
    reads: str
    """Its topic, or the shadow that stands for it."""
    tells: Mapping[str, str]
    """The topics that it may emit to, and where that goes; what goes to others is left out."""

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
        flush = self.stage.flush()
        told = [e._replace(topic=self.tells[e.topic]) for e in flush.emissions if e.topic in self.tells]
        return replace(flush, emissions=told)

    def tally(self) -> Tally:
        """See `Stage.tally`."""
        return self.stage.tally()
