"""What is killed: commands with their inputs, and what must hold after a kill and at the end."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import torch
from safetensors import safe_open

from joyvasa_lib.datasets.prepared.index import INDEX
from joyvasa_lib.media.unfinished import LOCK
from joyvasa_lib.training.loop.run_folder import STATE
from reliability import ROOT
from reliability.kill.attempts import contents, run_command
from reliability.kill.hub import SlowHub
from reliability.kill.serving import serve, wrong_results

KEPT = b"the video of yesterday"
_HIDDEN = re.compile(rf"(^|/)\.[^/]*-[0-9a-f]{{12}}|{re.escape(LOCK)}$|\.partial$|\.incomplete$")
"""Names that unfinished files have, of this library and of what it uses."""


@dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Attributes:
        share: how many of a hundred kills it gets.
        work: runs it in the folder ``place``, with inputs in ``place/in``, results in
            ``place/out``.
        lay: writes its inputs into ``place/in``, once.
        kept: files of ``out`` that are there before, by name.
        result: files that an unbroken run makes; they are there whole, or as before, or absent.
        state: what else may lie in ``out`` between runs that go on where the last one was.
        checks: finds what is wrong with a folder after a kill, beside the results.
        needs: an optional package without which it is left out.
    """

    share: int
    work: Callable[[Path], object]
    lay: Callable[[Path], object]
    kept: dict[str, bytes] = field(default_factory=dict)
    result: str = r".*"
    state: str = r"(?!)"
    checks: Callable[[Path], list[str]] = lambda _: []
    needs: str = ""

    @property
    def available(self) -> bool:
        """Whether what it needs is installed."""
        return not self.needs or find_spec(self.needs) is not None

    def faults(self, place: Path, inputs: dict[str, str], whole: dict[str, str]) -> list[str]:
        """What is wrong after a kill.

        Args:
            place: where it ran.
            inputs: hashes of the inputs before.
            whole: hashes of an unbroken run's results.
        """
        found = [] if contents(place / "in") == inputs else ["an input was changed"]
        for name, digest in contents(place / "out").items():
            if _HIDDEN.search(name) or re.fullmatch(self.state, name):
                continue
            if not re.fullmatch(self.result, name) or name not in whole:
                found.append(f"{name} is no result")
            elif digest != whole[name] and (place / "out" / name).read_bytes() != self.kept.get(
                name
            ):
                found.append(f"{name} is not whole")
        return found + self.checks(place / "out")

    def faults_at_end(self, place: Path, whole: dict[str, str]) -> list[str]:
        """What differs from an unbroken run when a run after kills has come to its end."""
        now = {n: d for n, d in contents(place / "out").items() if re.fullmatch(self.result, n)}
        left = [name for name in contents(place / "out") if _HIDDEN.search(name)]
        found = [f"{name} is left over" for name in left]
        names = sorted(now.keys() | whole.keys())
        return found + [
            f"{name} differs from the unbroken run's"
            for name in names
            if now.get(name) != whole.get(name) and not _HIDDEN.search(name)
        ]


def results_of(scenario: Scenario, place: Path) -> dict[str, str]:
    """Hashes of what a run has made."""
    made = contents(place / "out")
    return {name: digest for name, digest in made.items() if re.fullmatch(scenario.result, name)}


# Inputs


def _face(place: Path) -> None:
    from reliability.fuzz.samples import ASSETS

    shutil.copy(ASSETS / "astronaut.jpg", place / "face.jpg")


def _spoken(place: Path) -> None:
    from joyvasa_lib.media.audio import load_speech, write_wav
    from reliability.fuzz.samples import ASSETS

    _face(place)
    write_wav(place / "words.wav", load_speech(ASSETS / "hello.flac").waveform[8000:20800])


def _acted(place: Path) -> None:
    from joyvasa_lib import Motion

    _spoken(place)
    random = np.random.default_rng(0)
    Motion.from_blendshapes(random.random((20, 52)).astype(np.float32) / 3).save(
        place / "motion.safetensors"
    )


def _many(place: Path) -> None:
    from joyvasa_lib.media.audio import load_speech, write_wav
    from reliability.fuzz.samples import ASSETS

    (place / "portraits").mkdir()
    (place / "speech").mkdir()
    _face(place / "portraits")
    waveform = load_speech(ASSETS / "hello.flac").waveform
    for number in range(3):
        start = 8000 + 3200 * number
        write_wav(place / "speech" / f"{number}.wav", waveform[start : start + 3200])


def _talking(place: Path) -> None:
    """Two very short talking videos."""
    from joyvasa_lib import JoyVASAPipeline
    from joyvasa_lib.media.audio import load_speech
    from reliability.fuzz.samples import ASSETS

    pipe = JoyVASAPipeline.from_pretrained()
    encoded = pipe.encode(ASSETS / "astronaut.jpg")
    waveform = load_speech(ASSETS / "hello.flac").waveform
    for number in range(2):
        words = waveform[8000 + 4000 * number :][:10240]
        motion = pipe.generate_motion(words, num_inference_steps=2, seed=number)
        pipe.render(encoded, motion, words, paste_back=False).save(place / f"{number}.mp4")


def _published(place: Path) -> None:
    from official_checkpoint import write_official

    write_official(place)


_REPOSITORY = "kills/published"


def _remote(place: Path) -> None:
    from joyvasa_lib.checkpoints.official.sources import PARTS

    part = PARTS["chinese-hubert-base"]
    random = Random(0)
    for name, length in (("config.json", 3000), ("preprocessor_config.json", 900),
                         ("pytorch_model.bin", 1_500_000)):  # fmt: skip
        file = place / part.repository / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(random.randbytes(length))


def _learning(place: Path) -> None:
    from training_sets import write_encoder, write_prepared, write_recipe

    write_encoder(place / "encoder")
    write_prepared(place / "data", [120, 150], [60, 70])
    write_recipe(place / "r.yaml", place / "data", place / "encoder", steps=8, validate_every=4,
                 checkpoint_minutes=0.0)  # fmt: skip


# Commands


def _animate(place: Path) -> None:
    run_command("animate", place / "in/face.jpg", place / "in/words.wav", "--crop", "--steps", 2,
                "-o", place / "out/talk.mp4", "--motion-out", place / "out/talk.safetensors",
                "--json")  # fmt: skip


def _drive(place: Path) -> None:
    run_command("drive", place / "in/face.jpg", place / "in/motion.safetensors", "--crop",
                "--audio", place / "in/words.wav", "-o", place / "out/talk.mp4",
                "--json")  # fmt: skip


def _prepare(place: Path) -> None:
    run_command("prepare", place / "in", place / "out/set", "--min-seconds", 0.5, "--min-speech", 0,
                "--max-lag-ms", 600, "--face-hz", 0, "--min-sharpness", 0, "--json")  # fmt: skip


def _convert(place: Path) -> None:
    run_command("convert", place / "in", place / "out/converted", "--portrait-only", "--json")


def _train(place: Path) -> None:
    run_command("train", "motion", "--config", place / "in/r.yaml", "--run", place / "out/run")


def _download(place: Path) -> None:
    hub = SlowHub(place / "in", 3_000_000.0)
    run_command("download", "official", "--to", place / "out", "--part", "chinese-hubert-base",
                "--encoder-weights", "--endpoint", hub.address, "--json")  # fmt: skip


def _batch(place: Path) -> None:
    """The code of the page on many files, as it stands there."""
    page = (ROOT / "docs" / "how-to" / "batch.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    for name in ("portraits", "speech"):
        if not (place / "out" / name).is_symlink():
            (place / "out" / name).symlink_to(place / "in" / name)
    os.chdir(place / "out")
    exec(compile(code, "batch.md", "exec"), {"__name__": "batch"})


# What else must hold


def _loadable(out: Path) -> list[str]:
    """The run's state, where there is one, can be read, and so can its weights."""
    found = []
    for path in out.rglob(STATE):
        try:
            torch.load(path, weights_only=True)
        except (OSError, RuntimeError, EOFError) as error:
            found.append(f"{path.name} does not load: {error}")
    return found + _tensors(out)


def _tensors(out: Path) -> list[str]:
    found = []
    for path in out.rglob("*.safetensors"):
        if _HIDDEN.search(str(path.relative_to(out))):
            continue
        try:
            with safe_open(path, "numpy"):
                pass
        except Exception as error:  # whatever it is, the file is not whole
            found.append(f"{path.name} does not load: {error}")
    return found


def _indexed(out: Path) -> list[str]:
    """A set that has an index has everything that the index names."""
    from joyvasa_lib.datasets.prepared.dataset import PreparedSet

    if not (out / "set" / INDEX).exists():
        return []
    PreparedSet(out / "set")
    return _tensors(out)


SCENARIOS: dict[str, Scenario] = {
    "animate": Scenario(30, _animate, _spoken, kept={"talk.mp4": KEPT}),
    "drive": Scenario(22, _drive, _acted, kept={"talk.mp4": KEPT}),
    "batch": Scenario(16, _batch, _many, result=r"results/[^/.]+\.mp4"),
    "prepare": Scenario(
        6, _prepare, _talking, checks=_indexed, state=r"set/.*",
        result=r"set/([^/.]+\.safetensors|index\.json|normalizer\.json|report\.jsonl|README\.md)",
    ),
    "train": Scenario(
        14, _train, _learning, checks=_loadable, state=r"run/.*",
        result=r"run/generator/.*\.(safetensors|json)",
    ),
    "download": Scenario(
        10, _download, _remote, state=r".*/\.cache/.*|\.cache/.*",
        result=r"chinese-hubert-base/[a-z_]+\.(json|bin)",
    ),
    "convert": Scenario(4, _convert, _published),
    "serve": Scenario(
        8, serve, _spoken, checks=wrong_results, result=r"\d\.mp4", needs="fastapi",
        state=r"served/\.serve-.*",
    ),
}  # fmt: skip
"""By name."""
