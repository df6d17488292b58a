"""JoyVASA's published motion generator becomes a :class:`MotionGenerator`, strictly.

:mod:`joyvasa_lib.checkpoints.official.joyvasa` knows the names, shapes and meanings of the file's
tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from joyvasa_lib.checkpoints.official.files import GENERATOR, TEMPLATE, OfficialFiles
from joyvasa_lib.checkpoints.official.joyvasa import (
    AUDIO_MODELS,
    ENCODER,
    MASK,
    PE,
    TE,
    check_fit,
    close,
    encoder_config,
    network_sizes,
    network_tensors,
    noise_variances,
)
from joyvasa_lib.checkpoints.official.reading import (
    of_file,
    read_encoder_config,
    read_generator,
    read_template,
)
from joyvasa_lib.checkpoints.official.template import CHANNELS, channel_ranges
from joyvasa_lib.errors import CheckpointError
from joyvasa_lib.motion.data import FPS
from joyvasa_lib.motion.space import LIVEPORTRAIT_21
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.speech.diffusion.tables import alignment_mask, sinusoidal_table
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.networks import empty_network
from joyvasa_lib.speech.motion_generator import MotionGenerator


def load_motion_generator(
    files: OfficialFiles, kind: type[MotionGenerator] = MotionGenerator
) -> MotionGenerator:
    """The motion generator of the published files, on the CPU in float32.

    Args:
        files: where they lie.
        kind: class of the result.

    Raises:
        CheckpointError: a file is missing, or does not fit; it is named.
    """
    if files.generator is None or files.template is None:
        raise CheckpointError(
            "Only LivePortrait's files were loaded; motion from speech needs JoyVASA's motion "
            "generator and template as well"
        )
    weights, args = read_generator(files.generator)
    template = read_template(files.template)
    of_file(files.template, TEMPLATE, lambda: channel_ranges(template, CHANNELS))
    model = AUDIO_MODELS.get(str(args.get("audio_model") or "hubert"), "")
    path = files.encoder_configs.get(model)
    config = None if path is None else read_encoder_config(path)
    return of_file(
        files.generator,
        GENERATOR,
        lambda: motion_generator_from_joyvasa(weights, args, template, config, kind),
    )


def motion_generator_from_joyvasa(
    weights: Mapping[str, Any],
    args: Mapping[str, Any],
    template: Mapping[str, ArrayLike],
    config: Mapping[str, Any] | None = None,
    kind: type[MotionGenerator] = MotionGenerator,
) -> MotionGenerator:
    """Builds the motion generator of a published file.

    Args:
        weights: the file's ``model``: tensors or arrays by their published names.
        args: the file's ``args`` as a mapping.
        template: arrays of ``motion_template.pkl`` by name.
        config: ``config.json`` of the speech encoder's own folder; HuBERT base (or wav2vec 2.0
            base, as the args say) if not given, as every published file needs.
        kind: class of the result.

    Returns:
        The generator on the CPU in float32; its motions are of space ``"liveportrait-21"``, with
        poses as extracted from images (``reference="absolute"``).

    Raises:
        CheckpointError: a tensor is missing, unexpected, of another shape, not finite or not a
            tensor, args contradict the shapes, a computed table is not what the network computes,
            or the template is incomplete. The message names all of the kind.
    """
    tensors = network_tensors(weights)
    sizes = network_sizes(tensors, args, FPS)
    betas = noise_variances(tensors, sizes["n_diff_steps"])
    _check_tables(tensors, sizes)
    with torch.device("meta"):  # the weights are assigned below: no use in drawing random ones
        encoder = empty_network(encoder_config(args, config))
    denoiser = MotionDenoiser(**sizes)
    _fill(encoder, denoiser, tensors)
    normalizer = normalizer_from_template(template, sizes["motion_dim"])
    if betas is None:
        betas = cosine_betas(sizes["n_diff_steps"])
    return kind(AudioEncoder(encoder), denoiser, normalizer, betas)


def normalizer_from_template(template: Mapping[str, ArrayLike], channels: int) -> MotionNormalizer:
    """The affine map of JoyVASA's motion template.

    Args:
        template: see :func:`~joyvasa_lib.checkpoints.official.template.channel_ranges`.
        channels: of the network.

    Raises:
        CheckpointError: the template is incomplete, or the network has too few channels.
    """
    offset, scale = channel_ranges(template, channels)
    return MotionNormalizer(offset, scale, "expression", LIVEPORTRAIT_21.name, reference="absolute")


def _check_tables(tensors: Mapping[str, Tensor], sizes: Mapping[str, Any]) -> None:
    expected: dict[str, Tensor | None] = {}
    if MASK in tensors:
        tokens = sizes["n_prev_motions"] + sizes["n_motions"]
        expected[MASK] = alignment_mask(tokens, sizes["align_width"])
    for key in (TE, PE):
        if key in tensors:
            rows = tensors[key].shape[-2] if tensors[key].ndim > 1 else 0
            expected[key] = sinusoidal_table(rows, sizes["feature_dim"])[None]
    wrong = [
        key for key, value in expected.items() if value is None or not close(tensors[key], value)
    ]
    if wrong:
        raise CheckpointError(
            f"{', '.join(wrong)} of the motion generator are not the tables that this network "
            "computes; the file belongs to another network."
        )


def _fill(encoder: nn.Module, denoiser: MotionDenoiser, tensors: Mapping[str, Tensor]) -> None:
    """Loads both networks, or names everything that does not fit."""
    wanted = {ENCODER + name: tuple(v.shape) for name, v in encoder.state_dict().items()}
    wanted |= {name: tuple(v.shape) for name, v in denoiser.state_dict().items()}
    check_fit(wanted, tensors)
    own = {name: tensors[name].to(torch.float32, copy=True) for name in wanted}
    encoder.load_state_dict(
        {name.removeprefix(ENCODER): own.pop(name) for name in wanted if name.startswith(ENCODER)},
        assign=True,
    )
    denoiser.load_state_dict(own)
