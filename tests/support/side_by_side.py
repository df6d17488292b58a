"""How tests are spread over processes that run side by side.

A process takes one file after the other. The longest come first, so that at the end none is left
with a long one alone. Tests that load the same large networks stay in one process.
"""

from __future__ import annotations

TOGETHER = ("tests/pipeline/official", "tests/portrait/liveportrait")
"""Folders whose files share networks of hundreds of megabytes."""
LONGEST = (
    "tests/portrait/liveportrait/",
    "tests/pipeline/official/",
    "tests/project/test_reliability.py",
    "tests/cli/test_surroundings.py",
    "tests/datasets/prepare/test_command.py",
    "tests/project/test_docs.py",
    "tests/project/test_examples.py",
    "tests/pipeline/test_drive.py",
    "tests/training/portrait/test_runs.py",
    "tests/training/test_end_to_end.py",
    "tests/training/test_distributed.py",
    "tests/integrations/test_livekit.py",
    "tests/integrations/app/test_live_page.py",
    "tests/evaluation/behaviour/test_measure.py",
    "tests/speech/test_style.py",
    "tests/portrait/compact/test_reading.py",
    "tests/integrations/app/test_in_browser.py",
    "tests/cli/test_bad_input.py",
    "tests/speech/test_parity.py",
    "tests/cli/test_animate.py",
    "tests/datasets/prepare/test_face_runs.py",
    "tests/cli/test_evaluate.py",
    "tests/datasets/prepare/test_interruptions.py",
    "tests/speech/test_low_delay.py",
    "tests/pipeline/test_inputs.py",
    "tests/pipeline/test_output_size.py",
    "tests/integrations/server/test_command.py",
    "tests/datasets/prepare/test_clips.py",
    "tests/training/loop/test_run.py",
    "tests/integrations/server/test_jobs.py",
    "tests/emotion/test_editor.py",
    "tests/datasets/speech_corpus/test_engines.py",
)
"""Files and folders that take ten seconds of a processor or more, the longest first."""


def slowest_first(nodeid: str) -> int:
    """Where a test stands in line; the order of those in the same place is kept."""
    places = (i for i, start in enumerate(LONGEST) if nodeid.startswith(start))
    return next(places, len(LONGEST))


def folder_or_file(nodeid: str) -> str:
    """What one process takes as a whole, for a test in it."""
    file = nodeid.partition("::")[0]
    folder = file.rpartition("/")[0]
    return folder if folder in TOGETHER else file
