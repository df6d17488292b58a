"""Skin that folds: where, how deep, lit from where, and off."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from joyvasa_lib import EncodedPortrait, JoyVASAPipeline
from joyvasa_lib.motion import BLENDSHAPES, Motion
from joyvasa_lib.motion.driving.options import DrivingOptions
from joyvasa_lib.portrait.compact.folds.fold_depths import Folds
from joyvasa_lib.portrait.compact.folds.light import light_on_skin, vertex_normals
from joyvasa_lib.portrait.compact.folds.relief import skin_folds
from joyvasa_lib.portrait.compact.folds.shading import folded
from joyvasa_lib.portrait.compact.layers import SKIN
from joyvasa_lib.rig.head_rig import Floats, bundled_rig
from joyvasa_lib.rig.rasterizer import rasterize

SIDE, SCALE = 384, 85.0


def acted(**activations: float) -> Motion:
    values = np.zeros((1, len(BLENDSHAPES)), np.float32)
    for name, value in activations.items():
        for side in ("", "Left", "Right"):
            if name + side in BLENDSHAPES:
                values[0, BLENDSHAPES.index(name + side)] = value
    return Motion.from_blendshapes(values)


def head() -> Floats:
    return np.asarray(SCALE * bundled_rig().mean + [SIDE / 2, SIDE / 2, 0.0], np.float32)


def lit(direction: tuple[float, float, float]) -> NDArray[np.uint8]:
    """The mean head as a smooth surface under one light, on a dark ground."""
    rig, vertices = bundled_rig(), head()
    shade = 150.0 * (1.0 + vertex_normals(rig, vertices) @ np.array(direction))
    triangle, _ = rasterize(vertices[None], rig.triangles, SIDE)
    on = np.append(shade[rig.triangles].mean(1), 10.0)[triangle[0]]
    return np.clip(on[..., None] * np.array([1.0, 0.8, 0.7]), 0, 255).astype(np.uint8)


def folds_of(image: NDArray[np.uint8], shape: Floats | None = None, softness: float = 0) -> Folds:
    rig = bundled_rig()
    layer = np.full((SIDE, SIDE), SKIN, np.uint8)
    shape = rig.mean if shape is None else shape
    return skin_folds(rig, shape, image, head(), layer, softness)


@pytest.mark.parametrize("direction", [(-0.4, -0.1, -0.3), (0.4, -0.1, -0.3), (0.0, -0.5, -0.2)])
def test_the_light_s_direction_is_found(direction: tuple[float, float, float]) -> None:
    rig = bundled_rig()
    visible = rig.skin_vertex & (rig.mean[:, 2] < 0.2)
    found = light_on_skin(rig, lit(direction), head(), visible)
    main = int(np.argmax(np.abs(direction[:2])))
    assert np.sign(found[main]) == np.sign(direction[main])
    assert abs(found[main]) > 0.4 * abs(direction[main])


def test_a_furrow_is_light_on_the_side_that_faces_the_light() -> None:
    """Light from the image's left: the right wall of an upright furrow faces it."""
    for direction in (-0.4, 0.4):
        folds = folds_of(lit((direction, -0.1, -0.3)))
        shade = folds.shades[folds.names.index("between brows Left")]
        rows = shade[len(shade) // 2 - 4 : len(shade) // 2 + 4].mean(0)
        dark = int(np.argmin(rows))
        left, right = rows[:dark].max(initial=0.0), rows[dark + 1 :].max(initial=0.0)
        assert (right > left) == (direction < 0)


def test_folds_lie_on_their_part_of_the_face() -> None:
    rig, folds = bundled_rig(), folds_of(lit((0.0, -0.4, -0.3)))
    marks = head()[rig.landmark_vertex]
    for name, low, high in (
        ("forehead middle", marks[10, 1], marks[9, 1] + 4),
        ("bridge", marks[9, 1], marks[4, 1]),
        ("chin", marks[14, 1], marks[152, 1] + 12),
    ):
        number = folds.names.index(name)
        rows = np.flatnonzero((np.abs(folds.shades[number]) > 0.02).any(1))
        assert len(rows)
        assert low < folds.place[number][0] + rows.min()
        assert folds.place[number][0] + rows.max() < high


def test_blurred_images_get_soft_folds_and_children_shallow_ones() -> None:
    image = lit((0.0, -0.4, -0.3))
    sharp, soft = (folds_of(image, softness=s).shades[0] for s in (0.0, 4.0))
    assert np.abs(np.diff(soft, axis=0)).max() < 0.6 * np.abs(np.diff(sharp, axis=0)).max()
    child = bundled_rig().mean.copy()
    below = child[:, 1] > child[bundled_rig().landmark_vertex[168], 1]
    child[below, 1] *= 0.72  # small lower face
    assert np.abs(folds_of(image, child).shades[0]).max() < 0.7 * np.abs(sharp).max()


def test_hair_and_glasses_do_not_fold() -> None:
    image = lit((0.0, -0.4, -0.3))
    marks = head()[bundled_rig().landmark_vertex]
    image[: int(marks[9, 1]) - 2] = (30, 20, 15)  # dark hair down to the brows
    folds = folds_of(image)
    assert np.abs(folds.shades[folds.names.index("forehead middle")]).max() < 0.01
    assert np.abs(folds.shades[folds.names.index("chin")]).max() > 0.02


def test_a_face_at_rest_does_not_fold_and_depth_grows_with_the_movement(
    encoded: EncodedPortrait,
) -> None:
    appearance = encoded.portrait.appearance  # type: ignore[attr-defined]
    folds = appearance.folds
    assert len(folds.names) > 10
    none = np.zeros(len(folds.names), np.float32)
    skin, layers = folded(appearance.skin, appearance.layers, folds, none)
    assert skin is appearance.skin
    assert layers is appearance.layers
    brows = folds.names.index("between brows Left")
    depth = [folds.depths(acted(browDown=v).blendshapes)[0, brows] for v in (0.2, 0.5, 1.0)]
    assert 0.0 < depth[0] < depth[1] < depth[2]
    assert folds.depths(acted(jawOpen=1.0, eyeBlink=1.0).blendshapes).max() < 1e-6


def test_brows_that_lower_darken_the_skin_between_them_and_nothing_else_of_the_image(
    pipe: JoyVASAPipeline, encoded: EncodedPortrait
) -> None:
    model = pipe.portrait_model
    frames = [
        next(
            iter(
                model.render(
                    encoded.portrait,
                    acted(browDown=0.9),
                    driving=DrivingOptions(wrinkles=wrinkles),
                )
            )
        )[0].astype(float)
        for wrinkles in (0.0, 1.0, 2.0)
    ]
    once, twice = (np.abs(frames[n] - frames[0]).mean(-1) for n in (1, 2))
    assert once.max() > 6.0
    assert twice.sum() > 1.5 * once.sum()
    marks = encoded.crop.landmarks
    near = np.hypot(*(marks[33, :2] - marks[263, :2]))
    rows, columns = np.nonzero(once > 2.0)
    middle = marks[[9, 168], :2].mean(0)
    assert np.hypot(columns - middle[0], rows - middle[1]).max() < near
