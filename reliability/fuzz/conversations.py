"""Live conversations with a server, damaged; and odd headers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from reliability.fuzz.mutate.texts import damaged_text
from reliability.fuzz.mutate.trees import damaged_tree

PORTRAIT = "{portrait}"
"""Stands for the newest portrait's id."""
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Talk:
    """A conversation of ``/v1/live``.

    Text is sent as text and bytes as bytes; after a number, so many messages of the server are
    awaited for a moment. At its end the client is gone.
    """

    path: str
    headers: Headers
    messages: tuple[str | bytes | int, ...]


def odd_headers(random: Random, headers: Headers) -> Headers:
    """One header more, or another value of one."""
    name, *values = random.choice(
        (
            (b"host", b"", b"example.org", b"[::1", b"\xff", b"localhost:99999", b":::"),
            (b"origin", b"null", b"https://example.org", b"http://[", b"\xff", b"http://localhost"),
            (b"authorization", b"Bearer", b"Bearer \xff", b"basic eA==", b"Bearer " + b"x" * 9000),
            (b"range", b"bytes=0-", b"bytes=-1", b"bytes=9-1", b"bytes=" + b"0-1," * 500,
             b"bytes=x-", b"bytes=0-" + b"9" * 40, b"x", b"bytes=\xff", b"bytes=--5",
             b"bytes=0-0,2-3"),
            (b"if-range", b"x", b'"x"', b"Mon, 99 Xxx 0000 00:00:00 GMT"),
            (b"content-length", b"0", b"9" * 30, b"1", b"104857600"),
            (b"content-encoding", b"gzip", b"br"), (b"expect", b"100-continue"),
            (b"cookie", b"a=" * 2000), (b"accept", b"\xff/*", b"text/html"),
            (b"access-control-request-method", b"POST"), (b"x-forwarded-for", b"\0"),
        )
    )  # fmt: skip
    kept = tuple(one for one in headers if one[0] != name or random.random() < 0.3)
    return (*kept, (name, random.choice(values)))


def conversation(random: Random, known: Headers) -> Talk:
    """A live conversation with one to four damages."""
    start: dict[str, Any] = {"type": "start", "portrait": PORTRAIT, "sample_rate": 16000,
                             "size": 64, "style": {"head": 0.5}, "emotion": "happiness:0.4",
                             "quality": 50}  # fmt: skip
    sound = bytes(range(256)) * 25
    messages: list[str | bytes | int] = [
        json.dumps(start), 1, sound, '{"type":"flush"}', 2, '{"type":"metrics"}',
        '{"type":"emotion","value":"sadness"}', '{"type":"style","value":{"head":0.5}}',
        '{"type":"listen"}', sound, '{"type":"say"}', '{"type":"interrupt"}', sound, 1,
        '{"type":"close"}', 3,
    ]  # fmt: skip
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        _damage_talk(random, messages)
    query = random.choice(("", "", "", "", "?token=", "?token=%ff", "?x=" + "a" * 5000))
    headers = odd_headers(random, known) if random.random() < 0.1 else known
    return Talk("/v1/live" + query, headers, tuple(messages))


_ORDERS = (
    "", "null", "[]", "{}", "1e999", '{"type":1}', '{"type":"start"}', '{"type":"\\ud800"}',
    "[" * 20_000, '{"type":"' + "x" * 9000 + '"}', '{"type":"emotion","value":5}', "NaN", '"close"',
    '{"type":"style","value":[[[]]]}', '{"type":"style","value":{"head":1e400}}',
    '{"type":"style","value":{"head":NaN}}', '{"type":"emotion","value":"\\ud800"}',
    '{"type":"emotion","value":{}}', '{"type":"style","value":"\\u0000"}',
    '{"type":"flush"' + "}" * 9,
    '{"type":"style","value":{"\\ud800":1}}', '{"type":"emotion","value":"AU4:nan"}', "9" * 5000,
)  # fmt: skip


def _damage_talk(random: Random, messages: list[str | bytes | int]) -> None:
    at = random.randrange(len(messages))
    one = messages[at]
    match random.randrange(8):
        case 0:
            messages[at] = random.choice(_ORDERS)
        case 1:
            messages.insert(at, random.choice((b"", b"\0", b"\xff" * 4001, b"\0" * 2**20, b"{}")))
        case 2:
            random.shuffle(messages)
        case 3:
            del messages[at + 1 :]  # the client is gone
        case 4:
            messages[at : at + 1] = [one] * random.choice((2, 70))
        case 5:
            messages[0] = json.dumps(damaged_tree(random, _tree(messages[0])))
        case _:
            if isinstance(one, str):
                text = json.dumps(damaged_tree(random, _tree(one)))
                messages[at] = random.choice((text, damaged_text(random, one)))


def _tree(message: str | bytes | int) -> Any:
    try:
        return json.loads(message) if isinstance(message, str) else {}
    except (ValueError, RecursionError):
        return {}
