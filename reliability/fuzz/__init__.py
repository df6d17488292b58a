"""Hostile inputs by the thousand: ``python -m reliability.fuzz --help``.

An input is decided by the run's seed and its own index, nothing else. ``kinds`` says what there is,
``samples`` makes the sound files they begin with, ``mutate`` damages them, ``serving`` reads the
requests, ``worker`` hands inputs to the library one after the other, and ``watch`` looks after the
workers.
"""
