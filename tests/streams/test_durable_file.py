"""A file that is replaced: owner and mode stay, and its folder is on disk too."""

import os
import stat
from pathlib import Path

import pytest

from streams.durable_file import replace_durably


def test_a_new_file_is_its_owners_and_another_keeps_its_mode_but_for_others(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    replace_durably(path, "one")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("one", 0o600)
    path.chmod(0o644)
    replace_durably(path, "two")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("two", 0o640)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_root_leaves_it_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("one")
    os.chown(path, 1234, 4321)
    replace_durably(path, "two")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_the_folder_is_written_to_disk_after_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda at: (synced.append(str(Path(f"/proc/self/fd/{at}").resolve())), fsync(at))
    )
    replace_durably(tmp_path / "kept", "text")
    assert len(synced) == 2 and synced[1] == str(tmp_path)


def test_a_failure_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "kept"
    replace_durably(path, "one")

    def full(_: int) -> None:
        raise OSError(28, "no room")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no room"):
        replace_durably(path, "two")
    assert path.read_text() == "one" and list(tmp_path.iterdir()) == [path]
