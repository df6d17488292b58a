"""The page: its tabs, their controls, and what each is connected to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joyvasa_lib
from joyvasa_lib.integrations.app import choices as on_page
from joyvasa_lib.integrations.app.choices import Choices, Slider
from joyvasa_lib.integrations.app.handlers import (
    PORTRAIT,
    SHEET_PORTRAIT,
    SHOWN,
    SPEECH,
    Handlers,
    named,
)
from joyvasa_lib.integrations.app.offline import gr
from joyvasa_lib.integrations.app.studio import SHEETS, Studio

DEMO = Path(joyvasa_lib.__file__).parent / "demo_assets"
EXAMPLE = DEMO / "astronaut.jpg", DEMO / "hello.flac"
_KEEP = 3600
"""Seconds that uploads and results are kept."""
_WAITING = '<p class="line">Choose a portrait and a recording, then press “Make it talk”.</p>'
_QUIET: dict[str, Any] = {"api_visibility": "private"}
_ONE_AT_A_TIME: dict[str, Any] = {**_QUIET, "concurrency_limit": 1, "concurrency_id": "work"}


def build_page(studio: Studio, live: str | None = None) -> Any:
    """The page.

    Args:
        studio: does the work.
        live: address of the live page, which the tab "Live" shows; without one there is no tab.

    Returns:
        Gradio's ``Blocks``.
    """
    handlers = Handlers(studio)
    page = gr.Blocks(title="joyvasa", analytics_enabled=False, delete_cache=(600, _KEEP))
    with page:
        gr.HTML(
            "<h1>joyvasa</h1><p>A portrait and a recording become a talking video. Everything "
            "stays on this computer.</p>",
            elem_id="title",
        )
        with gr.Tabs():
            with gr.Tab("Talk", id="talk"):
                _talk_tab(handlers)
            if live is not None:
                with gr.Tab("Live", id="live-tab"):
                    gr.HTML(
                        f'<iframe src="{live}" title="Live" allow="microphone; autoplay"></iframe>',
                        elem_id="live",
                    )
            with gr.Tab("Emotions", id="emotions"):
                _sheet_tab(handlers)
        gr.HTML(
            "What is made here is synthetic, and says so in its metadata. Ask the person, and tell "
            "your viewers.",
            elem_id="small-print",
        )
        page.unload(handlers.stop)
    return page


def _talk_tab(handlers: Handlers) -> None:
    controls: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=5, min_width=340):
            controls[PORTRAIT] = portrait = _portrait("portrait")
            controls[SPEECH] = speech = gr.Audio(
                label="Speech",
                sources=["upload", "microphone"],
                type="filepath",
                elem_id="speech",
                buttons=[],
            )
            example = gr.Button("Try it with the example", size="sm", elem_id="example")
        with gr.Column(scale=6, min_width=340):
            video = gr.Video(
                label="Video",
                interactive=False,
                autoplay=True,
                elem_id="result",
                height=460,
                buttons=["download"],
            )
            with gr.Row():
                make = gr.Button("Make it talk", variant="primary", elem_id="make", scale=3)
                stop = gr.Button("Stop", elem_id="stop", scale=1)
            said = gr.HTML(_WAITING, elem_id="notes", elem_classes="notes")
    with gr.Row(equal_height=False):
        with gr.Column(min_width=340):
            controls |= _emotion()
        with gr.Column(min_width=340):
            controls |= _manner() | _video()

    read = named(controls)

    def talk(
        values: dict[Any, Any],
        request: gr.Request,
        progress: Any = gr.Progress(),
    ) -> tuple[Any, str]:
        return handlers.talk(read(values), request, progress)

    portrait.upload(handlers.look, portrait, None, show_progress="minimal", **_ONE_AT_A_TIME)
    example.click(lambda: [str(one) for one in EXAMPLE], None, [portrait, speech], **_QUIET)
    make.click(
        talk, set(controls.values()), [video, said], show_progress_on=video, **_ONE_AT_A_TIME
    )
    stop.click(handlers.stop, queue=False, **_QUIET)


def _emotion() -> dict[str, Any]:
    first = Choices()
    controls: dict[str, Any] = {}
    with gr.Accordion("Emotion", open=True):
        with gr.Row():
            controls["emotion"] = gr.Dropdown(
                list(on_page.EMOTIONS), value=first.emotion, label="Emotion", elem_id="emotion"
            )
            controls["level"] = gr.Slider(0, 1, first.level, step=0.05, label="Level")
        with gr.Row():
            controls["liveliness"] = gr.Slider(
                0, 1, first.liveliness, step=0.05, label="Liveliness", info="0 holds it still"
            )
            controls["protect_speech"] = gr.Checkbox(
                first.protect_speech,
                label="Lips follow speech",
                info="off: the emotion has the mouth, too",
            )
        with gr.Accordion("Single muscles (facial action units)", open=False), gr.Tabs():
            for region, sliders in on_page.UNIT_SLIDERS.items():
                with gr.Tab(region.capitalize()):
                    controls |= _sliders(sliders)
    return controls


def _manner() -> dict[str, Any]:
    controls: dict[str, Any] = {}
    with gr.Accordion("Style and head", open=True):
        style = gr.Radio(list(on_page.STYLES), value=Choices().style, label="Speaking style")
        controls["style"] = style
        with gr.Group(visible=False) as dials:
            controls |= _sliders(on_page.STYLE_DIALS)
        controls |= _sliders(on_page.HEAD)
        with gr.Accordion("Pose at rest, blinks, mouth and brows", open=False):
            controls |= _sliders(on_page.POSE, columns=3)
            controls |= _sliders(on_page.GAINS, columns=3)
    style.change(
        lambda chosen: gr.update(visible=chosen == on_page.OWN_DIALS),
        style,
        dials,
        show_progress="hidden",
        queue=False,
        **_QUIET,
    )
    return controls


def _video() -> dict[str, Any]:
    first = Choices()
    controls: dict[str, Any] = {}
    with gr.Accordion("Video", open=False):
        with gr.Row():
            controls["whole"] = gr.Radio(
                [("whole image", True), ("square around the face", False)],
                value=first.whole,
                label="Frame",
            )
        with gr.Row():
            controls["size"] = gr.Dropdown(
                [512, 720, 1280, first.size], value=first.size, label="Pixels at most"
            )
            controls["fps"] = gr.Dropdown([15, 25, 30, 50, 60], value=25, label="Frames a second")
            controls["seed"] = gr.Number(first.seed, precision=0, label="Seed", minimum=0)
    return controls


def _sheet_tab(handlers: Handlers) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=3):
            portrait = _portrait("sheet-portrait")
            example = gr.Button("Try it with the example", size="sm")
            shown = gr.CheckboxGroup(list(SHEETS), value=[next(iter(SHEETS))], label="Draw")
            with gr.Row():
                draw = gr.Button("Draw the sheet", variant="primary", elem_id="draw", scale=3)
                stop = gr.Button("Stop", scale=1, min_width=80)
            said = gr.HTML(
                '<p class="line">Every emotion at four levels, on one face.</p>',
                elem_classes="notes",
            )
        with gr.Column(scale=8):
            sheet = gr.Image(
                label="Contact sheet",
                interactive=False,
                elem_id="sheet",
                format="png",
                show_label=False,
                buttons=["download", "fullscreen"],
            )
    controls = {SHEET_PORTRAIT: portrait, SHOWN: shown}
    read = named(controls)

    def make(
        values: dict[Any, Any], request: gr.Request, progress: Any = gr.Progress()
    ) -> tuple[Any, str]:
        return handlers.sheet(read(values), request, progress)

    portrait.upload(handlers.look, portrait, None, show_progress="minimal", **_ONE_AT_A_TIME)
    example.click(lambda: str(EXAMPLE[0]), None, portrait, **_QUIET)
    draw.click(
        make, set(controls.values()), [sheet, said], show_progress_on=sheet, **_ONE_AT_A_TIME
    )
    stop.click(handlers.stop, queue=False, **_QUIET)


def _portrait(name: str) -> Any:
    """Where an image is dropped; the library reads the file itself, within its budgets."""
    portrait = gr.Image(
        label="Portrait",
        sources=["upload", "clipboard"],
        type="filepath",
        image_mode=None,
        height=340,
        elem_id=name,
        buttons=[],
    )
    portrait.preprocess = lambda payload: None if payload is None else payload.path
    return portrait


def _sliders(sliders: Sequence[Slider], columns: int = 2) -> Mapping[str, Any]:
    """Sliders in rows, by name."""
    made: dict[str, Any] = {}
    for start in range(0, len(sliders), columns):
        with gr.Row():
            for one in sliders[start : start + columns]:
                made[one.name] = gr.Slider(
                    one.low,
                    one.high,
                    one.value,
                    step=one.step,
                    label=one.label,
                    info=one.info or None,
                    min_width=120,
                    elem_id=one.name,
                )
    return made
