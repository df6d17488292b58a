"""The learned map from action units to expression, and its files in a checkpoint.

The folder ``emotion`` of a checkpoint holds ``map.json`` and, if the learned map was better than
the linear basis on held-out heads, ``config.json`` and the weights. A checkpoint without the
folder, or with ``"linear"`` in ``map.json``, uses the linear basis of its motion space.

Axis legend: ``...`` any leading axes (frames), ``t`` frames, ``n`` action-unit components, ``u``
blendshapes, ``k`` keypoints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from joyvasa_lib.checkpoints.folder import WEIGHTS
from joyvasa_lib.documents import read_object
from joyvasa_lib.emotion.action_units import COMPONENTS
from joyvasa_lib.emotion.maps.one_thread import one_torch_thread
from joyvasa_lib.emotion.maps.unit_map import checked_activations, unknown_unit
from joyvasa_lib.emotion.unit_effects import arkit_matrix
from joyvasa_lib.errors import CheckpointError, MotionError
from joyvasa_lib.media.files import atomic_path, write_text
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.motion.operations.limits import HIGHEST, highest_activations
from joyvasa_lib.motion.space import Floats, MotionSpace

if TYPE_CHECKING:
    from joyvasa_lib.emotion.maps.cross_dimension_attention import CrossDimensionAttentionNet

MAP_FILE = "map.json"
LEARNED, LINEAR = "learned", "linear"

_BLOCK = 256
"""Frames per call of the network, chosen to fit a processor's cache."""


class LearnedUnitMap:
    """A network as the editor's map from action units to expression."""

    def __init__(
        self, network: CrossDimensionAttentionNet, space: MotionSpace, units: tuple[str, ...]
    ) -> None:
        """Binds a network to a space and to the table of action units.

        Args:
            network: trained, or about to be.
            space: a motion space whose blendshapes are ARKit's.
            units: components of action units, in the order of the inputs.

        Raises:
            MotionError: the space has other blendshapes, or fewer keypoints, than the network.
        """
        import torch

        basis = space.blendshape_basis
        config = network.config
        wanted = (config.face_units, config.keypoints, 3)
        if basis is None or basis.shape != wanted or space.blendshape_names != BLENDSHAPES:
            raise MotionError(
                f"This network needs a motion space with ARKit's {wanted[0]} blendshapes and "
                f"{wanted[1]} keypoints; {space!r} is none"
            )
        table = arkit_matrix()[[COMPONENTS.index(name) for name in units]]
        full = highest_activations(space) / np.float32(HIGHEST)
        network.bind(*(torch.from_numpy(np.array(value)) for value in (table, basis, full)))
        self.network = network
        self.space = space
        self.units = units

    def deformation(
        self,
        activations: Floats,
        expression: Floats | None = None,
        keypoints: Floats | None = None,
    ) -> Floats:
        """The deformation to add to the expression; exactly zero where all activations are zero.

        Args:
            activations: [..., n] in [-1, 1].
            expression: [..., k, 3] the expression without the units; None for a face at rest.
            keypoints: [k, 3] canonical keypoints of the person; None for the mean person.

        Returns:
            [..., k, 3] float32.

        Raises:
            MotionError: shapes do not fit, or the keypoints are not finite.
        """
        import torch

        values = checked_activations(activations, self.units)
        shape = (*values.shape[:-1], self.space.keypoint_count, 3)
        base = np.zeros(shape, np.float32) if expression is None else np.asarray(expression)
        if base.shape != shape:
            raise MotionError(
                f"Activations of shape {values.shape} need an expression of shape {shape}; got "
                f"{base.shape}"
            )
        flat = values.reshape(-1, len(self.units))
        base = base.reshape(len(flat), *shape[-2:]).astype(np.float32)
        out = np.zeros_like(base)
        active = np.flatnonzero(flat.any(axis=1))  # the others stay zero
        with torch.inference_mode(), one_torch_thread():
            codes = self.network.encode(self._faces(keypoints))
            for start in range(0, len(active), _BLOCK):
                rows = active[start : start + _BLOCK]
                added = self.network.deform(
                    torch.from_numpy(flat[rows])[None], torch.from_numpy(base[rows])[None], codes
                )
                out[rows] = added[0].numpy()
        return out.reshape(shape)

    def _faces(self, keypoints: Floats | None) -> Any:
        import torch

        if keypoints is None:
            return self.network.mean_keypoints[None]
        points = np.array(keypoints, dtype=np.float32)
        if points.shape != (self.space.keypoint_count, 3) or not np.isfinite(points).all():
            raise MotionError(
                f"Canonical keypoints of space {self.space.name!r} are finite and of shape "
                f"({self.space.keypoint_count}, 3); got shape {points.shape}"
            )
        return torch.from_numpy(points)[None]


def save_unit_map(
    learned: LearnedUnitMap | None, folder: str | Path, report: Mapping[str, Any]
) -> None:
    """Writes the folder ``emotion`` of a checkpoint, with float16 weights.

    Args:
        learned: the map; None if the linear basis is better.
        folder: created if missing.
        report: explained variance of both, for readers of the file.
    """
    import torch
    from safetensors.torch import save_file

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about: dict[str, Any] = {"map": LEARNED if learned else LINEAR}
    if learned is not None:
        about |= {"space": learned.space.name, "units": list(learned.units)}
        weights = {
            name: value.to(torch.float16).contiguous()
            for name, value in learned.network.state_dict().items()
        }
        learned.network.save_config(folder)
        with atomic_path(folder / WEIGHTS) as temporary:
            save_file(weights, temporary, metadata={"format": "pt"})
    about["explained_variance"] = report
    write_text(folder / MAP_FILE, json.dumps(about, indent=1) + "\n")


def read_unit_map(folder: Path, space: MotionSpace) -> LearnedUnitMap | None:
    """The learned map in the folder ``emotion`` of a checkpoint.

    Returns:
        The map; None without the folder, for another motion space, or where the folder says that
        the linear basis is better.

    Raises:
        CheckpointError: the folder is incomplete, damaged or of another version.
    """
    if not folder.is_dir():
        return None
    try:
        about = read_object(folder / MAP_FILE)
        kind, units = about["map"], tuple(about.get("units", ()))
        of_space = about.get("space", space.name)
        if not all(isinstance(unit, str) for unit in units):
            raise TypeError("units are no names")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{folder / MAP_FILE} is no map of action units ({error!r}); train it again, or remove "
            f"the folder {folder} to use the linear basis"
        ) from error
    if kind not in (LEARNED, LINEAR):
        raise CheckpointError(
            f"{folder / MAP_FILE} says map {kind!r}; it is {LEARNED!r} or {LINEAR!r}"
        )
    if kind == LINEAR or of_space != space.name:
        return None
    if (unknown := unknown_unit(units)) is not None:
        raise CheckpointError(
            f"The map in {folder} has an action unit {unknown!r}, which this version does not "
            "know; train it again"
        )
    return _read_network(folder, space, units)


def _read_network(folder: Path, space: MotionSpace, units: tuple[str, ...]) -> LearnedUnitMap:
    from joyvasa_lib.checkpoints.modules import load_module
    from joyvasa_lib.emotion.maps.cross_dimension_attention import CrossDimensionAttentionNet

    return LearnedUnitMap(load_module(CrossDimensionAttentionNet, folder), space, units)
