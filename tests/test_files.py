"""Files that are whole or not there, and reading what may be no file."""

import errno
import os
import time
from pathlib import Path

import pytest

from sklearn_ardvae._files import read_file, whole_file

CONTENT = b"some rows of data"


def everything_under(folder):
    return sorted(p.name for p in folder.rglob("*") if not p.is_dir())


def write(target, content=CONTENT):
    with whole_file(target) as partial:
        partial.write_bytes(content)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "full")])
def test_the_old_file_stays_if_the_block_fails(tmp_path, error):
    target = tmp_path / "rows.bin"
    target.write_bytes(b"old")

    def interrupted():
        with whole_file(target) as partial:
            partial.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        interrupted()
    assert target.read_bytes() == b"old"
    assert everything_under(tmp_path) == ["rows.bin"]


def test_it_is_on_the_disk_before_it_has_the_name(tmp_path, monkeypatch):
    target, seen = tmp_path / "rows.bin", []

    def fsync(descriptor):
        seen.append((os.fstat(descriptor).st_size, target.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write(target)
    assert seen == [(len(CONTENT), False)]


def test_what_a_killed_process_left_goes_after_a_day(tmp_path):
    old, young, other = (
        tmp_path / name
        for name in (".rows.bin.a.part", ".rows.bin.b.part", ".else.bin.a.part")
    )
    for partial in (old, young, other):
        partial.write_bytes(b"half")
    day_ago = time.time() - 25 * 3600
    for partial in (old, other):
        os.utime(partial, (day_ago, day_ago))
    write(tmp_path / "rows.bin")
    left = [".else.bin.a.part", ".rows.bin.b.part", "rows.bin"]
    assert everything_under(tmp_path) == left


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_the_mode_is_that_of_the_umask(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write(tmp_path / "rows.bin")
    finally:
        os.umask(before)
    assert (tmp_path / "rows.bin").stat().st_mode & 0o777 == mode


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "elsewhere" / "rows.bin", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to(target)
    write(link)
    assert link.is_symlink()
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("folder", IsADirectoryError),
        ("pipe", ValueError),
        ("nowhere/rows.bin", FileNotFoundError),
    ],
)
def test_what_is_no_place_for_a_file_is_left_alone(tmp_path, place, error):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(error, match=place.partition("/")[0]):
        write(tmp_path / place)
    assert everything_under(tmp_path) == ["pipe"]


def test_only_files_are_read(tmp_path):
    (tmp_path / "rows.bin").write_bytes(CONTENT)
    assert read_file(tmp_path / "rows.bin") == CONTENT
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(ValueError, match="is a device or a pipe"):
            read_file(place)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nowhere")
