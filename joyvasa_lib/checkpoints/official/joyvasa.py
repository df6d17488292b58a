"""Names, shapes and meanings of the tensors in JoyVASA's published motion generator.

A published file holds ``model`` (a state dict with the tuned speech encoder in it), ``args`` (what
it was trained with) and, beside it, a template of motion statistics. Here are mappings, neither
files nor networks; :mod:`joyvasa_lib.speech.published` builds those.

Dimensions come from the tensors' shapes; args only fill what shapes cannot tell, and must not
contradict them. The reference passes six of its args to the network: what else they record, such
as ``n_layers`` or ``use_indicator``, has no bearing on the weights and is not looked at. Where a
computed table is not in the file, it is the one that the reference's constructor always makes:
sinusoidal positions, alignment width 1, the cosine schedule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from joyvasa_lib.checkpoints.modules import is_finite, tensor_faults
from joyvasa_lib.errors import CheckpointError

ENCODER = "audio_encoder."
TE, PE, MASK = "denoising_net.TE.pe", "denoising_net.PE.pe", "denoising_net.alignment_mask"
LEARNED_PE = "denoising_net.PE"
SCHEDULE = "diffusion_sched."
BETAS, ALPHA_BARS = SCHEDULE + "betas", SCHEDULE + "alpha_bars"
COMPUTED = {TE, PE, MASK, BETAS, ALPHA_BARS} | {
    SCHEDULE + name for name in ("alphas", "sigmas_flex", "sigmas_inflex")
}
"""Tables that a file may hold or not: they follow from the dimensions, and are checked."""

AUDIO_MODELS = {"hubert": "hubert", "hubert_zh": "hubert", "hubert_zh_ori": "hubert",
                "wav2vec2": "wav2vec2"}  # fmt: skip
"""Values of the arg ``audio_model``, and the network of transformers."""

OLDER_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
}
"""The two spellings of weight norm, by library version: newer, older."""

RELEASED = {"motion_feat_dim": 73, "n_motions": 100, "n_prev_motions": 10, "feature_dim": 256}
LARGEST_COUNT = 10_000
"""Of any dimension that args may give; more is a damaged file."""
HEADS = 8
"""Not to be had from shapes; the reference's constructor always builds eight."""


def network_tensors(weights: Mapping[str, Any]) -> dict[str, Tensor]:
    """The file's tensors: ``module.`` removed, weight norm in the newer spelling.

    Args:
        weights: the file's ``model``: tensors or arrays by their published names.

    Raises:
        CheckpointError: an entry is no tensor, there twice, or not finite; all are named.
    """
    tensors: dict[str, Tensor] = {}
    strange = []
    for published, value in weights.items():
        name = published.removeprefix("module.")
        for newer, older in OLDER_NAMES.items():
            renamed = re.sub(rf"(pos_conv_embed\.conv)\.{older}$", rf"\1.{newer}", name)
            name = name if renamed in weights else renamed
        numeric = value.dtype.kind in "fiub" if isinstance(value, np.ndarray) else True
        if not isinstance(value, (Tensor, np.ndarray)) or not numeric or name in tensors:
            strange.append(published)
        else:
            tensors[name] = value.detach() if isinstance(value, Tensor) else torch.tensor(value)
    if strange:
        raise CheckpointError(
            f"These entries of the motion generator are no tensors, or there twice: "
            f"{', '.join(strange)}."
        )
    infinite = [
        name for name, value in tensors.items()
        if not is_finite(value)
    ]  # fmt: skip
    if infinite:
        raise CheckpointError(
            f"The motion generator holds numbers that are not finite, in {', '.join(infinite)}; "
            "the file is damaged: fetch it again."
        )
    return tensors


def network_sizes(
    tensors: Mapping[str, Tensor], args: Mapping[str, Any], fps: float
) -> dict[str, Any]:
    """Sizes of the denoiser: from shapes first, then args, then those of the released file.

    Args:
        tensors: result of :func:`network_tensors`.
        args: the file's ``args``.
        fps: the rate that motions must have.

    Raises:
        CheckpointError: args contradict the shapes or the rate, or a size is not told.
    """

    def size(key: str, axis: int, dims: int) -> int | None:
        tensor = tensors.get(key)
        return tensor.shape[axis] if tensor is not None and tensor.ndim == dims else None

    projected = "denoising_net.feature_proj.weight"
    previous = size("start_audio_feat", 1, 3)
    columns, table = size(MASK, 0, 2), size(BETAS, 0, 1)
    current = columns - previous if columns and previous and columns > previous else None
    found: dict[str, tuple[int | None, str]] = {
        "motion_feat_dim": (size("start_motion_feat", 2, 3), "start_motion_feat"),
        "n_prev_motions": (previous, "start_audio_feat"),
        "feature_dim": (size(projected, 0, 2), projected),
        "n_motions": (current, MASK),
        "n_diff_steps": (table - 1 if table else None, BETAS),
    }
    said = {name: args.get(name) for name in found}
    wrong = [
        f"{name} is {said[name]!r} in args, but {key} says {value}"
        for name, (value, key) in found.items()
        if value is not None and said[name] is not None and said[name] != value
    ]
    wrong += [
        f"{name} is {value!r} in args, which is no number of them"
        for name, value in said.items()
        if value is not None and not (isinstance(value, int) and 0 < value <= LARGEST_COUNT)
    ]
    if args.get("fps") not in (None, fps):
        wrong.append(f"fps is {args['fps']!r} in args, and only {fps:g} is supported")
    if wrong:
        raise CheckpointError(f"The motion generator contradicts itself: {'; '.join(wrong)}.")
    sizes: dict[str, int] = {}
    for name, (value, key) in found.items():
        count = value or said[name] or RELEASED.get(name)
        if count is None:
            raise CheckpointError(
                f"Neither {key} nor {name} in args says how many diffusion steps the motion "
                "generator was trained with; the file is incomplete."
            )
        sizes[name] = count
    width, channels = sizes["feature_dim"], sizes["motion_feat_dim"]
    if width % HEADS:
        raise CheckpointError(f"{projected} has {width} rows; {HEADS} heads need a multiple of it.")
    layer = r"denoising_net\.transformer\.layers\.(\d+)\."
    layers = {match[1] for key in tensors if (match := re.match(layer, key))}
    return {
        "motion_dim": channels,
        "audio_dim": size("audio_feature_map.weight", 1, 2) or 768,
        "feature_dim": width,
        "n_motions": sizes["n_motions"],
        "n_prev_motions": sizes["n_prev_motions"],
        "n_layers": len(layers) or 8,
        "n_heads": HEADS,
        "hidden_dim": size("denoising_net.transformer.layers.0.linear1.weight", 0, 2) or 4 * width,
        "n_diff_steps": sizes["n_diff_steps"],
        "align_width": int((~tensors[MASK].bool()[0]).sum()) if columns else 1,
        "use_indicator": size(projected, 1, 2) == channels + 1,
        "learned_positions": LEARNED_PE in tensors,
    }


def noise_variances(tensors: Mapping[str, Tensor], steps: int) -> NDArray[np.float32] | None:
    """The file's betas without entry 0, which stands for "no noise"; None where it has none.

    Raises:
        CheckpointError: they are not ``steps`` variances, or contradict the file's alphas.
    """
    if BETAS not in tensors:
        return None
    betas = tensors[BETAS].float()
    fits = betas.shape == (steps + 1,) and bool(betas[0] == 0)
    if not fits or not bool(((betas[1:] > 0) & (betas[1:] < 1)).all()):
        raise CheckpointError(
            f"{BETAS} must be {steps + 1} numbers that start with 0 and then lie between 0 and 1."
        )
    bars = tensors.get(ALPHA_BARS)
    if bars is not None and not close(bars, torch.cumprod(1 - betas.double(), 0).float()):
        raise CheckpointError(f"{ALPHA_BARS} does not follow from {BETAS}; the file is damaged.")
    return betas[1:].numpy()


def close(found: Tensor, expected: Tensor) -> bool:
    """Whether a computed table is the expected one but for rounding."""
    # Sines of up to 600 radians in single precision are right to 4e-5.
    return found.shape == expected.shape and torch.allclose(
        found.float(), expected.float(), rtol=0.0, atol=1e-3
    )


def encoder_config(args: Mapping[str, Any], config: Mapping[str, Any] | None) -> dict[str, Any]:
    """The configuration of the speech encoder, with its ``model_type``.

    Args:
        args: the file's ``args``.
        config: ``config.json`` of the encoder's own folder; None for the base size.

    Raises:
        CheckpointError: args name an unknown encoder, or another than the configuration.
    """
    model = args.get("audio_model")
    kind = AUDIO_MODELS.get("hubert" if model is None else str(model))
    if kind is None:
        raise CheckpointError(
            f"audio_model is {model!r} in args; known are {', '.join(AUDIO_MODELS)}."
        )
    given = dict(config or {})
    if given.setdefault("model_type", kind) != kind:
        raise CheckpointError(
            f"audio_model is {model!r} in args, but the encoder's configuration describes a "
            f"{given['model_type']!r} network; give the configuration that belongs to it."
        )
    return given


def check_fit(expected: Mapping[str, tuple[int, ...]], tensors: Mapping[str, Tensor]) -> None:
    """Compares a file's tensors with what both networks need.

    Args:
        expected: shape of every tensor of the networks, by published name.
        tensors: the file's; computed tables may be among them.

    Raises:
        CheckpointError: tensors are missing, unexpected or of another shape; all are named.
    """
    known = {
        name: value for name, value in tensors.items() if name in expected or name not in COMPUTED
    }
    if faults := tensor_faults(expected, known):
        raise CheckpointError(f"The motion generator's tensors do not fit: {'; '.join(faults)}.")
