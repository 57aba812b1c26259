"""``python -m trainer.local_job``, which is ``scripts/local_job``."""

from trainer.ending import end_process
from trainer.local_job.run import main

if __name__ == "__main__":
    end_process(main())
