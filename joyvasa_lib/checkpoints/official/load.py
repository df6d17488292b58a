"""LivePortrait's and JoyVASA's published files, read and checked, as networks of this library.

Nothing in a file is run (:mod:`~joyvasa_lib.checkpoints.unpickle`); every tensor must be there,
of the right shape, and nothing else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from joyvasa_lib.checkpoints.file_kind import SAFETENSORS, file_kind
from joyvasa_lib.checkpoints.index import best_device
from joyvasa_lib.checkpoints.official.files import (
    STITCHING,
    TITLES,
    OfficialFiles,
    find_official_files,
)
from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.motion.driving.keypoints import OfficialDriving

if TYPE_CHECKING:
    import torch

    from joyvasa_lib.face.landmarks.liveportrait import LivePortraitLandmarks
    from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel
    from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks
    from joyvasa_lib.speech.motion_generator import MotionGenerator

T = TypeVar("T")


def read_state(path: Path) -> Mapping[str, Any]:
    """The state dict in a file of ``torch.save`` or safetensors.

    Raises:
        CheckpointError: the file is missing, damaged, unsafe or holds something else.
    """
    if file_kind(path) == SAFETENSORS:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); download it again") from error
    content = read_checkpoint(path)
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}, not a dictionary of tensors; give the file "
            "as published"
        )
    return content


@dataclass(frozen=True, eq=False)
class OfficialParts:
    """Both stages of the published files.

    Attributes:
        model: stage one.
        generator: stage two, where it was asked for.
        landmarks: LivePortrait's landmark network for people, where its file is there.
    """

    model: LivePortraitModel
    generator: MotionGenerator | None
    landmarks: LivePortraitLandmarks | None


def load_official(
    directory: str | os.PathLike[str],
    subject: str,
    device: str | None,
    dtype: torch.dtype | None = None,
    driving: OfficialDriving | None = None,
    *,
    with_speech: bool = True,
) -> OfficialParts:
    """Finds and loads the published files; see ``JoyVASAPipeline.from_official``.

    Raises:
        CheckpointError: files are missing, there twice, damaged, unsafe or of other networks.
        OptionError: another subject, or the device or dtype cannot be used.
    """
    from joyvasa_lib.face.landmarks.liveportrait import LivePortraitLandmarks
    from joyvasa_lib.face.landmarks.mediapipe import MediaPipeFaceDetector
    from joyvasa_lib.portrait.liveportrait.model import LivePortraitModel

    files = find_official_files(Path(directory), subject, with_speech=with_speech)
    animal = subject == "animal"
    generator = load_motion_generator(files) if with_speech else None
    rules = driving or OfficialDriving(subject="animal" if animal else "human")
    model = LivePortraitModel(load_portrait_networks(files), rules, best_device(device), dtype)
    landmarks = None
    if files.landmarks is not None and not animal:
        landmarks = LivePortraitLandmarks(files.landmarks, MediaPipeFaceDetector())
    return OfficialParts(model, generator, landmarks)


def load_portrait_networks(files: OfficialFiles) -> LivePortraitNetworks:
    """Stage one of the published files, on the CPU in float32.

    Raises:
        CheckpointError: names the file, and every tensor of it that is missing, unexpected or of
            another shape.
    """
    from joyvasa_lib.checkpoints.official import liveportrait as keys
    from joyvasa_lib.portrait.liveportrait.networks import LivePortraitNetworks

    builders: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "appearance_feature_extractor": keys.appearance_extractor,
        "motion_extractor": keys.motion_extractor,
        "warping_module": keys.warping_network,
        "spade_generator": keys.spade_generator,
        STITCHING: keys.keypoint_networks,
    }
    for path in files.portrait.values():
        file_kind(path)  # what is no checkpoint at all is told before anything large is read
    built = {
        name: _of_file(path, name, partial(builders[name], read_state(path)))
        for name, path in files.portrait.items()
    }
    return LivePortraitNetworks(
        appearance_extractor=built["appearance_feature_extractor"],
        motion_extractor=built["motion_extractor"],
        warping=built["warping_module"],
        generator=built["spade_generator"],
        stitching=built[STITCHING].stitching,
        lip_retargeting=built[STITCHING].lips,
        eye_retargeting=built[STITCHING].eyes,
    )


def load_motion_generator(files: OfficialFiles) -> MotionGenerator:
    """Stage two of the published files, on the CPU in float32.

    Raises:
        CheckpointError: a file is missing, or does not fit; it is named.
    """
    if files.generator is None or files.template is None:
        raise CheckpointError(
            "Only LivePortrait's files were loaded; motion from speech needs JoyVASA's motion "
            "generator and template as well"
        )
    generator, template = files.generator, files.template
    weights, args = _generator_content(generator)
    statistics = read_checkpoint(template)
    if not isinstance(statistics, Mapping):
        raise CheckpointError(
            f"{template} holds a {type(statistics).__name__}, not JoyVASA's motion statistics; "
            "give the file as published"
        )
    from joyvasa_lib.checkpoints.official.joyvasa import AUDIO_MODELS, motion_generator_from_joyvasa
    from joyvasa_lib.checkpoints.official.template import CHANNELS, normalizer_from_template

    _of_file(template, "motion_template", lambda: normalizer_from_template(statistics, CHANNELS))
    kind = AUDIO_MODELS.get(str(args.get("audio_model") or "hubert"), "")
    config = files.encoder_configs.get(kind)
    return _of_file(
        generator,
        "motion_generator",
        lambda: motion_generator_from_joyvasa(
            weights, args, statistics, None if config is None else _config(config)
        ),
    )


def _generator_content(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Tensors and arguments of JoyVASA's file."""
    content = read_checkpoint(path)
    if not isinstance(content, Mapping) or not isinstance(content.get("model"), Mapping):
        found = list(content)[:3] if isinstance(content, Mapping) else type(content).__name__
        raise CheckpointError(
            f"{path} is not JoyVASA's motion generator, a dictionary with 'model' and 'args': it "
            f"holds {found}; give the file as published"
        )
    args = content.get("args")
    return content["model"], args if isinstance(args, Mapping) else vars(args) if args else {}


def _config(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); download it again") from error


def _of_file(path: Path, name: str, make: Callable[[], T]) -> T:
    """What is made of a file; its errors name the file."""
    try:
        return make()
    except CheckpointError as error:
        if str(path) in str(error):
            raise
        raise CheckpointError(f"{path} ({TITLES[name]}): {error}") from error
