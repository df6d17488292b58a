"""Faces: where they are in an image, the crop around one, and how it is pasted back."""

from __future__ import annotations

from joyvasa_lib.face.landmarks.detector import Face, FaceDetector, select_face

__all__ = ["Face", "FaceDetector", "select_face"]
