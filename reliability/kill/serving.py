"""A server that is killed: ``joyvasa serve`` and a client of it, in one process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from functools import cache
from pathlib import Path
from typing import Any

from joyvasa_lib.errors import JoyVASAError
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.files import atomic_path
from joyvasa_lib.media.unfinished import LOCK
from joyvasa_lib.media.video import probe
from reliability.fuzz.requests import BOUNDARY, Part, multipart
from reliability.kill.attempts import run_command

_JOBS = 2
_WAIT = 60.0
"""Seconds for the server to answer, and for a job."""


def serve(place: Path) -> None:
    """Starts a server, has it make videos of the inputs, keeps them in ``out``, and ends it.

    Raises:
        RuntimeError: the server or the client found something wrong.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    wrong: list[str] = []
    client = threading.Thread(target=_ask, args=(port, place, wrong), daemon=True)
    client.start()
    code: object = 0
    try:
        run_command("serve", "--port", port, "--folder", place / "out/served", "--json")
    except SystemExit as ended:
        code = ended.code
    client.join(_WAIT)
    if code != 128 + signal.SIGTERM or wrong:
        raise RuntimeError(f"the server ended with {code}; {wrong}")


def wrong_results(out: Path) -> list[str]:
    """Results in a killed server's folder that are not whole."""
    found = []
    for path in sorted((out / "served").rglob("result.mp4")):
        try:
            made = probe(path, count_frames=True)
        except JoyVASAError as error:
            found.append(f"{path.name} of a killed server cannot be read: {error}")
            continue
        if made.n_frames != _frames(out.parent / "in/words.wav") or not made.has_audio:
            found.append(f"{path.name} of a killed server has {made.n_frames} frames")
    return found


@cache
def _frames(words: Path) -> int:
    return round(load_speech(words).duration * 25)


def _ask(port: int, place: Path, wrong: list[str]) -> None:
    try:
        _await(port)
        # What a killed server left is gone as soon as the next one answers.
        left = [
            path.name for path in (place / "out/served").rglob("*") if not path.name.endswith(LOCK)
        ]
        if len(left) > 1:  # the folder of this one
            raise RuntimeError(f"of a killed server are left {left}")
        form = [
            Part(b"image", (place / "in/face.jpg").read_bytes(), b"face.jpg"),
            Part(b"audio", (place / "in/words.wav").read_bytes(), b"words.wav"),
            *(Part(*one) for one in ((b"steps", b"2"), (b"size", b"128"), (b"full", b"false"))),
        ]
        posted = [[*form, Part(b"seed", b"%d" % number)] for number in range(_JOBS)]
        jobs = [json.loads(_send(port, "POST", "/v1/jobs", multipart(one)))["id"] for one in posted]
        for number, job in enumerate(jobs):
            end = time.monotonic() + _WAIT
            while (state := json.loads(_send(port, "GET", f"/v1/jobs/{job}"))["state"]) != "done":
                if state not in ("queued", "running") or time.monotonic() > end:
                    raise RuntimeError(f"a job is {state}")
                time.sleep(0.02)
            data = _send(port, "GET", f"/v1/jobs/{job}/result")
            with atomic_path(place / "out" / f"{number}.mp4") as path:
                path.write_bytes(data)
    except (OSError, http.client.HTTPException, RuntimeError, ValueError, KeyError) as error:
        wrong.append(f"{type(error).__name__}: {error}")
    os.kill(os.getpid(), signal.SIGTERM)


def _await(port: int) -> None:
    end = time.monotonic() + _WAIT
    while True:
        try:
            _send(port, "GET", "/healthz")
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


def _send(port: int, method: str, path: str, body: bytes | None = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_WAIT)
    kind = f"multipart/form-data; boundary={BOUNDARY.decode()}"
    try:
        connection.request(method, path, body, {"content-type": kind} if body else {})
        answer = connection.getresponse()
        data = answer.read()
    finally:
        connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
    return data
