"""A folder that documents are dropped into: each is appended, then moved to `taken/` inside it."""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from sources.documents import DocumentIntake
from sources.files import UnreadablePath
from sources.mailboxes import documents_in

logger = logging.getLogger(__name__)


class FolderBusy(Exception):
    """A folder, or the blob store behind it, can't be read or written now."""


TAKEN, REFUSED = "taken", "refused"
SETTLED_S = 1.0
"""A file is taken when it has not changed for this long: until then somebody may still be writing it."""


@dataclass(slots=True)
class WatchedFolder:
    """Takes what is dropped into one folder.

    A crash between append and move appends a document twice; its second copy is then a duplicate, and nothing is
    counted twice.
    """

    folder: Path
    intake: DocumentIntake
    _seen: dict[Path, tuple[int, float]] = field(default_factory=dict)

    def step(self) -> int:
        """Take every settled file; returns how many. Raises LogError, FolderBusy: then call again later."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            files = [file for file in sorted(self.folder.iterdir()) if file.is_file()]
            return sum(self._take(file) for file in files if file.name[0] != "." and self._settled(file))
        except OSError as error:
            raise FolderBusy(f"{error.filename or self.folder}: {error.strerror or error}") from error

    def _take(self, file: Path) -> int:
        taken = 0
        try:
            for name, content in documents_in(file):
                self.intake.receive(content, name)
                taken += 1
        except UnreadablePath as error:
            logger.warning("refused %s", error)
            self._move(file, REFUSED)
            return taken
        self._move(file, TAKEN)
        return taken

    def _move(self, file: Path, where: str) -> None:
        target = self.folder / where
        target.mkdir(exist_ok=True)
        name = target / file.name
        if name.exists():
            name = target / f"{time.time_ns()}-{file.name}"
        file.rename(name)
        self._seen.pop(file, None)

    def _settled(self, file: Path) -> bool:
        stat = file.stat()
        now = (stat.st_size, stat.st_mtime)
        settled = time.time() - stat.st_mtime >= SETTLED_S and self._seen.get(file, now) == now
        self._seen[file] = now
        return settled
