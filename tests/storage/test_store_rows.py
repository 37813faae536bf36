"""Rows that are stored are those that were given, whatever they were given as."""

import gc
import pickle

import dask.array
import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
import zarr
from joblib import Parallel, delayed
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from sklearn_ardvae import store_rows

N_ROWS, N_FEATURES = 257, 6


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)


class Samples(Dataset):
    """A dataset of images and labels."""

    def __init__(self, rows):
        self.images = rows.reshape(-1, 2, 3)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i], i % 3


class Stream(IterableDataset):
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        yield from torch.from_numpy(self.rows)


def parquet(rows, folder):
    table = pa.table({f"f{i}": rows[:, i] for i in range(N_FEATURES)})
    pyarrow.parquet.write_table(table, folder / "rows.parquet", row_group_size=100)
    return pyarrow.parquet.ParquetFile(folder / "rows.parquet").iter_batches(70)


def saved(rows, folder):
    np.save(folder / "rows.npy", rows)
    return folder / "rows.npy"


def in_zarr(rows, folder):
    made = zarr.create_array(
        folder / "rows.zarr", shape=rows.shape, chunks=(50, 2), dtype=rows.dtype
    )
    made[:] = rows
    return made


def in_hdf5(rows, folder):
    file = h5py.File(folder / "rows.h5", "w")
    return file.create_dataset("rows", data=rows, chunks=(50, 6))


def csv(rows, folder):
    pd.DataFrame(rows).to_csv(folder / "rows.csv", index=False, float_format="%.9g")
    return pd.read_csv(folder / "rows.csv", chunksize=100)


SOURCES = {
    "array": lambda rows, _: rows,
    "path of .npy": saved,
    "memory map": lambda rows, f: np.load(saved(rows, f), mmap_mode="r"),
    "private memory map": lambda rows, f: np.load(saved(rows, f), mmap_mode="c"),
    "HDF5": in_hdf5,
    "Zarr": in_zarr,
    "Parquet": parquet,
    "chunks of CSV": csv,
    "polars": lambda rows, _: iter(pl.DataFrame(rows).iter_slices(100)),
    "Dask array": lambda rows, _: dask.array.from_array(rows, chunks=(100, 4)),
    "images with labels": lambda rows, _: Samples(rows),
    "TensorDataset": lambda rows, _: TensorDataset(torch.from_numpy(rows)),
    "IterableDataset": lambda rows, _: Stream(rows),
    "DataLoader": lambda rows, _: DataLoader(Samples(rows), batch_size=100),
    "generator of tensors": lambda rows, _: iter(torch.from_numpy(rows).split(100)),
    "list of arrays": lambda rows, _: np.array_split(rows, 3),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_all_sources_give_the_rows(kind, rows, tmp_path):
    stored = store_rows(SOURCES[kind](rows, tmp_path))
    assert stored.shape == rows.shape
    np.testing.assert_array_equal(np.asarray(stored), rows)
    some = np.array([200, 3, 3, -1])
    np.testing.assert_array_equal(stored.read(some), rows[some])


class Frame:
    """What of a Dask data frame is used, with pandas for its partitions."""

    def __init__(self, frames):
        self.partitions, self.npartitions = frames, len(frames)

    def compute(self):
        return pd.concat(self.partitions)


class Lazy:
    def __init__(self, frame):
        self.frame = frame

    def compute(self):
        return self.frame


def test_a_dask_frame_is_computed_by_partition(rows):
    frames = [pd.DataFrame(some) for some in np.array_split(rows, 4)]
    stored = store_rows(Frame([Lazy(frame) for frame in frames]))
    np.testing.assert_array_equal(np.asarray(stored), rows)


class TestNumbers:
    def test_bytes_stay_bytes_and_are_divided_when_read(self, tmp_path):
        rng = np.random.default_rng(0)
        images = rng.integers(0, 256, (40, 12), dtype=np.uint8)
        path = tmp_path / "rows.npy"
        stored = store_rows([images[:30], images[30:]], divide_by=255, file=path)
        assert np.load(path).dtype == np.uint8
        assert stored.dtype == np.float32
        expected = images.astype(np.float32) / np.float32(255)
        np.testing.assert_array_equal(np.asarray(stored), expected)

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("uint8", "uint8"),
            ("float16", "float16"),
            ("int64", "float32"),
            ("float64", "float32"),
            ("bool", "float32"),
        ],
    )
    def test_what_is_written(self, given, kept, tmp_path):
        path = tmp_path / "rows.npy"
        store_rows([np.ones((3, 2), given)], file=path)
        assert np.load(path).dtype == kept

    def test_numbers_that_do_not_fit_are_an_error(self):
        chunks = [np.ones((3, 2), np.uint8), np.full((3, 2), 300)]
        with pytest.raises(ValueError, match=r"chunk 1, int64, do not fit into uint8"):
            store_rows(chunks)
        stored = store_rows(chunks, dtype="float32")
        np.testing.assert_array_equal(stored.read(np.array([5])), [[300.0, 300.0]])

    def test_double_precision_is_kept_where_it_lies(self):
        rows = 1e8 + np.arange(6.0).reshape(3, 2)
        np.testing.assert_array_equal(np.asarray(store_rows(rows)), rows)


class TestFiles:
    def test_a_temporary_file_goes_with_the_rows(self, rows):
        stored = store_rows([rows])
        path = stored._file.path
        part = stored[10:20]
        del stored
        gc.collect()
        np.testing.assert_array_equal(np.asarray(part), rows[10:20])
        assert path.exists()
        del part
        gc.collect()
        assert not path.exists()

    def test_a_named_file_stays_and_is_no_copy_later(self, rows, tmp_path):
        path = tmp_path / "rows.npy"
        store_rows([rows[:100], rows[100:]], file=path)
        gc.collect()
        np.testing.assert_array_equal(np.asarray(store_rows(path)), rows)
        with pytest.raises(FileExistsError, match=r"file: .* is there already"):
            store_rows([rows], file=path)

    def test_nothing_stays_of_what_fails(self, rows, tmp_path):
        def chunks():
            yield rows
            raise RuntimeError("the disk of the sender")

        with pytest.raises(RuntimeError, match="the sender"):
            store_rows(chunks(), file=tmp_path / "rows.npy")
        assert not list(tmp_path.iterdir())

    def test_a_file_that_became_shorter_is_an_error(self, rows, tmp_path):
        stored = store_rows(saved(rows, tmp_path))
        with open(tmp_path / "rows.npy", "r+b") as file:
            file.truncate(1000)
        with pytest.raises(OSError, match="has become shorter"):
            np.asarray(stored)

    @pytest.mark.parametrize("mode", ["r", "r+", "c"])
    def test_changes_of_a_memory_map_are_seen(self, mode, rows, tmp_path):
        mapped = np.load(saved(rows, tmp_path), mmap_mode=mode)[50:150]
        if mode != "r":
            mapped[7] = 1.0
        np.testing.assert_array_equal(np.asarray(store_rows(mapped)), mapped)

    def test_columns_of_a_memory_map(self, rows, tmp_path):
        mapped = np.load(saved(rows, tmp_path), mmap_mode="r")[:, 1:3]
        np.testing.assert_array_equal(np.asarray(store_rows(mapped)), mapped)


class TestParts:
    @pytest.mark.parametrize(
        "key",
        [slice(5, 50), slice(None, None, -3), [4, 2, -1], np.arange(N_ROWS) % 2 == 0],
        ids=["slice", "steps", "list", "mask"],
    )
    def test_parts_are_rows(self, key, rows, tmp_path):
        stored = store_rows(saved(rows, tmp_path))
        np.testing.assert_array_equal(np.asarray(stored[key]), rows[key])
        nested = stored[key][1:4]
        np.testing.assert_array_equal(np.asarray(nested), rows[key][1:4])
        np.testing.assert_array_equal(stored[key][0], rows[key][0])
        np.testing.assert_array_equal(stored[key][-1], rows[key][-1])

    def test_rows_beyond_a_part_of_a_file_are_an_error(self, rows, tmp_path):
        stored = store_rows(np.load(saved(rows, tmp_path), mmap_mode="r")[:100])
        for place in (100, -101):
            with pytest.raises(IndexError):
                stored.read(np.array([0, place]))
            with pytest.raises(IndexError):
                stored[place]

    def test_columns_cannot_be_chosen(self, rows):
        with pytest.raises(IndexError, match="only rows"):
            store_rows(rows)[:, 0]

    def test_other_processes_read_the_same_file(self, rows):
        stored = store_rows([rows])
        assert len(pickle.dumps(stored)) < 2000
        sums = Parallel(2)(delayed(np.sum)(stored[i::2]) for i in range(2))
        assert sums == [rows[0::2].sum(), rows[1::2].sum()]


class TestErrors:
    def test_of_no_rows(self):
        with pytest.raises(ValueError, match="source holds no chunk"):
            store_rows(iter([]))

    def test_of_other_features(self, rows):
        with pytest.raises(ValueError, match=r"chunk 1 have shape \(5,\), those"):
            store_rows([rows, rows[:, :5]])

    def test_of_words(self):
        with pytest.raises(ValueError, match="chunk 0 is of shape"):
            store_rows([np.array([["a", "b"]])])

    def test_of_what_holds_no_rows(self):
        with pytest.raises(TypeError, match="source is of type int; give an array"):
            store_rows(3)

    def test_of_another_kind_of_file(self):
        with pytest.raises(ValueError, match=r"is no \.npy file; open it"):
            store_rows("rows.parquet")

    def test_of_the_scale(self, rows):
        with pytest.raises(ValueError, match="divide_by must be a number > 0; got 0"):
            store_rows(iter([rows]), divide_by=0)

    def test_of_what_stays_where_it_is(self, rows, tmp_path):
        with pytest.raises(ValueError, match="file is for what has to be written"):
            store_rows(rows, file=tmp_path / "rows.npy")

    def test_of_rows_that_are_stored(self, rows):
        with pytest.raises(TypeError, match="stored already"):
            store_rows(store_rows(rows))

    def test_of_one_feature_without_a_column(self):
        with pytest.raises(ValueError, match=r"reshape\(-1, 1\)"):
            store_rows(np.arange(5.0))
