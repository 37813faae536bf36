"""Files: where they are looked for, how they come, what is never left behind."""

import hashlib
import io
import os
import urllib.request
from email.message import Message

import pytest
from sklearn.datasets import get_data_home

from sklearn_ardvae.datasets._io import RemoteFile, data_folder, obtain

CONTENT = b"some rows of data"
MD5 = "md5:" + hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def published(tmp_path):
    """A file that is published on this machine's own disk."""
    source = tmp_path / "elsewhere" / "rows.bin"
    source.parent.mkdir()
    source.write_bytes(CONTENT)
    return RemoteFile("rows.bin", (source.as_uri(),), MD5)


def everything_under(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


def test_data_home_is_the_argument_then_the_variable_then_sklearns(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("SKLEARN_ARDVAE_DATA", str(tmp_path / "variable"))
    assert data_folder(tmp_path / "argument") == tmp_path / "argument"
    assert data_folder(None) == tmp_path / "variable"
    monkeypatch.delenv("SKLEARN_ARDVAE_DATA")
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))
    assert str(data_folder(None)) == get_data_home()


def test_downloads_once_and_verifies(tmp_path, published):
    home = tmp_path / "home"
    path = obtain(published, home, "rows", download=True)
    assert path == home / "rows" / "rows.bin"
    assert path.read_bytes() == CONTENT
    assert everything_under(home) == ["rows.bin"]
    path.write_bytes(b"kept")
    assert obtain(published, home, "rows", download=True).read_bytes() == b"kept"


@pytest.mark.parametrize("place", ["rows.bin", "rows/rows.bin"])
def test_finds_what_is_there_without_the_network(tmp_path, place):
    home = tmp_path / "home"
    (home / "rows").mkdir(parents=True)
    (home / place).write_bytes(CONTENT)
    file = RemoteFile("rows.bin", checksum=MD5)
    found = obtain(file, home, "rows", download=False, verify="checksum")
    assert found == home / place


def test_a_download_with_the_wrong_checksum_leaves_nothing(tmp_path, published):
    file = RemoteFile("rows.bin", published.urls, "md5:" + "0" * 32)
    with pytest.raises(OSError, match="could not be downloaded") as caught:
        obtain(file, tmp_path / "home", "rows", download=True)
    assert f"{MD5[4:]} instead of the published {'0' * 32}" in str(caught.value)
    assert everything_under(tmp_path / "home") == []


def test_a_wrong_checksum_is_no_reason_not_to_try_the_next_address(tmp_path, published):
    (tmp_path / "altered.bin").write_bytes(b"some other rows")
    altered = (tmp_path / "altered.bin").as_uri()
    file = RemoteFile("rows.bin", (altered, *published.urls), MD5)
    path = obtain(file, tmp_path / "home", "rows", download=True)
    assert path.read_bytes() == CONTENT
    missing = (tmp_path / "nowhere.bin").as_uri()
    file = RemoteFile("rows.bin", (altered, missing), MD5)
    with pytest.raises(OSError, match=f"{altered}: .* md5 checksum .*; {missing}: "):
        obtain(file, tmp_path / "home2", "rows", download=True)
    assert everything_under(tmp_path / "home2") == []


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_get_the_permissions_that_new_files_have(
    tmp_path, published, umask, mode
):
    before = os.umask(umask)
    try:
        path = obtain(published, tmp_path / "home", "rows", download=True)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


def test_a_download_that_breaks_off_leaves_nothing(tmp_path, published, monkeypatch):
    class Response(io.BytesIO):
        headers = Message()

    Response.headers["Content-Length"] = "1000"
    monkeypatch.setattr(
        urllib.request, "urlopen", lambda *args, **kwargs: Response(CONTENT)
    )
    with pytest.raises(OSError, match="ended at 17 of 1000 bytes"):
        obtain(published, tmp_path / "home", "rows", download=True)
    assert everything_under(tmp_path / "home") == []


def test_the_next_address_is_tried(tmp_path, published):
    missing = (tmp_path / "nowhere.bin").as_uri()
    file = RemoteFile("rows.bin", (missing, *published.urls), MD5)
    path = obtain(file, tmp_path / "home", "rows", download=True)
    assert path.read_bytes() == CONTENT


def test_without_network_the_error_says_which_file_goes_where(tmp_path):
    missing = (tmp_path / "nowhere.bin").as_uri()
    file = RemoteFile("rows.bin", (missing,), MD5)
    target = str(tmp_path / "home" / "rows" / "rows.bin")
    with pytest.raises(OSError, match="could not be downloaded") as caught:
        obtain(file, tmp_path / "home", "rows", download=True)
    assert missing in str(caught.value)
    assert target in str(caught.value)
    assert "SKLEARN_ARDVAE_DATA" in str(caught.value)
    with pytest.raises(OSError, match="download_if_missing=True"):
        obtain(file, tmp_path / "home", "rows", download=False)
    by_hand = RemoteFile("rows.bin", source="https://example.org")
    with pytest.raises(OSError, match=r"is missing. Get it from https://example.org"):
        obtain(by_hand, tmp_path / "home", "rows", download=True)


def test_a_checksum_that_nobody_knows_cannot_be_verified(tmp_path):
    (tmp_path / "rows.bin").write_bytes(CONTENT)
    with pytest.raises(ValueError, match=r"No checksum of rows\.bin"):
        obtain(RemoteFile("rows.bin"), tmp_path, "", download=False, verify="checksum")
