"""How the page looks: fonts that the computer has, and a few rules over gradio's."""

from __future__ import annotations

from typing import Any

from joyvasa_lib.integrations.app.offline import gr

CSS = """
.gradio-container {max-width: 1180px !important; margin: 0 auto !important; width: 100%;}
#title {padding: 10px 2px 2px;}
#title h1 {font-size: 26px; font-weight: 650; letter-spacing: -0.02em; margin: 0;}
#title p {margin: 2px 0 0; color: var(--body-text-color-subdued);}
#result video {max-height: 560px;}
.notes p {margin: 0 0 6px; font-size: 14px;}
.notes .line {color: var(--body-text-color-subdued);}
.notes .warning {
  border-left: 3px solid #d97706; padding: 6px 10px; border-radius: 4px;
  background: color-mix(in srgb, #d97706 10%, transparent);
}
.notes .warning::before {content: "Note: "; font-weight: 600;}
#small-print {text-align: center; font-size: 13px; color: var(--body-text-color-subdued);}
#live {padding: 0 !important;}
#live iframe {width: 100%; height: 720px; border: 0; border-radius: 12px; display: block;
  color-scheme: light;}
.dark #live iframe {color-scheme: dark;}
"""


def theme() -> Any:
    """A theme that loads no font from anywhere."""
    return gr.themes.Default(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=("system-ui", "-apple-system", "Segoe UI", "Roboto", "Arial", "sans-serif"),
        font_mono=("ui-monospace", "Menlo", "Consolas", "monospace"),
    )
