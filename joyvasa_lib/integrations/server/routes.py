"""The REST routes: jobs and their results, portraits, health and metrics."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import BaseModel, Field

from joyvasa_lib._version import __version__
from joyvasa_lib.errors import OptionError
from joyvasa_lib.integrations.server.answers import status_of
from joyvasa_lib.integrations.server.service import Service
from joyvasa_lib.integrations.server.web import (
    APIRouter,
    BackgroundTask,
    FileResponse,
    Form,
    HTTPException,
    HTTPResponse,
    Request,
    StreamingResponse,
    UploadFile,
)
from joyvasa_lib.integrations.server.work.jobs import Job
from joyvasa_lib.integrations.server.work.options import JobOptions, animate
from joyvasa_lib.integrations.server.work.portraits import KeptPortrait
from joyvasa_lib.integrations.server.work.uploads import read_speech, store
from joyvasa_lib.media.audio import Speech
from joyvasa_lib.media.image import LARGEST_KEPT
from joyvasa_lib.portrait.encoded import EncodedPortrait

router = APIRouter()
_MULTIPART = Form(media_type="multipart/form-data")
_LOOK = 0.2
"""Seconds between two looks at a job's progress."""
_ALIVE = 15.0
"""Seconds after which a stream without news says that it is alive."""


class PortraitForm(BaseModel):
    """An image."""

    image: UploadFile = Field(description="Image with a face.")
    face: str = Field("largest", max_length=20, description="largest, or the rank by size from 0.")


class JobForm(JobOptions):
    """Who speaks what, and how."""

    audio: UploadFile = Field(description="Speech: any audio or video file.")
    image: UploadFile | None = Field(None, description="Image with a face; or a portrait.")
    portrait: str = Field("", max_length=100, description="The id of a portrait, for an image.")
    face: str = Field("largest", max_length=20, description="largest, or the rank by size from 0.")

    @property
    def options(self) -> JobOptions:
        """How the video is made, without the uploads."""
        return JobOptions(**self.model_dump(include=set(JobOptions.model_fields)))


@router.post("/v1/jobs", status_code=202, tags=["videos"])
async def start_job(request: Request, form: Annotated[JobForm, _MULTIPART]) -> dict[str, Any]:
    """Begins a video; the uploads are read before the answer comes."""
    return (await _start(_service(request), form)).describe()


@router.get("/v1/jobs/{job_id}", tags=["videos"])
async def get_job(request: Request, job_id: str) -> dict[str, Any]:
    """How far a video is: queued, running, done, failed or cancelled."""
    return _job(request, job_id).describe()


@router.get("/v1/jobs/{job_id}/events", response_class=StreamingResponse, tags=["videos"])
async def follow_job(request: Request, job_id: str) -> StreamingResponse:
    """Server-sent events: ``progress`` while it changes, ``end`` at the end."""
    service, job = _service(request), _job(request, job_id)
    headers = {"x-accel-buffering": "no"}
    return StreamingResponse(_events(service, job), 200, headers, "text/event-stream")


@router.get("/v1/jobs/{job_id}/result", response_class=FileResponse, tags=["videos"])
async def get_result(request: Request, job_id: str) -> FileResponse:
    """The video, once the job is done."""
    job = _job(request, job_id)
    if job.state != "done":
        detail = f"The video is not there: the job is {job.state}"
        raise HTTPException(409, f"{detail} ({job.error})" if job.error else detail)
    return FileResponse(job.result, media_type="video/mp4", filename="talking.mp4")


@router.delete("/v1/jobs/{job_id}", status_code=204, response_model=None, tags=["videos"])
async def remove_job(request: Request, job_id: str) -> None:
    """Stops the work where it is, and forgets the job with its files."""
    await _service(request).jobs.remove(_job(request, job_id))


@router.post("/v1/animate", response_class=FileResponse, tags=["videos"])
async def make_video(request: Request, form: Annotated[JobForm, _MULTIPART]) -> HTTPResponse:
    """The video itself; who goes before it is there stops the work."""
    service = _service(request)
    job = await _start(service, form)
    while not job.finished.is_set():
        try:
            await asyncio.wait_for(job.finished.wait(), _LOOK)
        except asyncio.TimeoutError:
            if await request.is_disconnected():
                await service.jobs.remove(job)
                return HTTPResponse(status_code=499)
    forget = BackgroundTask(service.jobs.remove, job)
    if job.state == "done":
        return FileResponse(
            job.result, media_type="video/mp4", filename="talking.mp4", background=forget
        )
    await service.jobs.remove(job)
    if job.state == "cancelled":
        raise HTTPException(503, "The server stops", {"retry-after": "10"})
    raise HTTPException(500 if job.failure is None else status_of(job.failure), job.error)


@router.post("/v1/portraits", status_code=201, tags=["portraits"])
async def keep_portrait(
    request: Request, form: Annotated[PortraitForm, _MULTIPART]
) -> dict[str, Any]:
    """Encodes a portrait and keeps it for a while, for videos and live avatars."""
    service = _service(request)
    folder = service.new_folder()
    portrait = KeptPortrait(service.pipe, folder / "image", form.face)

    def encode() -> EncodedPortrait:
        store(form.image.file, folder / "image")
        return portrait.encoded(max_size=LARGEST_KEPT, crop_size=service.limits.live_size)

    try:
        encoded = await service.read(encode)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    height, width = encoded.crop.full_image.shape[:2]
    return {
        "id": service.portraits.add(portrait, folder),
        "width": width,
        "height": height,
        "warnings": list(encoded.warnings),
    }


@router.delete(
    "/v1/portraits/{portrait_id}", status_code=204, response_model=None, tags=["portraits"]
)
async def remove_portrait(request: Request, portrait_id: str) -> None:
    """Forgets a portrait. Who uses it at the moment goes on."""
    if not _service(request).portraits.remove(portrait_id):
        raise HTTPException(404, "There is no such portrait (any longer)")


@router.get("/healthz", tags=["server"])
async def health(request: Request) -> dict[str, str]:
    """Whether the server takes work."""
    if _service(request).stopping.is_set():
        raise HTTPException(503, "The server stops")
    return {"status": "ok", "version": __version__}


@router.get("/metrics", response_class=HTTPResponse, tags=["server"])
async def metrics(request: Request) -> HTTPResponse:
    """What was done so far, for Prometheus."""
    text = _service(request).metrics.text()
    return HTTPResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


async def _start(service: Service, form: JobForm) -> Job:
    """Reads the uploads and lets a job wait for its turn.

    Raises:
        JoyVASAError: what was sent cannot be used.
        QueueFull: too many wait.
    """
    service.jobs.check_room()
    if (form.image is None) == (not form.portrait):
        raise OptionError("Send an image, or the id of a portrait; one of both")
    limits, options = service.limits, form.options
    kept = service.portraits[form.portrait] if form.portrait else None
    folder = service.new_folder()

    def read() -> tuple[EncodedPortrait, Speech]:
        options.generation(service.pipe, limits)
        options.editor()
        most = options.largest(limits) if options.full else LARGEST_KEPT
        store(form.audio.file, folder / "audio")
        speech = read_speech(folder / "audio", limits)
        if form.image is not None:
            store(form.image.file, folder / "image")
        portrait = kept or KeptPortrait(service.pipe, folder / "image", form.face)
        return portrait.encoded(max_size=most), speech

    try:
        encoded, speech = await service.read(read)
        job = Job(folder, encoded.warnings)

        def work(job: Job) -> None:
            animate(service.pipe, encoded, speech, options, limits, job.result, job.report)

        service.jobs.submit(job, work)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return job


async def _events(service: Service, job: Job) -> AsyncIterator[str]:
    told, silent = "", 0.0
    while True:
        ended = job.finished.is_set()
        data = json.dumps(job.describe())
        if data != told or ended:
            yield f"event: {'end' if ended else 'progress'}\ndata: {data}\n\n"
            told, silent = data, 0.0
        if ended or service.stopping.is_set():
            return
        await asyncio.sleep(_LOOK)
        silent += _LOOK
        if silent >= _ALIVE:
            yield ": alive\n\n"
            silent = 0.0


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _job(request: Request, name: str) -> Job:
    job = _service(request).jobs.get(name)
    if job is None:
        raise HTTPException(404, "There is no such job (any longer)")
    return job
