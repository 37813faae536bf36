"""What is printed of training."""

import signal

import numpy as np
import pytest
from estimator_table import CLASSES, IDS, fast
from skorch.callbacks import Callback

from sklearn_ardvae import VAE
from sklearn_ardvae.training.log import columns_of


def printed(capsys):
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("fraction", [0.0, 0.1])
@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_a_row_has_at_most_eight_columns_of_the_history(cls, fraction, low_rank):
    model = fast(cls, validation_fraction=fraction).fit(low_rank)
    row = {name: column[-1] for name, column in model.history_.items()} | {"dur": 0.1}
    columns = columns_of(row)
    assert len(columns) <= 8
    assert len(set(columns)) == len(columns)
    assert set(columns) <= {"epoch", *row}
    assert {"train_loss", "n_active", "learning_rate", "dur"} < set(columns)
    assert ("valid_loss" in columns) == (fraction > 0)


@pytest.mark.parametrize(
    ("every", "epochs"), [(1, [1, 2, 3, 4]), (True, [1, 2, 3, 4]), (3, [3]), (9, [])]
)
def test_every_so_many_epochs_have_a_row(every, epochs, low_rank, capsys):
    fast(VAE, max_iter=4, verbose=every).fit(low_rank)
    lines = printed(capsys)
    header = [line for line in lines if line.startswith("epoch")]
    assert len(header) == bool(epochs)
    assert [int(line[:5]) for line in lines[len(header) : -1]] == epochs


def test_numbers_are_those_of_the_history(low_rank, capsys):
    model = fast(VAE, max_iter=3, verbose=1).fit(low_rank)
    header, *rows, closing = printed(capsys)
    columns = header.split()
    for row, loss, n_active in zip(
        rows, model.loss_curve_, model.history_["n_active"], strict=True
    ):
        cells = dict(zip(columns, row.split(), strict=True))
        # Four digits are printed.
        assert float(cells["train_loss"]) == pytest.approx(loss, rel=1e-3)
        assert int(cells["n_active"]) == n_active
    lowest = np.argmin(model.history_["valid_loss"])
    assert f"in epoch {lowest + 1}, " in closing
    assert f"{model.history_['valid_loss'][lowest]:.5g}" in closing


def test_a_warm_start_goes_on_counting(low_rank, capsys):
    model = fast(VAE, max_iter=2, verbose=1, warm_start=True).fit(low_rank)
    printed(capsys)
    model.fit(low_rank)
    _, *rows, closing = printed(capsys)
    assert [row.split()[0] for row in rows] == ["3", "4"]
    assert closing.startswith("2 epochs in ")
    assert "in epoch 3, " in closing or "in epoch 4, " in closing


def test_partial_fits_print_their_row(low_rank, capsys):
    model = fast(VAE, verbose=2)
    for _ in range(4):
        model.partial_fit(low_rank)
    rows = [line for line in printed(capsys) if not line.startswith("epoch")]
    assert [row.split()[0] for row in rows] == ["2", "4"]


def test_without_an_epoch_there_is_a_closing_line(low_rank, capsys):
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            signal.raise_signal(signal.SIGINT)

    with pytest.warns(UserWarning, match="interrupted"):
        fast(VAE, verbose=1, callbacks=[Interrupt()]).fit(low_rank)
    (closing,) = printed(capsys)
    assert closing.startswith("0 epochs in 0.0 s, ")


def test_there_are_no_control_codes(low_rank, capsys):
    fast(VAE, verbose=1).fit(low_rank)
    assert "\x1b" not in capsys.readouterr().out
