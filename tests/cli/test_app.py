"""``joyvasa app``: what keeps the page from being served is one line."""

from __future__ import annotations

import socket
import sys

import pytest

from command_line import Run, refusal


def test_without_gradio_the_command_says_what_to_install(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "joyvasa_lib.integrations.app.offline", raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert 'pip install "joyvasa-lib[demo]"' in refusal(run("app", "--port", 0))


def test_a_port_that_is_taken_is_told(run: Run) -> None:
    pytest.importorskip("gradio", reason="the extra demo is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port}" in refusal(run("app", "--port", port))
    assert "0 to 65535" in refusal(run("app", "--port", 65536))
