"""The parametric head of the compact preset: identity components, blendshapes, parts.

Axis legend: ``v`` vertices, ``f`` triangles, ``u`` 52 blendshapes, ``i`` identity components.
Coordinates: x to the image's right, y down, z away from the viewer; one unit is the
root-mean-square distance of the landmark vertices from their centre (about half a face's height).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.tensors import read_tensors
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.motion.blendshapes import BLENDSHAPES

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

BUNDLED_RIG = Path(__file__).parent / "assets" / "head_rig.safetensors"


_STORED = {"blendshapes": "units"}
"""Tensors of a rig file whose names are older than the fields'."""
_HALF = ("identity", "units")
"""Tensors of a rig file that are stored as 16-bit floats."""


@dataclass(frozen=True, eq=False)
class HeadRig:
    """A linear head model: ``shape = mean + identity . weights + blendshapes . activations``.

    Attributes:
        mean: [v, 3] mean head.
        identity: [i, v, 3] principal components, scaled to unit variance.
        blendshapes: [u, v, 3] displacement of each blendshape at full activation.
        triangles: [f, 3] vertex indices.
        triangle_part: [f] index into :attr:`parts`.
        parts: names of the parts.
        head_weight: [v] share of a vertex that follows the head (0 at the collar).
        landmark_vertex: [468] vertex of each MediaPipe mesh point.
        landmark_weight: [468] reliability of that correspondence, 0 = unknown.
        iris_vertex: [2] front vertex of the person's left and right eyeball.
        mirror: [v] the vertex on the other side of the face.
        keypoint_vertex: [k] vertices that are the keypoints of the compact motion space.
        pivot: [3] joint about which the head turns.
    """

    mean: Floats
    identity: Floats
    blendshapes: Floats
    triangles: Ints
    triangle_part: NDArray[np.uint8]
    parts: tuple[str, ...]
    head_weight: Floats
    landmark_vertex: Ints
    landmark_weight: Floats
    iris_vertex: Ints
    mirror: Ints
    keypoint_vertex: Ints
    pivot: Floats

    @classmethod
    def load(cls, path: Path = BUNDLED_RIG) -> HeadRig:
        """Reads a rig written by ``joyvasa train rig``.

        Raises:
            CheckpointError: the file is missing, damaged or of another kind.
        """
        tensors, metadata = read_tensors(path, "numpy")
        fields = {
            name: _STORED.get(name, name) for name in cls.__dataclass_fields__ if name != "parts"
        }
        missing = sorted(set(fields.values()) - set(tensors))
        if missing or tuple(json.loads(metadata.get("face_units", "[]"))) != BLENDSHAPES:
            raise CheckpointError(
                f"{path} is not a head rig of this version (missing: {', '.join(missing) or 'none'}"
                "); rebuild it with: joyvasa train rig"
            )
        for name in _HALF:
            tensors[name] = tensors[name].astype(np.float32)
        values = {name: tensors[stored] for name, stored in fields.items()}
        return cls(parts=tuple(json.loads(metadata["parts"])), **values)

    def save(self, path: Path) -> None:
        """Writes a file that :meth:`load` reads bit for bit.

        Raises:
            OutputError: the file cannot be written.
        """
        from safetensors.numpy import save_file

        tensors = {
            _STORED.get(name, name): np.ascontiguousarray(getattr(self, name))
            for name in self.__dataclass_fields__
            if name != "parts"
        }
        for name in _HALF:  # as they were, where nothing is lost
            half = tensors[name].astype(np.float16)
            if np.array_equal(half.astype(np.float32), tensors[name]):
                tensors[name] = half
        about = {"face_units": BLENDSHAPES, "parts": self.parts, "version": "1"}
        metadata = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in about.items()
        }
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata=metadata)

    def part(self, *names: str) -> NDArray[np.bool_]:
        """Mask [f] of the triangles that belong to any of the named parts."""
        wanted = [self.parts.index(name) for name in names]
        return np.isin(self.triangle_part, wanted)

    def part_vertices(self, *names: str) -> Ints:
        """Sorted vertex indices of the named parts."""
        return np.unique(self.triangles[self.part(*names)]).astype(np.int32)

    def blendshape_index(self, name: str) -> int:
        """Position of a blendshape on the ``u`` axis."""
        return BLENDSHAPES.index(name)

    @cached_property
    def skin_vertex(self) -> NDArray[np.bool_]:
        """Mask [v] of the vertices of the outer skin."""
        mask = np.zeros(len(self.mean), dtype=bool)
        mask[self.part_vertices("skin")] = True
        return mask

    def shape(self, identity: Floats, blendshapes: Floats) -> Floats:
        """Canonical vertices [..., v, 3] for weights [..., i] and activations [..., u]."""
        shape = self.mean + np.tensordot(identity, self.identity, axes=(-1, 0))
        return np.asarray(
            shape + np.tensordot(blendshapes, self.blendshapes, axes=(-1, 0)), dtype=np.float32
        )


@lru_cache(maxsize=1)
def bundled_rig() -> HeadRig:
    """The rig that ships in the package, read once."""
    return HeadRig.load()
