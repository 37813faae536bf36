"""Sprites: grid, geometry against closed forms, repeatability, errors."""

import colorsys

import numpy as np
import pytest
from scipy import ndimage

from sklearn_ardvae.datasets import (
    make_color_sprites,
    make_irmae_shapes,
    make_sprites,
)
from sklearn_ardvae.datasets.sprites import SHAPE_AREAS, _coverage

SIZES = (3, 6, 40, 32, 32)
SHAPES = ["square", "ellipse", "heart"]


def rows_of(*factors):
    """Grid rows of factors given as numbers or arrays."""
    return np.ravel_multi_index(np.broadcast_arrays(*factors), SIZES).ravel()


def images_of(rows):
    return make_sprites(rows).data.reshape(-1, 64, 64)


def centroids(images):
    return np.array([ndimage.center_of_mass(image) for image in images])


def test_index_and_factors_are_one_thing():
    sprites = make_sprites(500, random_state=0)
    assert sprites.factor_sizes.tolist() == list(SIZES)
    np.testing.assert_array_equal(
        np.ravel_multi_index(sprites.factors.T, SIZES), sprites.indices
    )
    assert len(set(sprites.indices)) == 500
    again = make_sprites(sprites.indices)
    np.testing.assert_array_equal(again.data, sprites.data)
    np.testing.assert_array_equal(again.factors, sprites.factors)


def test_images_are_binary_and_of_the_type_asked_for():
    floats = make_sprites(50, random_state=0)
    assert floats.data.dtype == np.float32
    assert set(np.unique(floats.data)) == {0.0, 1.0}
    assert floats.input_shape == (1, 64, 64)
    data, factors = make_sprites(50, random_state=0, dtype="uint8", return_X_y=True)
    assert data.dtype == np.uint8
    np.testing.assert_array_equal(data, floats.data)
    np.testing.assert_array_equal(factors, floats.factors)


@pytest.mark.parametrize("shape", range(3))
def test_a_position_is_a_pixel(shape):
    steps = np.arange(32)
    start = centroids(images_of(rows_of(shape, 5, 7, 0, 0)))[0]
    across = centroids(images_of(rows_of(shape, 5, 7, steps, 0)))
    down = centroids(images_of(rows_of(shape, 5, 7, 0, steps)))
    # Centroids as (row, column). Exact: the same pixels elsewhere.
    np.testing.assert_allclose(across - start, np.c_[0 * steps, steps], atol=1e-9)
    np.testing.assert_allclose(down - start, np.c_[steps, 0 * steps], atol=1e-9)
    # Pixel 16 is the first centre; thresholding shifts a centroid by less than 0.2.
    np.testing.assert_allclose(start, [16.0, 16.0], atol=0.2)


@pytest.mark.parametrize("shape", range(3))
def test_area_grows_with_the_square_of_scale_and_not_with_rotation(shape):
    scale, turn = np.meshgrid(np.arange(6), np.arange(40), indexing="ij")
    images = images_of(rows_of(shape, scale, turn, 16, 16))
    area = images.sum((1, 2)).reshape(6, 40)
    radius = 16.0 * np.linspace(0.5, 1.0, 6)[:, None]
    expected = SHAPE_AREAS[SHAPES[shape]] * radius**2
    # A threshold errs at the outline: by a few of its 60 to 100 pixels, and most for an
    # upright square, which has an odd whole number of pixels to a side.
    assert np.abs(np.sqrt(area) - np.sqrt(expected)).max() < 1.1
    turned = (area / expected)[:, 1:-1]
    np.testing.assert_allclose(turned, 1.0, atol=0.08)
    # Pixels that are half covered, to 1 / 16, count as white: on average a bit more.
    np.testing.assert_allclose(turned.mean(1), 1.0, atol=0.02)


def test_first_and_last_orientation_are_the_same_and_symmetries_hold():
    for shape in range(3):
        first, last = images_of(rows_of(shape, 5, np.array([0, 39]), 16, 16))
        np.testing.assert_array_equal(first, last)
    # A quarter of a turn is no step of the grid; a coverage has any angle.
    for shape, turn in (("square", 0.5 * np.pi), ("ellipse", np.pi)):
        np.testing.assert_allclose(
            _coverage(shape, 16.0, 0.3, 33),
            _coverage(shape, 16.0, 0.3 + turn, 33),
            atol=1 / 16,
        )


def test_orientation_is_counter_clockwise():
    upright = _coverage("heart", 16.0, 0.0, 33)
    quarter = _coverage("heart", 16.0, 0.5 * np.pi, 33)
    # Four of a pixel's 16 points may lie on a diagonal edge, and count either way.
    np.testing.assert_allclose(quarter, np.rot90(upright), atol=1 / 4)


@pytest.mark.parametrize("shape", SHAPES)
def test_closed_forms_of_area_centroid_and_radius(shape):
    # Points are a quarter of a pixel apart: an upright edge errs by half of that, the
    # area of a square of 113 pixels by up to 4 / 8 / 113 and the centroid by 1 / 8.
    image = _coverage(shape, 80.0, 0.0, 161)
    assert image.sum() / 80.0**2 == pytest.approx(SHAPE_AREAS[shape], rel=4.5e-3)
    np.testing.assert_allclose(ndimage.center_of_mass(image), [80, 80], atol=0.05)
    y, x = np.nonzero(image > 0.5)
    assert np.hypot(y - 80, x - 80).max() == pytest.approx(80.0, abs=1.0)


def test_no_sprite_leaves_the_frame():
    ends = np.array([0, 31])
    for shape in range(3):
        turn, x, y = np.meshgrid(np.arange(40), ends, ends)
        middle = images_of(rows_of(shape, 5, np.arange(40), 16, 16)).sum((1, 2))
        corner = images_of(rows_of(shape, 5, turn, x, y)).sum((1, 2))
        np.testing.assert_array_equal(corner, middle[turn.ravel()])


def test_repeatable_and_apart_from_the_global_generator():
    before = np.random.get_state()[1].copy()
    for make in (make_sprites, make_color_sprites, make_irmae_shapes):
        one, two, other = (make(20, random_state=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one.data, two.data)
        assert not np.array_equal(one.data, other.data)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"subset": 0}, ValueError, r"subset must be an integer in \[1, 737280\]"),
        ({"subset": 1.5}, TypeError, "subset must be an integer"),
        ({"subset": [737280]}, ValueError, "the rows are 0 to 737279"),
        ({"subset": [-1]}, ValueError, "row indices from -1"),
        ({"subset": []}, ValueError, "a list of row indices"),
        ({"subset": [[1]]}, ValueError, "a list of row indices"),
        ({"subset": [0.5]}, ValueError, "a list of row indices"),
        ({"dtype": "int8"}, ValueError, "dtype must be one of"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        make_sprites(**arguments)


def test_color_sprites_follow_their_factors():
    sizes = (8, 3, 16, 16, 8)
    sprites = make_color_sprites(400, random_state=0)
    assert sprites.factor_sizes.tolist() == list(sizes)
    np.testing.assert_array_equal(
        np.ravel_multi_index(sprites.factors.T, sizes), sprites.indices
    )
    images = sprites.data.reshape(-1, 3, 64, 64)
    for image, (color, shape, x, y, depth) in zip(images, sprites.factors, strict=True):
        tint = np.array(colorsys.hsv_to_rgb(color / 8, 1.0, 1.0))
        coverage = image[tint.argmax()]
        # One colour, to half a grey level of each of the two.
        np.testing.assert_allclose(
            image, tint[:, None, None] * coverage, atol=1.01 / 255
        )
        center = ndimage.center_of_mass(coverage)
        np.testing.assert_allclose(center, [16 + 2 * y, 16 + 2 * x], atol=0.12)
        radius = 16.0 / (1.0 + depth / 7)
        area = SHAPE_AREAS[SHAPES[shape]] * radius**2
        # 4 x 4 points for each pixel err by up to 1/8 pixel along an upright edge.
        assert coverage.sum() == pytest.approx(area, rel=0.06)


def test_irmae_shapes_have_exact_areas_and_centres():
    shapes = make_irmae_shapes(300, random_state=0)
    assert shapes.input_shape == (3, 32, 32)
    assert shapes.n_true == shapes.factors.shape[1] == 7
    images = shapes.data.reshape(-1, 3, 32, 32).astype(float)
    kind, size = shapes.factors[:, 0], shapes.factors[:, 6]
    color, center = shapes.factors[:, 1:4], shapes.factors[:, 4:6]
    assert set(kind) == {0.0, 1.0}
    mass = images.sum((2, 3)) / color
    square = kind == 1.0
    expected = (2.0 * size[square]) ** 2
    np.testing.assert_allclose(
        mass[square], np.c_[expected, expected, expected], rtol=1e-5
    )
    # A ramp of one pixel around a circle keeps its area to a few thousandths.
    disc = np.pi * size[~square] ** 2
    np.testing.assert_allclose(mass[~square].mean(1), disc, rtol=0.02)
    middle = centroids(images.sum(1))[:, ::-1] + 0.5
    # The mass of a partly covered pixel counts in its middle: f (1 - f) / 2 off, of
    # two edges that may err together, over a width of at least 6.
    np.testing.assert_allclose(middle, center, atol=0.25 / 6)


def test_irmae_shapes_have_uniform_factors():
    factors = make_irmae_shapes(4000, random_state=0, return_X_y=True)[1]
    low = np.array([0, 0, 0, 0, 8, 8, 3.0])
    high = np.array([1, 1, 1, 1, 24, 24, 8.0])
    unit = (factors - low) / (high - low)
    assert unit.min() >= 0
    assert unit.max() <= 1
    # Five standard errors: 0.5 / sqrt(4000) = 0.0079 for the shape.
    np.testing.assert_allclose(unit.mean(0), 0.5, atol=0.04)
    np.testing.assert_allclose(unit[:, 1:].var(0), 1 / 12, rtol=0.1)
    correlation = np.corrcoef(unit.T) - np.eye(7)
    assert np.abs(correlation).max() < 0.08


def test_irmae_shapes_refuse_no_images():
    with pytest.raises(ValueError, match="n_samples must be an integer >= 1"):
        make_irmae_shapes(0)
    with pytest.raises(TypeError, match="n_samples must be an integer"):
        make_irmae_shapes("many")
