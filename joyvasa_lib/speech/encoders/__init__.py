"""Waveforms become features: Whisper, wav2vec 2.0, HuBERT."""
