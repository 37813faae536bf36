"""Every public name, parameter and attribute is documented where people look."""

import inspect
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from estimator_table import CLASSES, IDS, fast

import sklearn_ardvae
import sklearn_ardvae.datasets
import sklearn_ardvae.inspection
import sklearn_ardvae.metrics
from sklearn_ardvae.estimator.parameters import PROJECT_URL, SITE_URL

ROOT = Path(__file__).parent.parent
SECTION = re.compile(r"^(\w[\w ]+)\n-+$", re.MULTILINE)


def sections(cls):
    """Return the text of each numpydoc section by its title."""
    pieces = SECTION.split(inspect.getdoc(cls))
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def entries(text):
    """Return what a section defines: unindented names before a colon."""
    lines = re.findall(r"^(\w[\w, ]*) : ", text, re.MULTILINE)
    return {name for line in lines for name in line.split(", ")}


@pytest.mark.parametrize("file", ["docs/api.md", "CHANGELOG.md"])
@pytest.mark.parametrize("name", sklearn_ardvae.__all__)
def test_public_names_are_listed(file, name):
    assert f"`{name}`" in (ROOT / file).read_text()


ROOMS = (sklearn_ardvae.datasets, sklearn_ardvae.inspection, sklearn_ardvae.metrics)
IN_ROOMS = [(room, name) for room in ROOMS for name in room.__all__]


@pytest.mark.parametrize(("room", "name"), IN_ROOMS, ids=[name for _, name in IN_ROOMS])
def test_what_rooms_hold_is_documented(room, name):
    assert f"| `{name}` |" in (ROOT / "docs/api.md").read_text()
    function = getattr(room, name)
    if inspect.isfunction(function):
        documented = sections(function)["Parameters"]
        for parameter in inspect.signature(function).parameters:
            assert re.search(rf"\b{parameter}\b", documented), parameter


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_every_parameter_is_documented(cls):
    documented = entries(sections(cls)["Parameters"])
    assert documented == set(inspect.signature(cls).parameters)


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_documented_defaults_are_the_defaults(cls):
    text = sections(cls)["Parameters"]
    for name, parameter in inspect.signature(cls).parameters.items():
        stated = re.search(rf"^{name} : .*default=(.+)$", text, re.MULTILINE)
        assert stated, name
        assert eval(stated[1]) == parameter.default, name


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_every_fitted_attribute_is_documented(cls, low_rank):
    names = dict(inspect.getmembers(fast(cls).fit(low_rank)))
    fitted = {name for name in names if re.fullmatch(r"[a-z].*[^_]_", name)}
    documented = entries(sections(cls)["Attributes"]) - {"feature_names_in_"}
    assert documented == fitted


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_no_placeholder_is_left(cls):
    assert "%(" not in cls.__doc__


@pytest.mark.parametrize("cls", CLASSES, ids=IDS)
def test_each_estimator_is_in_the_readmes_table(cls):
    assert f"| `{cls.__name__}` |" in (ROOT / "README.md").read_text()


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_absolute_links_into_the_project_lead_to_files():
    # The README is PyPI's page too, where relative links lead nowhere.
    readme = (ROOT / "README.md").read_text()
    links = set(re.findall(r"^\[\w+\]: (.*)$", readme, re.MULTILINE))
    used = set(re.findall(r"\]\[(\w+)\]", readme))
    assert used == set(re.findall(r"^\[(\w+)\]: ", readme, re.MULTILINE))
    assert not re.findall(r"\]\((?!http)", readme)
    urls = dict(PROJECT["urls"])
    assert urls.pop("Documentation") == f"{SITE_URL}/"
    links |= set(urls.values())
    for link in links:
        path = link.removeprefix(PROJECT_URL)
        assert path != link, link
        if found := re.fullmatch(r"/(?:blob|raw)/main/(.+)", path):
            assert (ROOT / found[1]).exists(), link


def test_newcomers_are_told_of_every_extra():
    text = (ROOT / "docs/getting_started.md").read_text()
    told = re.findall(r"^\| (`.*`) \|", text, re.MULTILINE)
    named = [name for cell in told for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(
        {*PROJECT["optional-dependencies"]} - {"docs", "test"}
    )


def test_notebooks_link_to_the_documentation_of_a_class():
    model = sklearn_ardvae.ARDVAE()
    link = f"{SITE_URL}/generated/sklearn_ardvae.ARDVAE.html"
    assert model._get_doc_link() == link
    assert link in model._repr_html_()
    own = type("Own", (sklearn_ardvae.ARDVAE,), {"__module__": "elsewhere"})
    assert own()._get_doc_link() == ""


def test_the_docs_name_no_file_that_is_missing():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_readmes_examples_name_things_that_exist():
    text = (ROOT / "README.md").read_text()
    for path in re.findall(r"(?:examples|benchmarks)/\w+\.py", text):
        assert (ROOT / path).exists(), path


def test_the_recipes_do_what_they_say(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sklearn.callback")
    pytest.importorskip("onnxscript")
    pytest.importorskip("distributed")
    pytest.importorskip("matplotlib").use("agg")
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs/recipes.md"
    text, made = page.read_text(), {}
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
        line = text[: block.start()].count("\n") + 1
        exec(compile("\n" * line + block[1], page, "exec"), made)
        for value, stated in re.findall(r"^(\w.*)  # ([\d{T].*)$", block[1], re.M):
            assert eval(value, made) == eval(stated), value

    reconstructed, x = made["reconstructed"], made["X_test"]
    assert np.mean((reconstructed - x) ** 2) < 0.6 * x.var(0).mean()
    assert abs(made["generated"].mean() - x.mean()) < 1.0
    assert made["error_after"] < 0.5 * made["error_before"]
    assert made["is_anomaly"].mean() > 0.9
    assert made["is_false_alarm"].mean() < 0.1
    assert made["search"].best_params_ == {"ardvae__beta": 0.05}
    assert made["nats"].shape == (8,)
    assert made["image"].shape == (8, 8)
    assert "lowest valid_loss" in capsys.readouterr().out
    names = {path.name if path.is_dir() else path.suffix for path in tmp_path.iterdir()}
    assert names == {".html", ".npy", ".onnx", ".png", ".safetensors", "run"}
