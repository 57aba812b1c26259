"""``python -m trainer.registry``."""

from trainer.ending import end_process
from trainer.registry.run import main

if __name__ == "__main__":
    end_process(main())
