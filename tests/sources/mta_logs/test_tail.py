"""A tail through rotation, restarts and refusals: each line's events once in the log."""

import bz2
import gzip
import lzma
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from backports import zstd
from tailing import House, Refusing, letters, lines, once

from processors.mta_logs.formats import reader_of
from processors.mta_logs.postfix import PostfixReader
from processors.mta_logs.taking import LogSettings
from schemas.codec import decode
from schemas.mail import MessageDelivered
from sources.mta_logs.following import Following
from sources.mta_logs.framing import Labels
from sources.mta_logs.places import Places
from sources.mta_logs.tail import PIECE, Tail
from streams.log import LogFull, LogUnavailable, TopicPartition

PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstd.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_is_written_is_told_once_however_often_the_tail_starts(house: House) -> None:
    house.write(range(10))
    house.run()
    house.run()
    house.write(range(10, 20))
    house.run()
    assert house.told() == once(range(20))


def test_a_line_that_is_still_being_written_is_waited_for(house: House) -> None:
    whole = lines([1])
    with house.tail() as tail:
        house.mail_log.write_text(lines([0]) + whole[:50])
        house.read(tail)
        assert house.told() == once([0])
        with house.mail_log.open("a") as file:
            file.write(whole[50:])
        house.read(tail)
    assert house.told() == once(range(2))


def test_a_last_line_without_an_end_is_told_where_the_end_is_wanted(house: House) -> None:
    house.mail_log.write_text(lines([0, 1]).removesuffix("\n"))
    house.run(to_the_end=True)
    assert house.told() == once(range(2))


def test_a_file_that_is_renamed_while_it_is_read_is_read_to_its_end(house: House) -> None:
    house.write(range(5))
    with house.tail() as tail:
        house.read(tail)
        house.write(range(5, 8))
        house.mail_log.rename(house.folder / "mail.log.1")
        house.write(range(10, 15))
        house.write(range(8, 10), house.folder / "mail.log.1")
        house.read(tail)
    assert house.told() == once(range(15))


def test_a_file_that_is_copied_and_truncated_is_read_to_the_copy_s_end(house: House) -> None:
    house.write(range(5))
    with house.tail() as tail:
        house.read(tail)
        house.write(range(5, 8))
        shutil.copy(house.mail_log, house.folder / "mail.log.1")
        tail.look_again()
        tail.step(Refusing(house.log, []))
        house.mail_log.write_text("")
        house.write([8])
        house.read(tail)
    house.run()
    assert house.told() == once(range(9))


def test_a_file_that_was_emptied_and_grew_beyond_where_it_was_is_read_anew(house: House) -> None:
    house.write(range(5))
    with house.tail() as tail:
        house.read(tail)
        house.mail_log.write_text(lines(range(10, 30)))
        house.read(tail)
    assert house.told() == once([*range(5), *range(10, 30)])


@pytest.mark.parametrize("read_before", [0, 3])
@pytest.mark.parametrize("when", [(Following, "look"), (PostfixReader, "take")])
def test_a_file_that_is_copied_and_truncated_and_grows_at_once_is_not_gone_on_with(
    house: House, monkeypatch: pytest.MonkeyPatch, when: tuple[type, str], read_before: int
) -> None:
    """Between the look at it and the reading of it, or between the reading and what is remembered of it."""
    at, name = when
    usual, rotations = getattr(at, name), list[None]()

    def rotating(*arguments: object) -> object:
        done = usual(*arguments)
        if house.mail_log.read_text().endswith(lines([19])) and not rotations:
            rotations.append(None)
            shutil.copy(house.mail_log, house.folder / "mail.log.1")
            house.mail_log.write_text(lines(range(20, 60)))
        return done

    monkeypatch.setattr(at, name, rotating)
    house.write(range(read_before))
    with house.tail() as tail:
        house.read(tail)
        house.write(range(read_before, 20))
        house.read(tail)
        house.write(range(60, 62))
        house.read(tail)
    assert rotations
    assert house.told() == once(range(62))


@pytest.mark.parametrize("suffix", ["", *PACKED])
@pytest.mark.parametrize("named", ["mail.log.{n}", "mail.log-2026112{n}"])
def test_rotations_while_nobody_looked_are_made_up_for(house: House, suffix: str, named: str) -> None:
    house.write(range(5))
    house.run()
    house.write(range(5, 10))
    older = [house.folder / named.format(n=n) for n in (2, 1)]
    house.mail_log.rename(older[0])
    house.write(range(10, 15))
    house.mail_log.rename(older[1])
    house.write(range(15, 20))
    if suffix:
        for path in older:
            stat = path.stat()
            packed = path.with_name(f"{path.name}.{suffix}")
            packed.write_bytes(PACKED[suffix](path.read_bytes()))
            path.unlink()
            os.utime(packed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    house.run()
    house.run()
    assert house.told() == once(range(20))


def test_a_header_that_changed_within_a_file_is_known_by_who_goes_on(tmp_path: Path) -> None:
    house = House(tmp_path, "powermta")
    rows = ["type,timeLogged,rcpt,orig", "d,1768483391,one@b.example,x@y.example"]
    changed = ["type,timeLogged,orig,rcpt", "d,1768483392,x@y.example,two@b.example"]
    house.mail_log.write_text("\n".join([*rows, *changed]) + "\n")
    house.run()
    with house.mail_log.open("a") as file:
        file.write("d,1768483393,x@y.example,three@b.example\n")
    house.run()
    values = house.log.read(TopicPartition("mail.events"), 0, 100).values
    events = [decode(value) for value in values if value is not None]
    delivered = [event.recipient_hash for event in events if isinstance(event, MessageDelivered)]
    assert delivered == ["one.b.example", "two.b.example", "three.b.example"]


def test_what_was_rotated_before_the_tail_first_started_is_left_alone(house: House) -> None:
    house.write(range(5), house.folder / "mail.log.1")
    (house.folder / "mail.log.2.gz").write_bytes(gzip.compress(lines(range(5, 8)).encode()))
    for path in house.folder.glob("mail.log.*"):
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 10**9))
    house.write(range(10, 15))
    house.run()
    house.run()
    assert house.told() == once(range(10, 15))


def test_a_file_that_is_packed_after_it_was_read_is_not_read_again(house: House) -> None:
    house.write(range(5))
    with house.tail() as tail:
        house.read(tail)
        rotated = house.mail_log.rename(house.folder / "mail.log.1")
        house.write([5])
        house.read(tail)
        (house.folder / "mail.log.1.gz").write_bytes(gzip.compress(rotated.read_bytes()))
        house.read(tail)
        rotated.unlink()
        house.read(tail)
    house.run()
    assert house.told() == once(range(6))


def test_a_file_and_its_packed_copy_that_are_seen_together_are_read_once(house: House) -> None:
    house.write(range(5))
    with house.tail() as tail:
        house.read(tail)
        house.mail_log.rename(house.folder / "mail.log.2")
        house.write(range(5, 10))
        rotated = house.mail_log.rename(house.folder / "mail.log.1")
        copy = house.folder / "mail.log.1.gz"
        copy.touch()
        house.write(range(10, 15))
        tail.look_again()
        tail.step(Refusing(house.log, []))
        copy.write_bytes(gzip.compress(rotated.read_bytes()))
        house.read(tail)
        rotated.unlink()
        house.read(tail)
    house.run()
    assert house.told() == once(range(15))


def test_a_new_file_and_its_packed_copy_are_one(house: House) -> None:
    house.write(range(5))
    house.run()
    house.mail_log.rename(house.folder / "mail.log.2")
    house.write(range(5, 10))
    rotated = house.mail_log.rename(house.folder / "mail.log.1")
    (house.folder / "mail.log.1.gz").write_bytes(gzip.compress(rotated.read_bytes()))
    house.run()
    house.run()
    assert house.told() == once(range(10))


def test_an_inode_that_is_used_again_is_another_file(house: House) -> None:
    house.write(range(5))
    house.run()
    inode = house.mail_log.stat().st_ino
    with house.mail_log.open("w") as file:
        file.write(lines(range(100, 130)))
    assert house.mail_log.stat().st_ino == inode
    house.run()
    assert house.told() == once([*range(5), *range(100, 130)])


def test_from_the_end_only_what_comes_is_told(house: House) -> None:
    house.from_end = True
    house.write(range(30_000))
    with house.tail() as tail:
        house.read(tail)
        house.write(range(30_000, 30_010))
        house.read(tail)
    house.run()
    assert house.told() == once(range(30_000, 30_010))


def test_a_folder_s_files_are_all_followed(tmp_path: Path) -> None:
    segments = tmp_path / "segments"
    segments.mkdir()
    house = House(tmp_path, targets=(str(segments),))
    writer = zstd.ZstdCompressor()
    (segments / "20261129-100000").write_bytes(zstd.compress(lines(range(5)).encode()))
    growing = segments / "20261129-110000"
    begun = writer.compress(lines(range(5, 10)).encode()) + writer.flush(zstd.ZstdCompressor.FLUSH_BLOCK)
    with house.tail() as tail:
        house.read(tail)
        growing.write_bytes(begun[:-7])
        house.read(tail)
        growing.write_bytes(begun)
        house.read(tail)
        assert house.told() == once(range(10))
        rest = writer.compress(lines(range(10, 12)).encode()) + writer.flush(zstd.ZstdCompressor.FLUSH_FRAME)
        growing.write_bytes(begun + rest + zstd.compress(lines([12]).encode()))
        house.read(tail)
    house.run()
    assert house.told() == once(range(13))


def test_a_pattern_s_files_are_all_followed(tmp_path: Path) -> None:
    house = House(tmp_path, targets=(str(tmp_path / "mx*.log"),))
    house.write(range(5), tmp_path / "mx1.log")
    house.write(range(5, 9), tmp_path / "mx2.log")
    house.run()
    assert house.told() == once(range(9))


def test_files_that_begin_alike_are_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / "acct"
    folder.mkdir()
    house = House(tmp_path, "powermta", targets=(str(folder),))
    header = "type,timeLogged,rcpt,timeQueued\n"
    rows = [f"d,{1768483391 + n},a@b.example,1768483391\n" for n in range(6)]
    (folder / "acct-1.csv").write_text(header)
    with house.tail() as tail:
        house.read(tail)
        (folder / "acct-2.csv").write_text(header + rows[0])
        house.read(tail)
        with (folder / "acct-1.csv").open("a") as file:
            file.write(rows[1])
        house.read(tail)
    with (folder / "acct-2.csv").open("a") as file:
        file.write(rows[2])
    (folder / "acct-3.csv").write_text(header + "".join(rows[3:]))
    house.run()
    assert house.told() == once(range(6))


def test_work_that_was_refused_is_kept_and_done_once(house: House) -> None:
    house.write(range(10))
    refusing = Refusing(house.log, [LogFull("full"), LogUnavailable("away")])
    with house.tail() as tail:
        for error in (LogFull, LogUnavailable):
            with pytest.raises(error):
                tail.step(refusing)
        house.write(range(10, 12))
        tail.step(refusing)
        assert house.told() == once(range(10))
        house.read(tail)
    assert house.told() == once(range(12))


def test_what_ends_before_it_is_appended_is_read_again(house: House) -> None:
    house.write(range(10))
    with house.tail() as tail, pytest.raises(LogFull):
        tail.step(Refusing(house.log, [LogFull("full")]))
    house.run()
    assert house.told() == once(range(10))


def test_damaged_lines_are_kept_without_addresses_and_do_not_stop_the_rest(house: House) -> None:
    bad = b"\xff\xfe\0 postfix to=<bob@example.org>, status=sent\n"
    house.mail_log.write_bytes(lines([0]).encode() + bad + lines([1]).encode())
    house.run()
    house.run()
    assert house.told() == once(range(2))
    (letter,) = letters(house.log)
    assert letter.origin_offset == len(lines([0]))
    assert letter.size == len(bad) - 1
    assert b"bob" not in letter.content
    assert letter.reason == "postfix: no line of syslog"


@pytest.mark.parametrize("size", [100_000, PIECE - 1, PIECE, 3 * PIECE + 5])
def test_a_line_of_any_length_is_passed_over(house: House, size: int) -> None:
    house.mail_log.write_bytes(lines([0]).encode() + b"x" * size)
    with house.tail() as tail:
        house.read(tail)
        with house.mail_log.open("ab") as file:
            file.write(b"y\n" + lines([1]).encode())
        house.read(tail)
    assert house.told() == once(range(2))
    assert [letter.size for letter in letters(house.log)] == [size + 1]


def test_a_line_that_has_no_end_where_the_end_is_wanted_is_damaged(house: House) -> None:
    house.mail_log.write_bytes(lines([0]).encode() + b"x" * (2 * PIECE + 5))
    house.run(to_the_end=True)
    house.run(to_the_end=True)
    assert house.told() == once([0])
    assert [letter.size for letter in letters(house.log)] == [2 * PIECE + 5]


@pytest.mark.parametrize("suffix", PACKED)
def test_a_packed_file_that_is_damaged_is_told_of_and_left(tmp_path: Path, suffix: str) -> None:
    packed = bytearray(PACKED[suffix](lines(range(3_000)).encode()))
    packed[len(packed) // 2 :] = random.Random(1).randbytes(len(packed) - len(packed) // 2)
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / f"one.{suffix}").write_bytes(packed)
    house = House(tmp_path, targets=(str(folder),))
    house.write(range(5_000, 5_010), folder / "two")
    house.run()
    assert {number for number in house.told() if number >= 5_000} == set(range(5_000, 5_010))
    assert any("damaged after" in letter.reason for letter in letters(house.log))


def test_bytes_of_any_kind_are_bounded(house: House) -> None:
    house.mail_log.write_bytes(bytes(range(256)) * 2_000 + b"\n" + lines([0]).encode())
    house.run()
    assert house.told() == once([0])


def test_a_file_that_is_not_there_yet_is_waited_for(house: House) -> None:
    with house.tail() as tail:
        house.read(tail)
        house.write(range(3))
        house.read(tail)
    assert house.told() == once(range(3))


def test_the_place_is_one_record_of_a_compacted_topic(house: House) -> None:
    house.write(range(3))
    house.run()
    house.run()
    batch = house.log.read(TopicPartition("tail.places"), 0, 100)
    assert len([key for key in batch.keys if key and b"/file/" in key]) == 1


def test_a_tail_has_no_other_s_places_however_their_names_begin(house: House) -> None:
    house.write(range(3))
    for name in ("mx/postfix", "mx"):
        places = Places(house.log, "default", name)
        assert places.places == [] and places.chunks == {} and places.looked_at == 0
        following = Following(house.targets, places.places, places.looked_at)
        reader = reader_of("postfix", LogSettings(), lambda address: address.replace("@", "."))
        tail = Tail("postfix", reader, following, places, Labels("default", "postfix"))
        house.read(tail)
        tail.close()
    for name in ("mx/postfix", "mx"):
        (place,) = Places(house.log, "default", name).places
        assert place.lines == 3
