"""Builds the corpus that stage two learns from: made-up speech in many voices and languages.

Each recording is one file and depends on the configuration and its own number alone, so building
can be stopped at any moment, go on later, and be shared among processes. What a face does with the
speech is another step: :mod:`.corpus_motion`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from joyvasa_lib.datasets.prepare.engines import run_jobs
from joyvasa_lib.datasets.speech_corpus.casting import ENGINES, Casting
from joyvasa_lib.datasets.speech_corpus.one_recording import Surroundings, make_recording
from joyvasa_lib.datasets.speech_corpus.phonemes import CLOSURES, PHONEME_CLASSES
from joyvasa_lib.datasets.speech_corpus.recordings import SPLITS
from joyvasa_lib.datasets.speech_corpus.speech_recording import write_recording
from joyvasa_lib.datasets.speech_corpus.text.sentences import languages
from joyvasa_lib.documents import DocumentError, read_object
from joyvasa_lib.errors import OptionError
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.recipes import Count, Positive, Share, Whole, recipe

FORMAT = 2
"""Of the folder: 1 has motion in each recording, 2 beside them."""


@recipe("speech_corpus")
@dataclass(frozen=True)
class SpeechCorpusConfig:
    """What the corpus holds.

    Attributes:
        train: recordings to learn from.
        valid: recordings of held-out voices in the languages of training.
        valid_language: recordings of held-out voices in the held-out languages.
        seconds: shortest and longest recording.
        engines: how many of a round of training recordings each engine speaks; ``none`` is for
            recordings in which nobody does.
        languages: of training.
        held_out_languages: in no training recording.
        pseudo_words: share of the recordings of Kokoro and "joe" in ten of the languages that are
            pseudo-words.
        lip_closures: extra share of syllables of pseudo-words that begin with /p b m/.
        tempo: slowest and fastest speech.
        voice_scale: lowest and highest factor on pitch and formants together.
        reshaped: share of training recordings whose pitch, melody and formants are changed apart.
        whispered: share of those that are whispered.
        breaths: share of pauses that end with a breath, where there is room for one.
        laughter: share of recordings with laughter.
        noise: share of recordings with noise.
        music: share of recordings with music.
        seed: of every random choice.
    """

    train: Whole = 3000
    valid: Whole = 72
    valid_language: Whole = 48
    seconds: tuple[Positive, Positive] = (5.0, 20.0)
    engines: dict[str, Count] = field(
        default_factory=lambda: {"kokoro": 5, "joe": 5, "espeak": 6, "flite": 3, "none": 1}
    )
    languages: tuple[str, ...] = (
        "english", "spanish", "italian", "german", "french", "portuguese", "dutch", "polish",
        "russian", "turkish", "arabic", "hindi", "mandarin", "japanese", "korean", "vietnamese",
    )  # fmt: skip
    held_out_languages: tuple[str, ...] = ("greek", "finnish")
    pseudo_words: Share = 0.3
    lip_closures: Share = 0.08
    tempo: tuple[Positive, Positive] = (0.8, 1.3)
    voice_scale: tuple[Positive, Positive] = (0.78, 1.18)
    reshaped: Share = 0.3
    whispered: Share = 0.06
    breaths: Share = 0.45
    laughter: Share = 0.12
    noise: Share = 0.5
    music: Share = 0.15
    seed: Whole = 0

    def __post_init__(self) -> None:
        """Checks the names and the ranges.

        Raises:
            OptionError: a language or an engine is unknown, a language is both learned and held
                out, or a range is empty.
        """
        known = languages()
        for name in (*self.languages, *self.held_out_languages):
            if name not in known:
                raise OptionError(f"Unknown language {name!r}; known are {', '.join(known)}")
        if both := set(self.languages) & set(self.held_out_languages):
            raise OptionError(
                f"{min(both)!r} is a language of training and held out; take it out of one list"
            )
        if not self.languages or (self.valid_language and not self.held_out_languages):
            raise OptionError("Name at least one language, and one held out for valid_language")
        for name in self.engines:
            if name not in ENGINES:
                raise OptionError(f"Unknown engine {name!r}; known are {', '.join(ENGINES)}")
        for name in ("seconds", "tempo", "voice_scale"):
            low, high = getattr(self, name)
            if low > high:
                raise OptionError(f"speech_corpus.{name} must rise, not {low} to {high}")

    @property
    def casting(self) -> Casting:
        """The part about speakers."""
        return Casting(
            self.languages,
            self.held_out_languages,
            dict(self.engines),
            self.pseudo_words,
            self.lip_closures,
            self.tempo,
            self.voice_scale,
            self.seed,
        )

    @property
    def surroundings(self) -> Surroundings:
        """The part about everything else that is heard."""
        return Surroundings(
            self.seconds,
            self.reshaped,
            self.whispered,
            self.breaths,
            self.laughter,
            self.noise,
            self.music,
        )


def build_speech_corpus(
    config: SpeechCorpusConfig, folder: str | Path, workers: int = 1
) -> Iterator[str]:
    """Makes every recording that is not there yet.

    Args:
        config: what to make.
        folder: of ``train-*.npz``, ``valid-*.npz``, ``valid_language-*.npz`` and ``corpus.json``;
            see :func:`~.speech_recording.write_recording`.
        workers: processes.

    Yields:
        The name of each recording once it is there.

    Raises:
        MissingDependencyError: the extra ``synthetic``, espeak-ng or Flite is not installed.
        OptionError: the folder holds a corpus of another configuration.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "format": FORMAT,
        "phonemes": PHONEME_CLASSES,
        "closures": CLOSURES,
        "config": asdict(config),
    }
    text = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    _check_recipe(folder, json.loads(text))
    with atomic_path(folder / "corpus.json") as temporary:
        temporary.write_text(text, "utf-8")
    names = missing_recordings(config, folder)
    yield from run_jobs(partial(_make, config, folder), names, workers)


def missing_recordings(config: SpeechCorpusConfig, folder: str | Path) -> list[str]:
    """Returns the names of the recordings that the folder has not yet."""
    names = [
        f"{split}-{number:05d}"
        for split in ("valid", "valid_language", "train")
        for number in range(getattr(config, split))
    ]
    return [name for name in names if not (Path(folder) / f"{name}.npz").exists()]


def _check_recipe(folder: Path, wanted: dict[str, Any]) -> None:
    """A corpus may be enlarged, but not continued by another recipe."""
    path = folder / "corpus.json"
    if not path.exists():
        return
    try:
        made = read_object(path)
    except (OSError, DocumentError) as error:
        raise OptionError(f"{path} is damaged ({error}); choose another folder") from error
    if made.get("format", 1) != FORMAT:
        raise OptionError(
            f"{folder} holds a corpus of an older kind, with motion in each recording; "
            "choose another folder"
        )
    for key in wanted["config"].keys() - set(SPLITS):
        before, now = made.get("config", {}).get(key), wanted["config"][key]
        if before != now:
            raise OptionError(
                f"{folder} holds a corpus made with {key}={before!r}, not {now!r}; "
                "choose another folder"
            )


def _make(config: SpeechCorpusConfig, folder: Path, name: str) -> str:
    split, number = name.split("-")
    rng = np.random.default_rng((config.seed, SPLITS.index(split), int(number)))
    recording = make_recording(config.casting, config.surroundings, split, int(number), rng)
    write_recording(recording, folder / f"{name}.npz")
    return name
