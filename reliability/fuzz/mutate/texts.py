"""Damage to texts that a person writes: notations, and files of them."""

from __future__ import annotations

from random import Random

_ODD = (
    "", " ", ",", ":", "::", "=", "+", "-", "*", "%", "#", "\0", "\n", "\t", "\ufeff", "\u202e",
    "é", "\uff11", "nan", "inf", "-1", "1e999", "999999999999999999999", "0x1", "1_000", "0.5",
    "A", "F", "AU", "AU0", "AU4", "AU99", "happiness", "neutral", "Ä", "\U0001f600", "&a", "*a",
    "!!python/object:os.system", "{", "}", "[", "]", "'", '"', "|", ">", "---", "~", "<<: *a",
    "{{", "%TAG", "?", "a" * 3000,
)  # fmt: skip


def damaged_text(random: Random, text: str) -> str:
    """The text with one to four pieces put in, left out, doubled or exchanged."""
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(text) + 1)
        end = min(len(text), at + random.choice((0, 1, 1, 3, 12)))
        match random.randrange(5):
            case 0:
                text = text[:at] + text[end:]
            case 1:
                text = text[:end] + text[at:end] * random.choice((1, 2, 200)) + text[end:]
            case 2:
                text = text[:at] + text[end:][::-1]
            case _:
                text = text[:at] + random.choice(_ODD) + text[end:]
    return text
