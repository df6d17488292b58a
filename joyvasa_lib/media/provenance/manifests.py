"""Content Credentials of C2PA in files, read and verified (extra ``c2pa``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joyvasa_lib.documents import DocumentError, parse_json
from joyvasa_lib.media.provenance.mark import Mark, term
from joyvasa_lib.media.provenance.signing import SETTINGS, load_c2pa

_UNTRUSTED = "signingCredential.untrusted"
"""C2PA's code for a signer who is on no list of trusted ones; none is used here."""
_LONGEST_REASON = 200


@dataclass(frozen=True)
class Manifest:
    """What the newest manifest in a file says, and whether that can be believed.

    Attributes:
        intact: whether the signature is valid and the file is as it was signed. It does not say
            that the signer is who the certificate names.
        problems: what is wrong where it is not intact, one code or sentence each.
        signer: name in the signer's certificate, "" where none was read.
        organisation: organisation in that certificate.
        mark: what the manifest says about how the file was made.
    """

    intact: bool
    problems: tuple[str, ...] = ()
    signer: str = ""
    organisation: str = ""
    mark: Mark = field(default_factory=Mark)


def read_manifest(path: Path) -> Manifest | None:
    """The newest manifest in a file, verified; None where there is none.

    A manifest that cannot be read is one that is not intact. Nothing is fetched from a network.

    Raises:
        MissingDependencyError: the extra ``c2pa`` is not installed.
    """
    c2pa = load_c2pa()
    try:
        with (
            path.open("rb") as file,
            c2pa.Context.from_dict(SETTINGS) as context,
            c2pa.Reader(file, context=context) as reader,
        ):
            text = reader.json()
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        return Manifest(False, (_short(str(error)),))
    try:
        return _manifest(parse_json(text))
    except DocumentError as error:
        return Manifest(False, (_short(str(error)),))


def _manifest(store: Any) -> Manifest:
    """The active manifest of what the C2PA library tells about a file."""
    store = _dict(store)
    active = _dict(_dict(store.get("manifests")).get(_string(store, "active_manifest")))
    signature = _dict(active.get("signature_info"))
    results = _dict(_dict(store.get("validation_results")).get("activeManifest"))
    codes = [_string(_dict(entry), "code") for entry in _list(results.get("failure"))]
    problems = tuple(dict.fromkeys(code for code in codes if code != _UNTRUSTED))
    intact = store.get("validation_state") in ("Valid", "Trusted") and not problems
    return Manifest(
        intact,
        problems or (() if intact else ("it is not valid",)),
        _string(signature, "common_name"),
        _string(signature, "issuer"),
        _mark(active),
    )


def _mark(active: dict[str, Any]) -> Mark:
    """Source and tool: of the first action that tells them, else of the claim itself."""
    generators = [_dict(entry) for entry in _list(active.get("claim_generator_info"))]
    tool = _named(generators[0]) if generators else ""
    for assertion in map(_dict, _list(active.get("assertions"))):
        if not _string(assertion, "label").startswith("c2pa.actions"):
            continue
        for action in map(_dict, _list(_dict(assertion.get("data")).get("actions"))):
            source = term(_string(action, "digitalSourceType"))
            if source:
                agent = action.get("softwareAgent")
                named = agent if isinstance(agent, str) else _named(_dict(agent))
                return Mark(source, _string(action, "description"), named or tool)
    return Mark(tool=tool)


def _named(agent: dict[str, Any]) -> str:
    return f"{_string(agent, 'name')} {_string(agent, 'version')}".strip()


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _string(values: dict[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _short(reason: str) -> str:
    return " ".join(reason.split())[:_LONGEST_REASON]
