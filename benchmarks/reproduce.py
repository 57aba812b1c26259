"""Reruns a row of docs/results.md: trains a preset with each of its seeds, and prints the row.

    scripts/reproduce PRESET [--seeds 42 43 44] [-- FLAGS OF trainer.task]

The models stay in artifacts/reproduce/PRESET, one for each set of settings and state of the code: what is finished is
not trained again, what was interrupted goes on.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.contenders.processes import ROOT
from trainer import settings
from trainer.artifacts.provenance import code_fingerprint
from trainer.ending import fail, interrupt_on_signals
from trainer.errors import Interrupted, TrainerError
from trainer.presets import PRESETS

SEEDS = (42, 43, 44)


def model_folder(parent: Path, flags: Sequence[str]) -> Path:
    """Where the model of ``flags`` stays. Its checkpoints, which lie beside it, are as little shared with another's."""
    asked = settings.parse(flags, os.environ)
    digest = settings.run_id(asked, f"{asked.data} {code_fingerprint()}")
    return parent / f"{asked.seed}-{digest}" / "model"


def train(folder: Path, flags: Sequence[str]) -> None:
    """Train one model into ``folder``. Ends with the job's exit code if that is not 0."""
    command = [sys.executable, "-P", "-m", "trainer.task", *flags, "--output-dir", str(folder)]
    with subprocess.Popen(command) as training:  # noqa: S603 – our own command
        try:
            code = training.wait()
        except Interrupted:
            training.terminate()
            raise
    if code:
        sys.exit(code)


def refuse_what_makes_no_row(parser: argparse.ArgumentParser, seeds: Sequence[int], flags: Sequence[str]) -> None:
    """End with exit code 2 where the trainings could not be told apart, or would leave no model to make a row of."""
    given = {flag.partition("=")[0].replace("_", "-") for flag in flags}
    if given & {"--preset", "--seed"}:
        parser.error("the preset and the seeds are given before --, as in: scripts/reproduce fast --seeds 7")
    if wrong := given & {"--output-dir", "--validation-only"}:
        parser.error(f"{', '.join(sorted(wrong))}: a row is made of the models in --folder, which is given before --")
    if len(set(seeds)) < len(seeds):
        parser.error(f"--seeds: expected each seed once, received {' '.join(map(str, seeds))}")


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/reproduce", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "preset", choices=list(PRESETS), help="what to train; docs/results.md has a row of reference, fast and best"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="one training each (default 42 43 44)")
    parser.add_argument("--folder", type=Path, default=ROOT / "artifacts" / "reproduce", help="where the models stay")
    own, flags = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    options = parser.parse_args(own)
    refuse_what_makes_no_row(parser, options.seeds, flags)
    commands = [["--preset", options.preset, "--seed", str(seed), *flags] for seed in options.seeds]
    interrupt_on_signals()
    try:
        folders = [model_folder(options.folder / options.preset, command) for command in commands]
        for folder, command in zip(folders, commands, strict=True):
            train(folder, command)
    except (TrainerError, Interrupted) as error:
        sys.exit(fail("scripts/reproduce", error, verbose=False))
    results.main([str(folder) for folder in folders])


if __name__ == "__main__":
    main(sys.argv[1:])
