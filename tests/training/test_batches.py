"""Batches: every row once, in the order that the generator says."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sklearn_ardvae.training.batches import Rows, TensorBatches


def rows(n):
    return Rows(torch.arange(float(2 * n)).reshape(n, 2), torch.arange(n))


@given(n_rows=st.integers(1, 40), batch_size=st.integers(1, 12), shuffle=st.booleans())
def test_a_pass_shows_every_row_once(n_rows, batch_size, shuffle):
    generator = torch.Generator().manual_seed(0)
    batches = TensorBatches(rows(n_rows), batch_size, shuffle, generator)
    seen = [x for x, _ in batches]
    assert len(seen) == len(batches)
    together = torch.cat(seen)
    assert together[:, 0].sort().values.tolist() == [2.0 * i for i in range(n_rows)]
    assert all(len(x) <= batch_size + 1 for x in seen)
    # Batch normalisation cannot take a batch of one row.
    if n_rows > 1 and batch_size > 1:
        assert all(len(x) > 1 for x in seen)


def test_each_pass_is_shuffled_anew_and_repeatably():
    def passes():
        batches = TensorBatches(rows(20), 4, True, torch.Generator().manual_seed(3))
        return [torch.cat([x for x, _ in batches]) for _ in range(2)]

    (first, second), (first_again, _) = passes(), passes()
    assert torch.equal(first, first_again)
    assert not torch.equal(first, second)


def test_only_the_indexed_rows_are_shown():
    dataset = rows(10)
    dataset.index = torch.tensor([7, 2, 5])
    (batch, _), *rest = TensorBatches(dataset, 8)
    assert not rest
    assert batch[:, 0].tolist() == [14.0, 4.0, 10.0]
    assert dataset.tensor().equal(batch)
    assert dataset[1][0].tolist() == [4.0, 5.0]


@pytest.mark.parametrize("shuffle", [False, True])
def test_minus_one_is_one_batch(shuffle):
    generator = torch.Generator().manual_seed(0)
    (batch, _), *rest = TensorBatches(rows(9), -1, shuffle, generator)
    assert len(batch) == 9
    assert not rest
