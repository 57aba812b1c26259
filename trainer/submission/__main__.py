"""``python -m trainer.submission``, which is ``scripts/submit``."""

from trainer.ending import end_process
from trainer.submission.submit import main

if __name__ == "__main__":
    end_process(main())
