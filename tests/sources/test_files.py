import pytest

from sources import files
from sources.files import UnreadablePath, files_under, read_document


def test_folders_are_gone_through_in_order_and_hidden_files_left_out(tmp_path):
    for name in ("b.xml", "a.xml", ".hidden", "sub/c.xml", ".git/d.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [str(f.relative_to(tmp_path)) for f in files_under([tmp_path])] == ["a.xml", "b.xml", "sub/c.xml"]


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UnreadablePath, match=r"nowhere.*no such file"):
        list(files_under([tmp_path / "nowhere"]))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_DOCUMENT", 10)
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(UnreadablePath, match="11 bytes"):
        read_document(tmp_path / "big")


def test_of_a_maildir_the_mails_that_are_whole_are_taken(tmp_path):
    for folder in ("new", "cur", "tmp", "Other/tmp"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "1.M1.host").write_text("x")
    (tmp_path / "dovecot-uidlist").write_text("3")
    found = [file.relative_to(tmp_path).as_posix() for file in files_under([tmp_path])]
    assert found == ["Other/tmp/1.M1.host", "cur/1.M1.host", "new/1.M1.host"]
