"""What a fit says of itself: the numbers are the fit's, the words follow from them."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from estimator_table import CLASSES, IDS, fast
from sklearn import config_context
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr

import sklearn_ardvae
from sklearn_ardvae import ARDVAE, VAE, CountWarning
from sklearn_ardvae.estimator.summary import AxisSummary, Summary
from sklearn_ardvae.estimator.verdict import Verdict


@pytest.fixture(scope="module")
def found():
    """Return a fit that weighed its axes; the rows are a plane and noise."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 4))
    X += 0.1 * rng.normal(size=X.shape)
    return ARDVAE(n_components=3, max_iter=60, random_state=0).fit(X)


NETWORKS = Verdict(
    n_samples=1000,
    n_unseen=100,
    n_active=2,
    is_linear=False,
    evidence=-11.0,
    evidence_std=0.25,
    pca_evidence=-12.5,
    pca_width=4,
    error=0.125,
    pca_error=0.25,
    counts_of_halves=(2, 2),
)
DEFAULTS = {
    "estimator": "ARDVAE",
    "n_features": 6,
    "n_components": 32,
    "axes": (AxisSummary(5, 0.75, 6.5, 0.5), AxisSummary(0, 0.25, 2.0, 0.125)),
    "likelihood": "gaussian",
    "noise_variance": 0.04,
    "beta": 0.08,
    "beta_is_estimated": True,
    "comparison": NETWORKS,
}


def summary_of(*, axes=DEFAULTS["axes"], likelihood="gaussian", **changed):
    """Return a summary whose comparison is changed in some of its numbers."""
    values = vars(NETWORKS) | {"n_active": len(axes)} | changed
    settings = {"axes": axes, "likelihood": likelihood, "comparison": Verdict(**values)}
    return Summary(**(DEFAULTS | settings))


class TestText:
    def test_it_holds_every_number(self):
        assert str(Summary(**DEFAULTS)) == (
            "ARDVAE: 2 active axes of 32\n"
            "  data              1000 rows of 6 features, 100 rows kept to compare\n"
            "  axis 5             75.0% of the relevance, worth 6.50 +- 0.50 nats\n"
            "  axis 0             25.0% of the relevance, worth 2.00 +- 0.12 nats\n"
            "  noise             variance 0.04, deviation 0.2 of a feature\n"
            "  beta              0.08, estimated with the rest\n"
            "  evidence          -11.00 +- 0.25 nats a row; of probabilistic PCA -12.50"
            " (4 axes)\n"
            "  squared error     0.125 a feature; of PCA of as many axes 0.25\n"
            "  model             networks: they explain the rows better than PCA does\n"
            "  trust the count?  Nothing speaks against it: PCA of as many axes "
            "reconstructs no\n"
            "                    better, and halves of the rows agree."
        )

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"is_linear": True}, "PCA itself"),
            ({"pca_evidence": -10.0}, "PCA explains the rows no worse, by more axes"),
            ({"pca_evidence": -10.0, "pca_width": 2}, "no worse trust the count?"),
            ({"error": 0.3}, "PCA of 2 components reconstructs unseen rows better"),
            ({"counts_of_halves": (2, 9)}, "2 axes, the other for 9"),
            ({"n_samples": 30}, "30 rows are too few"),
            ({"is_linear": True, "curved_axes": 1}, "2 is an upper bound"),
            ({"is_linear": True, "axes": ()}, "each row is the mean, and noise"),
            ({"axes": ()}, "where all is noise"),
        ],
        ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
    )
    def test_the_words_follow_the_numbers(self, changed, said):
        assert said in " ".join(str(summary_of(**changed)).split())
        assert said not in " ".join(str(Summary(**DEFAULTS)).split())

    @pytest.mark.parametrize(
        "changed",
        [
            {"error": 0.3},
            {"counts_of_halves": (2, 9)},
            {"n_samples": 30},
            {"curved_axes": 1, "is_linear": True},
        ],
        ids=lambda changed: next(iter(changed)),
    )
    def test_every_doubt_is_said_and_no_other_trusted(self, changed):
        summary = summary_of(**changed)
        text = " ".join(str(summary).split())
        assert len(summary.doubts) == 1
        assert "trust the count? No. " + summary.doubts[0] in text
        assert "Nothing speaks against it" not in text

    @pytest.mark.parametrize(
        "changed", [{"curved_axes": 1}, {"curved_axes": 2, "is_linear": True}]
    )
    def test_networks_that_were_taken_or_need_as_many_axes_bound_nothing(self, changed):
        assert summary_of(**changed).doubts == []

    def test_figures_of_rows_that_pca_has_seen_are_not_shown(self):
        text = str(summary_of(is_linear=True))
        assert "-12.50 +- 0.25" in text
        assert "0.25 a feature" in text
        assert "-11.00" not in text
        assert "0.125" not in text

    def test_a_probability_is_not_compared_with_a_density(self):
        text = str(summary_of(likelihood="bernoulli"))
        assert "-11.00 +- 0.25 nats a row\n" in text
        assert "-12.50" not in text

    @pytest.mark.parametrize(("n_axes", "n_more"), [(12, 0), (13, 1), (60, 48)])
    def test_many_axes_are_shortened(self, n_axes, n_more):
        axes = tuple(AxisSummary(i, 1.0 / n_axes, 1.0, 0.1) for i in range(n_axes))
        lines = str(summary_of(axes=axes, n_samples=1000)).splitlines()
        assert sum(line.startswith("  axis ") for line in lines) == 12
        more = [line.split(maxsplit=3) for line in lines if line.startswith("  and ")]
        share = f"{n_more / n_axes:.1%} of the relevance"
        assert more == ([["and", str(n_more), "more", share]] if n_more else [])

    def test_rows_that_were_trained_on_are_not_said_to_be_kept(self):
        text = " ".join(str(Summary(**DEFAULTS, compares_unseen=False)).split())
        assert "none kept: figures are of rows that were trained on" in text
        assert "100 rows kept" not in text

    def test_lines_are_no_longer_than_a_terminal(self):
        text = str(summary_of(error=0.3, counts_of_halves=(2, 9), n_samples=30))
        assert max(map(len, text.splitlines())) <= 88

    def test_repr_is_what_an_interpreter_shows(self):
        summary = Summary(**DEFAULTS)
        assert repr(summary) == str(summary)


class TestFit:
    def test_its_numbers_are_those_of_the_fit(self, found):
        summary = found.summary()
        assert [axis.index for axis in summary.axes] == [*found.active_components_]
        for name, values in {
            "share": found.relevance_ratio_,
            "evidence": found.axis_evidence_,
            "evidence_std": found.axis_evidence_std_,
        }.items():
            shown = [getattr(axis, name) for axis in summary.axes]
            np.testing.assert_array_equal(shown, values[found.active_components_])
        assert summary.noise_variance == found.noise_variance_
        assert summary.beta == found.beta_
        assert summary.beta_is_estimated
        assert (summary.n_components, summary.n_features) == (3, 4)
        assert summary.comparison.n_samples == 100

    def test_a_model_that_is_read_says_the_same(self, found, tmp_path):
        found.save(tmp_path / "model")
        assert str(ARDVAE.load(tmp_path / "model").summary()) == str(found.summary())

    def test_a_beta_that_is_given_is_not_called_an_estimate(self, low_rank):
        model = fast(ARDVAE, beta=0.125).fit(low_rank)
        assert "  beta              0.125\n" in str(model.summary())

    @pytest.mark.parametrize(
        "settings", [{}, {"validation_fraction": 0.0}, {"likelihood": "bernoulli"}]
    )
    def test_settings_are_those_of_the_fit(self, low_rank, settings):
        x = (low_rank > 0).astype(float) if "likelihood" in settings else low_rank
        model = fast(ARDVAE, **settings).fit(x)
        summary = model.summary()
        assert summary.likelihood == settings.get("likelihood", "gaussian")
        assert summary.beta_is_estimated is ("likelihood" not in settings)
        assert summary.compares_unseen is ("validation_fraction" not in settings)
        model.set_params(likelihood="gaussian", validation_fraction=0.5, beta=0.7)
        assert str(model.summary()) == str(summary)

    @pytest.mark.parametrize("cls", CLASSES, ids=IDS)
    def test_every_estimator_has_one(self, cls, low_rank):
        with pytest.raises(NotFittedError):
            fast(cls).summary()
        model = fast(cls).fit(low_rank)
        text = str(model.summary())
        n_active = model.n_active_components_
        assert text.startswith(f"{cls.__name__}: {n_active} active ax")
        assert len(re.findall(r"^  axis ", text, re.MULTILINE)) == n_active
        assert f"{low_rank.shape[1]} features" in text
        deviation = np.sqrt(model.noise_variance_)
        assert f"deviation {deviation:.3g} of a feature" in text
        compares = model.summary().comparison is not None
        assert ("probabilistic PCA" in text) is compares
        assert ("Nothing compares this fit with PCA" in text) is not compares

    def test_the_warning_of_a_count_is_public(self):
        assert sklearn_ardvae.CountWarning is CountWarning
        assert issubclass(CountWarning, ConvergenceWarning)


class Page(HTMLParser):
    """Collects tags and text, and checks that what is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


class TestNotebooks:
    def test_the_table_says_what_the_text_says(self):
        summary = summary_of(counts_of_halves=(2, 9))
        page = Page(summary._repr_html_())
        plain = " ".join(str(summary).replace("+-", "\N{PLUS-MINUS SIGN}").split())
        assert " ".join(" ".join(page.text).split()) == plain

    def test_the_table_runs_nothing_and_sets_no_colour(self):
        page = Page(Summary(**DEFAULTS)._repr_html_())
        assert {tag for tag, _ in page.tags} == {
            *("table", "caption", "b", "tr", "th", "td")
        }
        styles = " ".join(attributes.get("style", "") for _, attributes in page.tags)
        assert "color" not in styles
        assert "background" not in styles

    def test_names_are_escaped(self):
        summary = Summary(**DEFAULTS | {"estimator": "<script>&"})
        assert "&lt;script&gt;&amp;: 2 active axes" in summary._repr_html_()

    def test_a_fitted_estimator_shows_it_below_the_diagram(self, found):
        table = found.summary()._repr_html_()
        for view in (found._repr_html_(), found._repr_mimebundle_()["text/html"]):
            assert "sk-top-container" in view
            assert view.endswith(table)
        assert found._repr_mimebundle_()["text/plain"] == repr(found)

    def test_an_estimator_that_is_not_fitted_shows_the_diagram_alone(self):
        def without_ids(view):
            return re.sub(r"sk-(container|estimator)-id-\d+", "", view)

        diagram = without_ids(estimator_html_repr(VAE()))
        assert without_ids(VAE()._repr_html_()) == diagram
        assert without_ids(VAE()._repr_mimebundle_()["text/html"]) == diagram

    def test_display_as_text_is_text(self, found):
        with config_context(display="text"):
            assert not hasattr(found, "_repr_html_")
            assert found._repr_mimebundle_() == {"text/plain": repr(found)}

    def test_a_pipeline_shows_its_diagram(self, found):
        assert "ARDVAE" in make_pipeline(found)._repr_html_()
