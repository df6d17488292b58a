"""Where things lie in the repository."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
FIXTURES = TESTS / "fixtures"
PARITY = FIXTURES / "parity"
CONFIGS = ROOT / "configs"
DEMO = ROOT / "joyvasa_lib" / "demo_assets"
