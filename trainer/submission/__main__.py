"""``python -m trainer.submission``, which is ``scripts/submit``."""

import sys

from trainer.submission.submit import main

if __name__ == "__main__":
    sys.exit(main())
