"""Damage that knows nothing of formats: bits, numbers, pieces of bytes."""

from __future__ import annotations

from random import Random

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Where signs and sizes change."""
_LONGEST = 1 << 20
"""Bytes that a repetition adds at most."""


def damaged(random: Random, data: bytes, other: bytes = b"") -> bytes:
    """The bytes with one to eight damages.

    Args:
        random: decides which.
        data: a sound file.
        other: another one, of which pieces are put in.
    """
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        data = random.choice(_DAMAGES)(random, data, other)
    return data


def _place(random: Random, data: bytes) -> int:
    """An offset; half of them near the start, where headers are."""
    end = len(data) if random.random() < 0.5 else min(len(data), 256)
    return random.randrange(end + 1)


def _flip(random: Random, data: bytes, _: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice((1, 2, 16, 64))):
        if changed:
            changed[min(_place(random, data), len(changed) - 1)] ^= 1 << random.randrange(8)
    return bytes(changed)


def _number(random: Random, data: bytes, _: bytes) -> bytes:
    width, order = random.choice((1, 2, 4, 8)), random.choice(("little", "big"))
    number = random.choice(_NUMBERS) & (256**width - 1)
    at = _place(random, data)
    return data[:at] + number.to_bytes(width, order) + data[at + width :]  # type: ignore[arg-type]


def _cut(random: Random, data: bytes, _: bytes) -> bytes:
    return data[: _place(random, data)]


def _remove(random: Random, data: bytes, _: bytes) -> bytes:
    at = _place(random, data)
    return data[:at] + data[at + random.choice((1, 4, 64, 1024)) :]


def _insert(random: Random, data: bytes, other: bytes) -> bytes:
    at, source = _place(random, data), other or data
    start = _place(random, source)
    return data[:at] + source[start : start + random.choice((1, 8, 128, 4096))] + data[at:]


def _noise(random: Random, data: bytes, _: bytes) -> bytes:
    at, length = _place(random, data), random.choice((1, 8, 128, 4096))
    return data[:at] + random.randbytes(length) + data[at + length :]


def _clear(random: Random, data: bytes, _: bytes) -> bytes:
    at, length = _place(random, data), random.choice((4, 64, 4096))
    return data[:at] + random.choice((b"\0", b"\xff")) * length + data[at + length :]


def _repeat(random: Random, data: bytes, _: bytes) -> bytes:
    at, length = _place(random, data), random.choice((4, 64, 1024))
    piece = data[at : at + length]
    times = random.choice((2, 16, 1000))
    return data[:at] + (piece * times)[:_LONGEST] + data[at + length :]


def _join(random: Random, data: bytes, other: bytes) -> bytes:
    return data[: _place(random, data)] + other[_place(random, other) :]


_DAMAGES = (_flip, _flip, _number, _number, _cut, _remove, _insert, _noise, _clear, _repeat, _join)
