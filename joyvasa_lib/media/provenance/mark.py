"""``Mark``: what a file says about how it was made, and its XMP packet.

XMP is ISO 16684-1. The properties are those of the IPTC Photo Metadata Standard 2025.1, which
videos use alike: ``DigitalSourceType`` with its vocabulary, ``AISystemUsed`` and its version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.parsers import expat
from xml.sax.saxutils import escape

from joyvasa_lib._version import __version__
from joyvasa_lib.budgets import budgets
from joyvasa_lib.errors import MediaError

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""Where IPTC's terms for the source of a digital file have their addresses."""

COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
"""Media with elements made by a trained model: the photograph gives its pixels, networks the
motion. ``trainedAlgorithmicMedia`` is for what is made by a model alone."""

SYNTHETIC = frozenset(
    {COMPOSITE, "trainedAlgorithmicMedia", "compositeSynthetic", "algorithmicMedia"}
)
"""The terms for media that were made, or partly made, by a program."""

SYNTHETIC_VIDEO = "This video is synthetic: a portrait animated from speech with joyvasa_lib."
SYNTHETIC_IMAGE = "This image is synthetic: a portrait changed with joyvasa_lib."

TOOL = f"joyvasa_lib {__version__}"

_DEEPEST = 64
_X, _RDF = "adobe:ns:meta/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC, _XMP = "http://purl.org/dc/elements/1.1/", "http://ns.adobe.com/xap/1.0/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_FIELDS = {
    f"{_IPTC} DigitalSourceType": "source",
    f"{_DC} description": "note",
    f"{_XMP} CreatorTool": "tool",
    f"{_IPTC} AISystemUsed": "system",
    f"{_IPTC} AISystemVersionUsed": "version",
}
"""Attributes of `Mark` by the names of XMP properties, namespace and name."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML text may hold."""
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="{x}"><rdf:RDF xmlns:rdf="{rdf}">
<rdf:Description rdf:about="" xmlns:dc="{dc}" xmlns:xmp="{xmp}" xmlns:Iptc4xmpExt="{iptc}">
{properties}
</rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True)
class Mark:
    """What a file says about how it was made; "" for what it does not say.

    Attributes:
        source: how it came to be: a term of IPTC's vocabulary, or the address of another one.
        note: a sentence for people.
        tool: the program that wrote it, with its version.
        system: the model behind it.
        version: the model's version.
    """

    source: str = ""
    note: str = ""
    tool: str = ""
    system: str = ""
    version: str = ""

    @classmethod
    def ours(cls, note: str, model: str = "") -> Mark:
        """The mark of what this library writes.

        Args:
            note: a sentence for people.
            model: name of the portrait model's preset, "" where it is not known.
        """
        return cls(COMPOSITE, note, TOOL, f"joyvasa_lib {model}".strip(), __version__)

    @property
    def synthetic(self) -> bool | None:
        """Whether it says that the file is synthetic; None where it says nothing of the kind."""
        return self.source in SYNTHETIC if self.source else None

    def to_xmp(self) -> str:
        """The XMP packet. Characters that XML does not allow are left out."""
        source = f"{VOCABULARY}{self.source}" if self.source in SYNTHETIC else self.source
        note = f'<rdf:Alt><rdf:li xml:lang="x-default">{_text(self.note)}</rdf:li></rdf:Alt>'
        properties = [
            ("Iptc4xmpExt:DigitalSourceType", _text(source)),
            ("dc:description", note if self.note else ""),
            ("xmp:CreatorTool", _text(self.tool)),
            ("Iptc4xmpExt:AISystemUsed", _text(self.system)),
            ("Iptc4xmpExt:AISystemVersionUsed", _text(self.version)),
        ]
        lines = [f"<{name}>{value}</{name}>" for name, value in properties if value]
        return _PACKET.format(
            x=_X, rdf=_RDF, dc=_DC, xmp=_XMP, iptc=_IPTC, properties="\n".join(lines)
        )

    @classmethod
    def from_xmp(cls, packet: bytes) -> Mark:
        """What an XMP packet says; properties that are not named here are passed over.

        Raises:
            MediaError: it is no XML, longer than the budget ``xmp_bytes``, nested too deeply, or
                declares a document type, with which a short text can become a very long one.
        """
        most = budgets().xmp_bytes
        if len(packet) > most:
            raise MediaError(f"The XMP packet is longer than the {most} bytes allowed (xmp_bytes)")
        return cls(**_Reader(packet.strip(b"\0 \r\n\t")).found)


class _Reader:
    """Collects the properties of a packet, written as elements or as attributes."""

    def __init__(self, packet: bytes) -> None:
        self.found: dict[str, str] = {}
        self._open: list[str] = []
        self._current = ""
        self._texts: list[str] = []
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._texts.append
        try:
            parser.Parse(packet, True)
        except (expat.ExpatError, ValueError, LookupError) as error:  # also: unknown encodings
            raise MediaError(f"The XMP packet is damaged ({error})") from error

    def _refuse(self, *_: object) -> None:
        raise MediaError("The XMP packet declares a document type, which is not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._open.append(name)
        if len(self._open) > _DEEPEST:
            raise MediaError(f"The XMP packet is nested more than {_DEEPEST} levels deep")
        if name == f"{_RDF} Description":
            for property_name, value in attributes.items():
                self._keep(property_name, value)
        if name in _FIELDS:
            self._current = name
        self._texts.clear()

    def _end(self, name: str) -> None:
        self._open.pop()
        if self._current:  # of alternatives in several languages the first counts
            self._keep(self._current, "".join(self._texts))
        if name == self._current:
            self._current = ""
        self._texts.clear()

    def _keep(self, name: str, value: str) -> None:
        field, value = _FIELDS.get(name), value.strip()
        if field is not None and value:
            self.found.setdefault(field, term(value) if field == "source" else value)


def term(value: str) -> str:
    """A term of IPTC's vocabulary without its address, which is written in two ways."""
    return re.sub(r"^https?://cv\.iptc\.org/newscodes/digitalsourcetype/", "", value)


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("", value))
