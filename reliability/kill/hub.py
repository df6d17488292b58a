"""A slow hub on this machine: files of a folder, at so many bytes a second, from any offset."""

from __future__ import annotations

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

_COMMIT = "c" * 40
_PIECE = 2**16


class SlowHub:
    """Serves ``folder/<owner>/<name>/<path>`` as the hub serves repositories."""

    def __init__(self, folder: Path, rate: float) -> None:
        """Starts it; ``rate`` is bytes a second."""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(folder, rate))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        """What ``--endpoint`` takes."""
        return f"http://127.0.0.1:{self.server.server_port}"


def _handler(folder: Path, rate: float) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            parts = unquote(self.path).strip("/").split("/")
            file = folder.joinpath(*parts[:2], *parts[4:])
            if parts[2:3] != ["resolve"] or not file.is_file():
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data, span = file.read_bytes(), self.headers.get("Range", "")
            start = int(span.removeprefix("bytes=").split("-")[0]) if span else 0
            self.send_response(206 if span else 200)
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", _COMMIT)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            try:
                for at in range(start, len(data) if body else start, _PIECE):
                    self.wfile.write(data[at : at + _PIECE])
                    time.sleep(_PIECE / rate)
            except (BrokenPipeError, ConnectionResetError):  # whoever asked was killed
                self.close_connection = True

    return Handler
