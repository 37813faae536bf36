"""The performance suite: sides take turns, records come back, the page is of them."""

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_ardvae.randomness import derived_generator

FOLDER = Path(__file__).parents[2] / "benchmarks" / "performance"


@pytest.fixture
def module(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module


@pytest.fixture
def measure(module):
    return module("measure")


# --- timing ---------------------------------------------------------------------------


def test_sides_take_turns_in_both_orders(measure):
    calls, threads = [], []

    def side(name):
        calls.append(name)
        threads.append(torch.get_num_threads())

    before = torch.get_num_threads()
    sides = {name: lambda name=name: side(name) for name in "ab"}
    case = measure.Case("toy", "", sides, threads=2, rounds=3)
    (seconds,) = measure.in_turns(case).values()
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert set(threads) == {2}
    assert torch.get_num_threads() == before
    assert list(seconds) == ["a", "b"]
    assert all(len(pairs) == 3 for pairs in seconds.values())


def test_sides_that_time_themselves_are_believed(measure):
    told = iter([9.0, 1.0, 2.0])
    sides = {
        "a": lambda: {"an epoch": measure.Seconds(next(told), 0.5)},
        "b": lambda: {"an epoch": measure.Seconds(4.0, 0.25)},
    }
    (record,) = measure.measure("toy", measure.Case("c", "s", sides, rounds=2))
    assert record["part"] == "an epoch"
    np.testing.assert_allclose(measure.ratios(record, "b"), [0.25, 0.5])
    np.testing.assert_allclose(measure.ratios(record, "b", own=True), [2.0, 2.0])


def test_the_stopwatch_leaves_out_the_first_epoch(module, measure, monkeypatch):
    stopwatch = module("stopwatch")
    clock = iter([0.0, 1.0, 6.0, 8.0, 10.0, 11.0, 13.0, 13.0])
    monkeypatch.setattr(stopwatch, "now", lambda: measure.Seconds(next(clock), 0.0))
    watch = stopwatch.Stopwatch()
    for _ in range(4):
        watch.on_epoch_begin()
    watch.on_train_end()
    assert watch.stages()["start"].clock == 1.0
    assert watch.stages()["an epoch"].clock == (11.0 - 1.0) / 4
    watch.times = watch.times[:5]
    monkeypatch.setattr(stopwatch, "now", lambda: measure.Seconds(13.0, 0.0))
    assert watch.stages()["after"].clock == 2.0
    assert watch.parts()["an epoch"].clock == (10.0 - 6.0) / 2
    # 13 s with four epochs, and 96 more of 2 s.
    assert watch.parts()["100 epochs and the rest"].clock == 13.0 + 96 * 2.0


# --- what is compared -----------------------------------------------------------------


def test_the_suite_measures_at_toy_size(module, measure, tmp_path, capsys):
    questions = ("by_hand", "growth")
    only = ("--toy", "--only", "mlp", "L, beta 0.05", "--results", str(tmp_path))
    module("suite").main([*questions, *only])
    records = measure.load(tmp_path)
    found = {(r["question"], r["part"]): list(r["seconds"]) for r in records}
    assert found["by_hand", "100 epochs and the rest"] == ["fit", "loop by hand"]
    assert found["growth", "after"] == ["20", "40"]
    assert {r["versions"]["numpy"] for r in records} == {np.__version__}
    assert all(s > 0 for r in records for s in np.ravel([*r["seconds"].values()]))
    assert len(capsys.readouterr().out.splitlines()) == len(records) == 5
    module("report").main(["--results", str(tmp_path), "--docs", str(tmp_path)])
    assert "fit / loop by hand" in (tmp_path / "performance.md").read_text()


def test_a_question_that_is_none_is_refused(module, capsys):
    with pytest.raises(SystemExit):
        module("suite").main(["speed"])
    assert "there is no 'speed'" in capsys.readouterr().err


# torch loads what it calls deprecated for its forward mode.
@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_all_ways_to_the_relevance_give_the_same(module):
    speed = module("relevance_speed")
    decoder = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.SiLU())
    decoder = decoder.append(torch.nn.Linear(8, 5)).double()
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(7, 3, dtype=torch.float64, generator=generator)
    expected = speed.jacobian_weights(decoder, z)
    for way in (speed.naive, speed.forward_mode):
        torch.testing.assert_close(way(decoder, z), expected)


def test_bare_passes_are_transform_and_score_samples(module):
    at_work = module("at_work")
    size = at_work.SIZES["mlp"]
    x = at_work.random_rows(60, size["shape"])
    model = at_work.ARDVAE(
        16, 0.2, max_iter=2, random_state=0, output_components="all", **size["networks"]
    ).fit(x)
    # Batches of other sizes add up in another order.
    close = {"rtol": 1e-4, "atol": 1e-5}
    for bare in (at_work.at_once, at_work.in_batches):
        np.testing.assert_allclose(bare(model, x), model.transform(x), **close)
    generator, axes = derived_generator(model._seed), model.active_components_.tolist()
    draws = torch.cat(model.module_.draw_score_noise(32, generator, axes))
    np.testing.assert_allclose(
        at_work.score_by_hand(model, x, draws), model.score_samples(x), **close
    )


# --- records and the page -------------------------------------------------------------


def record(**fields):
    defaults = {"question": "by_hand", "case": "mlp", "part": "whole", "threads": 1}
    more = {"setting": "small", "aim": {"most": 1.05}, "load": 0.5, "n_processors": 2}
    seconds = {"fit": [[2.0, 1.0]] * 3, "loop": [[1.0, 0.5], [2.0, 1.0], [4.0, 2.0]]}
    known = {"seconds": seconds, "versions": {"numpy": "2"}, "commit": "abc"}
    return defaults | more | known | fields


def test_the_last_record_of_a_case_counts(measure, tmp_path):
    for load in (1.0, 2.0):
        measure.append(record(load=load), tmp_path)
    measure.append(record(part="an epoch"), tmp_path)
    loads = {r["part"]: r["load"] for r in measure.load(tmp_path)}
    assert loads == {"whole": 2.0, "an epoch": 0.5}


def test_lines_that_are_no_records_are_named(measure, tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"schema": 99}) + "\n")
    with pytest.raises(ValueError, match=r"line 1 of .*a\.jsonl has schema=99"):
        measure.load(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"schema": 1, "ques')
    with pytest.raises(ValueError, match="was a run cut short"):
        measure.load(tmp_path)


def test_the_page_says_what_the_records_say(module):
    sizes = (10, 100, 1000)
    seconds = {str(n): [[9.0, 1e-3 * n**1.5]] * 3 for n in sizes}
    grown = record(
        question="growth", case="L", part="an epoch", aim=None, seconds=seconds
    )
    limited = record(
        question="metric_speed",
        case="MIG",
        part="",
        aim={"most": 1.0},
        seconds={"seconds": [[9.0, 1.5], [9.0, 1.25]]},
    )
    text = "\n".join(module("report").page([record(), grown, limited]))
    for line in (
        # Ratios of neighbours are 2, 1 and 0.5.
        "| fit / loop | 1 (0.75 to 1.5) [0.5 to 2] | 1 (0.75 to 1.5) [0.5 to 2] "
        "| at most 1.05: reached |",
        "| an epoch | 10, 1000 | 1e+03 | 1.50 | 1.50 | 100% |",
        "| MIG | 1.2 | at most 1: missed by 25% |",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("threads", "told"), [(1, "missed by 33%"), (2, "reached")], ids=["one", "two"]
)
def test_an_aim_is_judged_by_own_time_on_one_thread(module, threads, told):
    seconds = {"pythae": [[3.0, 1.0]], "fit": [[1.0, 1.0]]}
    told_of = record(threads=threads, aim={"least": 1.5}, seconds=seconds)
    assert f"at least 1.5: {told}" in "\n".join(module("report").compared([told_of]))


def test_the_results_that_are_kept_can_be_read(module, measure):
    records = measure.load()
    assert records
    suite = module("suite")
    assert {r["question"] for r in records} <= {*suite.QUESTIONS, *suite.ON_REQUEST}
