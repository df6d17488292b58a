"""Motion spaces: what the numbers of a motion mean, and the spaces known by name.

Axis legend: ``k`` keypoints, ``u`` blendshapes, ``...`` any leading axes (frames, usually).
Coordinates: x to the image's right, y down, z away from the viewer; expression deformations are
in units of the canonical keypoints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.concurrency import Lock, steady_products
from joyvasa_lib.documents import parse_json
from joyvasa_lib.errors import MotionError
from joyvasa_lib.motion.arrays import read_only
from joyvasa_lib.motion.blendshapes import BLENDSHAPES, REGIONS

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

COMPACT_SPACE_FILE = Path(__file__).parent / "assets" / "compact_space.safetensors"
COMPACT_SPACE_NAME = "compact-1"


@dataclass(frozen=True, eq=False)
class MotionSpace:
    """A named set of keypoints whose deformations a portrait model understands.

    Two spaces are the same when their names are: motions of different spaces never mix.

    Attributes:
        name: the name that motion files and checkpoints record.
        keypoint_count: K, number of keypoints.
        blendshape_names: names of the U blendshapes, empty where the space has none.
        blendshape_basis: [u, k, 3] deformation of each blendshape at full activation, or None.
        expression_frame: where the deformation is added: ``"head"`` before the head's rotation,
            ``"image"`` after it (the official rule, in rotated but unscaled coordinates).
        keypoint_groups: keypoint indices by region (``"mouth"``, ``"eyes"``, ``"brows"``), for
            spaces without blendshapes.
        keypoint_vertex: [k] mesh vertex of each keypoint where a mesh defines them, or None.

    Raises:
        MotionError: the basis does not fit the names or the keypoints, or is not finite.
    """

    name: str
    keypoint_count: int
    blendshape_names: tuple[str, ...] = ()
    blendshape_basis: Floats | None = None
    expression_frame: Literal["head", "image"] = "image"
    keypoint_groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    keypoint_vertex: Ints | None = None

    def __post_init__(self) -> None:
        if not self.name or self.keypoint_count < 1:
            raise MotionError(
                f"A motion space needs a name and at least one keypoint; "
                f"got {self.name!r} with {self.keypoint_count}"
            )
        if self.expression_frame not in ("head", "image"):
            raise MotionError(
                f"expression_frame must be 'head' or 'image', not {self.expression_frame!r}"
            )
        object.__setattr__(self, "blendshape_names", tuple(self.blendshape_names))
        groups = {name: tuple(indices) for name, indices in self.keypoint_groups.items()}
        if any(not 0 <= i < self.keypoint_count for group in groups.values() for i in group):
            raise MotionError(
                f"A keypoint group of space {self.name!r} names a keypoint outside "
                f"0..{self.keypoint_count - 1}"
            )
        object.__setattr__(self, "keypoint_groups", MappingProxyType(groups))
        if self.blendshape_basis is None:
            if self.blendshape_names:
                raise MotionError(
                    f"Space {self.name!r} names blendshapes but has no basis for them"
                )
            return
        basis = read_only(self.blendshape_basis)
        wanted = (len(self.blendshape_names), self.keypoint_count, 3)
        if basis.shape != wanted:
            raise MotionError(
                f"The blendshape basis of space {self.name!r} has shape {basis.shape}; "
                f"its {wanted[0]} blendshapes and {wanted[1]} keypoints need {wanted}"
            )
        if not np.isfinite(basis).all():
            raise MotionError(f"The blendshape basis of space {self.name!r} is not finite")
        object.__setattr__(self, "blendshape_basis", basis)

    def __eq__(self, other: object) -> bool:
        return self.name == other.name if isinstance(other, MotionSpace) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return (
            f"MotionSpace({self.name!r}, keypoints={self.keypoint_count}, "
            f"blendshapes={len(self.blendshape_names)})"
        )

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return MotionSpace, (
            self.name,
            self.keypoint_count,
            self.blendshape_names,
            self.blendshape_basis,
            self.expression_frame,
            dict(self.keypoint_groups),
            self.keypoint_vertex,
        )

    @property
    def has_blendshapes(self) -> bool:
        """Whether the space has a blendshape basis."""
        return self.blendshape_basis is not None

    @property
    def vector_size(self) -> int:
        """Channels of the vector form, 3K + 7: expression, scale, translation, rotation."""
        return 3 * self.keypoint_count + 7

    @cached_property
    @steady_products()
    def blendshape_projection(self) -> Floats:
        """[3k, u] pseudo-inverse of the basis: ``expression.reshape(..., 3k) @ projection``.

        Raises:
            MotionError: the space has no blendshapes.
        """
        return read_only(np.linalg.pinv(self._flat_basis().astype(np.float64)).astype(np.float32))

    @steady_products()
    def to_blendshapes(self, expression: ArrayLike) -> Floats:
        """Blendshape activations [..., u] that explain an expression [..., k, 3] best.

        Raises:
            MotionError: the space has no blendshapes, or the last two axes are not (k, 3).
        """
        values = np.asarray(expression, dtype=np.float32)
        if values.shape[-2:] != (self.keypoint_count, 3):
            raise MotionError(
                f"An expression of space {self.name!r} has shape [..., {self.keypoint_count}, 3]; "
                f"got {values.shape}"
            )
        return (
            values.reshape(*values.shape[:-2], 3 * self.keypoint_count) @ self.blendshape_projection
        )

    @steady_products()
    def from_blendshapes(self, activations: ArrayLike) -> Floats:
        """Expression [..., k, 3] of blendshape activations [..., u].

        Raises:
            MotionError: the space has no blendshapes, or the last axis is not u.
        """
        basis = self._flat_basis()
        values = np.asarray(activations, dtype=np.float32)
        if values.ndim == 0 or values.shape[-1] != len(basis):
            raise MotionError(
                f"Space {self.name!r} has {len(basis)} blendshapes; got an array of shape "
                f"{values.shape}, whose last axis must be {len(basis)}"
            )
        return (values @ basis).reshape(*values.shape[:-1], self.keypoint_count, 3)

    def blendshape_index(self, name: str) -> int:
        """Position of a blendshape on the ``u`` axis.

        Raises:
            MotionError: the space has no such blendshape.
        """
        try:
            return self.blendshape_names.index(name)
        except ValueError:
            raise MotionError(
                f"Space {self.name!r} has no blendshape {name!r}; it has: "
                f"{', '.join(self.blendshape_names) or 'none'}"
            ) from None

    def blendshape_indices(self, names: Iterable[str]) -> NDArray[np.intp]:
        """Positions of those of ``names`` that this space has, in its own order."""
        wanted = set(names)
        return np.flatnonzero([name in wanted for name in self.blendshape_names])

    def region_blendshapes(self, region: str) -> NDArray[np.intp]:
        """Positions of a region's blendshapes (``"brows"``, ``"eyes"``, ``"cheeks"``, ``"mouth"``).

        Raises:
            MotionError: unknown region.
        """
        if region not in REGIONS:
            raise MotionError(f"Unknown face region {region!r}; it is one of {', '.join(REGIONS)}")
        return self.blendshape_indices(REGIONS[region])

    def _flat_basis(self) -> Floats:
        if self.blendshape_basis is None:
            raise MotionError(
                f"Motion space {self.name!r} has no blendshapes; use its expression keypoints, "
                "or a space with a blendshape basis such as 'compact-1'"
            )
        return self.blendshape_basis.reshape(len(self.blendshape_basis), -1)


LIVEPORTRAIT_21 = MotionSpace(
    name="liveportrait-21",
    keypoint_count=21,
    expression_frame="image",
    keypoint_groups={
        "mouth": (6, 12, 14, 17, 19, 20),
        "eyes": (11, 13, 15, 16, 18),
        "brows": (1, 2),
    },
)
"""The 21 implicit keypoints of LivePortrait (arXiv 2407.03168), in the official order."""

_registered: dict[str, MotionSpace] = {LIVEPORTRAIT_21.name: LIVEPORTRAIT_21}
_lock = Lock()


def get_space(name: str = COMPACT_SPACE_NAME) -> MotionSpace:
    """The space of that name: a built-in one, read when first asked for, or a registered one.

    Raises:
        MotionError: unknown name, or the built-in space's file is damaged.
    """
    with _lock:
        if isinstance(name, str) and name == COMPACT_SPACE_NAME and name not in _registered:
            _registered[name] = load_space(COMPACT_SPACE_FILE, name)
        if not isinstance(name, str) or name not in _registered:
            known = ", ".join(sorted({*_registered, COMPACT_SPACE_NAME}))
            raise MotionError(
                f"Unknown motion space {name!r}; known are {known}. "
                "Make another one known with joyvasa_lib.motion.register_space"
            )
        return _registered[name]


def register_space(space: MotionSpace) -> MotionSpace:
    """Makes a space known by its name, so that motion files of it can be read; returns it.

    Registering the same definition again does nothing.

    Raises:
        MotionError: the name belongs to a different space.
    """
    known = get_space(space.name) if space.name == COMPACT_SPACE_NAME else None
    with _lock:
        known = known or _registered.setdefault(space.name, space)
    if known is not space and not _same_definition(known, space):
        raise MotionError(
            f"The motion space name {space.name!r} is taken by {known!r}; choose another name"
        )
    return known


def load_space(path: Path, name: str) -> MotionSpace:
    """Reads a space with a blendshape basis from a safetensors file.

    The file holds ``basis`` float32 [u, k, 3] and ``keypoint_vertex`` int32 [k]; its metadata
    holds ``face_units``, the names of the blendshapes as a JSON list.

    Raises:
        MotionError: the file is missing, damaged or of another kind.
    """
    from safetensors import SafetensorError

    try:
        with open_tensors(path, "numpy") as file:
            basis = file.get_tensor("basis")
            vertex = file.get_tensor("keypoint_vertex")
            names = parse_json((file.metadata() or {}).get("face_units", "null")) or BLENDSHAPES
    except (OSError, SafetensorError, ValueError) as error:
        raise MotionError(f"Cannot read the motion space {name!r} from {path}: {error}") from error
    if basis.ndim != 3:
        raise MotionError(f"{path} is not a motion space: its basis has shape {basis.shape}")
    return MotionSpace(
        name=name,
        keypoint_count=basis.shape[1],
        blendshape_names=tuple(names),
        blendshape_basis=basis,
        expression_frame="head",
        keypoint_vertex=np.asarray(vertex, dtype=np.int32),
    )


def _same_definition(a: MotionSpace, b: MotionSpace) -> bool:
    plain = ("keypoint_count", "blendshape_names", "expression_frame", "keypoint_groups")
    if any(getattr(a, name) != getattr(b, name) for name in plain):
        return False
    if a.blendshape_basis is None or b.blendshape_basis is None:
        return a.blendshape_basis is b.blendshape_basis
    return np.array_equal(a.blendshape_basis, b.blendshape_basis)
