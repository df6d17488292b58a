"""Skin that folds: lines on the face, their light and shadow, and how they are drawn."""
