"""Finds LivePortrait's and JoyVASA's files in a folder: the published layout, or loose files.

A file is found by its published name, wherever it lies, and else by what is in it. Human and animal
sets have the same names: what lies below ``liveportrait_animals`` is the animals', below
``liveportrait`` people's; loose files are of the subject that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from joyvasa_lib.checkpoints.file_kind import SAFETENSORS, file_kind
from joyvasa_lib.checkpoints.folder import SUBJECTS
from joyvasa_lib.checkpoints.official.liveportrait import recognise
from joyvasa_lib.checkpoints.tensors import open_tensors
from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.checks import checked_choice
from joyvasa_lib.documents import read_json
from joyvasa_lib.errors import CheckpointError

BASE = {
    "appearance_feature_extractor": "LivePortrait's F, the appearance feature extractor",
    "motion_extractor": "LivePortrait's M, the motion extractor",
    "warping_module": "LivePortrait's W, the warping module",
    "spade_generator": "LivePortrait's G, the generator",
}
"""Published names, without their endings, of what a human and an animal set both have."""
STITCHING = "stitching_retargeting_module"
GENERATOR, TEMPLATE = "motion_generator", "motion_template"
TITLES = {
    **BASE,
    STITCHING: "LivePortrait's stitching and retargeting",
    GENERATOR: "JoyVASA's motion generator",
    TEMPLATE: "JoyVASA's motion statistics",
}
NAMES = {
    **{name: (f"{name}.pth", f"{name}.safetensors") for name in (*BASE, STITCHING)},
    GENERATOR: ("motion_generator_hubert_chinese.pt", "motion_generator*.pt", "iter_*.pt"),
    TEMPLATE: ("motion_template.pkl", "motion_templete.pkl"),
}
"""File names to look for, the best first; the training code misspells the last one."""
_WEIGHTS = (".pth", ".pt", ".ckpt", ".bin", ".safetensors")
_DEEPEST = 6
"""Folders below the given one that are looked into."""


@dataclass(frozen=True)
class OfficialFiles:
    """Where everything lies.

    Attributes:
        portrait: paths of stage one by published name.
        generator: the motion generator; None where only stage one was asked for.
        template: its statistics.
        encoder_configs: ``config.json`` of speech encoders that were found, by ``model_type``.
        landmarks: LivePortrait's ``landmark.onnx``, where it is there.
    """

    portrait: Mapping[str, Path]
    generator: Path | None
    template: Path | None
    encoder_configs: Mapping[str, Path]
    landmarks: Path | None


def find_official_files(
    directory: str | Path, subject: str = "human", *, with_speech: bool = True
) -> OfficialFiles:
    """Finds the files of a folder.

    Args:
        directory: the folder that was downloaded, or one with loose files.
        subject: ``"human"`` or ``"animal"``; both use the human stitching file.
        with_speech: whether stage two, JoyVASA's own files, must be there.

    Raises:
        OptionError: another subject.
        CheckpointError: the folder or a file is missing, or one is there twice; the message names
            all of the kind and says what to do.
    """
    checked_choice("subject", subject, SUBJECTS)
    root = Path(directory).expanduser()
    if root.is_file():
        raise CheckpointError(
            f"{root} is a file; give the folder with all of LivePortrait's and JoyVASA's files"
        )
    if not root.is_dir():
        raise CheckpointError(
            f"There is no folder {root}; give the one with LivePortrait's and JoyVASA's files, or "
            f"get them with: joyvasa download official --to {quote(str(root))}"
        )
    inside = _FolderFiles(root)
    animals = subject == "animal"
    found = {name: inside.find(name, animals=animals) for name in BASE}
    found[STITCHING] = inside.find(STITCHING, animals=False)
    if found[STITCHING] is None and animals:
        found[STITCHING] = inside.find(STITCHING, animals=True)
    if with_speech:
        found |= {name: inside.find(name, animals=None) for name in (GENERATOR, TEMPLATE)}
    missing = [f"{TITLES[name]} ({NAMES[name][0]})" for name, path in found.items() if path is None]
    if missing:
        raise CheckpointError(
            f"{root} has no {'; no '.join(missing)}{inside.others(animals)}. Get them with: "
            f"joyvasa download official --to {quote(str(root))}"
        )
    paths = {name: path for name, path in found.items() if path is not None}
    return OfficialFiles(
        portrait={name: paths[name] for name in (*BASE, STITCHING)},
        generator=paths.get(GENERATOR),
        template=paths.get(TEMPLATE),
        encoder_configs=inside.encoder_configs(),
        landmarks=inside.named("landmark.onnx"),
    )


class _FolderFiles:
    """The files of a folder, by name and by content."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = sorted(self._walk(root, _DEEPEST))
        self._contents: dict[Path, str | None] = {}

    def _walk(self, folder: Path, depth: int) -> Iterable[Path]:
        try:
            entries = list(folder.iterdir())
        except OSError as error:
            raise CheckpointError(f"The folder {folder} cannot be read ({error.strerror})") from (
                error
            )
        for entry in entries:
            if entry.name.startswith("."):
                continue  # the cache of a download, for one
            if entry.is_file():
                yield entry
            elif depth and entry.is_dir():
                yield from self._walk(entry, depth - 1)

    def subject(self, path: Path) -> str | None:
        """Whose networks a file holds, by the names of its folders; None where they do not say."""
        folders = [part.lower() for part in path.relative_to(self.root.parent).parts[:-1]]
        if any(part.startswith("liveportrait_animal") or part == "animal" for part in folders):
            return "animal"
        return "human" if any(part in ("liveportrait", "human") for part in folders) else None

    def named(self, *patterns: str) -> Path | None:
        """The first file of a name."""
        for pattern in patterns:
            for path in self.files:
                if path.match(pattern):
                    return path
        return None

    def find(self, name: str, *, animals: bool | None) -> Path | None:
        """The one file that is meant; None where there is none.

        Raises:
            CheckpointError: there are several.
        """
        others = {None: "", True: "human", False: "animal"}[animals]
        fitting = [path for path in self.files if self.subject(path) != others]
        for pattern in NAMES[name]:
            matches = [path for path in fitting if path.match(pattern)]
            if matches:
                return self._only(name, matches)
        # By content; files with another published name are left out.
        own = {path for other in NAMES for path in fitting for p in NAMES[other] if path.match(p)}
        matches = [path for path in fitting if path not in own and self._content(path) == name]
        return self._only(name, matches) if matches else None

    def _only(self, name: str, matches: list[Path]) -> Path:
        if len(matches) > 1:  # of two versions of LivePortrait's animals the newer one
            newer = [path for path in matches if path.parent.name.endswith("_v1.1")]
            matches = newer if len(newer) == 1 else matches
        if len(matches) > 1:
            listed = " and ".join(str(path) for path in matches)
            raise CheckpointError(
                f"{TITLES[name]} is there {len(matches)} times: {listed}; keep one, or give a "
                "folder with one"
            )
        return matches[0]

    def _content(self, path: Path) -> str | None:
        """Which published file a file is, by the names of its tensors."""
        if path not in self._contents:
            self._contents[path] = _recognised(path)
        return self._contents[path]

    def encoder_configs(self) -> dict[str, Path]:
        """Configurations of HuBERT and wav2vec 2.0, by kind."""
        found: dict[str, Path] = {}
        for path in self.files:
            if path.name == "config.json" and (kind := _read_json(path).get("model_type")):
                found.setdefault(str(kind), path)
        return found

    def others(self, animals: bool) -> str:
        """A hint where the files of the other subject are there."""
        wanted, there = ("animal", "human") if animals else ("human", "animal")
        base = [path for path in self.files for name in BASE if path.match(NAMES[name][0])]
        if {self.subject(path) for path in base} != {there}:
            return ""
        return f" (the files for subject={there!r} are there, those for {wanted!r} are not)"


def _recognised(path: Path) -> str | None:
    try:
        if path.suffix.lower() == ".pkl":
            content = read_checkpoint(path)
            keys = set(content) if isinstance(content, dict) else set()
            return TEMPLATE if {"mean_exp", "std_exp"} <= keys else None
        if path.suffix.lower() not in _WEIGHTS:
            return None
        if file_kind(path) == SAFETENSORS:
            return recognise(_safetensors_keys(path))
        return recognise(_keys(read_checkpoint(path, outline=True)))
    except CheckpointError:
        return None  # some other file that happens to lie here


def _keys(content: Any) -> list[str]:
    """Names in a checkpoint: of its state dict, or of a dictionary of several."""
    if not isinstance(content, Mapping):
        return []
    inner = content.get("model")
    state = inner if isinstance(inner, Mapping) else content
    return [str(key) for key in state]


def _safetensors_keys(path: Path) -> list[str]:
    from safetensors import SafetensorError

    try:
        with open_tensors(path, "pt") as file:
            return list(file.keys())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); download it again") from error


def _read_json(path: Path) -> dict[str, Any]:
    """A configuration, which must be readable: its encoder would be built by other sizes."""
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is no readable configuration ({error}); download it again, or take it away if "
            "it belongs to something else"
        ) from error
    return content if isinstance(content, dict) else {}
