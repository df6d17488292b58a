"""What a client is told where something cannot be done: a status of HTTP and one line."""

from __future__ import annotations

from http import HTTPStatus

from joyvasa_lib.errors import CheckpointError, JoyVASAError, LiveError, OutputError
from joyvasa_lib.integrations.server.web import JSONResponse


def status_of(error: BaseException) -> int:
    """The status of an error: 422 where what was sent cannot be used, else the server's own."""
    if isinstance(error, OutputError):
        return 507
    if not isinstance(error, JoyVASAError) or isinstance(error, CheckpointError | LiveError):
        return 500
    return 422


def refusal(status: int, detail: str, retry: str | None = None) -> JSONResponse:
    """An answer that says in one line why something is refused.

    Args:
        status: of HTTP.
        detail: the line.
        retry: seconds after which to try again.
    """
    headers = {} if retry is None else {"retry-after": retry}
    if status in (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.SERVICE_UNAVAILABLE):
        headers["connection"] = "close"  # what still arrives is not read
    return JSONResponse({"detail": detail}, status, headers)
