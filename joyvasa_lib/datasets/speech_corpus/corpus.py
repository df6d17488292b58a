"""Builds the corpus that stage two learns from: made-up speech in many voices, with its motion.

Each recording is one file and depends on the configuration and its own number alone, so building
can be stopped at any moment, go on later, and be shared among processes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.face_motion import animate
from joyvasa_lib.datasets.speech_corpus.head_motion import HeadMotionStyle
from joyvasa_lib.datasets.speech_corpus.phonemes import CLOSURES, PHONEME_CLASSES, TimedPhoneme
from joyvasa_lib.datasets.speech_corpus.pseudo_text import LANGUAGES, write_utterance
from joyvasa_lib.datasets.speech_corpus.voices import JoeVoice, KokoroVoices, Spoken
from joyvasa_lib.documents import read_json
from joyvasa_lib.errors import OptionError
from joyvasa_lib.media.audio import SAMPLE_RATE
from joyvasa_lib.media.resampling import mono_at_rate
from joyvasa_lib.recipes import Count, Positive, Share, Whole, recipe

Floats = NDArray[np.float32]
HELD_OUT_VOICE = 2
"""Number of the Kokoro voice (``jf_nezumi``) that leads in validation and is never in training."""
MALE_VOICE = 4


@recipe("speech_corpus")
@dataclass(frozen=True)
class SpeechCorpusConfig:
    """What the corpus holds.

    Attributes:
        train: recordings to learn from.
        valid: recordings of the held-out voice.
        joe: share of training recordings spoken by the CC0 voice "joe"; the rest is Kokoro's.
        words: fewest and most words of a recording.
        tempo: slowest and fastest speech.
        voice_scale: lowest and highest factor on pitch and formants together.
        lip_closures: extra share of syllables that begin with /p b m/.
        languages: keys of ``LANGUAGES``; English counts three times.
        seed: of every random choice.
    """

    train: Whole = 900
    valid: Whole = 30
    joe: Share = 0.3
    words: tuple[Count, Count] = (10, 26)
    tempo: tuple[Positive, Positive] = (0.85, 1.3)
    voice_scale: tuple[Positive, Positive] = (0.78, 1.18)
    lip_closures: Share = 0.08
    languages: tuple[str, ...] = tuple(LANGUAGES)
    seed: Whole = 0

    def __post_init__(self) -> None:
        """Checks the languages.

        Raises:
            OptionError: a language has no inventory.
        """
        if unknown := sorted(set(self.languages) - set(LANGUAGES)):
            raise OptionError(
                f"Unknown language {unknown[0]!r}; known are {', '.join(sorted(LANGUAGES))}"
            )


def build_speech_corpus(
    config: SpeechCorpusConfig, folder: str | Path, workers: int = 1
) -> Iterator[str]:
    """Makes every recording that is not there yet.

    Args:
        config: what to make.
        folder: of ``train-*.npz``, ``valid-*.npz`` and ``corpus.json``.
        workers: processes.

    Yields:
        The name of each recording once it is there.

    Raises:
        MissingDependencyError: the extra ``synthetic`` is not installed.
        OptionError: the folder holds a corpus of another configuration.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "phonemes": PHONEME_CLASSES,
        "closures": CLOSURES,
        "config": asdict(config),
    }
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    _check_recipe(folder, json.loads(text)["config"])
    (folder / "corpus.json").write_text(text, "utf-8")
    names = missing_recordings(config, folder)
    if workers == 1:
        for name in names:
            yield _make(config, folder, name)
        return
    with ProcessPoolExecutor(workers) as pool:
        if names:  # the first one fetches the voices, which two processes cannot do at once
            yield pool.submit(_make, config, folder, names.pop(0)).result()
        for job in [pool.submit(_make, config, folder, name) for name in names]:
            yield job.result()


def missing_recordings(config: SpeechCorpusConfig, folder: str | Path) -> list[str]:
    """Returns the names of the recordings that the folder has not yet."""
    names = [f"valid-{i:05d}" for i in range(config.valid)]
    names += [f"train-{i:05d}" for i in range(config.train)]
    return [name for name in names if not (Path(folder) / f"{name}.npz").exists()]


def _check_recipe(folder: Path, wanted: dict[str, Any]) -> None:
    """A corpus may be enlarged, but not continued by another recipe."""
    path = folder / "corpus.json"
    if not path.exists():
        return
    made = read_json(path).get("config", {})
    for key in wanted.keys() - {"train", "valid"}:
        if made.get(key) != wanted[key]:
            raise OptionError(
                f"{folder} holds a corpus made with {key}={made.get(key)!r}, "
                f"not {wanted[key]!r}; choose another folder"
            )


def _make(config: SpeechCorpusConfig, folder: Path, name: str) -> str:
    waveform, phonemes, values, steps = record(config, name)
    temporary = folder / f".{name}.{os.getpid()}.npz"
    np.savez(
        temporary,
        waveform=np.round(np.clip(waveform, -1.0, 1.0) * 32767.0).astype(np.int16),
        values=values,
        phonemes=steps,
        starts=np.array([p.start for p in phonemes], np.float32),
        symbols=np.array([p.symbol for p in phonemes]),
    )
    temporary.replace(folder / f"{name}.npz")
    return name


def record(
    config: SpeechCorpusConfig, name: str
) -> tuple[Floats, tuple[TimedPhoneme, ...], Floats, NDArray[np.uint8]]:
    """Makes one recording.

    Args:
        config: the recipe.
        name: ``"train-00007"`` or ``"valid-00007"``.

    Returns:
        Waveform [n] at 16 kHz, phonemes as heard, values [t, 59], classes [2 t] as articulated.
    """
    split, number = name.split("-")
    rng = np.random.default_rng((config.seed, int(number), split == "valid"))
    words = int(rng.integers(config.words[0], config.words[1] + 1))
    chances = np.array([3.0 if language == "english" else 1.0 for language in config.languages])
    language = str(rng.choice(config.languages, p=chances / chances.sum()))
    utterance = write_utterance(rng, language, words, config.lip_closures)
    tempo = float(np.exp(rng.uniform(*np.log(config.tempo))))
    kokoro, joe = _voices()
    if split == "valid":
        scale = float(rng.uniform(0.9, 1.05))
        voice = kokoro.voice(_mixture(rng, leader=HELD_OUT_VOICE))
    elif rng.random() < config.joe:
        scale = float(rng.uniform(max(config.voice_scale[0], 0.85), config.voice_scale[1] + 0.1))
        voice = joe
    else:
        leader = MALE_VOICE if rng.random() < 0.45 else None
        low, high = config.voice_scale
        scale = float(rng.uniform(low, high if leader is None else high + 0.1))
        voice = kokoro.voice(_mixture(rng, leader))
    spoken = _scaled(voice(utterance, tempo / scale, rng), scale)
    waveform = _with_whole_frames(mono_at_rate(spoken.waveform, spoken.sample_rate, SAMPLE_RATE))
    values, steps = animate(
        spoken.phonemes, waveform, rng, HeadMotionStyle(posture_seconds=rng.uniform(2.0, 3.5))
    )
    return waveform, spoken.phonemes, values, steps


@lru_cache(maxsize=1)
def _voices() -> tuple[KokoroVoices, JoeVoice]:
    return KokoroVoices(), JoeVoice()


def _mixture(rng: np.random.Generator, leader: int | None) -> Floats:
    """Shares [5] of the Kokoro voices; the held-out voice only where it leads."""
    shares = rng.dirichlet(np.full(5, 0.6))
    if leader is not None:
        shares *= 0.35
        shares[leader] += 0.65
    if leader != HELD_OUT_VOICE:
        shares[HELD_OUT_VOICE] = 0.0
        shares[0] += 1e-3
    return cast(Floats, (shares / shares.sum()).astype(np.float32))


def _scaled(spoken: Spoken, scale: float) -> Spoken:
    """Plays faster or slower: pitch and formants go by ``scale``, as with another vocal tract."""
    phonemes = tuple(
        TimedPhoneme(p.symbol, p.start / scale, p.end / scale, p.stressed) for p in spoken.phonemes
    )
    return Spoken(spoken.waveform, round(spoken.sample_rate * scale), phonemes)


def _with_whole_frames(waveform: Floats) -> Floats:
    """Level as recordings have it, in whole 25 Hz frames."""
    peak = float(np.abs(waveform).max()) + 1e-9
    waveform = waveform * np.float32(0.6 / peak)
    return np.pad(waveform, (0, -len(waveform) % 640)).astype(np.float32)
