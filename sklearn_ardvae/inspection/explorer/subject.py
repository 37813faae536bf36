"""What a page is about: an estimator, alone or at the end of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils.validation import check_is_fitted

from ...estimator.base import BaseAutoencoder
from .program import NotInThePage, Program, program_of

__all__ = ["Subject"]

_SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)


@dataclass(frozen=True)
class Subject:
    """A fitted estimator, and what stands before it.

    Parameters
    ----------
    model : BaseAutoencoder
    before : Pipeline or None
        Steps that rows go through first.
    """

    model: BaseAutoencoder
    before: Pipeline | None = None

    @classmethod
    def of(cls, estimator: Any) -> Subject:
        """Take a pipeline apart, or an estimator as it is.

        Raises
        ------
        TypeError, ValueError
            If it is something else, or a step before cannot be undone.
        """
        model, before = estimator, None
        if isinstance(estimator, Pipeline):
            model = estimator[-1]
            before = estimator[:-1] if len(estimator) > 1 else None
        if not isinstance(model, BaseAutoencoder):
            raise TypeError(
                "estimator must be an estimator of sklearn_ardvae, or a Pipeline that "
                f"ends in one; got {model!r}."
            )
        check_is_fitted(model)
        for name, step in before.steps if before is not None else []:
            if step != "passthrough" and not hasattr(step, "inverse_transform"):
                raise ValueError(
                    f"estimator: the step {name!r} of the pipeline has no "
                    "inverse_transform, so that nothing can be shown in its units. "
                    "Pass the last step, pipeline[-1], and X as that step gets it."
                )
        return cls(model, before)

    @property
    def axes(self) -> NDArray[np.intp]:
        """The active axes, most relevant first."""
        return self.model.active_components_

    @property
    def code_mean(self) -> NDArray[np.float64]:
        """The mean code of the training rows, along the active axes."""
        return self.model._code_mean[self.axes]

    @property
    def code_covariance(self) -> NDArray[np.float64]:
        """The covariance of the training codes, along the active axes."""
        return self.model._code_covariance[np.ix_(self.axes, self.axes)]

    @property
    def deviation(self) -> NDArray[np.float64]:
        """That of the training codes, along the active axes; 1 where there is none."""
        deviation = np.sqrt(np.diag(self.code_covariance))
        return np.where(deviation > 0.0, deviation, 1.0)

    def feature_names(self) -> list[str]:
        """Return the names that the first step, or the estimator, has seen."""
        first = self.model if self.before is None else self.before
        names = getattr(first, "feature_names_in_", None)
        if names is None:
            names = [f"feature {i}" for i in range(self.n_features)]
        return [str(name) for name in names]

    @property
    def n_features(self) -> int:
        """Of rows as the user has them."""
        if self.before is None:
            return self.model.n_features_in_
        return self.decode(self.code_mean[None]).shape[1]

    def encode(self, X: Any) -> NDArray[np.float64]:
        """Return the codes of rows along the active axes."""
        codes = np.asarray(self.model.transform(self._before(X)), dtype=np.float64)
        return codes[:, self._places()]

    def decode(self, codes: NDArray) -> NDArray[np.float64]:
        """Return rows of codes of the active axes, in the user's units."""
        columns = self.model._columns_out
        whole = np.tile(self.model._code_mean[columns], (len(codes), 1))
        whole[:, self._places()] = codes
        # In the precision of what `transform` returns.
        return self._undone(self.model.inverse_transform(whole.astype(np.float32)))

    def reconstruct(self, X: Any) -> NDArray[np.float64]:
        """Return reconstructions, in the user's units."""
        return self._undone(self.model.reconstruct(self._before(X)))

    def sample(self, n: int, random_state: Any) -> NDArray[np.float64]:
        """Return new rows, in the user's units."""
        return self._undone(self.model.sample(n, random_state))

    def program(self) -> Program:
        """Return `decode` as steps of a page's script.

        Raises
        ------
        NotInThePage
            If there are no such steps, or too many.
        """
        program = program_of(self.model.module_, self.axes, self.model._code_mean)
        for _, step in reversed(self.before.steps if self.before is not None else []):
            if step == "passthrough":
                continue
            if not isinstance(step, _SCALERS):
                raise NotInThePage(f"a {type(step).__name__} follows it")
            ends = np.array([[0.0], [1.0]]) * np.ones((1, step.n_features_in_))
            shift, with_factor = step.inverse_transform(ends)
            program.scale(with_factor - shift, shift)
        program.check_size()
        return program

    def _places(self) -> list[int]:
        """Return in which columns of `transform` the active axes are."""
        places = {axis: i for i, axis in enumerate(self.model._columns_out)}
        return [places[axis] for axis in self.axes]

    def _before(self, X: Any) -> Any:
        return X if self.before is None else self.before.transform(X)

    def _undone(self, rows: NDArray) -> NDArray[np.float64]:
        if self.before is not None:
            rows = self.before.inverse_transform(rows)
        return np.asarray(rows, dtype=np.float64)
