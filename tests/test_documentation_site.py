"""The documentation: every public name has a page, every page is listed and runs."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from estimator_table import fast
from sklearn.utils import Bunch
from torch import nn

import sklearn_ardvae
import sklearn_ardvae.datasets
import sklearn_ardvae.inspection
import sklearn_ardvae.metrics
from sklearn_ardvae import SecondStageVAE
from sklearn_ardvae.estimator.base import BaseAutoencoder
from sklearn_ardvae.estimator.parameters import SITE_URL

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
ROOMS = (
    sklearn_ardvae,
    sklearn_ardvae.datasets,
    sklearn_ardvae.inspection,
    sklearn_ardvae.metrics,
)


def listed(page):
    """Return the names below each ``autosummary`` of a page, with their module."""
    names, module, inside = [], None, False
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith(".. "):
            inside = line.startswith(".. autosummary::")
            if line.startswith(".. currentmodule:: "):
                module = line.split()[-1]
        elif inside and (entry := re.fullmatch(r" +(\w+)", line)):
            names.append(f"{module}.{entry[1]}")
    return names


PUBLIC = {f"{room.__name__}.{name}" for room in ROOMS for name in room.__all__}
ESTIMATORS = {f"sklearn_ardvae.{name}" for name, _ in sklearn_ardvae.all_estimators()}


def test_the_reference_has_every_public_name_once():
    names = listed("reference.rst")
    assert len(names) == len(set(names))
    assert set(names) == PUBLIC


def test_every_method_has_its_family():
    names = listed("methods.rst")
    assert len(names) == len(set(names))
    assert set(names) == ESTIMATORS


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_a_methods_page_has_its_equations_its_limits_and_its_paper(name):
    doc = getattr(sklearn_ardvae, name.split(".")[1]).__doc__
    assert ".. math::" in doc
    assert "\n\nKnown to fail:" in doc
    assert "Good for:" in doc
    # A plain autoencoder is nobody's.
    assert "References\n" in doc or name.endswith(".Autoencoder")


CLASSES = [*(cls for _, cls in sklearn_ardvae.all_estimators()), SecondStageVAE]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_html_view_links_to_a_page_of_the_site(cls):
    site, _, page = cls()._get_doc_link().partition("/generated/")
    assert site == SITE_URL
    assert page.removesuffix(".html") in PUBLIC


def test_every_page_can_be_found():
    of_the_site = set()
    for page in DOCS.glob("*.rst"):
        of_the_site |= set(re.findall(r"^   (\w+)$", page.read_text(), re.MULTILINE))
    of_the_repository = (DOCS / "README.md").read_text()
    # Of these, the site and the repository have one each.
    assert {page.stem for page in PAGES} - of_the_site == {"README", "api"}
    for page in PAGES:
        shown = f"({page.name})" in of_the_repository
        assert shown or page.stem in ("README", "changelog", "contributing"), page.name


def test_the_citation_is_of_this_release():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {sklearn_ardvae.__version__}\n" in citation


# --- the blocks of Python -------------------------------------------------------------

#: Pages whose blocks other tests run: what those say, they check.
OF_OTHER_TESTS = {"house.md", "papers.md", "recipes.md"}

#: What a block has that a test has not: processes of its own, a GPU, and patience.
AS_TESTED = {
    "n_jobs=-1": "n_jobs=1",
    'device="cuda"': 'device="cpu"',
    'settings="disentanglement_lib"': 'settings="fast"',
}


def blocks(page):
    """Return the blocks of Python of a page, Markdown or not."""
    pattern = (
        r"^```python\n((?:.*\n)*?)```|^\.\. code-block:: python\n\n((?:    .*\n|\n)+)"
    )
    for found in re.finditer(pattern, page.read_text(), re.MULTILINE):
        yield found[1] or re.sub("^    ", "", found[2], flags=re.MULTILINE)


def of_a_script(low_rank):
    """Return what pages suppose a reader to have: data, factors, codes and a model."""
    x = low_rank[:60, :6]
    factors = np.stack(np.unravel_index(np.arange(60) % 12, (3, 4)), axis=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        nets = nn.Linear(6, 256), nn.Linear(128, 6)
    with torch.no_grad():
        codes = nets[0](torch.from_numpy(x))[:, :128]
    return {
        "ARDVAE": sklearn_ardvae.ARDVAE,
        "X": x,
        "codes": codes,
        "factors": factors,
        "encoder": nets[0],
        "decoder": nets[1],
        "model": fast(sklearn_ardvae.ARDVAE).fit(x),
        "path": "own.safetensors",
    }


WITH_BLOCKS = [
    page
    for page in [ROOT / "README.md", DOCS / "index.rst", *PAGES]
    if page.name not in OF_OTHER_TESTS and any(blocks(page))
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# Of so short fits some have no axis that could be scored.
@pytest.mark.filterwarnings("ignore:Scoring failed:UserWarning")
@pytest.mark.filterwarnings("ignore:One or more of the test scores:UserWarning")
@pytest.mark.parametrize("page", WITH_BLOCKS, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, low_rank, tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    pytest.importorskip("matplotlib").use("agg")
    monkeypatch.chdir(tmp_path)
    fit = BaseAutoencoder.fit

    def short_fit(self, X, y=None):
        self.set_params(max_iter=min(self.max_iter, 3), random_state=0)
        return fit(self, X, y)

    monkeypatch.setattr(BaseAutoencoder, "fit", short_fit)
    images = {"data": low_rank, "input_shape": (1, 3, 4)}
    monkeypatch.setattr(
        sklearn_ardvae.datasets, "fetch_mnist", lambda **_: Bunch(**images)
    )
    made = of_a_script(low_rank)
    for block in blocks(page):
        for said, tested in AS_TESTED.items():
            block = block.replace(said, tested)
        exec(compile(block, page, "exec"), made)
