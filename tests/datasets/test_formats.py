"""Readers of published formats, and what they refuse."""

import errno
import gzip
import io
import re
import struct
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pytest

from sklearn_ardvae.datasets import _formats
from sklearn_ardvae.datasets._archives import (
    opened_zip,
    read_member,
    reading,
    tar_gz_members,
)
from sklearn_ardvae.datasets._formats import npz_arrays, read_idx, stream_npz_rows

MOST = 2**20


def write_tar_gz(path, name, raw):
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo(f"folder/{name}")
        info.size = len(raw)
        tar.addfile(info, io.BytesIO(raw))


def read_tar_gz(path):
    return dict(tar_gz_members(path, ["thing"], MOST))["thing"]


def write_zip(path, raw, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("thing", raw)


def read_zip(path):
    with opened_zip(path) as archive:
        return read_member(archive, "thing", MOST)


def read_npz(path):
    return npz_arrays(path, ("thing",), MOST)[0].tobytes()


def stream_npz(path):
    # Not the first row, so that it is not by luck that all are looked at.
    return stream_npz_rows(path, "thing", (8, 25), np.array([3, 4])).tobytes()


def write_idx(path, rows):
    header = b"\x00\x00\x08\x01" + struct.pack(">I", rows.size)
    path.write_bytes(gzip.compress(header + rows.tobytes()))


# For each format, how to write rows of bytes, and how to get bytes of them again.
FORMATS = {
    "idx": (write_idx, lambda path: read_idx(path, MOST).tobytes()),
    "tar.gz": (
        lambda path, rows: write_tar_gz(path, "thing", rows.tobytes()),
        read_tar_gz,
    ),
    "zip": (lambda path, rows: write_zip(path, rows.tobytes()), read_zip),
    "npz": (lambda path, rows: np.savez(path, thing=rows), read_npz),
    "npz, compressed": (
        lambda path, rows: np.savez_compressed(path, thing=rows),
        read_npz,
    ),
    "npz, streamed": (
        lambda path, rows: np.savez_compressed(path, thing=rows),
        stream_npz,
    ),
}
every_format = pytest.mark.parametrize(
    ("write", "read"), FORMATS.values(), ids=FORMATS.keys()
)


# Numpy warns when it has to mend the header of an array.
@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
@every_format
def test_no_flipped_bit_changes_what_is_read(tmp_path, write, read):
    path = tmp_path / "file.npz"
    rng = np.random.default_rng(0)
    write(path, rng.integers(0, 256, (8, 25), dtype=np.uint8))
    whole, expected = path.read_bytes(), read(path)
    messages = []
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            # Names, dates and padding matter to nobody, and have no checksum.
            assert read(path) == expected
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) >= 200  # random bytes, which nothing can compress
    assert all(str(path) in message for message in messages)


@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")
@every_format
def test_part_of_a_file_is_refused_by_name(tmp_path, write, read):
    path = tmp_path / "file.npz"
    write(path, np.arange(200, dtype=np.uint8).reshape(8, 25))
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read(path)


@every_format
def test_what_unpacks_to_more_than_it_may_takes_no_memory(tmp_path, write, read):
    path = tmp_path / "file.npz"
    write(path, np.zeros((2**16, 2**10), np.uint8))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Of the 64 MB; a megabyte is allowed.
    assert peak < 8 * 2**20


def test_a_zip_file_that_hides_its_size_takes_no_memory(tmp_path):
    path = tmp_path / "a.zip"
    write_zip(path, bytes(2**26))
    hidden = path.read_bytes().replace(struct.pack("<I", 2**26), struct.pack("<I", 9))
    path.write_bytes(hidden)
    tracemalloc.start()
    try:
        with pytest.raises(
            ValueError, match=r"a\.zip is not a whole zip file: Bad CRC"
        ):
            read_zip(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_without_a_bound_are_refused(tmp_path, compression):
    write_zip(tmp_path / "a.zip", b"rows", compression)
    with pytest.raises(ValueError, match="thing is not compressed by deflate"):
        read_zip(tmp_path / "a.zip")


def test_errors_of_the_system_stay_what_they_are(tmp_path):
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        read_idx(tmp_path, MOST)
    with (
        pytest.raises(OSError, match=r"Input/output error: 'rows\.gz'"),
        reading("rows.gz", "gzip"),
    ):
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("shape", [(7,), (3, 4), (2, 28, 28)])
def test_idx_round_trip(made_files, tmp_path, shape):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    made_files.write_idx(tmp_path / "a.gz", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a.gz", MOST), array)


def test_idx_refuses_what_is_not_whole(made_files, tmp_path):
    path = tmp_path / "a.gz"
    made_files.write_idx(path, np.zeros((5, 28, 28), np.uint8))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not a whole gzip file"):
        read_idx(path, MOST)
    path.write_bytes(b"not gzip")
    with pytest.raises(ValueError, match="not a whole gzip file"):
        read_idx(path, MOST)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\x00\x00\x08\x01\x00\x00\x00\x09abc", "announces an array of shape"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01abcd", "not an idx file of unsigned"),
        (b"\x00", "not an idx file"),
    ],
)
def test_idx_refuses_a_wrong_header(tmp_path, raw, message):
    (tmp_path / "a.gz").write_bytes(gzip.compress(raw))
    with pytest.raises(ValueError, match=message):
        read_idx(tmp_path / "a.gz", MOST)


def test_npz_says_what_is_wrong(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3))
    (x,) = npz_arrays(path, ("x",), MOST)
    np.testing.assert_array_equal(x, np.arange(3))
    with pytest.raises(ValueError, match=r"lacks y\.npy"):
        npz_arrays(path, ("x", "y"), MOST)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match="not a whole zip"):
        npz_arrays(path, ("x",), MOST)


def test_rows_of_an_npz_are_streamed(tmp_path, monkeypatch):
    array = np.random.default_rng(0).integers(0, 256, (50, 3, 2), dtype=np.uint8)
    np.savez_compressed(tmp_path / "a.npz", imgs=array)
    # Four rows at a time, so that rows fall into several chunks.
    monkeypatch.setattr(_formats, "_CHUNK_BYTES", 4 * 6)
    rows = np.array([49, 0, 7, 7, 23, 8])
    got = stream_npz_rows(tmp_path / "a.npz", "imgs", (50, 3, 2), rows)
    np.testing.assert_array_equal(got, array[rows])
    with pytest.raises(ValueError, match=r"instead of uint8 and \(49, 3, 2\)"):
        stream_npz_rows(tmp_path / "a.npz", "imgs", (49, 3, 2), rows)
