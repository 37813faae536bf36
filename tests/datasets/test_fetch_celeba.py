"""CelebA's loader, on a few made photographs with the published layout."""

import sys
import zipfile

import numpy as np
import pytest

from sklearn_ardvae.datasets import celeba, fetch_celeba

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
    assert np.load(stored).dtype == np.uint8
    assert not list((home / "celeba").glob(".*"))

    def refuse(*args):
        raise AssertionError("decoded again")

    monkeypatch.setattr(celeba, "_shrunken", refuse)
    shuffled = fetch(home, dtype="uint8", image_size=16, shuffle=True, random_state=1)
    order = [first.filenames.index(name) for name in shuffled.filenames]
    np.testing.assert_array_equal(shuffled.data, first.data[order])
    with pytest.raises(AssertionError, match="decoded again"):
        fetch(home, image_size=16, cache=False)


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
