"""The page ``/docs``: the routes as a plain page, which needs no script and no other server."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}"
    "code{background:#8882;padding:.1em .3em;border-radius:.2em}"
    "table{border-collapse:collapse}td{padding:.15rem .8rem .15rem 0;vertical-align:top}"
    ":root{color-scheme:light dark}"
)


def reference(openapi: dict[str, Any]) -> str:
    """A page of HTML.

    Args:
        openapi: the description of the routes, as ``/openapi.json`` gives it.
    """
    info = openapi["info"]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<meta name=viewport content='width=device-width'><title>{escape(info['title'])}</title>",
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        f"<p>{escape(info.get('description', ''))}</p>",
        "<p>For programs: <a href=openapi.json>openapi.json</a>.</p>",
    ]
    for path, methods in openapi["paths"].items():
        for method, route in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(route.get('description', ''))}</p>")
            parts.append(_fields(openapi, route))
            answers = ", ".join(sorted(route["responses"]))
            parts.append(f"<p>Answers: {escape(answers)}</p>")
    return "".join(parts)


def _fields(openapi: dict[str, Any], route: dict[str, Any]) -> str:
    """A table of the form fields of a route; empty where it has none."""
    content = route.get("requestBody", {}).get("content", {})
    rows = []
    for kind in content.values():
        name = kind["schema"].get("$ref", "").rpartition("/")[2]
        schema = openapi.get("components", {}).get("schemas", {}).get(name, {})
        required = schema.get("required", [])
        for field, about in schema.get("properties", {}).items():
            default = "required" if field in required else f"{about.get('default', '')!s}"
            cells = (f"<code>{escape(field)}</code>", default, about.get("description", ""))
            rows.append(f"<tr><td>{cells[0]}<td>{escape(cells[1])}<td>{escape(cells[2])}")
    return f"<table>{''.join(rows)}</table>" if rows else ""
