"""Turned heads against the truth: rendered heads of known shape, turned by yaw 0, 10 and 20.

    python benchmarks/turning.py [--heads 8] [--size 384] [--sheet sheet.png]

Each head is rendered once as a portrait and again as it looks when it has turned. The compact
preset turns the portrait, with the person told from the background and without (as around animals);
three regions are compared with the truth: a ring around the head's outline, the mouth, the eyes.
The fit is exact, so that what is measured is what is drawn. Peak signal-to-noise ratio in decibels
and structural similarity; larger is better. A second table compares the contours of eyelids and
lips that are read from frames with those read from the truth: mean distance of their landmarks in
hundredths of the distance of the outer eye corners; smaller is better. The sheet shows the
portrait, and for each yaw the truth, the frame without layers and the frame with them.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.heads.drawing.appearance import random_appearance
from joyvasa_lib.datasets.heads.drawing.renderer import HeadRenderer
from joyvasa_lib.datasets.heads.drawing.texture import SkinMap
from joyvasa_lib.datasets.heads.shape import random_shape
from joyvasa_lib.face.crop import FaceCrop
from joyvasa_lib.face.landmarks.detector import Face
from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
from joyvasa_lib.face.person_matte import person_matte
from joyvasa_lib.media.image import save_image
from joyvasa_lib.motion.driving.pose import Pose, compose_pose
from joyvasa_lib.motion.keypoints import rotation_matrix
from joyvasa_lib.nn.ssim import structural_similarity
from joyvasa_lib.portrait.compact.driven_head import source_pose
from joyvasa_lib.portrait.compact.model import CompactPortraitModel
from joyvasa_lib.rig.fitting import HeadFit
from joyvasa_lib.rig.regions import EYES, LIPS, OUTER_EYE_CORNERS

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

YAWS = (0.0, 10.0, 20.0)
REGIONS = ("border", "mouth", "eyes")
_HELD_OUT = 10_000_000
"""First seed of heads that no network was trained on."""
_RING = 0.05
"""Half the width of the ring around the outline, sides of the image."""


@dataclass(frozen=True, eq=False)
class TurnedHead:
    """One head.

    Attributes:
        image: [s, s, 3] the portrait.
        truth, without, layered: [yaws, s, s, 3] how the turned head looks and is drawn.
        regions: [yaws] masks [s, s] by name.
        told: whether the person was told from the background.
    """

    image: Pixels
    truth: Pixels
    without: Pixels
    layered: Pixels
    regions: list[dict[str, Mask]]
    told: bool


def turned_head(model: CompactPortraitModel, skin: SkinMap, seed: int, side: int) -> TurnedHead:
    """Renders and turns the head of one seed, alternately to both sides."""
    rig = model.rig
    random = np.random.default_rng((0, seed))
    renderer = HeadRenderer(rig, random_appearance(rig, skin, random), side)
    shape = random_shape(rig, random)
    scale = float(random.uniform(0.125, 0.15)) * side
    rotation = rotation_matrix(random.normal(0.0, [4.0, 6.0, 4.0])).astype(np.float32)
    fit = HeadFit(
        identity=np.zeros(len(rig.identity), np.float32),
        blendshapes=np.zeros(52, np.float32),
        rotation=rotation,
        scale=scale,
        translation=np.array([0.5 * side, 0.54 * side, 0.0], np.float32),
        shape=np.asarray(shape, np.float32),
        parting=np.zeros_like(rig.mean),
        residual=0.0,
    )
    vertices = fit.project(fit.shape)
    image = renderer.render(vertices).image
    points = vertices[rig.landmark_vertex]
    box = np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
    crop = FaceCrop(image, image, np.eye(3), Face(box, points, 1.0, "mediapipe468"))
    matte = person_matte(crop)
    side_of = 1.0 if seed % 2 else -1.0
    turns = np.array([[0.0, side_of * yaw, 0.0] for yaw in YAWS], np.float32)
    change = Pose(turns, np.zeros((len(YAWS), 3), np.float32), np.ones((len(YAWS), 1), np.float32))
    pose = compose_pose(source_pose(fit), change, pivot=rig.pivot)
    still = np.zeros((len(YAWS), 52), np.float32)
    frames = []
    for given in (None, matte):
        portrait = model.portrait_of(fit, image, given)
        driven = model.driver.vertices(portrait, still, pose, replaced=0.0)
        drawn = model.composite(portrait, still, pose, driven)
        frames.append(drawn)
    rendered = [renderer.render(one) for one in driven]
    regions = [
        _regions(one.triangle >= 0, place[rig.landmark_vertex])
        for one, place in zip(rendered, driven, strict=True)
    ]
    truth = np.stack([one.image for one in rendered])
    return TurnedHead(image, truth, frames[0], frames[1], regions, matte is not None)


def _regions(head: Mask, points: NDArray[np.floating]) -> dict[str, Mask]:
    """What is compared: the ring around a head [s, s], boxes around landmarks [m, 3]."""
    side = len(head)
    square = np.ones((2 * round(_RING * side) + 1,) * 2, np.uint8)
    inner, outer = (
        cv2.erode(head.astype(np.uint8), square),
        cv2.dilate(head.astype(np.uint8), square),
    )
    ring = (outer > 0) & (inner == 0)
    ring[round(0.8 * side) :] = False  # shoulders are part of the backdrop

    def around(indices: list[int]) -> Mask:
        mask = np.zeros((side, side), bool)
        low, high = points[indices, :2].min(0), points[indices, :2].max(0)
        room = 0.15 * (high - low).max()
        left, top = np.maximum(np.floor(low - room), 0).astype(int)
        right, bottom = np.ceil(high + room).astype(int)
        mask[top:bottom, left:right] = True
        return mask

    eyes = np.logical_or(*(around(list(eye.lids)) for eye in EYES))
    return {"border": ring, "mouth": around(list(LIPS)), "eyes": eyes}


def compared(frame: Pixels, truth: Pixels, mask: Mask) -> tuple[float, float]:
    """Peak signal-to-noise ratio in decibels, and structural similarity, within a mask."""
    error = np.square(frame.astype(np.float64) - truth)[mask].mean()
    grey = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY).astype(np.float64) for one in (frame, truth)]

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    similar = structural_similarity(*grey, mean, 255.0)
    return float(10.0 * np.log10(255.0**2 / max(error, 1e-3))), float(similar[mask].mean())


def print_table(heads: list[TurnedHead]) -> None:
    print("| region | yaw | PSNR without layers | with | SSIM without layers | with |")
    print("|---|---|---|---|---|---|")
    for region in REGIONS:
        for index, yaw in enumerate(YAWS):
            values = np.array(
                [
                    [
                        compared(frames[index], head.truth[index], head.regions[index][region])
                        for frames in (head.without, head.layered)
                    ]
                    for head in heads
                ]
            ).mean(0)
            (before, like_before), (after, like_after) = values
            print(
                f"| {region} | {yaw:.0f} | {before:.2f} | {after:.2f} "
                f"| {like_before:.4f} | {like_after:.4f} |"
            )


def contour_errors(
    finder: MediaPipeFaceDetector, frame: Pixels, truth: Pixels
) -> tuple[float, float]:
    """Errors of eyelids and lips, hundredths of the distance of the eye corners; NaN unread."""
    found = [finder.detect(image) for image in (frame, truth)]
    if not all(found):
        return float("nan"), float("nan")
    own, wanted = (faces[0].landmarks[:, :2] for faces in found)
    corners = wanted[list(OUTER_EYE_CORNERS)]
    unit = float(np.hypot(*(corners[1] - corners[0]))) / 100.0
    apart = np.linalg.norm(own - wanted, axis=1) / unit
    lids = [index for eye in EYES for index in eye.lids]
    return float(apart[lids].mean()), float(apart[list(LIPS)].mean())


def print_contours(heads: list[TurnedHead]) -> None:
    finder = MediaPipeFaceDetector()
    print("\n| yaw | eyelids without layers | with | lips without layers | with | heads read |")
    print("|---|---|---|---|---|---|")
    for index, yaw in enumerate(YAWS):
        errors = np.array(
            [
                [
                    contour_errors(finder, frames[index], head.truth[index])
                    for frames in (head.without, head.layered)
                ]
                for head in heads
            ]
        )
        read = np.isfinite(errors).all((1, 2))
        (lids_before, lips_before), (lids, lips) = errors[read].mean(0)
        print(
            f"| {yaw:.0f} | {lids_before:.2f} | {lids:.2f} | {lips_before:.2f} | {lips:.2f} "
            f"| {read.sum()} of {len(heads)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    model = CompactPortraitModel.from_pretrained()
    skin = SkinMap(model.rig)
    heads = [
        turned_head(model, skin, _HELD_OUT + index, options.size) for index in range(options.heads)
    ]
    told = [head for head in heads if head.told]
    print(f"{len(told)} of {len(heads)} people were told from the background\n")
    print_table(heads)
    print_contours(heads)
    if options.sheet is not None:
        rows = [
            np.concatenate(
                [head.image]
                + [
                    frames[index]
                    for index in range(1, len(YAWS))
                    for frames in (head.truth, head.without, head.layered)
                ],
                1,
            )
            for head in heads
        ]
        save_image(options.sheet, np.concatenate(rows))


if __name__ == "__main__":
    main()
