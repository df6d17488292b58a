"""How an input of each kind is made: a damaged copy of a sample, decided by a random generator."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
import yaml

from joyvasa_lib.checkpoints.unpickle import read_checkpoint
from reliability.fuzz.mutate.containers import damaged_file
from reliability.fuzz.mutate.raw import damaged
from reliability.fuzz.mutate.texts import damaged_text
from reliability.fuzz.mutate.trees import damaged_tree
from reliability.fuzz.samples import RECIPES, network_checkpoint

MAIN = "input"
"""Name of the file that matters, before its suffix."""


@dataclass(frozen=True)
class Case:
    """An input.

    Attributes:
        name: the file that is read, in ``files``, or a folder of them.
        files: contents by name.
        text: what is read instead of a file.
        arguments: of the command line.
        steps: what a client sends to a server, one after the other.
    """

    name: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    text: str = ""
    arguments: tuple[str, ...] = ()
    steps: tuple[Any, ...] = ()


Make = Callable[[Random, Path], Case]
"""Makes an input; the folder is that of the samples."""


def media(stem: str, suffix: str) -> Make:
    """A damaged image, recording or video; now and then under a wrong suffix."""

    def make(random: Random, samples: Path) -> Case:
        data = sample(samples / f"{stem}.{suffix}")
        other = sample(random.choice(sorted(samples.glob(f"{stem}.*"))))
        shown = suffix if random.random() < 0.9 else random.choice(("jpg", "mp4", "wav", "txt", ""))
        return one_file(f"{MAIN}.{shown}", damaged_file(random, suffix, data, other))

    return make


def one_file(name: str, data: bytes) -> Case:
    """An input of one file."""
    return Case(name, {name: data})


@cache
def sample(path: Path) -> bytes:
    """A sample's bytes."""
    return path.read_bytes()


def landmarks(random: Random, samples: Path) -> Case:
    """Landmarks by hand, JSON."""
    points = json.loads(sample(samples / random.choice(("landmarks-5.json", "landmarks-478.json"))))
    return one_file(f"{MAIN}.json", _json(random, points))


def motion(random: Random, samples: Path) -> Case:
    """A motion file: other metadata, types, shapes and places of arrays, other bytes."""
    name = random.choice(("motion.safetensors", "keypoints.safetensors"))
    return one_file(f"{MAIN}.safetensors", safetensors(random, sample(samples / name)))


def safetensors(random: Random, data: bytes) -> bytes:
    """A damaged safetensors file, half of them with a header that fits its length."""
    (length,) = struct.unpack_from("<Q", data)
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    match random.randrange(6):
        case 0:
            return damaged(random, data)
        case 1:
            entry = header[random.choice([name for name in header if name != "__metadata__"])]
            entry["dtype"] = random.choice(_DTYPES)
            size = _BYTES.get(entry["dtype"], 4)
            width = entry["data_offsets"][1] - entry["data_offsets"][0]
            entry["shape"] = [width // size]
        case 2:
            name = random.choice([name for name in header if name != "__metadata__"])
            header[name]["shape"] = random.choice(
                ([], [0], [1, *header[name]["shape"]], header[name]["shape"][::-1])
            )
        case 3:
            body = _numbers(random, body)
        case _:
            header = damaged_tree(random, header)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


_DTYPES = (
    *("BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64", "F16", "BF16", "F32", "F64"),
    *("C64", "F8_E4M3", "F8_E5M2", "F4", "X9", ""),
)
_BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "F16": 2, "BF16": 2, "I16": 2, "U16": 2, "I64": 8, "U64": 8,
          "F64": 8, "C64": 8, "F8_E4M3": 1, "F8_E5M2": 1}  # fmt: skip


def _numbers(random: Random, body: bytes) -> bytes:
    """Numbers that are not finite, or far too large, in place of some."""
    changed = bytearray(body)
    for _ in range(random.choice((1, 5, 100))):
        if len(changed) >= 4:
            at = 4 * random.randrange(len(changed) // 4)
            odd = random.choice((float("nan"), float("inf"), 3e38, -3e38, 1e-42, 1e9))
            changed[at : at + 4] = struct.pack("<f", odd)
    return bytes(changed)


def template(random: Random, samples: Path) -> Case:
    """A driving template of LivePortrait."""
    data = sample(samples / "template.pkl")
    if random.random() < 0.3:
        return one_file(f"{MAIN}.pkl", _pickle_bytes(random, data))
    content = damaged_tree(random, read_checkpoint(samples / "template.pkl"))
    return one_file(f"{MAIN}.pkl", pickle.dumps(content, protocol=random.randrange(6)))


def checkpoint(random: Random, samples: Path) -> Case:
    """A checkpoint folder with one damaged or missing file."""
    folder = samples / "checkpoint"
    files = {
        f"{MAIN}/{path.relative_to(folder)}": sample(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    name = random.choice(sorted(files))
    if random.random() < 0.1:
        del files[name]
    elif name.endswith(".json"):
        files[name] = _json(random, json.loads(files[name]))
    elif name.endswith(".safetensors"):
        files[name] = safetensors(random, files[name])
    else:
        files[name] = damaged(random, files[name])
    return Case(MAIN, files)


def official_pickle(random: Random, samples: Path) -> Case:
    """What ``torch.save`` wrote, in its zip archive or older stream, or a plain pickle."""
    name = random.choice(("network.pt", "network-old.pt", "plain"))
    if name != "plain" and random.random() < 0.6:
        return one_file(f"{MAIN}.pt", _pickle_bytes(random, sample(samples / name)))
    torch.manual_seed(0)
    content = damaged_tree(random, network_checkpoint())
    if name == "plain":
        data = pickle.dumps(content, protocol=random.randrange(2, 6))
        return one_file(f"{MAIN}.pkl", data)
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=name == "network.pt")
    return one_file(f"{MAIN}.pt", buffer.getvalue())


_HOSTILE = (
    b"cos\nsystem\n(S'touch hit'\ntR.", b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
    b"cbuiltins\neval\n(S'1'\ntR.", b"ctorch.hub\nload\n(S'x'\ntR.",
    b"\x80\x02ccodecs\nencode\n.", b"\x80\x04\x8a\xff" + b"\x7f" * 255 + b".",
    b"(" * 500 + b"t" * 500 + b".", b"]" + b"2" * 3000, b"\x80\x04B\xff\xff\xff\x7fabc.",
    b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7f.", b"}(h\x00s.", b"\x80\x04\x95" + b"\xff" * 8,
    b"j\xff\xff\xff\xff.", b"r\xff\xff\xff\xff.", b"Vx\np0\ng0\ng0\n.",
)  # fmt: skip
"""Pickles that run something, ask for sizes they do not have, or are no end of nesting."""


def _pickle_bytes(random: Random, data: bytes) -> bytes:
    if random.random() < 0.2:
        return random.choice(_HOSTILE) if random.random() < 0.5 else (
            random.choice(_HOSTILE)[:-1] + data
        )  # fmt: skip
    return damaged(random, data)


def recipe(random: Random, _: Path) -> Case:
    """A training recipe; the name of the file says which."""
    path = random.choice(sorted(RECIPES.rglob("*.yaml")))
    return one_file(f"{path.stem}.yaml", _yaml(random, path.read_text("utf-8")))


def timeline(random: Random, samples: Path) -> Case:
    """An emotion timeline, YAML or JSON."""
    suffix = random.choice(("yaml", "json"))
    text = sample(samples / f"timeline.{suffix}").decode()
    if suffix == "json":
        return one_file(f"{MAIN}.json", _json(random, json.loads(text)))
    return one_file(f"{MAIN}.yaml", _yaml(random, text))


_NOTATIONS = (
    "happiness:0.6,AU4:0.2", "sadness", "AU12_left:0.4,AU1:C", "neutral", "1+2+5B+26", "L12C+R14A",
    "head=0.5,smile=1.5", "calm", "1,0.5,1", "-5,0,10",
)  # fmt: skip


def notation(random: Random, _: Path) -> Case:
    """The text of an emotion, a FACS formula, a style or three numbers."""
    return Case(text=damaged_text(random, random.choice(_NOTATIONS)))


def _yaml(random: Random, text: str) -> bytes:
    if random.random() < 0.5:
        text = yaml.safe_dump(damaged_tree(random, yaml.safe_load(text)), sort_keys=False)
    if random.random() < 0.6:
        text = damaged_text(random, text)
    return _encoded(random, text)


def _json(random: Random, value: Any) -> bytes:
    text = json.dumps(damaged_tree(random, value))
    if random.random() < 0.3:
        text = damaged_text(random, text)
    return _encoded(random, text)


def _encoded(random: Random, text: str) -> bytes:
    code = "utf-8" if random.random() < 0.95 else random.choice(("utf-16", "latin-1", "utf-8-sig"))
    return text.encode(code, "replace" if code == "latin-1" else "surrogatepass")
