"""Files of constraints hold what pyproject.toml says is supported."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent


def pinned(name):
    """Return the versions in a file of constraints."""
    lines = (ROOT / name).read_text().splitlines()
    found = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {re.sub("[-_.]+", "-", name).lower(): version for name, version in found}


def required():
    """Return what the package and its tests ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    requirements = [*project["dependencies"]]
    of_test = [*map(Requirement, extras["test"])]
    (own,) = (r for r in of_test if r.name == "sklearn_ardvae")
    for name in own.extras:
        requirements += extras[name]
    return [*map(Requirement, requirements), *(r for r in of_test if r is not own)]


def test_the_oldest_releases_are_the_lower_bounds():
    oldest = pinned("constraints-oldest.txt")
    for requirement in required():
        (bound,) = requirement.specifier
        version = oldest[requirement.name.lower()]
        assert bound.contains(version), requirement
        # Of another number in any place but the last it would be a newer release.
        assert (version + ".").startswith(bound.version + "."), requirement


def test_the_usual_releases_are_supported():
    usual = pinned("constraints.txt")
    for requirement in required():
        assert requirement.specifier.contains(usual[requirement.name.lower()])
