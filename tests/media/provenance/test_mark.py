"""What a mark says survives its XMP packet; packets made to do harm are refused."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from joyvasa_lib._version import __version__
from joyvasa_lib.budgets import Budgets, set_budgets
from joyvasa_lib.errors import MediaError
from joyvasa_lib.media.provenance.mark import COMPOSITE, Mark

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"'
)
TAIL = "</rdf:RDF></x:xmpmeta>"
BOMB = (
    '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>'
    f"{HEAD}><dc:description>&c;</dc:description></rdf:Description>{TAIL}"
)


@pytest.fixture(autouse=True)
def _own_budgets():
    yield
    set_budgets(None)


def test_our_mark_names_what_made_the_file() -> None:
    mark = Mark.ours("A note.", "compact")
    assert mark.source == COMPOSITE and mark.synthetic
    assert mark.tool == f"joyvasa_lib {__version__}"
    assert mark.system == "joyvasa_lib compact"


def test_the_source_is_the_address_of_a_term_of_iptc_in_its_namespace() -> None:
    packet = ElementTree.fromstring(Mark.ours("A note.").to_xmp())
    (source,) = packet.iter(f"{IPTC}DigitalSourceType")
    assert source.text == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    )
    assert len(list(packet.iter(f"{RDF}Description"))) == 1


@pytest.mark.parametrize(
    "text",
    ['</rdf:li> & "quoted" \'<x a="b">', "Ünïcode 漢字 🙂", "]]>", "<!DOCTYPE a>", "a=b;c#d\\"],
)
def test_every_text_comes_back_as_it_was(text: str) -> None:
    mark = Mark("trainedAlgorithmicMedia", text, text, text, text)
    assert Mark.from_xmp(mark.to_xmp().encode()) == mark


def test_what_xml_cannot_hold_is_left_out() -> None:
    packet = Mark(note="a\0b\x1bc\ud800d").to_xmp().encode()
    assert Mark.from_xmp(packet).note == "abcd"


def test_a_source_of_another_vocabulary_keeps_its_address() -> None:
    mark = Mark("http://c2pa.org/digitalsourcetype/empty")
    assert Mark.from_xmp(mark.to_xmp().encode()) == mark
    assert mark.synthetic is False
    assert Mark().synthetic is None


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_properties_may_be_attributes(scheme: str) -> None:
    address = f"{scheme}://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    packet = f'{HEAD} e:DigitalSourceType="{address}"/>{TAIL}'.encode()
    assert Mark.from_xmp(packet) == Mark("digitalCapture")


def test_of_several_languages_the_first_is_read() -> None:
    items = "<rdf:li>one</rdf:li><rdf:li>two</rdf:li>"
    alternatives = f"<dc:description><rdf:Alt>{items}</rdf:Alt></dc:description>"
    packet = f"{HEAD}>{alternatives}</rdf:Description>{TAIL}"
    assert Mark.from_xmp(packet.encode()).note == "one"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_not_expanded(encoding: str) -> None:
    with pytest.raises(MediaError, match="document type"):
        Mark.from_xmp(BOMB.encode(encoding))


def test_depth_and_length_are_limited() -> None:
    with pytest.raises(MediaError, match="levels"):
        Mark.from_xmp(b"<a>" * 100_000)
    set_budgets(Budgets(xmp_bytes=100))
    with pytest.raises(MediaError, match="xmp_bytes"):
        Mark.from_xmp(Mark.ours("A note.").to_xmp().encode())


@pytest.mark.parametrize(
    "packet", [b"", b"no xml", b"<a>", b'<?xml version="1.0" encoding="x-none"?><a/>', b"\xff\xfe<"]
)
def test_damaged_packets_are_a_media_error(packet: bytes) -> None:
    with pytest.raises(MediaError, match="damaged"):
        Mark.from_xmp(packet)
