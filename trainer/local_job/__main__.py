"""``python -m trainer.local_job``, which is ``scripts/local_job``."""

import sys

from trainer.local_job.run import main

if __name__ == "__main__":
    sys.exit(main())
