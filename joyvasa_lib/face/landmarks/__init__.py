"""Faces in an image: detectors, landmark networks, landmarks given by hand."""
