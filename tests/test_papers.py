"""The constructor calls of docs/papers.md are accepted and fit their data's shape."""

import ast
import math
import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parent.parent / "docs" / "papers.md").read_text()


def calls():
    """Return what each statement of the code blocks that is a call evaluates to."""
    names, values = {}, []
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL):
        for statement in ast.parse(block).body:
            code = ast.unparse(statement)
            if isinstance(statement, ast.Expr):
                values.append(pytest.param(eval(code, names), id=code))
            else:
                exec(code, names)
    return values


@pytest.mark.parametrize("model", calls())
def test_settings_are_accepted_and_fit_the_images(model):
    """What `fit` does before it trains; training would take minutes."""
    model._validate_params()
    model.n_features_in_ = math.prod(model.input_shape or (784,))
    model._seed = 0
    module = model._build_module()
    assert module.n_components == model.n_components
