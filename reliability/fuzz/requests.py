"""Requests to a server: forms with damaged parts, odd paths, methods and headers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from reliability.fuzz.conversations import PORTRAIT, Headers, Talk, conversation, odd_headers
from reliability.fuzz.inputs import Case, sample
from reliability.fuzz.mutate.containers import damaged_file
from reliability.fuzz.mutate.raw import damaged
from reliability.fuzz.mutate.texts import damaged_text
from reliability.fuzz.mutate.trees import damaged_tree

TOKEN = "what clients must know"
JOB = "{job}"
"""Stands for the newest job's id."""
BOUNDARY = b"between-parts"


@dataclass(frozen=True)
class Part:
    """A field of a form.

    Attributes:
        name: of the field.
        value: what it holds.
        file: name of a file, or None.
        kind: its content type, or None.
    """

    name: bytes
    value: bytes
    file: bytes | None = None
    kind: bytes | None = None


@dataclass(frozen=True)
class Request:
    """A request of HTTP; ``gone`` is after how many pieces of its body the client goes."""

    method: str
    path: str
    headers: Headers = ()
    body: tuple[bytes, ...] = ()
    gone: int | None = None


def multipart(parts: Sequence[Part], boundary: bytes = BOUNDARY) -> bytes:
    """A form's body."""
    pieces = []
    for part in parts:
        head = b'Content-Disposition: form-data; name="%s"' % part.name
        if part.file is not None:
            head += b'; filename="%s"' % part.file
        if part.kind is not None:
            head += b"\r\nContent-Type: " + part.kind
        pieces.append(b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head, part.value))
    return b"".join(pieces) + b"--%s--\r\n" % boundary


def request(random: Random, samples: Path) -> Case:
    """One to five requests or a conversation, one of them damaged; ``text`` is the token."""
    token = random.choice(("", "", TOKEN))
    image, audio = sample(samples / "image.png"), sample(samples / "sound.wav")
    known = _known(token)
    portrait = Request("POST", "/v1/portraits", *_form([_image(image)], known))
    steps: tuple[Request | Talk, ...]
    match random.randrange(8):
        case 0 | 1 | 2:
            parts = [
                _image(image),
                Part(b"audio", audio, b"a.wav", b"audio/wav"),
                *_options(random),
            ]
            begun = _posted(random, "/v1/jobs", parts, known, samples)
            steps = (
                begun,
                Request("GET", f"/v1/jobs/{JOB}", known),
                Request("GET", f"/v1/jobs/{JOB}/events", known),
                Request("GET", f"/v1/jobs/{JOB}/result", odd_headers(random, known)),
                Request("DELETE", f"/v1/jobs/{JOB}", known),
            )
            if random.random() < 0.3:
                steps = (replace(begun, path="/v1/animate"),)
        case 3:
            by_id = [Part(b"portrait", PORTRAIT.encode()), Part(b"audio", audio, b"a.wav")]
            steps = (portrait, _posted(random, "/v1/jobs", by_id, known, samples))
        case 4:
            parts = [_image(image), Part(b"face", b"0")]
            damaged_one = _posted(random, "/v1/portraits", parts, known, samples)
            steps = (damaged_one, Request("DELETE", f"/v1/portraits/{PORTRAIT}", known))
        case 5:
            steps = (portrait, _odd_request(random, known))
        case _:
            steps = (portrait, conversation(random, known))
    return Case(text=token, steps=steps)


def sound_request(samples: Path) -> Case:
    """A job as it should be sent."""
    audio = Part(b"audio", sample(samples / "sound.wav"), b"a.wav", b"audio/wav")
    form = _form([_image(sample(samples / "image.png")), audio], _known(""))
    return Case(steps=(Request("POST", "/v1/animate", *form),))


def _known(token: str) -> Headers:
    sent = ((b"authorization", b"Bearer " + token.encode()),) if token else ()
    return ((b"host", b"localhost"), *sent)


def _image(data: bytes) -> Part:
    return Part(b"image", data, b"me.png", b"image/png")


def _form(parts: Sequence[Part], headers: Any) -> tuple[Any, Any]:
    """Headers and body of a sound form."""
    kind = b"multipart/form-data; boundary=" + BOUNDARY
    return (*headers, (b"content-type", kind)), (multipart(parts),)


_SOUND: dict[str, tuple[str, ...]] = {
    "seed": ("3",), "emotion": ("happiness:0.4", "AU4:0.2"), "emotion_strength": ("0.5",),
    "protect_speech": ("false",), "liveliness": ("0.2",), "style": ("calm", "head=0.5"),
    "head_motion": ("1,0.5,1",), "head_limit": ("20",), "head_pose": ("-5,0,10",),
    "guidance_scale": ("1.5",), "steps": ("2",), "fps": ("20",), "size": ("64",),
    "full": ("false",), "blink": ("0.5",), "mouth": ("2",), "brows": ("0",), "face": ("0",),
}  # fmt: skip
_ODD = (
    "-1", "0", "1e400", "nan", "inf", "-inf", "", " ", "x", "0x10", "1_0", "\uff12", "9" * 20,
    "9" * 5000, "1,2,3", "nan,0,0", "1e-320", "-0", "true", "null", "[]", "{}", "\0", "\u202e",
    "head=nan", "AU99:1", "happiness:9", "../../x", "%s{}", "largest", "a" * 600, "2.0", "\r\n",
)  # fmt: skip
_NAMES = (
    b"\xff\xfe", b"", b"a" * 3000, b"imag\xc3", b"audio[]", b"\0", b"x\r\ny: z", b'a"b', b"options",
    b"__class__", b"model_fields", b"_charset_", b"image", b"audio", b"portrait", b"size",
)  # fmt: skip
_FILES = (None, b"", b"../../x", b"/dev/zero", b"\xff", b"a" * 5000, b"x\0.png", b"a.mp4;x", b'"')
_KINDS = (None, b"", b"text/html", b"\xff", b"image/png; charset=nobody", b"multipart/mixed", b"/")
_PART_KINDS = (
    b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data", b"text", b"",
    b"multipart/form-data; boundary=", b"multipart/form-data; boundary=" + b"b" * 3000, b"\xff",
    b'multipart/form-data; boundary="between-parts', b"multipart/mixed; boundary=between-parts",
    b"multipart/form-data; boundary=between-parts; charset=nobody",
    b"multipart/form-data; boundary=between-part", b"multipart/form-data; boundary=\xff",
    b"multipart/form-data; charset=utf-16; boundary=between-parts",
)  # fmt: skip


def _options(random: Random) -> list[Part]:
    names = random.sample(sorted(_SOUND), random.choice((0, 1, 3)))
    return [Part(name.encode(), random.choice(_SOUND[name]).encode()) for name in names]


def _posted(random: Random, path: str, parts: list[Part], known: Any, samples: Path) -> Request:
    """A form of which one to three things are damaged."""
    parts = list(parts)
    for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
        _damage_parts(random, parts, samples)
    headers, body = _form(parts, known)
    if random.random() < 0.25:
        headers = tuple((k, v) for k, v in headers if k != b"content-type")
        if random.random() < 0.9:
            headers = (*headers, (b"content-type", random.choice(_PART_KINDS)))
    (data,) = body
    if random.random() < 0.2:
        data = damaged(random, data)
    if random.random() < 0.05:
        data = json.dumps(damaged_tree(random, {"image": None, "seed": 1})).encode()
    if random.random() < 0.2:
        headers = odd_headers(random, headers)
    pieces = _pieces(random, data)
    gone = random.randrange(len(pieces) + 1) if random.random() < 0.1 else None
    return Request("POST", path, headers, pieces, gone)


def _pieces(random: Random, data: bytes) -> tuple[bytes, ...]:
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.choice((0, 0, 1, 5))))
    return tuple(data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True))


def _damage_parts(random: Random, parts: list[Part], samples: Path) -> None:
    at = random.randrange(len(parts)) if parts else 0
    part = parts[at] if parts else Part(b"audio", b"")
    match random.randrange(10):
        case 0:
            del parts[at : at + 1]
        case 1:
            parts.insert(random.randrange(len(parts) + 1), part)
        case 2:
            parts[at : at + 1] = [replace(part, name=random.choice(_NAMES))]
        case 3:
            parts[at : at + 1] = [replace(part, file=random.choice(_FILES))]
        case 4:
            parts[at : at + 1] = [replace(part, kind=random.choice(_KINDS))]
        case 5:
            name = random.choice(sorted(_SOUND))
            value = random.choice((random.choice(_ODD), damaged_text(random, _SOUND[name][0])))
            parts.append(Part(name.encode(), value.encode("utf-8", "surrogatepass")[:5000]))
        case 6:
            many = random.choice((3, 1100))
            parts += [Part(random.choice(_NAMES), random.choice(_ODD).encode())] * many
        case 7:
            parts.append(Part(random.choice(_NAMES), random.randbytes(200), random.choice(_FILES)))
        case _:
            stem, suffix = ("image", "png") if part.name == b"image" else ("sound", "wav")
            if part.file is None:
                new = damaged(random, part.value)
            else:
                other = sample(random.choice(sorted(samples.glob(f"{stem}.*"))))
                sound = part.value or b"\0"
                new = random.choice((damaged_file(random, suffix, sound, other), other, b""))
                new += b"\0" * random.choice((0, 0, 0, 2**21))
            parts[at : at + 1] = [replace(part, value=new)]


_IDS = (JOB, PORTRAIT, "", "x", "..", "%2e%2e", "%00", "a" * 5000, "%ff", "é", "1", "{", "a/b", ";")
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X")
_PATHS = (
    "/", "//", "/index.html", "/..%2fapp.py", "/%2e%2e/app.py", "/../app.py", "/docs", "/v1/live",
    "/openapi.json", "/healthz", "/metrics", "/v1", "/v1/", "/v1/jobs/", "/a%00b", "/" + "a" * 5000,
    "/%ff", "/%5c..%5c", "*", "/v1/jobs?x=1", "/healthz?token=%ff&token=", "/docs/..", "/~", "/con",
)  # fmt: skip


def _odd_request(random: Random, known: Any) -> Request:
    method = random.choice(_METHODS)
    room = random.choice(("/v1/jobs/%s", "/v1/jobs/%s/result", "/v1/jobs/%s/events",
                          "/v1/portraits/%s", "/v1/animate/%s"))  # fmt: skip
    path = random.choice((room % random.choice(_IDS), random.choice(_PATHS)))
    headers = odd_headers(random, known) if random.random() < 0.6 else known
    body = (random.randbytes(random.choice((0, 10, 3000))),)
    return Request(method, path, headers, body)
