"""The documentation site: `make docs` builds it into docs/_build/html."""

import os
import re

# A page is looked at, not measured: one thread, as the machine may have few.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from docutils import nodes

import sklearn_ardvae
from sklearn_ardvae.estimator.parameters import PROJECT_URL, SITE_URL

project = "sklearn_ardvae"
author = "The sklearn_ardvae developers"
copyright = author
version = release = sklearn_ardvae.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
# README.md and api.md are what index.rst and reference.rst are, for readers of the
# repository.
exclude_patterns = ["_build", "_templates", "README.md", "api.md"]
templates_path = ["_templates"]
# A reference that leads nowhere is a warning, and so an error.
nitpicky = True

# --- Markdown ----------------------------------------------------------------------

# What GitHub shows, too: formulas in dollars or in ```math, anchors of headings.
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 3

# --- docstrings --------------------------------------------------------------------

autosummary_generate = True
# Single backticks are names, as in scikit-learn's docstrings.
default_role = "literal"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# --- gallery -----------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "capture_repr": (),
    # Others are shown, and not run: they take a download, a cluster or a runtime.
    "filename_pattern": r"/(plot_|datasets_gallery|disentanglement_scores)",
    # What a launcher starts, what is for a terminal, and what they share.
    "ignore_pattern": r"(data_parallel|quickstart|reporting)\.py",
    "matplotlib_animations": False,
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
    "reset_modules": ("matplotlib",),
}

# --- look --------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_ardvae"
html_baseurl = f"{SITE_URL}/"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# Of one page in a section there is no list to show.
html_sidebars = {"getting_started": []}
html_theme_options = {
    "icon_links": [
        {"name": "GitHub", "url": PROJECT_URL, "icon": "fa-brands fa-github"}
    ],
    "header_links_before_dropdown": 5,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_show_sourcelink = False
toc_object_entries_show_parents = "hide"

# --- links that lead out of docs/ ----------------------------------------------------

SCIKIT_LEARN = "https://scikit-learn.org/stable"


def link_into_repository(_app, _page, source):
    """Let links to files outside of docs/ lead to the repository."""
    source[0] = source[0].replace("](../", f"]({PROJECT_URL}/blob/main/")


def link_to_scikit_learn(_app, _environment, node, text):
    """Resolve references to scikit-learn's glossary, its guide and its classes."""
    target = node["reftarget"]
    if target.startswith("sklearn."):
        uri = f"{SCIKIT_LEARN}/modules/generated/{target}.html"
    elif node["reftype"] == "term":
        uri = f"{SCIKIT_LEARN}/glossary.html#term-{target.replace(' ', '-')}"
    elif node["reftype"] == "ref":
        uri = f"{SCIKIT_LEARN}/search.html?q={target}"
    else:
        return None
    return nodes.reference("", "", text, internal=False, refuri=uri)


# What the notes of a method say, by the words that their paragraphs begin with.
LABELS = r"Good for|Papers?|Reference code|Ours|Left out|Known to fail"


def dress_docstring(_app, _what, _name, _object, _options, lines):
    """Link to pages that docstrings name by their file, and make labels bold."""
    for number, line in enumerate(lines):
        line = re.sub(r"\bdocs/(\w+)\.md", r":doc:`/\1`", line)
        lines[number] = re.sub(rf"^({LABELS}):", r"**\1:**", line)


def leave_out_defaults(_app, _what, _name, value, _skip, _options):
    """Leave out parameters whose default is None: a class keeps it as an attribute."""
    return True if value is None else None


def setup(app):
    """Connect them."""
    app.connect("source-read", link_into_repository)
    app.connect("missing-reference", link_to_scikit_learn)
    app.connect("autodoc-process-docstring", dress_docstring)
    app.connect("autodoc-skip-member", leave_out_defaults)
