"""``python -m trainer.tune``, which is ``scripts/tune``."""

import sys

from trainer.tune.search import main

if __name__ == "__main__":
    sys.exit(main())
