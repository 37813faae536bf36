"""What a display is given: one of our estimators, or a pipeline that ends in one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from ..estimator.base import BaseAutoencoder

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """A fitted estimator, and the fitted steps of a pipeline before it.

    Parameters
    ----------
    model : BaseAutoencoder
    before : Pipeline or None
        None where there are no steps.
    """

    model: BaseAutoencoder
    before: Pipeline | None = None

    @classmethod
    def of(cls, estimator: Any) -> Source:
        """Take `estimator` apart.

        Raises
        ------
        TypeError
            If it is neither one of our estimators nor a pipeline that ends in one.
        NotFittedError
            If it is not fitted.
        """
        is_pipeline = isinstance(estimator, Pipeline)
        model = estimator.steps[-1][1] if is_pipeline else estimator
        if not isinstance(model, BaseAutoencoder):
            raise TypeError(
                "estimator must be a fitted estimator of sklearn_ardvae, or a Pipeline "
                f"whose last step is one; got {estimator!r}."
            )
        check_is_fitted(model)
        if is_pipeline and len(estimator.steps) > 1:
            return cls(model, estimator[:-1])
        return cls(model)

    @property
    def is_undone(self) -> bool:
        """Whether rows can be shown as they were before the steps."""
        return self.before is None or hasattr(self.before, "inverse_transform")

    @property
    def feature_names(self) -> NDArray[np.object_] | None:
        """Names of the columns of what `shown` returns, where they are known."""
        taken = self.model if self.before is None or not self.is_undone else self.before
        return getattr(taken, "feature_names_in_", None)

    def rows(self, X: ArrayLike) -> Any:
        """Return X as the model takes it."""
        return X if self.before is None else self.before.transform(X)

    def shown(self, rows: ArrayLike) -> NDArray[np.floating]:
        """Return rows of the model as they are shown.

        In the units of what the pipeline was given, if its steps can be undone.
        """
        plain = np.asarray(rows)
        plain = plain.reshape(len(plain), -1)
        if self.before is None or not self.is_undone:
            return plain
        with warnings.catch_warnings():
            # PowerTransformer of scikit-learn 1.7 asks for names on the way back, too.
            warnings.filterwarnings("ignore", "X does not have valid feature names")
            return np.asarray(self.before.inverse_transform(plain))

    def given(self, X: ArrayLike, rows: Any) -> NDArray[np.floating]:
        """Return X as it is shown beside what `shown` returns; `rows` is `rows(X)`."""
        plain = np.asarray(X if self.is_undone else rows)
        if plain.dtype == object:  # of frames of several types
            plain = plain.astype(np.float64)
        return plain.reshape(len(plain), -1)

    def codes(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return the codes of X on the active axes, most relevant first.

        Raises
        ------
        ValueError
            If no axis is active.
        """
        columns = self.active_columns()
        return np.asarray(self.model.transform(self.rows(X)))[:, columns]

    @property
    def columns(self) -> NDArray[np.intp]:
        """Where `transform` has the active axes, most relevant first."""
        active = self.model.active_components_
        if self.model.output_components == "all":
            return active
        return np.arange(len(active))

    def active_columns(self) -> NDArray[np.intp]:
        """Return `columns`, of which there must be some."""
        if not len(self.columns):
            raise ValueError(
                f"This {type(self.model).__name__} has no active component, so that "
                "there is no axis to draw; summary() says why."
            )
        return self.columns

    def axis_labels(self) -> list[str]:
        """Return a label for each active axis, most relevant first."""
        model = self.model
        shares = model.relevance_ratio_[model.active_components_]
        return [
            f"axis {axis} ({share:.0%})"
            for axis, share in zip(model.active_components_, shares, strict=True)
        ]
