"""Who may come in, and under which name; what a server says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from joyvasa_lib import OptionError
from web_server import Running, picture

pytest.importorskip("fastapi", reason="the extra server is not installed")

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from joyvasa_lib.integrations.server import app
from joyvasa_lib.integrations.server.limits import Limits
from joyvasa_lib.integrations.server.run import check_address, listen

Start = Callable[..., Running]


def test_only_who_knows_the_token_may_work(start: Start) -> None:
    server = start(token="open sesame")
    for path in ("/v1/jobs/x", "/v1/jobs/x/events", "/v1/jobs/x/result", "/metrics"):
        refused = httpx.get(server.url + path)
        assert refused.status_code == 401 and "token" in refused.json()["detail"]
        assert refused.headers["www-authenticate"] == "Bearer"
    for headers in ({"authorization": "Bearer open"}, {"authorization": "Basic open sesame"}):
        assert httpx.get(f"{server.url}/metrics", headers=headers).status_code == 401
    known = {"authorization": "Bearer open sesame"}
    assert httpx.get(f"{server.url}/metrics", headers=known).status_code == 200
    assert httpx.get(f"{server.url}/metrics?token=open%20sesame").status_code == 200
    sent = {"image": picture()}
    assert httpx.post(f"{server.url}/v1/portraits", files=sent).status_code == 401
    assert httpx.post(f"{server.url}/v1/portraits", files=sent, headers=known).status_code == 201
    for path in ("/healthz", "/openapi.json", "/docs"):
        assert httpx.get(server.url + path).status_code == 200


def test_pages_of_other_origins_send_nothing(start: Start) -> None:
    server = start(origins=["https://example.org"])
    sent = {"image": picture()}

    def post(origin: str) -> httpx.Response:
        headers = {"origin": origin}
        return httpx.post(f"{server.url}/v1/portraits", files=sent, headers=headers)

    assert post("https://evil.example").status_code == 403
    assert post("null").status_code == 403
    assert post("http://[").status_code == 403, "what is no address is foreign"
    assert post(server.url).status_code == 201
    allowed = post("https://example.org")
    assert allowed.status_code == 201
    assert allowed.headers["access-control-allow-origin"] == "https://example.org"
    asked = httpx.options(
        f"{server.url}/v1/jobs/x",
        headers={"origin": "https://example.org", "access-control-request-method": "DELETE"},
    )
    assert asked.status_code == 200
    explained = httpx.get(f"{server.url}/v1/jobs/x", headers={"origin": "https://example.org"})
    assert explained.headers["access-control-allow-origin"] == "https://example.org"
    evil = httpx.get(f"{server.url}/healthz", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in evil.headers


def test_a_server_of_this_machine_answers_to_its_own_names_alone(start: Start) -> None:
    server = start(hosts=["localhost", "127.0.0.1", "[::1]"])

    def get(host: str) -> int:
        return httpx.get(f"{server.url}/healthz", headers={"host": host}).status_code

    assert get("localhost:8000") == get("127.0.0.1") == get("[::1]:80") == 200
    assert get("evil.example:8000") == 403


def test_others_reach_a_server_only_with_a_token_or_when_that_is_said() -> None:
    assert check_address("127.0.0.1", None, open_to_all=False)
    assert check_address("::1", None, open_to_all=False)
    assert check_address("localhost", None, open_to_all=False)
    assert not check_address("0.0.0.0", "secret", open_to_all=False)
    assert not check_address("0.0.0.0", None, open_to_all=True)
    for host in ("0.0.0.0", "::", "example.org", "192.0.2.1", ""):
        with pytest.raises(OptionError, match="token"):
            check_address(host, None, open_to_all=False)
    for token in ("", "se\ncret", "geheim\u00fc"):
        with pytest.raises(OptionError, match="ASCII"):
            check_address("127.0.0.1", token, open_to_all=False)


def test_a_port_that_is_taken_or_none_is_told() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(OptionError, match="choose another"):
        listen("127.0.0.1", taken.getsockname()[1])
    for port in (-1, 70000):
        with pytest.raises(OptionError, match="port must be"):
            listen("127.0.0.1", port)
    with pytest.raises(OptionError, match="choose another"):
        listen("not a host", 0)


def test_limits_are_checked() -> None:
    with pytest.raises(OptionError, match="queue must be"):
        Limits(queue=0)
    with pytest.raises(OptionError, match="size must be"):
        Limits(size=10**6)
    assert Limits(live_clients=7).live_slots == 7
    assert Limits().live_slots >= 1


def test_there_are_as_many_live_avatars_as_cores_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, most in ((1, 1), (2, 1), (8, 4)):
        monkeypatch.setattr("joyvasa_lib.concurrency.cores", lambda cores=cores: cores)
        assert Limits().live_slots == most


def test_the_description_names_every_route_and_field(start: Start) -> None:
    server = start()
    found = httpx.get(f"{server.url}/openapi.json").json()
    assert set(found["paths"]) == {
        "/v1/jobs",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/result",
        "/v1/animate",
        "/v1/portraits",
        "/v1/portraits/{portrait_id}",
        "/healthz",
        "/metrics",
    }
    form = found["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    assert list(form) == ["multipart/form-data"]
    fields = found["components"]["schemas"]["JobForm"]["properties"]
    assert {"image", "audio", "portrait", "seed", "emotion", "style", "size", "fps"} <= set(fields)
    page = httpx.get(f"{server.url}/docs").text
    assert not re.search(r"<script|https?://|src=", page), "it needs nothing from elsewhere"
    assert all(f"<code>{name}</code>" in page for name in fields)


def test_answers_are_not_kept_or_framed_by_browsers(start: Start) -> None:
    server = start()
    found = httpx.get(f"{server.url}/v1/jobs/x").headers
    assert found["cache-control"] == "no-store"
    assert found["x-content-type-options"] == "nosniff" and found["x-frame-options"] == "DENY"


def test_the_page_is_served_to_everybody_and_nothing_beside_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html><script type=module src=live.js></script>")
    (page / "live.js").write_text("export {}")
    (tmp_path / "secret").write_text("secret")
    monkeypatch.setattr(app, "_PAGE", page)
    server = start(token="open sesame")
    found = httpx.get(f"{server.url}/")
    assert found.status_code == 200 and "live.js" in found.text
    assert "javascript" in httpx.get(f"{server.url}/live.js").headers["content-type"]
    for path in ("/../secret", "/..%2fsecret", "/absent.js"):
        assert httpx.get(server.url + path).status_code == 404
    assert httpx.get(f"{server.url}/v1/jobs/x").status_code == 401


def greeted(address: str, **headers: str) -> str:
    """What a live client is told that says nothing of use, or the status of its refusal."""
    try:
        with connect(address, additional_headers=headers) as client:
            with suppress(ConnectionClosed):  # it is told before it speaks
                client.send("{}")
            return str(json.loads(client.recv())["message"])
    except InvalidStatus as error:
        return str(error.response.status_code)


def test_pages_of_other_origins_do_not_talk(start: Start) -> None:
    server = start(origins=["https://example.org"], hosts=["127.0.0.1"])
    assert greeted(server.live, Origin="https://evil.example") == "403"
    assert greeted(server.live, Origin="null") == "403"
    assert "JSON object" in greeted(server.live, Origin=server.url)
    assert "JSON object" in greeted(server.live, Origin="https://example.org")
    assert "JSON object" in greeted(server.live), "programs have no origin"


def test_a_live_client_without_the_token_is_told(start: Start) -> None:
    server = start(token="open sesame")
    assert "token" in greeted(server.live)
    assert "token" in greeted(f"{server.live}?token=open")
    assert "JSON object" in greeted(f"{server.live}?token=open%20sesame")
    assert "JSON object" in greeted(server.live, Authorization="Bearer open sesame")
