"""What may be sent: bad files and wrong options are told in one line; nothing hostile gets far."""

from __future__ import annotations

import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from joyvasa_lib.budgets import Budgets
from web_server import HANGS, QuickPipe, Running, picture, recording, until

pytest.importorskip("fastapi", reason="the extra server is not installed")

import httpx

from joyvasa_lib.integrations.server import routes
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.work.uploads import server_budgets

Start = Callable[..., Running]
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"


def bomb(side: int = 60000) -> bytes:
    """A PNG of a few hundred bytes that states 3.6 gigapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    start = b"\x89PNG\r\n\x1a\n"
    return start + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


GOOD = {"image": picture(), "audio": recording()}
BAD_FILES: dict[str, tuple[dict[str, bytes], str]] = {
    "text for an image": ({"image": b"hello"}, "'image' is not an image"),
    "playlist for an image": ({"image": PLAYLIST}, "'image' is not an image"),
    "SVG": ({"image": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}, "'image' is not an image"),
    "bomb": ({"image": bomb()}, "image_pixels"),
    "half an image": ({"image": picture((300, 300))[:300]}, "damaged"),
    "empty image": ({"image": b""}, "empty"),
    "text for speech": ({"audio": b"hello"}, "'audio'"),
    "playlist for speech": ({"audio": PLAYLIST}, "'audio'"),
    "image for speech": ({"audio": picture()}, "'audio'"),
    "too short": ({"audio": recording(0.05)}, "0.1 s"),
    "too long": ({"audio": recording(3.0)}, "above the 2 s allowed"),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    from web_server import running

    folder = tmp_path_factory.mktemp("served")
    limits = Limits(speech_seconds=2, upload_mb=1, size=640, steps=20)
    with running(QuickPipe(), folder, limits=limits) as one:
        yield one


def nothing_is_kept(server: Running) -> bool:
    return [path for path in server.files() if "lock" not in path.name] == []


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("route", ["jobs", "animate"])
def test_a_bad_file_is_told_in_one_line(server: Running, name: str, route: str) -> None:
    changed, part = BAD_FILES[name]
    answer = httpx.post(f"{server.url}/v1/{route}", files={**GOOD, **changed}, timeout=HANGS)
    detail = answer.json()["detail"]
    assert answer.status_code == 422 and part in detail
    assert "\n" not in detail and str(server.folder) not in detail and "passwd" not in detail
    assert nothing_is_kept(server)


@pytest.mark.parametrize("name", [name for name in BAD_FILES if "image" in BAD_FILES[name][0]])
def test_a_bad_portrait_is_told_in_one_line(server: Running, name: str) -> None:
    changed, part = BAD_FILES[name]
    answer = httpx.post(f"{server.url}/v1/portraits", files=changed, timeout=HANGS)
    assert answer.status_code == 422 and part in answer.json()["detail"]
    assert nothing_is_kept(server)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "number": ({"seed": "many"}, "seed"),
    "negative": ({"seed": -1}, "seed"),
    "not finite": ({"blink": "nan"}, "blink"),
    "emotion": ({"emotion": "glee"}, "glee"),
    "style": ({"style": "head=much"}, "style"),
    "head": ({"head_motion": "a,b"}, "head_motion"),
    "size": ({"size": 641}, "size must be"),
    "steps": ({"steps": 21}, "steps must be"),
    "fps": ({"fps": 1000}, "fps"),
    "unknown": ({"sead": 1}, "sead"),
    "portrait": ({"portrait": "guess"}, "one of both"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_option_is_told_in_one_line(server: Running, name: str) -> None:
    fields, part = WRONG[name]
    answer = httpx.post(f"{server.url}/v1/jobs", files=GOOD, data=fields)
    detail = answer.json()["detail"]
    assert answer.status_code == 422 and part in detail and "\n" not in detail
    assert nothing_is_kept(server)


@pytest.mark.parametrize(
    ("files", "fields", "part"),
    [
        ({"image": picture()}, {}, "audio"),
        ({"audio": recording()}, {}, "one of both"),
        ({"audio": recording()}, {"portrait": "guess"}, "not kept"),
        ({"audio": recording()}, {"image": "a text"}, "image"),
    ],
)
def test_what_is_missing_is_named(
    server: Running, files: dict[str, bytes], fields: dict[str, str], part: str
) -> None:
    answer = httpx.post(f"{server.url}/v1/jobs", files=files, data=fields)
    assert answer.status_code == 422 and part in answer.json()["detail"]


def test_a_form_that_is_none_is_refused(server: Running) -> None:
    for body, kind in ((b"{}", "application/json"), (b"--x", "multipart/form-data; boundary=x")):
        headers = {"content-type": kind}
        answer = httpx.post(f"{server.url}/v1/jobs", content=body, headers=headers)
        assert answer.status_code in (400, 422), answer.text


def test_a_request_that_says_that_it_is_too_long_is_refused_before_it_comes(
    server: Running,
) -> None:
    with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client:
        client.settimeout(HANGS)
        client.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: here\r\nContent-Length: 99999999\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 413")


def test_a_request_that_does_not_say_how_long_it_is_is_counted(server: Running) -> None:
    sent = 0

    def body() -> Iterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n'
        while sent < 2**30:
            sent += 2**16
            yield bytes(2**16)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    with pytest.raises((httpx.HTTPStatusError, httpx.WriteError)):  # whichever is first
        httpx.post(
            f"{server.url}/v1/jobs", content=body(), headers=headers, timeout=HANGS
        ).raise_for_status()
    assert sent < 2**27, "it ends long before a gigabyte"
    assert nothing_is_kept(server)


def test_requests_that_come_slowly_do_not_stay_and_have_no_more_room(start: Start) -> None:
    server = start(limits=Limits(upload_seconds=1, uploads=1))
    port = int(server.url.rpartition(":")[2])
    head = (
        b"POST /v1/jobs HTTP/1.1\r\nHost: here\r\nContent-Length: 999\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x"
    )
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(HANGS)
        client.sendall(head)
        refused = until(
            lambda: (
                (answer := httpx.post(f"{server.url}/v1/jobs", files=GOOD)).status_code == 503
                and answer
            )
        )
        assert "Too many uploads" in refused.json()["detail"] and "retry-after" in refused.headers
        assert client.recv(4096).startswith(b"HTTP/1.1 408")
    assert httpx.post(f"{server.url}/v1/portraits", files={"image": picture()}).status_code == 201


def test_budgets_of_a_server_are_at_most_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(speech_seconds=60, image_megapixels=10, upload_mb=2)
    found = server_budgets(limits)
    assert (found.image_pixels, found.image_bytes, found.audio_seconds) == (10**7, 2**21, 61)
    assert found.video_pixels == Budgets().video_pixels
    monkeypatch.setenv("JOYVASA_MAX_AUDIO_SECONDS", "5")
    assert server_budgets(limits).audio_seconds == 5


def test_uploads_are_read_in_threads_while_others_are_answered(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, goes_on = threading.Event(), threading.Event()

    def slow(*_: Any) -> None:
        reads.set()
        assert goes_on.wait(HANGS)

    monkeypatch.setattr(routes, "store", slow)
    server = start()
    sent = threading.Thread(
        target=httpx.post,
        args=(f"{server.url}/v1/portraits",),
        kwargs={"files": {"image": picture()}, "timeout": HANGS},
    )
    sent.start()
    assert reads.wait(HANGS)
    assert httpx.get(f"{server.url}/healthz").json()["status"] == "ok"
    goes_on.set()
    sent.join(HANGS)
