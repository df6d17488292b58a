"""Command lines: of every command that runs here by itself, with damaged options and values."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import typer

from reliability.fuzz.inputs import Case, sample
from reliability.fuzz.mutate.texts import damaged_text

COMMANDS: dict[str, tuple[str, ...]] = {
    "animate": ("face.png", "sound.wav", "-o", "../out/talk.mp4", "--steps", "1", "--crop"),
    "motion": ("sound.wav", "-o", "../out/motion.safetensors", "--steps", "1"),
    "drive": ("face.png", "motion.safetensors", "-o", "../out/talk.mp4", "--crop"),
    "idle": ("face.png", "-o", "../out/talk.mp4", "--seconds", "0.2", "--crop"),
    "edit": ("motion.safetensors", "-o", "../out/motion.safetensors", "--emotion", "happiness:0.5"),
    "emotions": ("--json",),
    "evaluate": ("motion.safetensors", "--json"),
    "convert": ("folder", "../out/checkpoint"),
    "prepare": ("folder", "../out/set"),
    "train motion": ("--config", "recipe.yaml", "--run", "../out/run"),
    "train emotion-basis": ("folder", "-o", "../out/basis.safetensors"),
    "train audio-encoder": ("--config", "recipe.yaml", "--run", "../out/run"),
    "train portrait": ("--config", "recipe.yaml", "--run", "../out/run"),
}
"""Sound ones, quick ones. Left out: ``live`` (devices and real time), ``download``, ``train push``
(the network), ``doctor`` (no input), and what needs the extra ``synthetic``."""
_FILES = {
    "face.png": "face.png", "sound.wav": "sound.wav", "motion.safetensors": "motion.safetensors",
    "template.pkl": "template.pkl", "timeline.yaml": "timeline.yaml",
    "points.json": "landmarks-5.json", "clip.mp4": "video.mp4",
}  # fmt: skip
_PATHS = (
    *_FILES, "absent.png", "folder", "", ".", "..", "/", "/dev/zero", "/dev/stdin", "-", "--",
    "-x.png", "http://127.0.0.1:9/a.png", "a" * 300 + ".png", "nul\udcff.png", "recipe.yaml",
    "~nobody/x.png", "../out/absent/talk.mp4", "../out/talk.avi", "../out",
    "../out/motion.safetensors", "~",
)  # fmt: skip
_RESULTS = tuple(path for path in _PATHS if path.startswith("../out"))
"""Where something may be written, if a command lets it."""
_NUMBERS = (
    "-1", "0", "1", "2", "0.5", "nan", "inf", "-inf", "1e400", "", "x", "0x10", "1_0", "\uff12",
    "-0", "+1", "1,2,3", "1e-320", "99999999999999999999",
)  # fmt: skip
_TEXTS = (
    "", " ", "largest", "0", "-1", "calm", "head=0.5", "head=nan", "happiness:0.5", "AU4=0.2",
    "1,2,3", "10,10,80,80", "nan,0,1,1", "ddim", "ddpm", "cpu", "cuda:99", "meta", "human",
    "animal", "joyvasa", "none", "\u202e", "nobody/nothing", "x=y", "motion.batch_size=nan",
    "loop.steps=", "%s{}",
)  # fmt: skip
_WRITTEN = {"output", "motion_out", "run", "to"}
_TOO_LONG = {"seconds", "workers"}
"""Whose sound values can ask for hours of work, or for processes without end."""


def command_line(random: Random, samples: Path) -> Case:
    """A command with one to three options added, exchanged or damaged."""
    name = random.choice(sorted(COMMANDS))
    arguments = list(COMMANDS[name])
    for _ in range(random.choice((1, 1, 2, 3))):
        _damage(random, name, arguments)
    files = {shown: sample(samples / stored) for shown, stored in _FILES.items()}
    files |= {"folder/notes.txt": b"notes", "recipe.yaml": b"motion: {data: folder}\nloop: {}\n"}
    safe = [a for a in arguments if "\0" not in a]  # no program can be given one
    return Case(files=files, arguments=(*name.split(), *safe))


def _damage(random: Random, name: str, arguments: list[str]) -> None:
    at = random.randrange(len(arguments))
    match random.randrange(8):
        case 0:
            del arguments[at : at + 1]
            arguments.extend([] if arguments else ["x"])
        case 1:
            arguments[at] = damaged_text(random, arguments[at])[:5000]
        case 2 if not arguments[at].startswith("-"):
            written = arguments[at].startswith("../out/")
            arguments[at] = random.choice(_RESULTS if written else _PATHS)
        case _:
            arguments += _option(random, name)


def _option(random: Random, name: str) -> list[str]:
    parameter = random.choice(_options(name))
    shown = random.choice([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return [shown]
    if parameter.name in _WRITTEN:
        return [shown, random.choice(_RESULTS)]
    if parameter.name in _TOO_LONG:
        return [shown, random.choice(("-1", "0", "nan", "x", "", "0.1"))]
    number = isinstance(parameter.default, int | float)
    values = random.choice((_NUMBERS,) * 4 + (_TEXTS,) if number else (_TEXTS, _TEXTS, _PATHS))
    return [shown, random.choice(values)]


@cache
def _options(name: str) -> list[Any]:
    from joyvasa_lib.cli import app

    command: Any = typer.main.get_command(app)
    for part in name.split():
        command = command.commands[part]
    return [p for p in command.params if p.param_type_name == "option" and "--help" not in p.opts]
