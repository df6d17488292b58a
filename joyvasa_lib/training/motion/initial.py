"""What motion training starts from: the bundled weights, another checkpoint, or nothing."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from numpy.typing import NDArray

from joyvasa_lib.checkpoints.folder import BUNDLED, resolve_checkpoint
from joyvasa_lib.checkpoints.modules import build_module, load_module
from joyvasa_lib.errors import OptionError
from joyvasa_lib.motion.space import COMPACT_SPACE_NAME
from joyvasa_lib.speech.diffusion.denoiser import MotionDenoiser
from joyvasa_lib.speech.diffusion.normalizer import MotionNormalizer
from joyvasa_lib.speech.diffusion.schedulers import cosine_betas
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.motion_generator import MotionGenerator
from joyvasa_lib.training.loop.run import on_cpu
from joyvasa_lib.training.loop.run_folder import RunFolder
from joyvasa_lib.training.motion.source import MotionSource

BUNDLED_NAME = "bundled"


@dataclass(frozen=True)
class Initial:
    """Networks and statistics at the first step.

    Attributes:
        encoder: speech network, which is not trained.
        denoiser: what is.
        normalizer: motion statistics; they do not change either.
        betas: noise variances [T].
        prediction_type: what the denoiser predicts, ``"sample"`` or ``"epsilon"``.
        checkpoint: checkpoint folder whose portrait model goes with the result, if there is one.
        words: all this in words, for the model card.
    """

    encoder: AudioEncoder
    denoiser: MotionDenoiser
    normalizer: MotionNormalizer
    betas: NDArray[np.float32]
    prediction_type: str
    checkpoint: Path | None
    words: str


def prepare_initial(
    initial: str, audio_encoder: str, network: dict[str, Any], source: MotionSource, run: RunFolder
) -> Initial:
    """Loads or makes what training starts from, and checks it against the recordings.

    Args:
        initial: ``"bundled"``, a checkpoint folder, a run folder, a folder of a denoiser alone, or
            "" for nothing.
        audio_encoder: folder of the speech encoder; that of ``initial`` if "".
        network: fields of :class:`MotionDenoiser`, where it is made.
        source: the recordings.
        run: keeps the statistics, where they are fitted to the recordings.

    Raises:
        OptionError: options contradict each other, or the recordings are of another motion space
            than the weights.
        CheckpointError: a folder does not load.
    """
    folder = BUNDLED if initial == BUNDLED_NAME else Path(initial).expanduser()
    alone = bool(initial) and (folder / "config.json").is_file()
    if initial and network:
        raise OptionError(
            "Give network or initial: weights that are loaded bring their own network"
        )
    if initial and not alone:
        start = MotionGenerator.from_pretrained(resolve_checkpoint(folder, portrait=False))
        encoder, denoiser = start.audio_encoder, start.denoiser
        normalizer, betas = start.normalizer, start.betas
        prediction_type = start.prediction_type
        checkpoint = resolve_checkpoint(folder, portrait=False)
        if audio_encoder:
            encoder = AudioEncoder.from_pretrained(audio_encoder)
    else:
        if not audio_encoder:
            raise OptionError("audio_encoder must name the folder of a speech encoder")
        encoder = AudioEncoder.from_pretrained(audio_encoder)
        normalizer = fitted_normalizer(source, run)
        if alone:
            denoiser = load_module(MotionDenoiser, folder)
        else:
            sized = partial(MotionDenoiser, normalizer.channels, encoder.feature_dim)
            denoiser = build_module(sized, network, "network")
        betas, prediction_type = cosine_betas(int(denoiser.config.n_diff_steps)), "sample"
        checkpoint = BUNDLED
    _check(encoder, denoiser, normalizer, source)
    drawn: Path | None = checkpoint
    if not (checkpoint / "portrait").is_dir():
        drawn = BUNDLED if normalizer.space_name == COMPACT_SPACE_NAME else None
    words = f"the weights of `{folder.name}`" if initial else "random weights"
    return Initial(
        encoder,
        denoiser,
        normalizer,
        betas,
        prediction_type,
        drawn,
        words,
    )


def fitted_normalizer(source: MotionSource, run: RunFolder) -> MotionNormalizer:
    """Returns the run's normalizer; fitted to the training frames when the run starts.

    One that lies in the folder of a run without a state is of a run that was killed before it had
    one, perhaps on other recordings; it is not used.
    """
    folder = run.path / "normalizer"
    process = PartialState(cpu=on_cpu())
    if process.is_main_process and not (run.goes_on(True) and folder.is_dir()):
        partial = folder.with_name("normalizer.partial")
        for left in (partial, folder):
            if left.exists():
                shutil.rmtree(left)
        source.normalizer().save_pretrained(partial)
        partial.rename(folder)
    process.wait_for_everyone()
    return MotionNormalizer.from_pretrained(folder)


def _check(
    encoder: AudioEncoder,
    denoiser: MotionDenoiser,
    normalizer: MotionNormalizer,
    source: MotionSource,
) -> None:
    has = (source.space_name, source.layout, source.reference)
    wants = (normalizer.space_name, normalizer.layout, normalizer.reference)
    if has != wants:
        raise OptionError(
            f"The recordings hold motion of the kind {' / '.join(has)}, the weights to start from "
            f"make {' / '.join(wants)}; prepare the videos with the encoder of that space"
        )
    if denoiser.config.audio_dim != encoder.feature_dim:
        raise OptionError(
            f"The denoiser expects speech features of width {denoiser.config.audio_dim}, the "
            f"encoder gives {encoder.feature_dim}; give the encoder that it was trained with"
        )
    if denoiser.config.motion_dim != normalizer.channels:
        raise OptionError(
            f"The denoiser has {denoiser.config.motion_dim} motion channels, the statistics "
            f"{normalizer.channels}; start from a whole checkpoint folder"
        )
