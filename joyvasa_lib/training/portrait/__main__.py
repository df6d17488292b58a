"""``accelerate launch -m joyvasa_lib.training.portrait --config FILE --run DIR``."""

import sys

from joyvasa_lib.training.portrait.train import main

if __name__ == "__main__":
    sys.exit(main())
