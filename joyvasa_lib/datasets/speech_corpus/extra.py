"""What to say when a package of the extra ``synthetic``, or a program, is missing."""

from __future__ import annotations

from joyvasa_lib.errors import MissingDependencyError


def missing_extra(package: str) -> MissingDependencyError:
    """Returns the error that says what to install."""
    return MissingDependencyError(
        f"Making training speech needs the package {package}; "
        "install it with: pip install 'joyvasa-lib[synthetic]'"
    )


def missing_program(package: str, reason: object) -> MissingDependencyError:
    """Returns the error that names the system's package that is needed."""
    return MissingDependencyError(
        f"Making training speech needs the program {package} ({reason}); "
        f"install it, on Debian with: apt-get install {package}"
    )
