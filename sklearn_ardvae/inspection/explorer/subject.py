"""What a page is about: an estimator, alone or at the end of a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from ..pipelines import Source
from .program import NotInThePage, Program, program_of

__all__ = ["Subject"]

_SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)


@dataclass(frozen=True)
class Subject(Source):
    """What a page shows: always in the units of what the pipeline was given."""

    @classmethod
    def of(cls, estimator: Any) -> Subject:
        """Take a pipeline apart, or an estimator as it is.

        Raises
        ------
        TypeError, ValueError
            If it is something else, or a step before cannot be undone.
        """
        source = Source.of(estimator)
        for name, step in source.before.steps if source.before is not None else []:
            if step != "passthrough" and not hasattr(step, "inverse_transform"):
                raise ValueError(
                    f"estimator: the step {name!r} of the pipeline has no "
                    "inverse_transform, so that nothing can be shown in its units. "
                    "Pass the last step, pipeline[-1], and X as that step gets it."
                )
        return cls(source.model, source.before)

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

    def names(self) -> list[str]:
        """Return the names that the first step, or the estimator, has seen."""
        names = self.feature_names
        if names is None:
            return [f"feature {i}" for i in range(self.n_features)]
        return [str(name) for name in names]

    @property
    def n_features(self) -> int:
        """Of rows as the user has them."""
        if self.before is None:
            return self.model.n_features_in_
        return self.decode(self.code_mean[None]).shape[1]

    def encode(self, X: Any) -> NDArray[np.float64]:
        """Return the codes of rows along the active axes."""
        codes = np.asarray(self.model.transform(self.rows(X)), dtype=np.float64)
        return codes[:, self.columns]

    def decode(self, codes: NDArray) -> NDArray[np.float64]:
        """Return rows of codes of the active axes, in the user's units."""
        columns = self.model._columns_out
        whole = np.tile(self.model._code_mean[columns], (len(codes), 1))
        whole[:, self.columns] = codes
        # In the precision of what `transform` returns.
        return self._undone(self.model.inverse_transform(whole.astype(np.float32)))

    def reconstruct(self, X: Any) -> NDArray[np.float64]:
        """Return reconstructions, in the user's units."""
        return self._undone(self.model.reconstruct(self.rows(X)))

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

    def _undone(self, rows: NDArray) -> NDArray[np.float64]:
        return np.asarray(self.shown(rows), dtype=np.float64)
