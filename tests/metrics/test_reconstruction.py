"""Errors of reconstructions and of generated bumps, against their definitions."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from sklearn_ardvae.metrics import (
    gaussian_bump_error,
    reconstruction_error,
    relative_reconstruction_error,
)

AXIS = np.linspace(-1, 1, 64)


def bump(x, y, width=0.2):
    return np.exp(-((AXIS - x) ** 2 + (AXIS[:, None] - y) ** 2) / (2 * width**2))


def test_errors_by_hand():
    x = np.arange(12.0).reshape(3, 2, 2)
    assert reconstruction_error(x, x + 2.0) == 4.0
    assert reconstruction_error(x, x) == 0.0
    shift = np.array([[0.0, 1.0], [2.0, 3.0]])
    raw = reconstruction_error(x, x + shift, multioutput="raw_values")
    np.testing.assert_allclose(raw, shift**2)
    assert relative_reconstruction_error(x, 0 * x) == 100.0
    assert relative_reconstruction_error(x, 1.25 * x) == pytest.approx(25.0)
    # One norm for all: not the mean of errors of samples, 50.
    two = np.array([[1.0, 0.0], [0.0, 3.0]])
    expected = 100 / np.sqrt(10)
    assert relative_reconstruction_error(two, [[0.0, 0.0], [0.0, 3.0]]) == (
        pytest.approx(expected)
    )


def test_bumps_anywhere_have_no_error_and_scaled_ones_have_their_scale():
    rng = np.random.default_rng(0)
    centres = rng.uniform(-0.5, 0.5, (20, 2))
    images = np.array([bump(*c) for c in centres])
    assert gaussian_bump_error(images).max() < 1e-6
    np.testing.assert_allclose(gaussian_bump_error(0.7 * images), 30.0, rtol=1e-6)
    rows = (3.0 * images).reshape(20, -1)
    np.testing.assert_allclose(gaussian_bump_error(rows, amplitude=3.0), 0, atol=1e-6)


def test_the_centre_is_the_best_in_least_squares():
    rng = np.random.default_rng(0)
    images = [
        bump(0.1, -0.2) + 0.1 * rng.standard_normal((64, 64)),
        bump(0.1, -0.2) + 0.8 * bump(-0.6, 0.4),  # two modes: the higher one wins
        bump(0.3, 0.3, width=0.3),
    ]
    starts = [(0.1, -0.2), (0.1, -0.2), (0.3, 0.3)]
    for image, start, found in zip(
        images, starts, gaussian_bump_error(images), strict=True
    ):
        best = least_squares(
            lambda c, image=image: (bump(*c) - image).ravel(), start, xtol=1e-12
        ).x
        fitted = bump(*best)
        expected = 100 * np.linalg.norm(image - fitted) / np.linalg.norm(fitted)
        assert found == pytest.approx(expected, rel=1e-6)


def test_empty_and_oblong_images():
    # No bump is near nothing; the best is as far out as the grid goes.
    assert np.isfinite(gaussian_bump_error(np.zeros((2, 64, 64)))).all()
    y = np.linspace(-1, 1, 32)[:, None]
    exact = np.exp(-((AXIS - 0.2) ** 2 + (y - 0.1) ** 2) / 0.08)
    rows = exact.reshape(1, -1)
    assert gaussian_bump_error(rows, image_shape=(32, 64))[0] < 1e-6


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reconstruction_error([[1.0]], [[1.0, 2.0]]), "must be equal"),
        (lambda: reconstruction_error([[np.nan]], [[1.0]]), "X contains NaN"),
        (
            lambda: reconstruction_error([[1.0]], [[1.0]], multioutput="no"),
            "multioutput must be",
        ),
        (lambda: relative_reconstruction_error([[0.0]], [[1.0]]), "0 everywhere"),
        (lambda: gaussian_bump_error(np.ones((2, 10))), "pass their height and width"),
        (lambda: gaussian_bump_error(np.ones((1, 4)), width=0.0), "width == 0"),
        (lambda: gaussian_bump_error(np.ones((1, 4)), extent=(1, 0)), "extent must"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
