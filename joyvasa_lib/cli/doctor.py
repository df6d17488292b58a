"""``joyvasa doctor``: what is installed, what works, what to mend."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer

from joyvasa_lib._version import __version__

PACKAGES = (
    "torch",
    "diffusers",
    "transformers",
    "onnxruntime",
    "numba",
    "opencv-python-headless",
    "imageio-ffmpeg",
    "torchaudio",
)
MODEL_SUFFIXES = (".onnx", ".safetensors")
TORCHAUDIO_REMEDY = (
    "pip uninstall -y torchaudio  (it is optional here; the installed build does not fit torch and "
    "breaks transformers and diffusers)"
)


def examine_torchaudio(command: list[str] | None = None) -> tuple[str, str]:
    """State of torchaudio: ``absent``, ``works`` or ``broken``, and the reason when broken.

    It is imported in a process of its own, since a broken build can take the process down.
    """
    try:
        metadata.version("torchaudio")
    except metadata.PackageNotFoundError:
        if command is None:
            return "absent", ""
    result = subprocess.run(
        command or [sys.executable, "-c", "import torchaudio"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if result.returncode == 0:
        return "works", ""
    lines = result.stderr.strip().splitlines()
    return "broken", lines[-1] if lines else f"exit code {result.returncode}"


def examine() -> tuple[dict[str, Any], list[str]]:
    """Everything the doctor knows, and the list of what must be mended."""
    problems: list[str] = []
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
            if name != "torchaudio":
                problems.append(f"{name} is missing: pip install {name}")
    report: dict[str, Any] = {
        "joyvasa-lib": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
    }
    state, reason = examine_torchaudio()
    report["torchaudio"] = state
    if state == "broken":
        problems.append(f"torchaudio does not load ({reason}): {TORCHAUDIO_REMEDY}")
    report["devices"] = _devices(problems)
    report["ffmpeg"] = _ffmpeg(problems)
    report["models"] = _models(problems)
    return report, problems


def _devices(problems: list[str]) -> list[str]:
    try:
        import torch
    except (ImportError, OSError) as error:
        problems.append(f"torch does not load ({error}): pip install --force-reinstall torch")
        return []
    names = [f"cpu ({torch.get_num_threads()} threads)"]
    names += [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    return names


def _ffmpeg(problems: list[str]) -> str:
    try:
        import imageio_ffmpeg

        return f"{imageio_ffmpeg.get_ffmpeg_version()} {imageio_ffmpeg.get_ffmpeg_exe()}"
    except (ImportError, RuntimeError, OSError) as error:
        problems.append(f"ffmpeg is not usable ({error}): pip install -U imageio-ffmpeg")
        return "missing"


def _models(problems: list[str]) -> dict[str, float]:
    from joyvasa_lib.checkpoints.folder import resolve_checkpoint
    from joyvasa_lib.errors import CheckpointError

    package = Path(__file__).parent.parent
    files = [path for path in sorted(package.rglob("*")) if path.suffix in MODEL_SUFFIXES]
    found = {
        path.relative_to(package).as_posix(): round(path.stat().st_size / 1e6, 2) for path in files
    }
    try:
        resolve_checkpoint()
    except CheckpointError as error:
        problems.append(str(error))
    return found


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Says what is installed and what to mend; exit code 1 if something is broken."""
    report, problems = examine()
    if as_json:
        sys.stdout.write(json.dumps({**report, "problems": problems}) + "\n")
    else:
        for name, value in report.items():
            if isinstance(value, dict):
                sys.stdout.write(f"{name}:\n")
                for key, entry in value.items():
                    unit = " MB" if isinstance(entry, float) else ""
                    sys.stdout.write(f"  {key}: {entry}{unit}\n")
            else:
                shown = ", ".join(value) if isinstance(value, list) else value
                sys.stdout.write(f"{name}: {shown}\n")
        for problem in problems:
            sys.stdout.write(f"MEND  {problem}\n")
        sys.stdout.write("all good\n" if not problems else "")
    if problems:
        raise typer.Exit(1)
