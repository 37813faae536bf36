"""Rendered rooms: grid, geometry against projections in closed form, colours."""

import colorsys
import time

import numpy as np
import pytest

from sklearn_ardvae.datasets import make_shapes3d
from sklearn_ardvae.datasets import shapes3d as module

SIZES = (10, 10, 10, 8, 4, 15)
SHAPES = ["cube", "cylinder", "sphere", "capsule"]


def image_of(*factors):
    row = np.ravel_multi_index(factors, SIZES)
    return make_shapes3d([row]).data.reshape(3, 64, 64)


def test_index_and_factors_are_one_thing():
    shapes = make_shapes3d(60, random_state=0)
    assert shapes.factor_sizes.tolist() == list(SIZES)
    assert shapes.input_shape == (3, 64, 64)
    np.testing.assert_array_equal(
        np.ravel_multi_index(shapes.factors.T, SIZES), shapes.indices
    )
    one_by_one = [make_shapes3d([row]).data[0] for row in shapes.indices]
    np.testing.assert_array_equal(shapes.data, one_by_one)
    data, factors = make_shapes3d(60, random_state=0, dtype="uint8", return_X_y=True)
    assert data.dtype == np.uint8
    np.testing.assert_array_equal(data / np.float32(255), shapes.data)
    np.testing.assert_array_equal(factors, shapes.factors)


def test_rows_may_come_in_any_order_and_twice():
    rows = np.array([7, 479_999, 7, 12_345])
    images = make_shapes3d(rows).data
    np.testing.assert_array_equal(images[0], images[2])
    np.testing.assert_array_equal(make_shapes3d(rows[::-1]).data, images[::-1])


@pytest.mark.parametrize("shape", SHAPES)
def test_every_pixel_shows_a_lit_surface(shape):
    light = module._light_of(1.0, shape, 10.0)
    share = (light > 0).sum(0)
    assert share.min() >= 1
    # Lambert's law with ambient light 0.4: no pixel darker or brighter.
    total = light.sum(0)
    assert total.min() >= 0.4 - 1e-6
    assert total.max() <= 1.0 + 1e-6
    for part in light:
        assert 20 < (part > 0).sum() < 64 * 64


@pytest.mark.parametrize(("factor", "part"), [(0, 0), (1, 1), (2, 2)])
def test_a_hue_colours_its_own_part_only(factor, part):
    base = [1, 4, 7, 5, 0, 3]
    changed = list(base)
    changed[factor] = 9
    light = module._light_of(np.linspace(0.75, 1.25, 8)[5], "cube", -30 + 3 * 60 / 14)
    shown = (light[part] > 0).reshape(64, 64)
    difference = np.abs(image_of(*changed) - image_of(*base)).max(0)
    assert (difference[~shown] == 0).all()
    assert (difference[shown & (light[part].reshape(64, 64) > 0.1)] > 0).all()
    # A pixel of that part alone is the hue times its light.
    alone = shown & ((light > 0).sum(0).reshape(64, 64) == 1)
    tint = np.array(colorsys.hsv_to_rgb(base[factor] / 10, 1, 1))
    expected = tint[:, None] * light[part].reshape(64, 64)[alone]
    np.testing.assert_allclose(image_of(*base)[:, alone], expected, atol=0.51 / 255)


@pytest.mark.parametrize("angle", [-30.0, 0.0, 30.0])
@pytest.mark.parametrize("scale", [0.75, 1.25])
def test_a_spheres_outline_is_the_projected_ellipse(scale, angle):
    # Seen under a half angle a, at an angle b off the view axis, a sphere's outline in
    # the image plane is an ellipse of area
    # pi sin^2(a) cos(a) / (cos^2(b) - sin^2(a)) ** 1.5.
    place, _ = module._camera(angle)
    center = np.array([0.0, 0.0, scale]) - place
    axis = np.array([0.0, 0.0, module._TARGET_HEIGHT]) - place
    distance = np.linalg.norm(center)
    sin2 = (scale / distance) ** 2
    cos2 = (center @ axis / distance / np.linalg.norm(axis)) ** 2
    area = np.pi * sin2 * np.sqrt(1 - sin2) / (cos2 - sin2) ** 1.5
    expected = area * (64 / (2 * module._VIEW)) ** 2
    light = module._light_of.__wrapped__(scale, "sphere", angle)[2]
    _, ray = module._camera(angle)
    origin = np.broadcast_to(place, ray.shape)
    seen = np.isfinite(module._hit_sphere(origin, ray, scale, scale)[0]).sum() / 4
    # 600 points or more on a grid, of which some 70 at the outline fall either way: two
    # standard deviations are 0.5 * sqrt(70) / 600 * 2.
    assert seen == pytest.approx(expected, rel=0.016)
    assert (light > 0).sum() >= seen


@pytest.mark.parametrize("shape", SHAPES)
def test_an_object_grows_with_scale(shape):
    scales = np.linspace(0.75, 1.25, 8)
    pixels = [(module._light_of(s, shape, 0.0)[2] > 0).sum() for s in scales]
    assert np.all(np.diff(pixels) > 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_opposite_orientations_are_mirror_images_of_parts(shape):
    # The room and the solids are symmetric, their light is not.
    left, right = (
        (module._light_of(1.0, shape, angle) > 0).reshape(3, 64, 64)
        for angle in (-30.0, 30.0)
    )
    assert (left != right[:, :, ::-1]).mean() < 2e-3
    straight = (module._light_of(1.0, shape, 0.0) > 0).reshape(3, 64, 64)
    assert (left != straight).mean() > 0.01


def surface(shape, scale, point):
    """Signed distance-like function of each solid, zero on its surface."""
    x, y, z = point.T
    flat = np.hypot(x, y)
    if shape == "cube":
        half = 0.85 * scale
        return np.max([abs(x), abs(y), abs(z - half)], axis=0) - half
    if shape == "cylinder":
        return np.maximum(flat - 0.85 * scale, abs(z - scale) - scale)
    if shape == "sphere":
        return np.sqrt(flat**2 + (z - scale) ** 2) - scale
    radius, height = 0.65 * scale, 2.4 * scale
    core = np.clip(z, radius, height - radius)
    return np.hypot(flat, z - core) - radius


@pytest.mark.parametrize("shape", SHAPES)
def test_rays_end_on_the_surface_with_its_normal(shape):
    scale = 1.1
    place, ray = module._camera(17.0)
    origin = np.broadcast_to(place, ray.shape)
    t, normal = module._hit_object(shape, scale, origin, ray)
    met = np.isfinite(t)
    assert met.any()
    assert not met.all()
    point = origin[met] + t[met, None] * ray[met]
    np.testing.assert_allclose(surface(shape, scale, point), 0.0, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(normal[met], axis=1), 1.0, atol=1e-9)
    assert (np.sum(normal[met] * ray[met], axis=1) <= 0).all()
    # First along the ray: everything before the hit is outside.
    before = origin[met] + 0.999 * t[met, None] * ray[met]
    assert (surface(shape, scale, before) > 0).all()
    # The normal is the gradient, by central differences (away from edges).
    step = 1e-6
    gradient = np.stack(
        [
            surface(shape, scale, point + step * e)
            - surface(shape, scale, point - step * e)
            for e in np.eye(3)
        ],
        axis=1,
    ) / (2 * step)
    np.testing.assert_allclose(gradient, normal[met], atol=1e-4)
    # Rays that miss never come inside.
    along = origin[~met, None] + np.linspace(3, 9, 200)[None, :, None] * ray[~met, None]
    inside = surface(shape, scale, along.reshape(-1, 3)) < -1e-3
    high = along.reshape(-1, 3)[:, 2] >= 0
    assert not (inside & high).any()


def test_repeatable_and_bad_arguments():
    one, two = (make_shapes3d(5, random_state=4).data for _ in range(2))
    np.testing.assert_array_equal(one, two)
    with pytest.raises(ValueError, match=r"subset must be an integer in \[1, 480000\]"):
        make_shapes3d(480_001)
    with pytest.raises(ValueError, match="dtype must be one of"):
        make_shapes3d(1, dtype="float16")


@pytest.mark.slow
def test_ten_thousand_images_take_less_than_a_minute():
    module._light_of.cache_clear()
    start = time.perf_counter()
    make_shapes3d(10_000, random_state=0)
    assert time.perf_counter() - start < 60.0
