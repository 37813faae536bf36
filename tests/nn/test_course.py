"""The stages of a fit, driven by evidences that are made up, and what it ends with."""

import math
from unittest import mock

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from sklearn_ardvae.methods.ard_vae import ARDVAEModule
from sklearn_ardvae.nn import course
from sklearn_ardvae.nn.course import Stage
from sklearn_ardvae.nn.likelihoods import GaussianLikelihood
from sklearn_ardvae.nn.module import FitStart, HeldOut
from sklearn_ardvae.nn.networks import build_networks
from sklearn_ardvae.nn.principal import PrincipalBasis
from sklearn_ardvae.nn.units import Units
from sklearn_ardvae.nn.widths import Widths

N_COMPONENTS, N_FEATURES, WIDTH = 6, 8, 4
# Enough that stages are not shortened.
N_ROWS, N_SEEN = 420, 280


def rows(n=N_ROWS, seed=0, rank=2, noise=0.3):
    """A plane of high variance beside noise, at mean 0 and variance 1."""
    axes = np.linalg.qr(np.random.default_rng(9).standard_normal((N_FEATURES, rank)))[0]
    rng = np.random.default_rng(seed)
    codes = rng.standard_normal((n, rank)) * math.sqrt(N_FEATURES / rank)
    x = codes @ axes.T + noise * rng.standard_normal((n, N_FEATURES))
    return torch.from_numpy(x / x.std()).float()


def module(*, architecture="linear_mlp", count_by="evidence", beta=None, seed=0):
    torch.manual_seed(seed)
    networks = build_networks(
        architecture,
        shape=(N_FEATURES,),
        n_components=N_COMPONENTS,
        n_outputs=2 * N_COMPONENTS,
        likelihood=GaussianLikelihood(),
        hidden_layer_sizes=(7,),
        activation="silu",
        n_axes=N_COMPONENTS,
    )
    return ARDVAEModule(
        networks,
        beta=beta,
        prior="gaussian",
        held_out=HeldOut(),
        count_by=count_by,
    ).eval()


def begin(model, x=None, n_epochs=500, width=WIDTH, is_new=True, widest=None):
    """Tell the module of rows, of which the last third is unseen, and of a width."""
    x = rows() if x is None else x
    n_seen = len(x) * 2 // 3
    start = FitStart(x, torch.arange(n_seen), x[n_seen:], n_epochs, is_new=is_new)
    widths = Widths(widest or width, width, are_curved=widest is not None)
    with mock.patch.object(course.Course, "_widths_of_pca", return_value=widths):
        model.begin(start)
    return model


class Drive:
    """Epochs without training, each marked by a number, with evidences as told."""

    def __init__(self, model, monkeypatch, counts=lambda epoch: 3):
        self.model, self.course = model, model.search
        self.epoch, self.recent = 0, []
        monkeypatch.setattr(model, "count_relevant", lambda *_: counts(self.epoch))
        monkeypatch.setattr(model, "ranking", lambda *_: [2, 0, 3, 1, 4, 5])
        # Marked weights are not better than PCA, whatever evidence is told of them.
        self.gain_on_linear = self.course._gain_on_linear
        self.course._gain_on_linear = lambda model: torch.tensor([1.0, 1.1])

    @property
    def marked(self):
        """What stands for all weights."""
        return self.model.stretch[:1]

    @property
    def mark(self):
        return int(self.marked.item())

    @property
    def stage(self):
        return Stage(int(self.course.progress.stage))

    def step(self, evidence):
        self.epoch += 1
        self.marked.fill_(float(self.epoch))
        n_unseen = len(self.model.unseen)
        told = torch.full((n_unseen,), evidence, dtype=torch.float64)
        begins_anew = self.course.judge(self.model, rows()[:50], told, self.recent)
        self.recent = [] if begins_anew else [*self.recent, evidence][-10:]
        return begins_anew

    def until(self, stage, evidence, most=400):
        """Run epochs until a stage begins; return how many."""
        for n in range(1, most + 1):
            self.step(evidence(n))
            if self.stage == stage:
                return n
        raise AssertionError(f"{stage} is not reached; now: {self.stage}")


@pytest.fixture
def drive(monkeypatch):
    return Drive(begin(module()), monkeypatch)


def kept(model):
    return model.kept.nonzero().flatten().tolist()


def flat(rate):
    """An evidence that rises for some epochs and then no more."""
    return lambda n: float(min(n, rate))


class TestStart:
    def test_pca_is_measured_and_training_starts_from_the_initial_weights(self):
        model = module()
        initial = [p.clone() for p in model.parameters()]
        begin(model)
        for parameter, before in zip(model.parameters(), initial, strict=True):
            assert torch.equal(parameter, before)
        assert model.search.progress.stage == Stage.HOLD
        assert "linear" in model.search.shelf
        assert "initial" not in model.search.shelf
        # However few PCA wants.
        assert kept(model) == list(range(N_COMPONENTS))
        assert model.prior_variance.tolist() == [1.0] * N_COMPONENTS

    @pytest.mark.parametrize(
        ("n", "expected"), [(N_ROWS, N_COMPONENTS), (6, 3), (3, 1), (2, 0)]
    )
    def test_it_has_no_more_axes_than_the_rows_can_have(self, n, expected):
        # Two thirds of the rows are seen; they span one axis less.
        model = begin(module(), rows(n), width=0)
        assert kept(model) == list(range(expected))

    @pytest.mark.parametrize("rank", [1, 2, 3])
    def test_the_width_is_that_by_which_pca_explains_unseen_rows_best(self, rank):
        x = rows(600, rank=rank)
        model = module()
        model.begin(FitStart(x, torch.arange(400), x[400:], 500, is_new=True))
        assert model.search.progress.width == rank

    def test_the_noise_starts_as_if_nothing_were_explained(self):
        model, x = module(), 3.0 * rows()
        with mock.patch.object(course.Course, "_hold_noise"):
            begin(model, x)
        expected = x[:N_SEEN].double().numpy().var(0).mean()
        assert model.noise.item() == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("width", [1, 2, 4])
    def test_its_evidence_is_that_of_the_closed_form(self, width):
        x = rows()
        found = begin(module(), x, width=width).search.progress.linear_evidence
        seen, unseen = x[:N_SEEN].double().numpy(), x[N_SEEN:].double().numpy()
        values, vectors = np.linalg.eigh(np.cov(seen.T, bias=True))
        values, vectors = values[::-1][:width], vectors[:, ::-1][:, :width]
        noise = (seen.var(0).sum() - values.sum()) / (N_FEATURES - width)
        # q(z|x) of probabilistic PCA at the noise of the rows that are seen,
        means = (unseen - seen.mean(0)) @ vectors * np.sqrt(values - noise) / values
        variances = noise / values
        kl = 0.5 * np.sum(means**2 + variances - np.log(variances) - 1.0, axis=1)
        # and its bound at the noise that the unseen rows have.
        decoded = seen.mean(0) + means * np.sqrt(values - noise) @ vectors.T
        spread = np.sum(variances * (values - noise))
        error = np.mean(np.square(unseen - decoded).sum(1)) + spread
        profiled = error / N_FEATURES
        expected = -0.5 * N_FEATURES * (np.log(2.0 * np.pi * profiled) + 1.0)
        # float32.
        assert found == pytest.approx(expected - kl.mean(), rel=1e-5)

    def test_where_pca_wants_no_axes_there_is_one_start_only(self, monkeypatch):
        drive = Drive(begin(module(), width=0), monkeypatch)
        drive.until(Stage.FREE, flat(5))
        drive.until(Stage.TRIALS, flat(5))
        drive.until(Stage.OVER, lambda n: -1e4)
        assert kept(drive.model) == [0, 2, 3]

    def test_where_pca_wants_none_there_may_be_none(self):
        model, x = begin(module(), width=0), rows()
        # Initial weights are worse than the mean of the rows.
        model.finish(x, torch.Generator().manual_seed(0), streaming=False)
        assert model.is_linear
        assert kept(model) == []
        assert model.is_finished
        expected = x.mean(0).expand(3, -1)
        torch.testing.assert_close(model(x[:3]), expected, atol=1e-6, rtol=0)
        # The variance about the mean of all rows.
        assert model.noise.item() == pytest.approx(
            x.double().numpy().var(0).mean(), rel=1e-5
        )

    def test_networks_without_a_linear_map_have_one_start_only(self, monkeypatch):
        drive = Drive(begin(module(architecture="mlp")), monkeypatch)
        assert drive.course.shelf.state_dict() == {}
        drive.until(Stage.FREE, flat(5))
        drive.until(Stage.TRIALS, flat(5))
        drive.until(Stage.OVER, lambda n: -1e4)
        assert kept(drive.model) == [0, 2, 3]

    def test_a_fixed_beta_has_no_course(self):
        assert begin(module(beta=0.1, count_by="relevance")).search is None

    def test_weights_of_an_earlier_fit_are_trained_as_if_from_pca(self, drive):
        model = drive.model
        drive.until(Stage.FREE, flat(5))
        drive.course.shelf.drop("linear")
        drive.course.settle(model, rows())
        before = model.state_dict()
        before = {n: v.clone() for n, v in before.items() if not n.startswith("search")}
        assert kept(model) == [0, 2, 3]
        begin(model, is_new=False)
        assert drive.stage == Stage.LINEAR
        assert not drive.course.is_over
        # Axes that went stay away, and nothing of the rest is lost.
        for name, value in before.items():
            if name != "noise":
                assert torch.equal(model.state_dict()[name], value), name
        # What they are worth now is what the best has to exceed.
        found = model.profile_noise(model.unseen).mean().item()
        assert drive.course.progress.best == pytest.approx(found, rel=1e-6)

    def test_such_a_fit_ends_no_worse_than_it_began(self, drive):
        model = drive.model
        drive.until(Stage.FREE, flat(5))
        drive.course.shelf.drop("linear")
        drive.course.settle(model, rows())
        mark = drive.mark
        begin(model, is_new=False)
        best = drive.course.progress.best
        # 25 epochs without gain.
        assert drive.until(Stage.LINEAR_TRIALS, lambda n: best - 1.0) == 25
        drive.until(Stage.OVER, lambda n: best - 100.0)
        assert drive.mark == mark
        assert kept(model) == [0, 2, 3]


class TestStages:
    def test_axes_merge_until_the_count_has_stayed_and_nothing_is_gained(self, drive):
        # Counts are taken every 5 epochs: the lowest first at the fifth, and 25 epochs
        # without a lower one. At least 30 epochs.
        assert drive.until(Stage.FREE, flat(5)) == 30
        # The most relevant three, as they are ranked.
        assert kept(drive.model) == [0, 2, 3]

    def test_a_count_that_falls_is_waited_for(self, monkeypatch):
        def counts(epoch):
            return 4 if epoch < 42 else 2

        drive = Drive(begin(module()), monkeypatch, counts)
        # Seen to fall at the 45th epoch: 25 more.
        n = drive.until(Stage.FREE, lambda n: float(n if n < 60 else 60))
        assert n == 70
        assert kept(drive.model) == [0, 2]

    def test_so_is_an_evidence_that_rises_but_not_for_ever(self, drive):
        assert drive.until(Stage.FREE, lambda n: float(n)) == 150

    def test_a_count_of_nothing_leaves_nothing(self, monkeypatch):
        drive = Drive(begin(module()), monkeypatch, counts=lambda epoch: 0)
        drive.until(Stage.FREE, flat(5))
        assert kept(drive.model) == []

    def test_noise_is_held_up_and_then_less_and_less(self, drive):
        model, course = drive.model, drive.course
        feature = model.principal.feature_variance
        while drive.stage == Stage.HOLD:
            model.noise.fill_(1e-9)
            drive.step(min(drive.epoch, 5.0))
            assert model.noise.item() == pytest.approx(0.1 * feature)
        for epoch in range(1, 12):
            model.noise.fill_(1e-9)
            drive.step(float(epoch))
            assert course.progress.epoch == epoch
            expected = 0.1 * 10.0 ** (-epoch / 10) * feature
            assert model.noise.item() == pytest.approx(expected)
        # What is above is left alone.
        model.noise.fill_(0.5)
        drive.step(12.0)
        assert model.noise.item() == 0.5

    def test_the_learning_rate_falls_in_the_second_stage(self, drive):
        course = drive.course
        assert course.learning_rate_factor() == 1.0
        drive.until(Stage.FREE, flat(5))
        factors = []
        while drive.stage == Stage.FREE:
            factors.append(course.learning_rate_factor())
            drive.step(float(drive.epoch))
        assert len(factors) == 110
        np.testing.assert_allclose(factors, 0.02 ** (np.arange(110) / 110))
        # Trials have a rate of their own.
        assert course.learning_rate_factor() == 0.5

    def test_the_second_stage_ends_without_gain_at_its_best(self, drive):
        drive.until(Stage.FREE, flat(5))
        start = drive.epoch
        assert drive.until(Stage.TRIALS, flat(7)) == 7 + 25
        # The first epoch of the best evidence.
        assert drive.mark == start + 7

    def test_trials_take_axes_away_as_long_as_the_evidence_stays(self, drive):
        drive.until(Stage.FREE, flat(5))
        drive.until(Stage.TRIALS, flat(5))
        # The least relevant of three.
        assert kept(drive.model) == [0, 2]
        while drive.stage == Stage.TRIALS:
            drive.step(5.0 if drive.model.n_kept() >= 2 else -500.0)
        assert drive.stage == Stage.LINEAR
        assert drive.course.progress.plain_axes == 2
        assert drive.course.progress.plain_evidence == 5.0
        log = [(t.held, t.target, t.holds) for t in drive.course.elimination.log]
        assert log == [(3, 2, 1.0), (2, 1, 0.0)]

    def test_there_are_none_where_relevance_counts(self, monkeypatch):
        model = begin(module(count_by="relevance"))
        drive = Drive(model, monkeypatch)
        drive.until(Stage.FREE, flat(5))
        best = drive.epoch + 5
        drive.until(Stage.LINEAR, flat(5))
        assert drive.course.progress.plain_axes == 3
        assert best in drive.course.shelf.get_buffer("plain").tolist()
        assert model.is_active() is None

    def to_linear(self, drive, plain):
        """Drive to the start from PCA, with so much evidence for the other."""
        drive.until(Stage.FREE, flat(5))
        drive.until(Stage.TRIALS, lambda n: plain)
        drive.plain_mark = drive.mark
        return drive.until(Stage.LINEAR, lambda n: -1e6)

    def test_then_it_starts_from_pca(self, drive):
        model = drive.model
        self.to_linear(drive, plain=0.0)
        assert kept(model) == list(range(WIDTH))
        found = model.profile_noise(model.unseen).mean().item()
        expected = drive.course.progress.linear_evidence
        assert found == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize(
        # Of three axes that the first networks have.
        ("width", "widest", "expected"),
        [(1, 4, 3), (1, 2, 2), (4, 5, 4), (2, None, 2)],
    )
    def test_of_as_many_axes_as_networks_have_where_data_are_curved(
        self, monkeypatch, width, widest, expected
    ):
        model = begin(module(), width=width, widest=widest)
        drive = Drive(model, monkeypatch)
        assert drive.course.are_curved == (widest is not None)
        self.to_linear(drive, plain=0.0)
        assert model.n_kept() == drive.course.progress.width == expected
        # The closed form of so many axes.
        curves = model.fit_rows.curves
        found = model.profile_noise(model.unseen).mean().item()
        assert found == pytest.approx(drive.course.progress.linear_evidence, rel=1e-6)
        of_pca = curves.densities[:, expected].mean().item()
        assert found == pytest.approx(of_pca, rel=0.01)

    def test_which_is_given_up_where_the_other_is_out_of_reach(self, drive):
        self.to_linear(drive, plain=1000.0)
        assert drive.until(Stage.OVER, lambda n: 0.0) <= 21
        assert drive.mark == drive.plain_mark
        assert kept(drive.model) == [0, 2, 3]

    def test_which_goes_on_while_it_may_still_come_up(self, drive):
        self.to_linear(drive, plain=1000.0)
        # 500 behind, and 20 more each epoch.
        drive.until(Stage.LINEAR_TRIALS, lambda n: min(500.0 + 20.0 * n, 1200.0))
        assert drive.stage == Stage.LINEAR_TRIALS

    def test_which_wins_if_it_leads_by_the_price_of_its_axes(self, drive):
        self.to_linear(drive, plain=1000.0)
        start = drive.epoch
        # Four axes against three: 0.15 nats.
        drive.until(Stage.LINEAR_TRIALS, lambda n: 1000.2 if n == 3 else 1000.0)
        assert drive.mark == start + 3
        # The first of its trials.
        assert drive.model.n_kept() == WIDTH - 1
        drive.until(Stage.OVER, lambda n: -1e6)
        assert drive.mark == start + 3
        assert kept(drive.model) == list(range(WIDTH))

    @pytest.mark.parametrize(
        ("gains", "tries"),
        [([0.0, 0.0], False), ([0.5, 1.5], False), ([0.9, 1.1], True)],
    )
    def test_but_has_no_trials_unless_it_gained_on_pca(self, drive, gains, tries):
        self.to_linear(drive, plain=0.0)
        # By three standard errors: 1.06 and 0.21 here, if at all.
        drive.course._gain_on_linear = lambda model: torch.tensor(gains)
        evidence = drive.course.progress.linear_evidence
        stage = Stage.LINEAR_TRIALS if tries else Stage.OVER
        assert drive.until(stage, lambda n: 1e3 if n == 3 else evidence) == 28
        # Without, the first networks are left, to be compared with PCA itself.
        assert tries or drive.mark == drive.plain_mark

    @pytest.mark.parametrize(
        ("noise", "lead", "tries"),
        # Of a variance of about 1. PCA has 4 axes, each for 0.007 nats a feature.
        [(0.5, 0.23, False), (0.5, 0.22, True), (0.05, 0.23, True)],
    )
    def test_networks_far_behind_pca_have_no_trials(self, drive, noise, lead, tries):
        drive.until(Stage.FREE, flat(5))
        drive.course.progress.linear_evidence = 1000.0
        drive.model.noise.fill_(noise * drive.model.feature_variance)
        best = 1000.0 - lead
        n_free = drive.until(
            Stage.TRIALS if tries else Stage.LINEAR,
            lambda n: best if n == 1 else best - 1.0,
        )
        assert n_free == 26
        if not tries:
            assert drive.course.progress.plain_axes == 3
            found = drive.course.progress.plain_evidence
            assert found == pytest.approx(best, abs=1e-6)

    def test_compact_networks_are_not_compared_with_pca(self, drive, monkeypatch):
        drive.until(Stage.FREE, flat(5))
        drive.until(Stage.TRIALS, flat(5))
        monkeypatch.setattr(course, "is_compact", lambda model: True)
        drive.until(Stage.OVER, lambda n: -1e6)
        assert kept(drive.model) == [0, 2, 3]

    def test_and_loses_otherwise(self, drive):
        self.to_linear(drive, plain=1000.0)
        drive.until(Stage.OVER, lambda n: 1000.1 if n == 3 else 1000.0)
        assert drive.mark == drive.plain_mark
        assert kept(drive.model) == [0, 2, 3]

    @pytest.mark.parametrize("n_epochs", [50, 100])
    def test_a_small_budget_makes_all_stages_shorter(self, n_epochs, monkeypatch):
        drive = Drive(begin(module(), n_epochs=n_epochs), monkeypatch)
        pace = n_epochs / 500
        assert drive.until(Stage.FREE, lambda n: float(n)) == round(150 * pace)
        assert drive.until(Stage.TRIALS, lambda n: float(n)) == round(110 * pace)
        assert drive.course.elimination.n_epochs == round(30 * pace)

    @pytest.mark.parametrize(("n", "pace"), [(399, 0.6), (400, 1.0)])
    def test_so_do_few_rows(self, n, pace, monkeypatch):
        drive = Drive(begin(module(), rows(n)), monkeypatch)
        assert drive.until(Stage.FREE, lambda n: float(n)) == round(150 * pace)
        assert drive.until(Stage.TRIALS, lambda n: float(n)) == round(110 * pace)

    def test_a_large_budget_does_not_make_them_longer(self, monkeypatch):
        drive = Drive(begin(module(), n_epochs=5000), monkeypatch)
        assert drive.until(Stage.FREE, lambda n: float(n)) == 150

    @pytest.mark.parametrize("n_before", [3, 40, 70, 110, 160])
    def test_a_state_goes_on_in_the_middle(self, n_before, monkeypatch):
        def evidence(n):
            return 5.0 * math.sin(0.3 * n) - (0.3 * n if n > 60 else -0.3 * n)

        first = Drive(begin(module()), monkeypatch)
        for n in range(n_before):
            first.step(evidence(n))
        second = Drive(begin(module(seed=1)), monkeypatch)
        second.model.load_state_dict(first.model.state_dict())
        second.epoch, second.recent = first.epoch, list(first.recent)
        for n in range(n_before, 250):
            if first.course.is_over:
                break
            assert first.step(evidence(n)) == second.step(evidence(n))
            assert first.course.progress == second.course.progress
        assert first.course.elimination.log == second.course.elimination.log
        state = second.model.state_dict()
        assert state.keys() == first.model.state_dict().keys()
        for name, value in first.model.state_dict().items():
            assert torch.equal(state[name], value), name


class TestSettle:
    """Wherever training ends: the best that there is, and nothing on the shelf."""

    def settle(self, drive, *, compares=False):
        if compares:
            drive.course._gain_on_linear = drive.gain_on_linear
        else:
            drive.course.shelf.drop("linear")
        drive.course.settle(drive.model, rows())
        assert drive.course.is_over
        assert drive.course.shelf.state_dict() == {}
        assert set(drive.course.elimination.shelf.state_dict()) <= {"log"}
        drive.course.forget_log()
        assert drive.course.elimination.shelf.state_dict() == {}

    def test_in_the_first_stage(self, drive):
        for n in range(7):
            drive.step(float(n))
        self.settle(drive)
        assert drive.mark == 7

    def test_in_the_second(self, drive):
        drive.until(Stage.FREE, flat(5))
        for evidence in (1.0, 3.0, 2.0):
            drive.step(evidence)
        self.settle(drive)
        assert drive.mark == drive.epoch - 1

    def test_in_a_trial(self, drive):
        drive.until(Stage.FREE, flat(5))
        drive.until(Stage.TRIALS, flat(5))
        best = drive.mark
        drive.step(400.0)
        assert drive.model.n_kept() == 2
        self.settle(drive)
        # The trial is not over, however good it looks.
        assert drive.mark == best
        assert kept(drive.model) == [0, 2, 3]

    @pytest.mark.parametrize("leads", [False, True])
    def test_on_the_way_from_pca(self, drive, leads):
        TestStages().to_linear(drive, plain=1000.0)
        drive.step(1001.0 if leads else 999.0)
        drive.step(500.0)
        expected = drive.epoch - 1 if leads else drive.plain_mark
        self.settle(drive)
        assert drive.mark == expected
        assert drive.model.n_kept() == (WIDTH if leads else 3)

    def test_in_a_trial_from_pca(self, drive):
        TestStages().to_linear(drive, plain=1000.0)
        drive.until(Stage.LINEAR_TRIALS, lambda n: 1001.0)
        drive.step(2000.0)
        self.settle(drive)
        assert drive.model.n_kept() == WIDTH

    def test_pca_of_all_rows_is_taken_unless_networks_are_better(self, drive):
        drive.step(1e6)  # whatever was said of it
        self.settle(drive, compares=True)
        model, x = drive.model, rows()
        assert model.is_linear
        values = np.linalg.eigvalsh(np.cov(x.double().numpy().T, bias=True))
        expected = values[:-WIDTH].mean()
        assert model.noise.item() == pytest.approx(expected, rel=1e-5)
        assert kept(model) == list(range(WIDTH))

    @pytest.mark.parametrize(("ratio", "is_linear"), [(1.001, True), (0.999, False)])
    def test_so_is_it_where_it_reconstructs_better(
        self, drive, monkeypatch, ratio, is_linear
    ):
        model = drive.model
        drive.gain_on_linear = lambda model: torch.tensor([1e3, 1.1e3])
        error = model.fit_rows.curves.errors[model.n_kept()].item()
        monkeypatch.setattr(model, "squared_error", lambda x: ratio * error)
        self.settle(drive, compares=True)
        assert model.is_linear == is_linear

    @pytest.mark.parametrize("shift", [0.0, 0.05])
    def test_the_networks_are_kept_where_they_are_better(self, drive, shift):
        model, course = drive.model, drive.course
        # What lies there as PCA loses what is decoded, and the networks are PCA.
        course._become_linear(model, model.principal)
        model.centre.fill_(shift)
        good = model.state_dict()
        good = {n: v.clone() for n, v in good.items() if not n.startswith("search")}
        last = model.networks_beside_linear()[1].perceptron[-1]
        with torch.no_grad():
            last.bias += 0.5
        course.shelf.keep("linear", model.state())
        model.load_state_dict(good, strict=False)
        self.settle(drive, compares=True)
        assert not model.is_linear
        for name, value in model.state_dict().items():
            if name in good and name != "noise":
                assert torch.equal(value, good[name]), name

    def test_equal_ones_are_not_better(self, drive):
        drive.course._become_linear(drive.model, drive.model.principal)
        self.settle(drive, compares=True)
        assert drive.model.is_linear


class TestEvidenceOfAModel:
    def linear(self, width=WIDTH):
        """PCA of the rows that are seen."""
        model = begin(module(), width=width)
        model.search._become_linear(model, model.principal)
        return model

    def test_weighing_axes_is_dropping_them(self):
        model = self.linear()
        found = model.weigh_axes()
        whole = model.profile_noise(model.unseen)
        n = len(whole)
        for axis in range(N_COMPONENTS):
            model.keep_axes(set(range(WIDTH)) - {axis})
            lost = whole - model.profile_noise(model.unseen)
            if axis >= WIDTH:  # off already
                assert found.worth[axis] == found.error[axis] == 0.0
                continue
            torch.testing.assert_close(found.worth[axis], lost.mean())
            error = lost.std() / n**0.5
            torch.testing.assert_close(found.error[axis], error)
        assert found.evidence == pytest.approx(whole.mean().item())
        assert found.evidence_error == pytest.approx(whole.std().item() / n**0.5)

    def test_halves_are_of_the_worth(self):
        found = self.linear().weigh_axes()
        # As many unseen rows in each.
        torch.testing.assert_close(found.of_halves.mean(0), found.worth)

    @pytest.mark.parametrize("what", ["kept", "prior_variance", "noise"])
    def test_weighing_leaves_the_model_as_it_was(self, what):
        model = self.linear()
        model.noise.fill_(0.123)
        before = getattr(model, what).clone()
        model.weigh_axes()
        assert torch.equal(getattr(model, what), before)

    @pytest.mark.parametrize("width", [1, 2, 4, 6])
    def test_axes_of_pca_are_worth_what_normal_densities_say(self, width):
        model = self.linear(width)
        model.search.progress.is_linear = 1.0
        found = model.weigh_axes()
        seen, unseen = (
            rows()[:N_SEEN].double().numpy(),
            rows()[N_SEEN:].double().numpy(),
        )
        values, vectors = np.linalg.eigh(np.cov(seen.T, bias=True))
        values, vectors = values[::-1], vectors[:, ::-1]
        codes = np.square((unseen - seen.mean(0)) @ vectors)

        def density(axes):
            """Of the rows in the basis, with the noise that fits them best."""
            others = np.setdiff1d(np.arange(N_FEATURES), axes)
            variances = np.full(N_FEATURES, codes[:, others].mean())
            variances[axes] = np.maximum(values[axes], variances[axes])
            terms = codes / variances + np.log(2.0 * np.pi * variances)
            return -0.5 * terms.sum(1)

        everything = np.arange(width)
        for axis in range(width):
            loss = density(everything) - density(np.delete(everything, axis))
            # The rows are float32.
            assert found.worth[axis].item() == pytest.approx(loss.mean(), rel=1e-4)
            error = loss.std() / math.sqrt(len(loss) - 1)
            assert found.error[axis].item() == pytest.approx(error, rel=1e-4)
        assert torch.all(found.worth[width:] == 0.0)

    def test_axes_are_counted_by_evidence_when_the_search_is_over(self):
        model = self.linear()
        assert model.is_active() is None
        model.search.progress.stage = Stage.OVER
        assert model.is_active().tolist() == [True] * WIDTH + [False] * 2
        model.count_by = "relevance"
        assert model.is_active() is None

    def test_axes_that_are_off_have_no_code_no_price_and_no_say(self):
        model = self.linear()
        x = model.unseen
        model.keep_axes([0, 2])
        model.search.progress.stage = Stage.OVER
        assert model.is_active().tolist() == [True, False, True, False, False, False]
        q = model.posterior(x)
        off = [1, 3, 4, 5]
        assert torch.all(q.mean[:, off] == 0.0)
        assert torch.all(q.std[:, off] == 1.0)
        assert torch.all(model.prior_variance[off] == 1.0)
        z = torch.randn(5, N_COMPONENTS)
        changed = z.clone()
        changed[:, off] += 1.0
        assert torch.equal(model.decode(z), model.decode(changed))
        narrow = q.kl(model.prior_variance)
        model.prior_variance[off] = 1.0
        assert torch.equal(q.kl(model.prior_variance), narrow)
        # Nor does an update of the prior wake them.
        model.update_prior(x, torch.Generator().manual_seed(0), torch.tensor(0.0))
        assert torch.all(model.prior_variance[off] == 1.0)
        assert torch.all(model.prior_variance[[0, 2]] != 1.0)

    @pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
    def test_the_profiled_noise_is_the_best(self, scale):
        model = self.linear()
        found = model.profile_noise(model.unseen).mean().item()
        loss, kl = model.unseen_terms(model.unseen)
        noise = scale * model.noise.item()
        constant = 0.5 * N_FEATURES * math.log(2.0 * math.pi * noise)
        bound = (-constant - loss / (2.0 * noise) - kl).mean().item()
        assert bound == pytest.approx(found) if scale == 1.0 else bound < found

    def test_evidence_is_the_same_each_time(self):
        model = self.linear()
        first = model.profile_noise(model.unseen)
        torch.manual_seed(1)
        assert torch.equal(model.profile_noise(model.unseen), first)

    def test_the_noise_stays_in_the_units_of_training(self):
        model = self.linear()
        model.noise.fill_(0.25)
        units = Units(torch.zeros(N_FEATURES, dtype=torch.float64), 8.0)
        model.standardise(units)
        assert model.noise.item() == 0.25
        model.search.progress.stage = Stage.OVER
        # What is reported meanwhile is in those of the user.
        evidence = model.profile_noise(model.unseen).mean().item()
        noise = model.noise.item()
        record = model.judge(model.unseen)
        assert record["beta"] == pytest.approx(2.0 * 64.0 * noise)
        in_users_units = evidence - N_FEATURES * math.log(8.0)
        assert record["evidence"] == pytest.approx(in_users_units)
        model.noise.fill_(0.25)
        model.restore_units()
        assert model.noise.item() == model.known_noise_variance() == 0.25

    def test_the_posterior_is_stretched_to_least_squares(self):
        x = rows()
        model = self.linear()
        model.search._become_linear(model, PrincipalBasis.of(x, WIDTH))
        model.stretch_codes(x)
        pca = PCA(WIDTH, svd_solver="full").fit(x.double().numpy())
        expected = pca.inverse_transform(pca.transform(x.double().numpy()))
        with torch.no_grad():
            found = model(x)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)


def test_the_noise_of_a_stream_is_a_mean_over_pieces():
    model, pieces = module(), [rows(seed=seed) for seed in range(25)]
    expected = 0.0
    for n_before, piece in enumerate(pieces, start=1):
        loss, _ = model.unseen_terms(piece)
        found = loss.mean().item() / N_FEATURES
        # Of those that are remembered, 5 at most, and this one.
        memory = min(n_before - 1, 5)
        expected = (memory * expected + found) / (memory + 1)
        model.update_noise(piece, n_before)
        assert model.noise.item() == pytest.approx(expected, rel=1e-5)


def test_a_plain_module_has_nothing_of_it():
    model = module(beta=0.1, count_by="relevance")
    assert not model.watches_unseen
    assert not any(
        name.startswith("search") or name in ("kept", "noise", "stretch", "centre")
        for name in model.state_dict()
    )
    assert model.settled
    assert model.learning_rate_factor is None
