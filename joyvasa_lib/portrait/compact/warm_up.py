"""Compiles the compact preset's kernels before they are needed.

The first run after installation compiles for some seconds; later runs read Numba's cache. This can
run in the background while the face is found and other networks load.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.portrait.compact.encode.appearance import Appearance
from joyvasa_lib.portrait.compact.encode.eyes.eyeballs import WholeEyes
from joyvasa_lib.portrait.compact.encode.flow_extension import GRID, FlowExtension
from joyvasa_lib.portrait.compact.encode.paint import Paint
from joyvasa_lib.portrait.compact.encode.palette import Palette
from joyvasa_lib.portrait.compact.folds.fold_depths import Folds
from joyvasa_lib.portrait.compact.layers import SKIN, triangle_layer
from joyvasa_lib.portrait.compact.person.layers import compose, split_layers
from joyvasa_lib.portrait.compact.render.compositor import DrivenHeads, draw_frames
from joyvasa_lib.rig.head_rig import HeadRig

_SIDE = 32
"""Side of the blank image that is drawn, pixels."""


def compile_kernels(rig: HeadRig) -> None:
    """Draws one tiny blank head with an open mouth, so that every kernel runs once."""
    scale = _SIDE / 8
    middle = np.array([_SIDE / 2, _SIDE / 2, 0.0], np.float32)
    at_rest = (scale * rig.mean + middle).astype(np.float32)
    opened = at_rest + 0.5 * scale * rig.blendshapes[BLENDSHAPES.index("jawOpen")]
    vertices = np.asarray(opened, np.float32)[None]
    count = len(rig.mean)
    appearance = Appearance(
        image=np.zeros((_SIDE, _SIDE, 3), np.uint8),
        skin=np.zeros((_SIDE, _SIDE, 3), np.uint8),
        vertices=at_rest,
        layer=np.full((_SIDE, _SIDE), SKIN, np.uint8),
        depth=np.zeros((_SIDE, _SIDE), np.float32),
        shown_layer=triangle_layer(rig),
        paintable=np.ones(count, np.float32),
        extension=_still(count),
        eye_margins=np.zeros((2, 2), np.float32),
        eye_matte=np.zeros((_SIDE, _SIDE), np.uint8),
        eyes=WholeEyes(
            np.zeros((_SIDE, _SIDE, 3), np.uint8),
            np.zeros((_SIDE, _SIDE), np.uint8),
            np.ones(2, np.float32),
        ),
        folds=Folds(
            ("one",), ((0, 0),), (np.zeros((2, 2, 1), np.float32),), np.zeros((52, 1), np.float32)
        ),
    )
    grey = np.full(3, 128, np.float32)
    paint = Paint(
        np.zeros((2, 2, 3), np.float32),
        np.zeros((count, 2), np.float32),
        np.ones((count, 3), np.float32),
        Palette(grey, grey, grey),
        np.ones((256, 3), np.float32),
        np.zeros(count, np.float32),
    )
    ones = np.ones((1, count), np.float32)
    open_eyes, fold = np.zeros((1, 2), np.float32), np.ones((1, 1), np.float32)
    heads = DrivenHeads(vertices, vertices, ones, 0.0 * ones, ones, open_eyes, fold, 0.25 * scale)
    draw_frames(rig, appearance, paint, heads, np.ones((_SIDE, _SIDE), np.float32), scale)
    matte = np.zeros((4 * _SIDE, 4 * _SIDE), np.float32)
    matte[_SIDE : 3 * _SIDE, _SIDE : 3 * _SIDE] = 1.0
    blank = np.zeros((*matte.shape, 3), np.uint8)
    compose(split_layers(blank, matte), np.zeros((*matte.shape, 2), np.float32), blank)


def _still(vertices: int) -> FlowExtension:
    """An extension in which no cell moves."""
    none = np.empty(0, np.int32)
    return FlowExtension(
        side=_SIDE,
        inside=none,
        outside=np.arange(GRID * GRID, dtype=np.int32),
        average=sparse.csr_matrix((0, vertices), dtype=np.float32),
        edge=none,
        spread=np.zeros((GRID * GRID, 0), np.float32),
        spread_expression=np.zeros((GRID * GRID, 0), np.float32),
    )
