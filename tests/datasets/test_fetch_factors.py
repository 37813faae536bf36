"""Loaders of dSprites and 3D Shapes, on made files of the true layout."""

import sys

import numpy as np
import pytest

from sklearn_ardvae.datasets import factor_files, fetch_3dshapes, fetch_dsprites
from sklearn_ardvae.datasets._bunch import FactorGrid
from sklearn_ardvae.datasets.factor_files import DSPRITES_GRID, SHAPES3D_GRID

SMALL = FactorGrid(DSPRITES_GRID.names, tuple(np.arange(n) for n in (3, 2, 4, 2, 2)))


def test_grids_have_the_published_order():
    # Index = the factors' positions times these bases, as published for both.
    for grid, bases, n_rows in (
        (DSPRITES_GRID, [245760, 40960, 1024, 32, 1], 737_280),
        (SHAPES3D_GRID, [48000, 4800, 480, 60, 15, 1], 480_000),
    ):
        assert grid.n_rows == n_rows
        rows = np.random.default_rng(0).integers(0, n_rows, 1000)
        factors = grid.factors(rows)
        np.testing.assert_array_equal(factors @ bases, rows)
        assert (factors >= 0).all()
        assert (factors < grid.sizes).all()


@pytest.fixture
def dsprites(tmp_path, monkeypatch):
    monkeypatch.setattr(factor_files, "DSPRITES_GRID", SMALL)
    images = np.random.default_rng(0).integers(0, 2, (96, 64, 64), dtype=np.uint8)
    classes = np.column_stack([np.zeros(96, int), SMALL.factors(np.arange(96))])
    arrays = {"imgs": images, "latents_classes": classes}
    path = tmp_path / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
    # The published file holds a pickle as well, which must not be opened.
    np.savez_compressed(path, metadata=np.array({"a": 1}, dtype=object), **arrays)
    return tmp_path, path, arrays


def test_dsprites(dsprites):
    home, _, arrays = dsprites
    bunch = fetch_dsprites(data_home=home)
    np.testing.assert_array_equal(bunch.data, arrays["imgs"].reshape(96, -1))
    assert bunch.data.dtype == np.uint8
    assert bunch.input_shape == (1, 64, 64)
    np.testing.assert_array_equal(bunch.factors, arrays["latents_classes"][:, 1:])
    some = fetch_dsprites(data_home=home, subset=[5, 95, 5], dtype="float32")
    np.testing.assert_array_equal(some.data, bunch.data[[5, 95, 5]])
    np.testing.assert_array_equal(some.indices, [5, 95, 5])
    data, factors = fetch_dsprites(
        data_home=home, subset=10, random_state=0, return_X_y=True
    )
    rows = np.ravel_multi_index(factors.T, SMALL.sizes)
    assert len(set(rows)) == 10
    np.testing.assert_array_equal(data, bunch.data[rows])


def test_a_wrong_dsprites_is_refused(dsprites):
    home, path, arrays = dsprites
    with pytest.raises(ValueError, match="md5 checksum"):
        fetch_dsprites(data_home=home, verify="checksum")
    with pytest.raises(ValueError, match="row indices from 0 to 96"):
        fetch_dsprites(data_home=home, subset=[0, 96])
    np.savez(path, imgs=arrays["imgs"][:90], latents_classes=arrays["latents_classes"])
    with pytest.raises(
        ValueError, match=r"shape \(90, 64, 64\) instead of uint8 and \(96, 64, 64\)"
    ):
        fetch_dsprites(data_home=home, subset=[0])
    np.savez(path, imgs=2 * arrays["imgs"], latents_classes=arrays["latents_classes"])
    with pytest.raises(ValueError, match="binary images"):
        fetch_dsprites(data_home=home)
    np.savez(path, imgs=arrays["imgs"], latents_classes=arrays["latents_classes"][::-1])
    with pytest.raises(ValueError, match="published order"):
        fetch_dsprites(data_home=home)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"64x64\.npz is not a whole zip file"):
        fetch_dsprites(data_home=home)


def test_3dshapes(tmp_path):
    h5py = pytest.importorskip("h5py")
    rows = np.array([479_999, 0, 4095, 4096, 100_000])
    drawn = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    index = SHAPES3D_GRID.factors(np.arange(480_000))
    hue = np.arange(10) / 10
    values = (hue, hue, hue, np.linspace(0.75, 1.25, 8), np.arange(4.0))
    values = (*values, np.linspace(-30, 30, 15))
    labels = np.stack([v[i] for v, i in zip(values, index.T, strict=True)], axis=1)
    path = tmp_path / "3dshapes.h5"
    with h5py.File(path, "w") as file:
        # Chunks that nobody wrote to take no space.
        images = file.create_dataset(
            "images",
            (480_000, 64, 64, 3),
            np.uint8,
            chunks=(16, 64, 64, 3),
            compression="gzip",
        )
        for row, image in zip(rows, drawn, strict=True):
            images[row] = image
        file["labels"] = labels
    bunch = fetch_3dshapes(data_home=tmp_path, subset=rows, dtype="uint8")
    got = bunch.data.reshape(5, 3, 64, 64).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(got, drawn)
    assert bunch.input_shape == (3, 64, 64)
    np.testing.assert_array_equal(bunch.factors, index[rows])
    data, _ = fetch_3dshapes(data_home=tmp_path, subset=rows, return_X_y=True)
    np.testing.assert_array_equal(data, bunch.data / np.float32(255))
    with pytest.raises(ValueError, match="sha256 checksum"):
        fetch_3dshapes(data_home=tmp_path, verify="checksum")
    with h5py.File(path, "a") as file:
        file["labels"][3, 0] = 0.9
    with pytest.raises(ValueError, match="published order"):
        fetch_3dshapes(data_home=tmp_path, subset=[0])
    with h5py.File(path, "a") as file:
        del file["images"]
    with pytest.raises(ValueError, match="lacks 'images'"):
        fetch_3dshapes(data_home=tmp_path, subset=[0])
    whole = path.read_bytes()
    for damaged in (b"", b"no HDF5", whole[:1000], whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"3dshapes\.h5 is not a whole HDF5 file"):
            fetch_3dshapes(data_home=tmp_path, subset=[0])


def test_without_h5py_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        fetch_3dshapes(data_home=tmp_path)
