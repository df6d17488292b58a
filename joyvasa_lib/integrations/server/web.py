"""What this room uses of FastAPI, named in one place: only here it is told that it is missing."""

from __future__ import annotations

from joyvasa_lib.errors import MissingDependencyError

try:
    import python_multipart  # noqa: F401 - fastapi needs it for forms
    import uvicorn
    import websockets  # noqa: F401 - uvicorn needs it for WebSockets
    from fastapi import APIRouter, FastAPI, Form, HTTPException, Request, UploadFile, WebSocket
    from fastapi.exceptions import RequestValidationError
    from fastapi.middleware.cors import CORSMiddleware
    from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, StreamingResponse
    from fastapi.responses import Response as HTTPResponse
    from fastapi.staticfiles import StaticFiles
    from fastapi.websockets import WebSocketDisconnect
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
    from starlette.background import BackgroundTask
except ImportError as error:
    raise MissingDependencyError(
        f"A server needs packages that are not installed ({error}); install them with "
        'pip install "joyvasa-lib[server]"'
    ) from error

__all__ = [
    "APIRouter",
    "BackgroundTask",
    "CORSMiddleware",
    "CollectorRegistry",
    "Counter",
    "FastAPI",
    "FileResponse",
    "Form",
    "Gauge",
    "HTMLResponse",
    "HTTPException",
    "HTTPResponse",
    "Histogram",
    "JSONResponse",
    "Request",
    "RequestValidationError",
    "StaticFiles",
    "StreamingResponse",
    "UploadFile",
    "WebSocket",
    "WebSocketDisconnect",
    "generate_latest",
    "uvicorn",
]
