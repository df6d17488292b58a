"""The command line as ``python -m joyvasa_lib``."""

from joyvasa_lib.cli import main

if __name__ == "__main__":
    main()
