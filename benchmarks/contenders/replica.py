"""This project as one of several replicas, on JAX.

Arguments: the addresses of all replicas, separated by commas; the rank of this one; how many images; then flags of
``trainer.task``. Tells how many of the images it visits in a turn.
"""

import os
import sys

from benchmarks.contenders.ours import epoch_of
from benchmarks.contenders.turns import data, take_turns
from trainer import settings
from trainer.contract import Examples
from trainer.training import replicas
from trainer.visits import images_per_epoch

JOIN_SECONDS = 120


def main(addresses: str, rank: str, images: str, *flags: str) -> None:
    keep_stdout_for_answers()
    found = addresses.split(",")
    if len(found) > 1:
        replicas.join(found, int(rank), seconds=JOIN_SECONDS)
    devices = replicas.use_all_devices()
    if devices != len(found):
        raise SystemExit(f"{devices} devices for {len(found)} replicas: this measures one device in each")
    asked = settings.parse(flags, {"KERAS_BACKEND": "jax"})
    epoch = epoch_of(Examples(*data(int(images))), asked)
    take_turns(epoch, visits=images_per_epoch(int(images), asked))
    replicas.leave()


def keep_stdout_for_answers() -> None:
    """What Gloo prints, in C++, goes to stderr."""
    sys.stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
