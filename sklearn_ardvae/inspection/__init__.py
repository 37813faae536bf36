"""Ways to look at a fitted estimator."""

from .explorer.report import report

__all__ = ["report"]
