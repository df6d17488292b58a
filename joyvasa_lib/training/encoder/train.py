"""Trains the compact speech encoder on phonemes and mouth curves, frame by frame.

The network hears 20 ms steps and names the phoneme of each (cross entropy, rare and lip-closing
classes weighted up); in parallel a linear map of its features at the motion rate follows the
blendshapes of the mouth, so that what stage two needs is linearly readable.

With ``context`` the network stays as it is, its features are computed once, and what is trained is
a :class:`~joyvasa_lib.speech.encoders.context.SpeechContext` after it. How far a mouth opens is
also a matter of style, which the sound does not tell: where a recording's is known, the curves that
the features give are scaled by what is learned of it, and the features need not average over
styles.

Axis legend: ``b`` batch, ``n`` samples, ``s`` frames at 50 Hz, ``t`` frames at 25 Hz, ``c`` phoneme
classes, ``u`` blendshapes of the mouth, ``k`` dials of a style.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from joyvasa_lib.checkpoints.folder import BUNDLED
from joyvasa_lib.checkpoints.modules import build_module
from joyvasa_lib.datasets.speech_corpus.recordings import SpeechCorpus
from joyvasa_lib.errors import OptionError
from joyvasa_lib.speech.encoders.audio_encoder import AudioEncoder
from joyvasa_lib.speech.encoders.compact_wav2vec2 import CompactWav2Vec2Config, CompactWav2Vec2Model
from joyvasa_lib.speech.encoders.context import SpeechContext
from joyvasa_lib.training.encoder.augmentation import augment
from joyvasa_lib.training.encoder.clips import Batches, at_level, cut
from joyvasa_lib.training.encoder.heard import HeardBatches
from joyvasa_lib.training.encoder.labeller import (
    MOUTH,
    MOUTH_BLENDSHAPES,
    SpeechLabeller,
    labelling_loss,
)
from joyvasa_lib.training.encoder.recipe import AudioEncoderTraining
from joyvasa_lib.training.loop.config import read_training
from joyvasa_lib.training.loop.run import TrainingRun

BUNDLED_NAME = "bundled"


def train_audio_encoder(
    config_path: str | Path,
    run_dir: str | Path,
    export_dir: str | Path | None = None,
    resume: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Trains the encoder and exports it after each validation.

    Args:
        config_path: YAML file with the sections ``audio_encoder`` and ``loop``.
        run_dir: run folder; an interrupted run in it goes on.
        export_dir: where the encoder is written; ``run_dir/audio_encoder`` if not given.
        resume: start anew if false.
        progress: called with the number of steps done after each. Raise
            :class:`~joyvasa_lib.errors.Cancelled` in it to stop; a later call continues from the
            state that was saved last.

    Returns:
        The export folder.
    """
    config, loop = read_training(config_path, AudioEncoderTraining, "audio_encoder")
    torch.manual_seed(loop.seed)
    corpus = SpeechCorpus(config.corpus)
    if config.context and not config.initial:
        raise OptionError("A context needs a trained encoder; name its folder as initial")
    if config.initial:
        own = config.initial == BUNDLED_NAME
        encoder = AudioEncoder.from_pretrained(BUNDLED / "audio_encoder" if own else config.initial)
        if config.context:
            encoder.context = build_module(
                partial(SpeechContext, encoder.feature_dim), config.context, "context"
            )
    else:
        network = build_module(
            lambda **fields: CompactWav2Vec2Model(CompactWav2Vec2Config(**fields)),
            config.network,
            "network",
        )
        encoder = AudioEncoder(network)
    labeller = SpeechLabeller(encoder, len(corpus.phonemes))
    run = TrainingRun(run_dir, labeller, loop)
    run.start("audio_encoder", config, resume)
    folder = Path(export_dir) if export_dir else run.folder / "audio_encoder"
    batches = (
        HeardBatches(
            corpus, config, loop.seed, AudioEncoder(encoder.network), run.folder / "features"
        )
        if config.context
        else Batches(corpus, config, loop.seed)
    )

    def loss(network: nn.Module, index: int) -> dict[str, Tensor]:
        heard, phonemes, target, style = batches(index, run.accelerator.process_index)
        device = run.accelerator.device
        logits, curves = network(heard.to(device), style.to(device))
        terms = labelling_loss(
            logits, curves, phonemes.to(device), target.to(device), batches.weights.to(device)
        )
        return {**terms, "total": terms["phoneme"] + config.curve_weight * terms["curve"]}

    def export(network: nn.Module) -> None:
        assert isinstance(network, SpeechLabeller)
        network.encoder.save_pretrained(folder)

    run.fit(loss, _validator(corpus, config), export, progress)
    return folder


def _validator(
    corpus: SpeechCorpus, config: AudioEncoderTraining
) -> Callable[[nn.Module], dict[str, float]]:
    def validate(network: nn.Module) -> dict[str, float]:
        assert isinstance(network, SpeechLabeller)
        rng = np.random.default_rng(7)
        items = corpus.items("valid")
        hits: list[np.ndarray] = []
        closure: list[np.ndarray] = []
        curves: list[np.ndarray] = []
        truth: list[np.ndarray] = []
        for index in range(config.validation_clips):
            item = items[index % len(items)]
            waveform, phonemes, blendshapes, style = cut(item, 100, 1.0, rng)
            waveform = augment(waveform, rng) if index % 2 else at_level(waveform)
            heard = torch.from_numpy(waveform)[None]
            if config.context:
                heard = AudioEncoder(network.encoder.network)(heard)
            logits, curve = network(heard, torch.from_numpy(style)[None])
            named = logits[0].argmax(-1).numpy()
            speech = phonemes != 0
            hits.append((named == phonemes)[speech])
            closure.append(np.isin(named, corpus.closures)[np.isin(phonemes, corpus.closures)])
            curves.append(curve[0].numpy())
            truth.append(blendshapes[:, MOUTH])
        metrics = {
            "phoneme_accuracy": float(np.mean(np.concatenate(hits))),
            "closure_recall": float(np.mean(np.concatenate(closure))),
        }
        for column, name in enumerate(MOUTH_BLENDSHAPES):
            a = np.concatenate(curves)[:, column]
            b = np.concatenate(truth)[:, column]
            if b.std() > 1e-4:
                metrics[f"correlation/{name}"] = float(np.corrcoef(a, b)[0, 1])
        return metrics

    return validate
