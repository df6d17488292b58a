"""Gradio as it stays on this computer: it reports nothing, and looks for no newer version.

Import it from here, so that it is told before it is loaded.
"""

from __future__ import annotations

import os

from joyvasa_lib.errors import MissingDependencyError

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

try:
    import gradio as gr
except ImportError as error:
    raise MissingDependencyError(
        f'The app needs gradio ({error}); install it with pip install "joyvasa-lib[demo]"'
    ) from error

__all__ = ["gr"]
