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


CENTRES = [(0.0, 0.0), (0.31, -0.52), (0.97, 0.2), (-1.0, 1.0)]


@pytest.mark.parametrize("scale", [1e-200, 0.01, 0.1, 0.375, 1.0, 2.5, 10.0, 1e100])
def test_a_scaled_bump_is_found_wherever_it_is(scale):
    images = scale * np.array([bump(*c) for c in CENTRES])
    expected = 100 * abs(scale - 1.0)
    # Exact up to the rounding of a sum of 4096 squares.
    np.testing.assert_allclose(
        gaussian_bump_error(images), expected, rtol=1e-9, atol=1e-9
    )


def test_the_centre_stays_within_the_frame():
    # A bump beyond the edge is compared with the one at the edge.
    beyond = np.array([bump(1.3, 0.2), bump(0.1, -1.2)])
    edge = np.array([bump(1.0, 0.2), bump(0.1, -1.0)])
    expected = [
        100 * np.linalg.norm(b - e) / np.linalg.norm(e)
        for b, e in zip(beyond, edge, strict=True)
    ]
    np.testing.assert_allclose(gaussian_bump_error(beyond), expected, rtol=1e-9)


def test_the_centre_is_the_best_of_all_in_the_frame():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((20, 16, 16))
    axis, fine = np.linspace(-1, 1, 16), np.linspace(-1, 1, 401)
    found = gaussian_bump_error(images)
    profiles = np.exp(-0.5 * ((axis - fine[:, None]) / 0.2) ** 2)
    unit = profiles / np.linalg.norm(profiles, axis=1, keepdims=True)
    for image, error in zip(images, found, strict=True):
        overlap = unit @ image @ unit.T
        i, j = np.unravel_index(overlap.argmax(), overlap.shape)
        g = np.outer(profiles[i], profiles[j])
        expected = 100 * np.linalg.norm(image - g) / np.linalg.norm(g)
        # The lattice of 401 points misses the best centre by up to 0.0025 = w / 80.
        assert error == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(
    "images",
    [
        -np.ones((1, 64, 64)),
        np.full((1, 64, 64), 0.3),
        -np.array([bump(*c) for c in CENTRES]),
        np.random.default_rng(0).standard_normal((100, 64, 64)),
        1e300 * np.random.default_rng(1).standard_normal((5, 64, 64)),
        np.full((1, 64, 64), 5e-324),
        np.random.default_rng(2).standard_normal((20, 1, 1)),
    ],
    ids=["negative", "constant", "negated", "noise", "huge", "tiny", "one pixel"],
)
def test_every_finite_image_has_a_finite_error(images):
    found = gaussian_bump_error(images)
    assert found.shape == (len(images),)
    assert np.isfinite(found).all()
    # No bump of the frame has less than a quarter of the squares of a whole one.
    norm = np.linalg.norm(
        (images / np.abs(images).max()).reshape(len(images), -1), 2, 1
    )
    whole = np.linalg.norm(bump(0.0, 0.0)) if images.shape[1] == 64 else 1.0
    largest = 200 * norm * np.abs(images).max() / whole + 100
    assert np.all(found <= largest * (1 + 1e-9))


def test_empty_and_oblong_images():
    np.testing.assert_allclose(gaussian_bump_error(np.zeros((2, 64, 64))), 100.0)
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
        (lambda: gaussian_bump_error(np.ones((1, 4))), "half the distance of two"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
