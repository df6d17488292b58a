"""Sentences to be spoken: templates of this project, words of ``faker`` (MIT) in between."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module, resources
from typing import Any

import numpy as np

from joyvasa_lib.datasets.speech_corpus.extra import missing_extra
from joyvasa_lib.documents import parse_yaml

MARKS = (".", "?", "!")
_QUESTIONS = ("?", ";", "؟")


@dataclass(frozen=True)
class Sentence:
    """What is said.

    Attributes:
        text: as it is written, without the mark at its end.
        mark: ``"."``, ``"?"`` or ``"!"``.
        language: key of the sentences' table.
    """

    text: str
    mark: str
    language: str

    @property
    def written(self) -> str:
        """The text with its mark."""
        return self.text + self.mark


@cache
def languages() -> dict[str, dict[str, Any]]:
    """The table of languages: ``espeak``, ``faker``, ``names``, ``templates`` and so on."""
    table = resources.files(__package__) / "sentences.yaml"
    found: dict[str, dict[str, Any]] = parse_yaml(table.read_text("utf-8"))
    return found


def write_sentence(rng: np.random.Generator, language: str) -> Sentence:
    """Makes up a sentence: a filled template, or words in a row where a list of words is known.

    Args:
        rng: source of every random choice.
        language: key of :func:`languages`.

    Raises:
        MissingDependencyError: ``faker`` is not installed and the language takes its words there.
    """
    about = languages()[language]
    words = _words(language)
    if words and rng.random() < 0.4:
        return _words_in_a_row(rng, language, words)
    template = str(rng.choice(about["templates"]))
    mark = "."
    if template.endswith((*_QUESTIONS, "!")):
        mark = "?" if template.endswith(_QUESTIONS) else "!"
        template = template[:-1].rstrip()
    while "{" in template:
        slot = template[template.index("{") + 1 : template.index("}")]
        template = template.replace("{" + slot + "}", _filling(rng, about, slot), 1)
    return Sentence(template, mark, language)


def _filling(rng: np.random.Generator, about: dict[str, Any], slot: str) -> str:
    if slot == "n":
        return str(int(rng.integers(2, 13 if rng.random() < 0.6 else 90)))
    return str(rng.choice(about[{"name": "names", "city": "cities", "thing": "things"}[slot]]))


def _words_in_a_row(rng: np.random.Generator, language: str, words: list[str]) -> Sentence:
    count = int(rng.integers(3, 13))
    chosen = [str(word) for word in rng.choice(words, count)]
    until_comma = int(rng.integers(3, 8))
    while until_comma < count - 1:
        chosen[until_comma] += "،" if language == "arabic" else ","
        until_comma += int(rng.integers(3, 8))
    text = " ".join(chosen)
    return Sentence(text[0].upper() + text[1:], str(rng.choice(MARKS, p=[0.7, 0.2, 0.1])), language)


@cache
def _words(language: str) -> list[str]:
    about = languages()[language]
    if own := about.get("words"):
        return list(own)
    try:
        module = import_module(f"faker.providers.lorem.{about['faker']}")
    except ImportError as error:
        raise missing_extra("faker") from error
    return [word for word in module.Provider.word_list if len(word) > 1]
