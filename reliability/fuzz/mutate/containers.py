"""Damage to the parts that containers are made of, with lengths and checksums made right again.

A reader that checks them would refuse what is damaged blindly before it looks at anything else.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from random import Random

from reliability.fuzz.mutate.raw import damaged

Part = tuple[bytes, bytes]
"""Name and content."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_INNER_BOXES = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"meta", b"iprp", b"ipco", b"edts"}


def rearranged(random: Random, parts: list[Part], other: bytes = b"") -> list[Part]:
    """The parts, of which a few are damaged, doubled, left out, moved, or named otherwise."""
    parts = list(parts)
    for _ in range(random.choice((1, 1, 2, 4))):
        if not parts:
            break
        at = random.randrange(len(parts))
        name, content = parts[at]
        match random.randrange(7):
            case 0:
                del parts[at]
            case 1:
                parts.insert(random.randrange(len(parts) + 1), parts[at])
            case 2:
                parts.insert(random.randrange(len(parts)), parts.pop(at))
            case 3:
                parts[at] = (random.choice(parts)[0], content)
            case _:
                parts[at] = (name, damaged(random, content, other))
    return parts


def png(random: Random, data: bytes, other: bytes) -> bytes:
    """A PNG whose chunks are changed; their checksums are right."""
    parts, at = [], len(_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        parts.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    out = bytearray(_SIGNATURE)
    for name, content in rearranged(random, parts, other):
        body = name + content
        out += struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    return bytes(out)


def riff(random: Random, data: bytes, other: bytes) -> bytes:
    """A RIFF file (WAV, WebP, AVI) whose chunks are changed; their lengths are right."""
    parts, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        parts.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    out = bytearray()
    for name, content in rearranged(random, parts, other):
        out += name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", len(out) + 4) + data[8:12] + bytes(out)


def boxes(random: Random, data: bytes, other: bytes) -> bytes:
    """A file of boxes (MP4, HEIC): changed at one level, lengths right on every level."""
    parts, at = [], 0
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + length if length >= 8 else len(data)
        parts.append((data[at + 4 : at + 8], data[at + 8 : end]))
        at = end
    inner = [i for i, (name, _) in enumerate(parts) if name in _INNER_BOXES]
    if inner and random.random() < 0.8:
        at = random.choice(inner)
        name, content = parts[at]
        start = 4 if name == b"meta" else 0  # its version
        parts[at] = (name, content[:start] + boxes(random, content[start:], other))
    else:
        parts = rearranged(random, parts, other)
    return b"".join(struct.pack(">I", 8 + len(c)) + name + c for name, c in parts)


def jpeg(random: Random, data: bytes, other: bytes) -> bytes:
    """A JPEG whose segments are changed; their lengths are right."""
    parts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        parts.append((data[at : at + 2], data[at + 4 : at + 2 + length]))
        at += 2 + length
    out = bytearray(data[:2])
    for name, content in rearranged(random, parts, other):
        content = content[: 2**16 - 3]
        out += name + struct.pack(">H", len(content) + 2) + content
    return bytes(out) + data[at:]


def tiff(random: Random, data: bytes, _: bytes) -> bytes:
    """A little-endian TIFF whose directory has other tags, types, counts and values."""
    changed = bytearray(data)
    (start,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, start)
    for _ in range(random.choice((1, 2, 4))):
        at = start + 2 + 12 * random.randrange(max(1, count))
        width, offset = random.choice(((2, 0), (2, 2), (4, 4), (4, 8)))
        value = random.choice((0, 1, 2, 7, 255, 65535, 2**31, 2**32 - 1, random.getrandbits(16)))
        value &= 256**width - 1
        changed[at + offset : at + offset + width] = value.to_bytes(width, "little")
    return bytes(changed)


def ogg(random: Random, data: bytes, other: bytes) -> bytes:
    """An Ogg stream whose pages are changed; their checksums are right."""
    starts = [i for i in range(len(data)) if data.startswith(b"OggS", i)]
    ends = [*starts[1:], len(data)]
    parts = [(data[a : a + 22], data[a + 26 : b]) for a, b in zip(starts, ends, strict=True)]
    out = bytearray()
    for head, rest in rearranged(random, parts, other):
        checksum = _ogg_checksum(head + b"\0\0\0\0" + rest)
        out += head + struct.pack("<I", checksum) + rest
    return bytes(out)


def _ogg_checksum(page: bytes) -> int:
    """CRC of polynomial 0x04C11DB7, neither reflected nor inverted."""
    value = 0
    for byte in page:
        value = (value << 8) & 0xFFFFFFFF ^ _OGG_TABLE[(value >> 24) ^ byte]
    return value


def _ogg_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1) ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table


_OGG_TABLE = _ogg_table()

CONTAINERS: dict[str, Callable[[Random, bytes, bytes], bytes]] = {
    "png": png, "webp": riff, "wav": riff, "avi": riff, "mp4": boxes, "heic": boxes, "jpg": jpeg,
    "tif": tiff, "ogg": ogg,
}  # fmt: skip
"""By suffix. Files of other suffixes are damaged as bytes alone."""


def damaged_file(random: Random, suffix: str, data: bytes, other: bytes = b"") -> bytes:
    """A damaged file: as bytes, as a container where it is one, or both."""
    container = CONTAINERS.get(suffix)
    chosen = random.random()
    if container is not None and chosen < 0.6:
        data = container(random, data, other)
        if chosen < 0.5:
            return data
    return damaged(random, data, other)
