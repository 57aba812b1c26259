"""Reruns a row of docs/results.md: trains a preset with each of its seeds, and prints the row.

    scripts/reproduce PRESET [--seeds 42 43 44] [-- FLAGS OF trainer.task]

The models stay in artifacts/reproduce/PRESET: what is finished is not trained again, what was interrupted goes on.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.contenders.processes import ROOT
from trainer.presets import PRESETS

SEEDS = (42, 43, 44)


def train(preset: str, seed: int, folder: Path, flags: Sequence[str]) -> None:
    """Train one model into ``folder``. Ends with the job's exit code if that is not 0."""
    command = [sys.executable, "-P", "-m", "trainer.task", "--preset", preset, "--seed", str(seed)]
    done = subprocess.run([*command, "--output-dir", str(folder), *flags], check=False)  # noqa: S603 – our own command
    if done.returncode:
        sys.exit(done.returncode)


def main(argv: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/reproduce", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset", choices=list(PRESETS), help="the row")
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS, help="one training each (default 42 43 44)")
    parser.add_argument("--folder", type=Path, default=ROOT / "artifacts" / "reproduce", help="where the models stay")
    own, flags = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    options = parser.parse_args(own)
    folders = {seed: options.folder / options.preset / str(seed) for seed in options.seeds}
    for seed, folder in folders.items():
        train(options.preset, seed, folder, flags)
    results.main([str(folder) for folder in folders.values()])


if __name__ == "__main__":
    main(sys.argv[1:])
