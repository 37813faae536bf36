"""What save keeps, and what load refuses and says.

That a copy does the same is tested for every estimator, that a fit goes on after it in
`test_resume`, files that nobody saved in `test_fuzzed_files`.
"""

import errno
import math
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from estimator_table import CLASSES, fast, plain
from safetensors.numpy import save_file
from saved_files import Cost, packed, same, unpacked
from torch import nn

import sklearn_ardvae
from sklearn_ardvae import ARDVAE, WAE, FlowVAE, MaskAAE, TwoStageVAE
from sklearn_ardvae.estimator.base import BaseAutoencoder


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def model(low_rank):
    return fast(ARDVAE).fit(low_rank)


# --- files --------------------------------------------------------------------------


def test_an_unfitted_model_cannot_be_saved(path):
    with pytest.raises(ValueError, match="not fitted"):
        ARDVAE().save(path)
    assert not path.exists()


@pytest.mark.parametrize("kind", [str, Path, os.fsencode])
def test_paths_of_any_kind_are_taken(model, path, kind):
    model.save(kind(path))
    assert ARDVAE.load(kind(path)).n_iter_ == model.n_iter_


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_file_has_the_mode_that_new_files_have(model, path, umask, mode):
    before = os.umask(umask)
    try:
        model.save(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


def test_a_full_disk_leaves_the_old_model(model, path, low_rank, monkeypatch):
    model.save(path)
    codes = model.transform(low_rank)
    write = Path.write_bytes

    def write_half(self, content):
        write(self, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_half)
    with pytest.raises(OSError, match="No space left"):
        model.fit(low_rank[::-1]).save(path)
    assert os.listdir(path.parent) == [path.name]
    np.testing.assert_array_equal(ARDVAE.load(path).transform(low_rank), codes)


def test_what_is_no_file_is_not_waited_for(model, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", os.devnull):
        with pytest.raises(ValueError, match="is a device or a pipe"):
            ARDVAE.load(place)
    with pytest.raises(ValueError, match="is a device or a pipe"):
        model.save(tmp_path / "pipe")
    for place, error in ((tmp_path, IsADirectoryError), ("no/x", FileNotFoundError)):
        with pytest.raises(error):
            ARDVAE.load(place)
        with pytest.raises(error):
            model.save(place)
    with pytest.raises(TypeError):
        ARDVAE.load(0)  # a descriptor of a file


def test_what_is_no_model_is_refused(path):
    for content in (b"", b"anything", bytes(99), b"\x01" + bytes(8)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{path} is not a safetensors file"):
            ARDVAE.load(path)
    save_file({"x": np.zeros(1)}, path)
    with pytest.raises(ValueError, match=f"{path} is a safetensors file, but no saved"):
        ARDVAE.load(path)


def test_safetensors_is_asked_for(model, path, monkeypatch):
    model.save(path)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match=r"sklearn_ardvae\[save\]"):
        model.save(path.with_name("other"))
    with pytest.raises(ImportError, match=r"sklearn_ardvae\[save\]"):
        ARDVAE.load(path)
    assert os.listdir(path.parent) == [path.name]


# --- classes ------------------------------------------------------------------------


def test_the_base_class_loads_any_estimator(model, path, low_rank):
    model.save(path)
    again = BaseAutoencoder.load(path)
    assert type(again) is ARDVAE
    np.testing.assert_array_equal(again.transform(low_rank), model.transform(low_rank))


class Mine(ARDVAE):
    """A class of a user's, with an attribute of its own."""

    def fit(self, X, y=None):
        super().fit(X, y)
        self.largest_ = {"values": (float(np.max(X)), None), "rows": np.arange(3)}
        return self


def test_a_users_class_comes_back(path, low_rank):
    model = fast(Mine).fit(low_rank)
    model.save(path)
    for cls in (Mine, ARDVAE, BaseAutoencoder):
        again = cls.load(path)
        assert type(again) is Mine
        assert same(again.largest_, model.largest_)


def test_another_class_is_refused(model, path):
    class Other(ARDVAE):
        pass

    model.save(path)
    with pytest.raises(ValueError, match=r"class sklearn_ardvae\.ARDVAE, not .*Other:"):
        Other.load(path)
    with pytest.raises(ValueError, match=r"ARDVAE, not sklearn_ardvae\.WAE: load it"):
        WAE.load(path)


def test_a_class_of_the_same_name_is_another(model, path, low_rank):
    def users_class():
        return type("ARDVAE", (ARDVAE,), {"__module__": "users"})

    users = users_class()
    model.save(path)
    for cls in (ARDVAE, BaseAutoencoder):
        assert type(cls.load(path)) is ARDVAE
    with pytest.raises(ValueError, match=r"sklearn_ardvae\.ARDVAE, not users\.ARDVAE"):
        users.load(path)
    fast(users).fit(low_rank).save(path)
    assert type(ARDVAE.load(path)) is users
    # Of a class that was defined twice, as in a notebook, it is the last.
    again = users_class()
    assert type(ARDVAE.load(path)) is again
    assert type(users.load(path)) is users


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (["models", "Mine"], r"models\.Mine, which is not defined .* import models"),
        (["__main__", "Mine"], r"__main__\.Mine, .* define it before load"),
        (["os", "system"], r"os\.system, which is not defined here"),
        (["sklearn_ardvae", "XVAE"], "which this version of sklearn_ardvae does not"),
    ],
)
def test_a_class_that_is_not_there_is_asked_for(model, path, name, message):
    model.save(path)
    header, arrays = unpacked(path)
    path.write_bytes(packed(header | {"class": name}, arrays))
    before = set(sys.modules)
    with pytest.raises(ValueError, match=message):
        BaseAutoencoder.load(path)
    assert set(sys.modules) == before


# --- versions -----------------------------------------------------------------------


def test_a_newer_package_is_warned_of_at_the_users_line(model, path, monkeypatch):
    monkeypatch.setattr(sklearn_ardvae, "__version__", "2.10.0")
    model.save(path)
    ARDVAE.load(path)
    monkeypatch.setattr(sklearn_ardvae, "__version__", "2.9.1")
    with pytest.warns(
        UserWarning, match=r"by sklearn_ardvae 2\.10\.0; this is 2\.9\.1"
    ):
        ARDVAE.load(path)
    with pytest.warns(UserWarning, match="Upgrade") as caught:
        ARDVAE.load(path)
    assert caught[0].filename == __file__
    for older_or_same in ("2.10", "2.10.0.dev3", "3.0.0rc1", "10.0"):
        monkeypatch.setattr(sklearn_ardvae, "__version__", older_or_same)
        ARDVAE.load(path)


def test_versions_are_in_the_file(model, path):
    model.save(path)
    assert unpacked(path)[0]["versions"] == {
        "sklearn_ardvae": sklearn_ardvae.__version__,
        "torch": str(torch.__version__),
    }


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (3, "has format version 3, and 1 to 2 are read .* wrote it, 9.9, or a later"),
        (0, "has no version of the format: 0"),
        (True, "has no version of the format: True"),
        ("2", "has no version of the format: '2'"),
        (1, "has other keys than version 1"),
    ],
)
def test_other_formats_are_refused(model, path, version, message):
    model.save(path)
    header, arrays = unpacked(path)
    header["format_version"] = version
    header["versions"]["sklearn_ardvae"] = "9.9"
    path.write_bytes(packed(header, arrays))
    with pytest.raises(ValueError, match=message):
        ARDVAE.load(path)


# --- parameters and attributes ------------------------------------------------------

AWKWARD = {
    "array": {"hidden_layer_sizes": np.array([8, 4])},
    "list": {"hidden_layer_sizes": [8, 4]},
    "numbers of numpy": {"beta": np.float32(0.1), "n_components": np.int64(2)},
    "device": {"device": torch.device("cpu")},
    "name of a device": {"device": "cpu"},
    "nothing": {"input_shape": None, "lr_patience": None, "beta": 0.1},
    "list for a tuple": {"input_shape": [3, 4]},
    "dict": {
        "skorch_params": {
            "optimizer__betas": (0.5, np.float64(0.9)),
            "optimizer__fused": None,
            "predict_nonlinearity": [math.inf, -math.inf, math.nan, {"a": 1}],
        }
    },
}


@pytest.mark.parametrize("params", AWKWARD.values(), ids=AWKWARD.keys())
def test_awkward_parameters_come_back_exactly(params, path, low_rank):
    model = fast(ARDVAE, **params).fit(low_rank)
    model.save(path)
    again = ARDVAE.load(path)
    assert same(again.get_params(), model.get_params())
    np.testing.assert_array_equal(again.transform(low_rank), model.transform(low_rank))


def networks():
    return nn.Linear(12, 4), nn.Linear(2, 12)


def test_parameters_that_a_file_cannot_hold_are_asked_for(path, low_rank):
    pair = networks()
    model = fast(ARDVAE, architecture=pair).fit(low_rank)
    model.save(path)
    with pytest.raises(ValueError, match=r"without architecture \(a torch.*Linear\)"):
        ARDVAE.load(path)
    with pytest.raises(ValueError, match="pass exactly") as refused:
        ARDVAE.load(path, architecture=pair, beta=2.0)
    assert "['architecture'] to load; got ['architecture', 'beta']" in str(
        refused.value
    )
    with pytest.raises(ValueError, match="has weights that do not fit"):
        ARDVAE.load(path, architecture=(nn.Linear(12, 4, bias=False), pair[1]))
    again = ARDVAE.load(path, architecture=networks())
    np.testing.assert_array_equal(again.transform(low_rank), model.transform(low_rank))


@pytest.mark.parametrize(
    "params",
    [
        {"random_state": np.random.RandomState(0)},
        {"callbacks": [object()]},
        {"activation": nn.Tanh},
        {"hidden_layer_sizes": torch.tensor([8])},
    ],
    ids=lambda params: next(iter(params)),
)
def test_what_was_set_since_the_fit_is_all_that_is_missing(
    params, model, path, low_rank
):
    # The module was built from other parameters, which are known.
    model.set_params(**params).save(path)
    with pytest.raises(ValueError, match=f"without {next(iter(params))}"):
        ARDVAE.load(path)
    again = ARDVAE.load(path, **params)
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.transform(low_rank), model.transform(low_rank))


def test_names_of_columns_and_outputs_come_back(path, low_rank):
    frame = pd.DataFrame(low_rank, columns=list("abcdefghijkl"))
    model = fast(ARDVAE).set_output(transform="pandas").fit(frame)
    model.save(path)
    again = ARDVAE.load(path)
    assert list(again.feature_names_in_) == list(frame.columns)
    pd.testing.assert_frame_equal(again.transform(frame), model.transform(frame))


def test_a_snapshot_can_be_saved_while_the_fit_goes_on(path, low_rank):
    pytest.importorskip("sklearn.callback")

    class Save:
        def setup(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            if context.task_name == "epoch" and fitted_estimator.n_iter_ == 3:
                fitted_estimator.save(path)

        def teardown(self, estimator, context):
            pass

    settings = {"early_stopping": False, "lr_patience": None}
    plain(ARDVAE, max_iter=9, **settings).set_callbacks(Save()).fit(low_rank)
    expected = plain(ARDVAE, max_iter=3, **settings).fit(low_rank)
    codes = ARDVAE.load(path).transform(low_rank)
    np.testing.assert_array_equal(codes, expected.transform(low_rank))


def test_an_attribute_that_cannot_be_saved_is_named(model, path):
    model.friend_ = object()
    with pytest.raises(
        ValueError, match=r"it has an attribute friend_ with a builtins\.object"
    ):
        model.save(path)
    del model.friend_
    model.transform = 3
    with pytest.raises(ValueError, match="attribute 'transform', which ARDVAE needs"):
        model.save(path)
    assert not path.exists()


# --- files that nobody saved --------------------------------------------------------


def test_a_changed_weight_is_noticed(model, path):
    model.save(path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="does not match its hash"):
        ARDVAE.load(path)


def sizes(n, **others):
    return lambda header: header["built_from"].update(
        {"hidden_layer_sizes": {"tuple": [n] * others.get("depth", 1)}}
    )


def parameter(**params):
    return lambda header: header["built_from"].update(params)


CRAFTED = {
    "many layers": (ARDVAE, sizes(1, depth=100_000)),
    "wide layers": (ARDVAE, sizes(10**7)),
    "wide layers one after the other": (ARDVAE, sizes(5_000, depth=40)),
    "many components": (ARDVAE, parameter(n_components=10**7)),
    "more components than memory": (ARDVAE, parameter(n_components=10**30)),
    "many features": (
        ARDVAE,
        lambda header: header["attributes"].update({"n_features_in_": 10**9}),
    ),
    "a large image": (
        ARDVAE,
        parameter(input_shape={"tuple": [1, 2**15, 2**15]}, architecture="ngvae"),
    ),
    "a large network": (ARDVAE, parameter(architecture="maskaae")),
    "a wide critic": (MaskAAE, parameter(critic_layer_sizes={"tuple": [10**5] * 2})),
    "a wide second stage": (
        TwoStageVAE,
        parameter(second_stage_hidden_layer_sizes={"tuple": [10**5] * 2}),
    ),
    "many steps of a flow": (FlowVAE, parameter(n_flow_steps=10**9)),
    "deep JSON": (ARDVAE, lambda header: header.update(params=nested(5_000))),
    "deep values": (ARDVAE, lambda header: header.update(params=nested(900))),
    "a large array of nothing": (
        ARDVAE,
        parameter(hidden_layer_sizes={"objects": {"shape": [0, 10**18], "items": []}}),
    ),
}


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return {"beta": value}


@pytest.mark.parametrize(
    ("cls", "edit"),
    [pytest.param(*crafted, id=name) for name, crafted in CRAFTED.items()],
)
def test_small_files_do_not_exhaust_the_machine(cls, edit, path, low_rank):
    fast(cls).fit(low_rank).save(path)
    header, arrays = unpacked(path)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        edit(header)
        path.write_bytes(packed(header, arrays))
        # Python's own, which other packages may have raised.
        sys.setrecursionlimit(1_000)
        cost = Cost()
        with cost.measured(), pytest.raises(ValueError, match=f"^{path} "):
            cls.load(path)
    finally:
        sys.setrecursionlimit(limit)
    assert cost.seconds < 1.0
    assert cost.bytes < 100e6


def test_a_header_has_a_largest_size(path):
    # 16 MB of JSON, which would take 60 times that.
    for text in ('{"a":[' + "[]," * 5_000_000 + "[]]}", '{"a":"' + " " * 2**25 + '"}'):
        content = text.encode()
        path.write_bytes(len(content).to_bytes(8, "little") + content)
        cost = Cost()
        with cost.measured(), pytest.raises(ValueError, match="has a header of"):
            ARDVAE.load(path)
        assert cost.bytes < 4 * len(content)


def test_nothing_is_saved_that_could_not_be_read(model, path):
    model.notes_ = ["x"] * 2**20
    with pytest.raises(ValueError, match=r"has a header of .*belong into arrays"):
        model.save(path)
    model.notes_ = [0.5] * 2**20  # which is an array in the file
    model.save(path)
    assert ARDVAE.load(path).notes_ == model.notes_


# --- devices ------------------------------------------------------------------------


def test_a_device_that_is_missing_is_named(model, path):
    model.save(path)
    with pytest.raises(ValueError, match="device='cuda:99' is not available"):
        ARDVAE.load(path, device="cuda:99")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.accelerator.is_available(), reason="no accelerator")
@pytest.mark.parametrize("cls", CLASSES)
def test_a_model_moves_between_devices(cls, path, low_rank):
    model = fast(cls, device="auto").fit(low_rank)
    assert model.device_ != "cpu"
    again = fast(cls, device="auto").fit(low_rank)
    np.testing.assert_array_equal(again.transform(low_rank), model.transform(low_rank))
    model.save(path)
    on_cpu = cls.load(path, device="cpu")
    assert on_cpu.device_ == "cpu"
    # Sums in another order on another device.
    np.testing.assert_allclose(
        on_cpu.transform(low_rank), model.transform(low_rank), rtol=1e-3, atol=1e-4
    )
