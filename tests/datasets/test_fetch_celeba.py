"""CelebA's loader, on a few made photographs with the published layout."""

import dataclasses
import hashlib
import io
import re
import sys
import warnings
import zipfile

import numpy as np
import pytest

from sklearn_ardvae.datasets import celeba, fetch_celeba
from sklearn_ardvae.datasets._image_cache import save_images

Image = pytest.importorskip("PIL.Image")
PARTS = [0, 0, 1, 0, 2, 0]
NAMES = [f"{i:06d}.jpg" for i in range(1, 7)]


def photograph(i):
    """A grey level of its own, with a brighter square of 100 in the middle."""
    pixels = np.full((218, 178, 3), 20 * i, np.uint8)
    pixels[59:159, 39:139] = 20 * i + 100
    return Image.fromarray(pixels)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    for i, name in enumerate(NAMES):
        photograph(i).save(folder / "img_align_celeba" / name, quality=95)
    lines = [f"{name} {part}" for name, part in zip(NAMES, PARTS, strict=True)]
    (folder / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    signs = [f"{name}  1 {'-1' if i % 2 else ' 1'}" for i, name in enumerate(NAMES)]
    (folder / "list_attr_celeba.txt").write_text(
        "6\nSmiling Young \n" + "\n".join(signs) + "\n"
    )
    return tmp_path


def fetch(home, **kwargs):
    return fetch_celeba(data_home=home, verify="format", **kwargs)


def test_parts_attributes_and_shapes(home):
    train = fetch(home, dtype="uint8")
    assert train.filenames == [NAMES[i] for i in (0, 1, 3, 5)]
    assert train.input_shape == (3, 64, 64)
    assert train.data.shape == (4, 3 * 64 * 64)
    assert train.target_names == ["Smiling", "Young"]
    np.testing.assert_array_equal(train.target, [[1, 1], [1, 0], [1, 0], [1, 0]])
    assert fetch(home, subset="validation").filenames == [NAMES[2]]
    assert fetch(home, subset="all").filenames == NAMES
    data, target = fetch(home, subset="test", return_X_y=True)
    assert data.dtype == np.float32
    assert data.shape == (1, 12288)
    assert target.shape == (1, 2)


@pytest.mark.parametrize("crop", [100, 140, 148, None])
def test_the_crop_is_central(home, crop):
    images = fetch(home, subset="all", crop=crop, dtype="uint8", cache=False)
    images = images.data.reshape(-1, 3, 64, 64).astype(float)
    width, height = (178, 218) if crop is None else (crop, crop)
    share = 100 * 100 / (width * height)
    for i, image in enumerate(images):
        # Jpeg and rounding each err by a grey level or two.
        np.testing.assert_allclose(image.mean(), 20 * i + 100 * share, atol=2.0)
        # Central: mirror images agree, up to the half pixel of an odd margin.
        np.testing.assert_allclose(image.mean(1), image[:, ::-1].mean(1), atol=8.0)
        np.testing.assert_allclose(image.mean(2), image[:, :, ::-1].mean(2), atol=8.0)


def test_zip_file_and_folder_agree(home):
    folder = home / "celeba" / "img_align_celeba"
    from_folder = fetch(home, subset="all", dtype="uint8", cache=False)
    with zipfile.ZipFile(home / "celeba" / "img_align_celeba.zip", "w") as archive:
        for name in NAMES:
            archive.write(folder / name, f"img_align_celeba/{name}")
    for name in NAMES:
        (folder / name).unlink()
    folder.rmdir()
    from_zip = fetch(home, subset="all", dtype="uint8", cache=False)
    np.testing.assert_array_equal(from_zip.data, from_folder.data)


def test_resized_images_are_kept_as_bytes_and_used(home, monkeypatch):
    first = fetch(home, dtype="uint8", image_size=16)
    stored = home / "celeba" / "celeba_train_crop140_16.npy"
    assert stored.stat().st_size < 2 * 4 * 3 * 16 * 16  # as floats twice that
    assert not list((home / "celeba").glob(".*"))

    def refuse(*args):
        raise AssertionError("decoded again")

    monkeypatch.setattr(celeba, "_shrunken", refuse)
    shuffled = fetch(home, dtype="uint8", image_size=16, shuffle=True, random_state=1)
    order = [first.filenames.index(name) for name in shuffled.filenames]
    np.testing.assert_array_equal(shuffled.data, first.data[order])
    with pytest.raises(AssertionError, match="decoded again"):
        fetch(home, image_size=16, cache=False)


def test_a_damaged_cache_is_warned_of_and_made_anew(home):
    def get(**kwargs):
        return fetch(home, dtype="uint8", image_size=8, **kwargs)

    expected = get().data
    stored = home / "celeba" / "celeba_train_crop140_8.npy"
    whole = stored.read_bytes()
    rng = np.random.default_rng(0)
    damages = [b"", whole[:-1], whole[:50], b"x" + whole[1:]]
    old = io.BytesIO()
    np.save(old, expected.reshape(4, 3, 8, 8)[::-1])
    damages.append(old.getvalue())
    for at in [*range(0, 128, 3), *rng.integers(128, len(whole), 30), len(whole) - 1]:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << rng.integers(8)
        damages.append(bytes(flipped))
    n_warnings = 0
    for damaged in damages:
        stored.write_bytes(damaged)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            some = get(n_samples=2, random_state=0)
            np.testing.assert_array_equal(get().data, expected)
        rows = [int(np.flatnonzero((expected == row).all(1))[0]) for row in some.data]
        assert len(set(rows)) == 2
        mine = [w for w in caught if "is damaged, or of other images" in str(w.message)]
        n_warnings += len(mine) > 0
        assert all(w.filename == __file__ for w in mine)
        # Of the header's bytes some are blank: damaged, they are still read right.
        assert stored.read_bytes() == (whole if mine else damaged)
    assert n_warnings >= 5 + 31


def test_a_cache_of_other_images_is_not_used(home):
    fetch(home, image_size=8)
    partition = home / "celeba" / "list_eval_partition.txt"
    lines = partition.read_text().splitlines()
    partition.write_text("\n".join([lines[0], *lines[2:], f"{NAMES[1]} 0"]))
    with pytest.warns(UserWarning, match=r"the checksum of 000004\.jpg is wrong"):
        got = fetch(home, image_size=8)
    assert got.filenames == [NAMES[i] for i in (0, 3, 5, 1)]
    np.testing.assert_array_equal(got.data, fetch(home, image_size=8, cache=False).data)


def test_checksum_is_of_the_images_too_and_not_of_the_cache(home, monkeypatch):
    folder = home / "celeba"
    path = folder / "img_align_celeba.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in NAMES:
            archive.write(
                folder / "img_align_celeba" / name, f"img_align_celeba/{name}"
            )
    for variable in ("_IMAGES", "_PARTITION", "_ATTRIBUTES"):
        file = getattr(celeba, variable)
        digest = hashlib.md5((folder / file.name).read_bytes()).hexdigest()
        file = dataclasses.replace(file, checksum=f"md5:{digest}")
        monkeypatch.setattr(celeba, variable, file)
    monkeypatch.setattr(celeba, "_PARTITION_COUNTS", (4, 1, 1))

    def get(verify):
        return fetch_celeba(data_home=home, verify=verify, image_size=8, dtype="uint8")

    expected = get("checksum").data
    names = np.array([NAMES[i] for i in (0, 1, 3, 5)])
    wrong = np.zeros((4, 3, 8, 8), np.uint8)
    save_images(folder / "celeba_train_crop140_8.npy", names, wrong)
    assert get("structure").data.max() == 0
    np.testing.assert_array_equal(get("checksum").data, expected)
    np.testing.assert_array_equal(get("structure").data, expected)
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ValueError, match=r"img_align_celeba\.zip has the md5 checksum"):
        get("checksum")


def test_few_samples_are_decoded_alone(home):
    every = fetch(home, subset="all", dtype="uint8", cache=False)
    some = fetch(home, subset="all", n_samples=3, dtype="uint8", random_state=0)
    rows = [every.filenames.index(name) for name in some.filenames]
    np.testing.assert_array_equal(some.data, every.data[rows])
    assert not list((home / "celeba").glob("*.npy"))


def test_without_attributes(home):
    (home / "celeba" / "list_attr_celeba.txt").unlink()
    assert fetch(home).target is None
    with pytest.raises(OSError, match="return_X_y=True needs the attributes"):
        fetch(home, return_X_y=True)


def test_errors(home, monkeypatch):
    with pytest.raises(ValueError, match="set verify='format'"):
        fetch_celeba(data_home=home)
    with pytest.raises(ValueError, match="md5 checksum"):
        fetch_celeba(data_home=home, verify="checksum")
    with pytest.raises(ValueError, match=r"crop must be an integer in \[1, 178\]"):
        fetch(home, crop=200)
    with pytest.raises(ValueError, match="subset must be one of"):
        fetch(home, subset="valid")
    Image.new("RGB", (100, 100)).save(home / "celeba" / "img_align_celeba" / NAMES[4])
    with pytest.raises(ValueError, match="100 x 100 pixels instead of the 178 x 218"):
        fetch(home, subset="test")
    partition = home / "celeba" / "list_eval_partition.txt"
    partition.write_text("000001.jpg 7\n")
    with pytest.raises(ValueError, match="a file name and 0, 1 or 2"):
        fetch(home)
    partition.write_text("000009.jpg 0\n")
    with pytest.raises(ValueError, match=r"lacks 1 images .* 000009.jpg"):
        fetch(home)


def test_without_pillow_the_error_says_so(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        fetch(home)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"000001.jpg 0\n\xff\xfe 1\n", "is not a whole text file: 'utf-8' codec"),
    ],
)
def test_a_damaged_partition_is_named(home, text, message):
    path = home / "celeba" / "list_eval_partition.txt"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))} {message}.*get it"):
        fetch(home)


def test_a_damaged_image_is_named(home):
    folder = home / "celeba" / "img_align_celeba"
    path = folder / NAMES[4]
    whole = path.read_bytes()
    for damaged in (b"", b"no jpg", whole[:20], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=rf"{NAMES[4]} is not a whole jpg file"):
            fetch(home, subset="test")
    path.unlink()
    with pytest.raises(OSError, match=rf"{NAMES[4]} is missing\. Unpack"):
        fetch(home, subset="test")
    folder.rename(home / "elsewhere")
    archive = home / "celeba" / "img_align_celeba.zip"
    for file, message in (
        (b"no jpg", rf"{NAMES[4]} in {re.escape(str(archive))} is not a whole jpg"),
        (bytes(2**21), rf"{NAMES[4]} in {re.escape(str(archive))} unpacks to more"),
    ):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as stream:
            stream.writestr(f"img_align_celeba/{NAMES[4]}", file)
        with pytest.raises(ValueError, match=message):
            fetch(home, subset="test")
    with pytest.raises(ValueError, match=rf"lacks img_align_celeba/{NAMES[2]}"):
        fetch(home, subset="validation")
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"celeba\.zip is not a whole zip file"):
        fetch(home, subset="test")
