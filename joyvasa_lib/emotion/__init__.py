"""Emotions as vectors over facial action units, and the editor that adds them to motions.

After LES-Talker (arXiv 2411.09268): an emotion is a vector over facial action units, and a change
of emotion is a vector operation with control over type, level and single units.
"""

from __future__ import annotations
