"""Head rotation and the keypoint formula, for NumPy arrays and torch tensors alike.

With the elementary right-handed matrices Rx(pitch), Ry(yaw), Rz(roll), ``R = (Rz Ry Rx)^T`` is used
with **row vectors**, as in LivePortrait (arXiv 2407.03168, eq. 2, and its published code). Angles
are degrees, in the order pitch, yaw, roll.

Axis legend: ``...`` any leading axes (frames), ``k`` keypoints.
"""

from __future__ import annotations

from typing import Any, TypeVar

from joyvasa_lib.errors import MotionError

ArrayT = TypeVar("ArrayT")
"""A NumPy array or a torch tensor; a function returns the kind it was given."""


def _namespace(array: Any) -> Any:
    """The module whose functions work on ``array``: torch or NumPy."""
    if type(array).__module__.partition(".")[0] == "torch":
        import torch

        return torch
    import numpy

    return numpy


def rotation_matrix(rotation: ArrayT) -> ArrayT:
    """Row-vector rotation matrices ``R = (Rz Ry Rx)^T``.

    Args:
        rotation: [..., 3] pitch, yaw, roll in degrees.

    Returns:
        [..., 3, 3] matrices to be used as ``points @ R``.

    Raises:
        MotionError: the last axis is not 3.
    """
    angles: Any = rotation
    xp = _namespace(angles)
    if angles.shape[-1] != 3:
        raise MotionError(
            f"Rotation has shape {tuple(angles.shape)}; its last axis must be pitch, yaw, roll"
        )
    radians = xp.deg2rad(angles)
    cos, sin = xp.cos(radians), xp.sin(radians)
    (cx, cy, cz), (sx, sy, sz) = (
        (values[..., 0], values[..., 1], values[..., 2]) for values in (cos, sin)
    )
    entries = [
        *(cz * cy, sz * cy, -sy),
        *(cz * sy * sx - sz * cx, sz * sy * sx + cz * cx, cy * sx),
        *(cz * sy * cx + sz * sx, sz * sy * cx - cz * sx, cy * cx),
    ]
    matrix: ArrayT = xp.stack(entries, -1).reshape((*angles.shape[:-1], 3, 3))
    return matrix


def rotation_angles(matrix: ArrayT) -> ArrayT:
    """The inverse of :func:`rotation_matrix`.

    Args:
        matrix: [..., 3, 3] row-vector rotation matrices.

    Returns:
        [..., 3] pitch, yaw, roll in degrees; yaw in [-90, 90]. Where yaw is 90 degrees the other
        two are not unique and roll is 0.

    Raises:
        MotionError: the last two axes are not (3, 3).
    """
    m: Any = matrix
    if tuple(m.shape[-2:]) != (3, 3):
        raise MotionError(f"A rotation matrix has shape [..., 3, 3]; got {tuple(m.shape)}")
    xp = _namespace(m)
    arctan2 = xp.arctan2
    cos_yaw = xp.hypot(m[..., 0, 0], m[..., 0, 1])
    locked = cos_yaw < 1e-6
    pitch = xp.where(
        locked, arctan2(-m[..., 2, 1], m[..., 1, 1]), arctan2(m[..., 1, 2], m[..., 2, 2])
    )
    yaw = arctan2(-m[..., 0, 2], cos_yaw)
    roll = xp.where(locked, xp.zeros_like(yaw), arctan2(m[..., 0, 1], m[..., 0, 0]))
    angles: ArrayT = xp.rad2deg(xp.stack([pitch, yaw, roll], -1))
    return angles


def transform_keypoints(
    keypoints: ArrayT,
    expression: ArrayT,
    rotation: ArrayT,
    translation: ArrayT,
    scale: ArrayT,
    *,
    expression_frame: str = "image",
) -> ArrayT:
    """Posed keypoints.

    ``"image"``: ``x = scale (kp R + exp) + (tx, ty, 0)``, the official rule;
    ``"head"``: ``x = scale ((kp + exp) R) + t``, the deformation turns with the head.

    Args:
        keypoints: [k, 3] or [..., k, 3] canonical keypoints.
        expression: [..., k, 3] deformation, in units of the canonical keypoints.
        rotation: [..., 3] pitch, yaw, roll in degrees.
        translation: [..., 3] in units of the result.
        scale: [..., 1] result units per canonical unit.
        expression_frame: ``"image"`` or ``"head"``.

    Returns:
        [..., k, 3] keypoints.

    Raises:
        MotionError: unknown frame or wrong shape of the rotation.
    """
    kp: Any = keypoints
    deformation: Any = expression
    shift: Any = translation
    size: Any = scale
    matrix: Any = rotation_matrix(rotation)
    size = size[..., None]
    if expression_frame == "head":
        posed: ArrayT = size * ((kp + deformation) @ matrix) + shift[..., None, :]
        return posed
    if expression_frame != "image":
        raise MotionError(f"expression_frame must be 'head' or 'image', not {expression_frame!r}")
    xp = _namespace(shift)
    flat = xp.stack([shift[..., 0], shift[..., 1], xp.zeros_like(shift[..., 0])], -1)
    result: ArrayT = size * (kp @ matrix + deformation) + flat[..., None, :]
    return result
