"""Pausing one stage of a running pipeline, from any process: a file per paused stage beside the log."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote


@dataclass(frozen=True, slots=True)
class Pauses:
    """The stages that are paused; a pause outlives restarts until it is resumed."""

    folder: Path

    @classmethod
    def beside(cls, log: Path) -> "Pauses":
        """Those of the log at this path."""
        return cls(log.with_name(log.name + ".paused"))

    def pause(self, stage: str) -> None:
        """Let the stage finish its step and take no other."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file(stage).touch()

    def resume(self, stage: str) -> bool:
        """Let it go on; False if it was not paused."""
        try:
            self._file(stage).unlink()
        except FileNotFoundError:
            return False
        return True

    def paused(self, stage: str) -> bool:
        """Whether the stage is paused now."""
        return self._file(stage).exists()

    def all(self) -> Sequence[str]:
        """Every paused stage."""
        return sorted(unquote(file.name) for file in self.folder.glob("*")) if self.folder.is_dir() else []

    def _file(self, stage: str) -> Path:
        return self.folder / quote(stage, safe="")
