"""A portrait model without networks, which cuts images and resizes them for the networks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import places
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel

PASTE = np.load(places.PARITY / "paste_back.npz")
FACE = Face(
    np.zeros(4, np.float32),
    np.pad(PASTE["lmk"], ((0, 0), (0, 1))),
    1.0,
    "liveportrait203",
)


def bare_model(
    size: int, image_side: int, kind: type[LivePortraitModel] = LivePortraitModel
) -> LivePortraitModel:
    """A model that renders ``size`` pixels and whose networks see ``image_side``."""
    model = kind.__new__(kind)
    networks: Any = SimpleNamespace(size=size, image_side=image_side)
    model.device, model.networks = torch.device("cpu"), networks
    return model


def assert_seen(model: LivePortraitModel, crop: FaceCrop, wanted: NDArray[np.uint8]) -> None:
    """Checks the pixels that the networks see of a crop against the reference's."""
    seen = 255.0 * model.network_image(crop)[0].permute(1, 2, 0).numpy()
    difference = np.abs(seen - wanted)
    assert difference.max() <= 2
    assert difference.mean() < 0.1
