"""From an upload to a video: jobs that wait, run, are followed, stopped and forgotten."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from joyvasa_lib import JoyVASAPipeline
from joyvasa_lib.errors import Cancelled, MediaError, OutputError
from joyvasa_lib.media.audio import load_speech
from joyvasa_lib.media.video import probe
from places import DEMO
from web_server import HANGS, Running, picture, recording, until

pytest.importorskip("fastapi", reason="the extra server is not installed")

import httpx

from joyvasa_lib.integrations.server import routes
from joyvasa_lib.integrations.server.limits import Limits

Start = Callable[..., Running]


class Work:
    """Stands for the work of a video: many small steps, which go on when they are told to."""

    def __init__(self) -> None:
        self.goes_on = threading.Event()
        self.begun = threading.Semaphore(0)
        self.steps = 0
        self.stopped = 0
        self.error: Exception | None = None

    def __call__(self, *arguments: Any) -> None:
        output: Path = arguments[5]
        report: Callable[[int, int], None] = arguments[6]
        self.begun.release()
        try:
            while not self.goes_on.wait(0.005):
                self.steps += 1
                report(min(self.steps, 9), 10)
        except Cancelled:
            self.stopped += 1
            raise
        if self.error is not None:
            raise type(self.error)(str(self.error).replace("OUTPUT", str(output)))
        output.write_bytes(b"video")
        report(10, 10)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    one = Work()
    monkeypatch.setattr(routes, "animate", one)
    yield one
    one.goes_on.set()


def files() -> dict[str, bytes]:
    return {"image": picture(), "audio": recording()}


def begin(server: Running, **fields: Any) -> dict[str, Any]:
    answer = httpx.post(f"{server.url}/v1/jobs", files=files(), data=fields, timeout=HANGS)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def state(server: Running, job: dict[str, Any]) -> dict[str, Any]:
    return dict(httpx.get(f"{server.url}/v1/jobs/{job['id']}").json())


@pytest.mark.slow
def test_an_upload_becomes_a_video_of_the_speech(
    start: Start, pipe: JoyVASAPipeline, words: Path
) -> None:
    server = start(pipe)
    sent = {"image": (DEMO / "astronaut.jpg").read_bytes(), "audio": words.read_bytes()}
    options = {"seed": 3, "emotion": "happiness:0.4", "size": 128, "style": "calm", "fps": 20}
    job = httpx.post(f"{server.url}/v1/jobs", files=sent, data=options, timeout=HANGS).json()
    assert job["state"] in ("queued", "running") and job["warnings"] == []
    until(lambda: state(server, job)["state"] == "done")
    answer = httpx.get(f"{server.url}/v1/jobs/{job['id']}/result")
    assert answer.headers["content-type"] == "video/mp4"
    video = server.folder.parent / "talking.mp4"
    video.write_bytes(answer.content)
    found = probe(video, count_frames=True)
    assert max(found.size) == 128 and found.n_frames == 8 and found.has_audio
    assert load_speech(video).duration == pytest.approx(0.4, abs=0.05)
    portrait = httpx.post(
        f"{server.url}/v1/portraits", files={"image": sent["image"]}, timeout=HANGS
    ).json()
    again = httpx.post(
        f"{server.url}/v1/animate",
        files={"audio": sent["audio"]},
        data={**options, "portrait": portrait["id"]},
        timeout=HANGS,
    )
    assert again.status_code == 200, again.text
    assert again.content == answer.content, "the same portrait, speech and seed"


def test_progress_is_told_until_the_end(start: Start, work: Work) -> None:
    server = start()
    job = begin(server)
    told: list[tuple[str, dict[str, Any]]] = []
    with httpx.stream("GET", f"{server.url}/v1/jobs/{job['id']}/events", timeout=HANGS) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        kind = ""
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                told.append((kind, json.loads(line.removeprefix("data: "))))
                if told[-1][1]["frames"] >= 9:
                    work.goes_on.set()
    assert [kind for kind, _ in told] == ["progress"] * (len(told) - 1) + ["end"]
    frames = [one["frames"] for _, one in told]
    assert len(told) >= 2 and frames == sorted(frames)
    assert told[-1][1]["state"] == "done" and told[-1][1]["progress"] == 1.0


def test_a_job_that_is_removed_stops_at_once_and_leaves_nothing(start: Start, work: Work) -> None:
    server = start()
    job = begin(server)
    until(lambda: state(server, job)["frames"] > 0)
    assert server.files()
    assert httpx.delete(f"{server.url}/v1/jobs/{job['id']}").status_code == 204
    assert work.stopped == 1
    assert httpx.get(f"{server.url}/v1/jobs/{job['id']}").status_code == 404
    assert [path.name for path in server.files() if "lock" not in path.name] == []
    assert 'joyvasa_jobs_total{state="cancelled"} 1.0' in httpx.get(f"{server.url}/metrics").text


@pytest.mark.slow
def test_a_real_job_stops_between_frames(start: Start, pipe: JoyVASAPipeline) -> None:
    server = start(pipe)
    sent = {"image": (DEMO / "astronaut.jpg").read_bytes(), "audio": recording(20.0)}
    job = httpx.post(f"{server.url}/v1/jobs", files=sent, data={"size": 128}, timeout=HANGS).json()
    until(lambda: state(server, job)["frames"] >= 1)
    httpx.delete(f"{server.url}/v1/jobs/{job['id']}", timeout=HANGS)
    assert server.service.jobs.running == 0
    assert [path.name for path in server.files() if "lock" not in path.name] == []


def test_a_job_too_many_is_refused_with_a_time_to_come_back(start: Start, work: Work) -> None:
    server = start(limits=Limits(jobs=1, queue=2))
    first, second, third = (begin(server) for _ in range(3))
    refused = httpx.post(f"{server.url}/v1/jobs", files=files())
    assert refused.status_code == 503 and int(refused.headers["retry-after"]) > 0
    assert "Too many jobs wait" in refused.json()["detail"]
    assert [state(server, one)["state"] for one in (first, second, third)] == [
        "running", "queued", "queued",
    ]  # fmt: skip
    httpx.delete(f"{server.url}/v1/jobs/{second['id']}")
    fourth = begin(server)
    work.goes_on.set()
    for one in (first, third, fourth):
        until(lambda one=one: state(server, one)["state"] == "done")


def test_the_result_is_there_when_the_job_is_done(start: Start, work: Work) -> None:
    server = start()
    job = begin(server)
    result = f"{server.url}/v1/jobs/{job['id']}/result"
    early = httpx.get(result)
    assert early.status_code == 409 and "job is" in early.json()["detail"]
    work.goes_on.set()
    until(lambda: state(server, job)["state"] == "done")
    assert httpx.get(result).content == b"video"
    assert [path.name for path in server.files() if "lock" not in path.name] == ["result.mp4"]


def test_why_a_job_failed_is_told_without_the_servers_folders(start: Start, work: Work) -> None:
    server = start()
    for raised, status, told in (
        (OutputError("No room for OUTPUT"), 507, "No room"),
        (MediaError("It is damaged near its end"), 422, "damaged"),
        (ZeroDivisionError("secret"), 500, "the server's log says why"),
    ):
        work.error = raised
        job = begin(server)
        work.goes_on.set()
        until(lambda job=job: state(server, job)["state"] == "failed")
        error = state(server, job)["error"]
        assert told in error and "secret" not in error and str(server.folder) not in error
        assert httpx.get(f"{server.url}/v1/jobs/{job['id']}/result").status_code == 409
        answer = httpx.post(f"{server.url}/v1/animate", files=files(), timeout=HANGS)
        assert answer.status_code == status and told in answer.json()["detail"]


def test_results_go_after_a_while_and_the_oldest_first(start: Start, work: Work) -> None:
    server = start(limits=Limits(results=2, result_seconds=600))
    work.goes_on.set()
    jobs = []
    for _ in range(3):
        jobs.append(begin(server))
        until(lambda: state(server, jobs[-1])["state"] == "done")
    server.service.jobs._clock = lambda: time.monotonic() + 1
    answers = [httpx.get(f"{server.url}/v1/jobs/{job['id']}").status_code for job in jobs]
    assert answers == [404, 200, 200]
    server.service.jobs._clock = lambda: time.monotonic() + 601
    answers = [httpx.get(f"{server.url}/v1/jobs/{job['id']}").status_code for job in jobs]
    assert answers == [404, 404, 404]
    assert [path.name for path in server.files() if "lock" not in path.name] == []


def test_who_waits_for_a_video_and_goes_stops_the_work(start: Start, work: Work) -> None:
    server = start()
    request = httpx.Request("POST", f"{server.url}/v1/animate", files=files())
    body = request.read()
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with socket.create_connection(("127.0.0.1", request.url.port)) as client:
        client.sendall(f"POST /v1/animate HTTP/1.1\r\n{head}\r\n".encode() + body)
        assert work.begun.acquire(timeout=HANGS)
    until(lambda: work.stopped == 1)
    until(lambda: server.service.jobs.running == 0)


def test_a_server_that_stops_ends_jobs_streams_and_those_who_wait(start: Start, work: Work) -> None:
    server = start()
    job = begin(server)
    assert work.begun.acquire(timeout=HANGS)
    with httpx.stream("GET", f"{server.url}/v1/jobs/{job['id']}/events", timeout=HANGS) as stream:
        lines = stream.iter_lines()
        next(lines)
        server.stop()
        for _ in lines:
            pass
    until(lambda: work.stopped == 1)


def test_names_of_jobs_are_not_guessed_and_nobody_lists_them(start: Start, work: Work) -> None:
    server = start()
    names = {begin(server)["id"] for _ in range(3)}
    assert len(names) == 3 and min(map(len, names)) >= 32
    assert httpx.get(f"{server.url}/v1/jobs").status_code == 404
    assert httpx.get(f"{server.url}/v1/portraits").status_code == 404
    assert httpx.get(f"{server.url}/v1/jobs/{'A' * 32}").status_code == 404
    assert httpx.get(f"{server.url}/v1/jobs/..%2f..%2fetc/result").status_code == 404
    spoken = httpx.get(f"{server.url}/metrics").text + httpx.get(f"{server.url}/healthz").text
    assert not any(name in spoken for name in names)


def test_portraits_are_kept_as_long_as_they_are_used(start: Start) -> None:
    server = start(limits=Limits(portraits=2, portrait_seconds=60))

    def keep() -> str:
        sent = {"image": picture()}
        return str(httpx.post(f"{server.url}/v1/portraits", files=sent).json()["id"])

    first, second = keep(), keep()
    _ = server.service.portraits[first]
    third = keep()
    with pytest.raises(ValueError, match="not kept"):
        _ = server.service.portraits[second]
    assert httpx.delete(f"{server.url}/v1/portraits/{third}").status_code == 204
    assert httpx.delete(f"{server.url}/v1/portraits/{third}").status_code == 404
    server.service.portraits._clock = lambda: time.monotonic() + 61
    server.service.portraits.sweep()
    assert len(server.service.portraits) == 0
    assert [path.name for path in server.files() if "lock" not in path.name] == []
