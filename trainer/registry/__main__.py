"""``python -m trainer.registry``."""

import sys

from trainer.registry.run import main

if __name__ == "__main__":
    sys.exit(main())
