"""Voices that tell when they said what: engines with the exact times of their phonemes."""

from joyvasa_lib.datasets.speech_corpus.extra import missing_extra

__all__ = ["missing_extra"]
