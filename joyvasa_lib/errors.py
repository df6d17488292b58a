"""The one exception family of the library.

Every error that a caller can cause or mend derives from :class:`JoyVASAError`; its message says
what was wrong, with the value or the file, and what to do about it. The command line prints the
message on one line and exits with code 2.
"""

from __future__ import annotations


class JoyVASAError(Exception):
    """Base of everything this library raises on purpose."""


class OptionError(JoyVASAError, ValueError):
    """An option has a value that is not allowed; the message lists what is."""


class MediaError(JoyVASAError):
    """An image, recording or video cannot be read, or holds nothing usable."""


class OutputError(JoyVASAError):
    """A result cannot be written where it was asked for."""


class NoFaceError(JoyVASAError):
    """No usable face is where one is needed, or the one asked for does not exist."""


class MotionError(JoyVASAError, ValueError):
    """A motion has the wrong shape, holds non-finite numbers, or is of another motion space."""


class CheckpointError(JoyVASAError):
    """A checkpoint file is missing, incomplete, of another kind, or unsafe to read."""


class LiveError(JoyVASAError):
    """A live avatar is closed, is read by somebody else, or cannot go on."""


class MissingDependencyError(JoyVASAError, ImportError):
    """An optional package is needed for what was asked and is not usable here."""


class Cancelled(Exception):
    """Raise it in a ``progress`` callback to stop the work that called it.

    Every call that takes ``progress`` lets it, and whatever else the callback raises, through to
    its own caller: no unfinished file is left behind, a file that was to be replaced stays as it
    was, and processes that were started are ended. Not a :class:`JoyVASAError`: nothing is wrong,
    and code that goes on after an error must not go on after this.
    """
