"""The emotion room: action units, emotions as vectors over them, and the editor of motions.

After LES-Talker (arXiv 2411.09268): an emotion is a vector over facial action units, a change of
emotion is a vector operation, fine in type, level and facial unit.
"""

from __future__ import annotations
