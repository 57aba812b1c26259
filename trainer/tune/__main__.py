"""``python -m trainer.tune``, which is ``scripts/tune``."""

from trainer.ending import end_process
from trainer.tune.search import main

if __name__ == "__main__":
    end_process(main())
