"""The command ``joyvasa``, also as ``python -m joyvasa_lib``."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Loads the command line and runs it; stopped while it loads, it ends with a line, too."""
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}
    for kind, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(kind, _leave)
    from joyvasa_lib import cli  # which takes a while

    for kind, handler in before.items():
        signal.signal(kind, handler)
    cli.main()


def _leave(kind: int, _: FrameType | None) -> None:
    """Ends the process at once: an exception would come out of whatever is being imported."""
    sys.stderr.write("joyvasa: stopped\n")
    sys.stderr.flush()
    os._exit(128 + kind)


if __name__ == "__main__":
    main()
