"""What the command lines of all commands have in common."""

import argparse
from collections.abc import Sequence
from typing import ClassVar, NoReturn

from trainer import __version__
from trainer.errors import SettingsError


class Parser(argparse.ArgumentParser):
    """Raises SettingsError where argparse would print its usage and exit."""

    expected: ClassVar[str] = "flags as --help lists them"
    #: ``{prog}`` stands for the command's name.
    do: ClassVar[str] = "see --help"

    def error(self, message: str) -> NoReturn:
        do = self.do.format(prog=self.prog)
        raise SettingsError("command line", expected=self.expected, received=message, do=do)


class JobParser(Parser):
    """Of a command that is about a job."""

    expected = "a job, and flags as --help lists them"
    do = "see {prog} --help"

    def add_job(self, *, set_help: str) -> None:
        """Which job, and what of it is changed for this once."""
        self.add_argument("--version", action="version", version=f"fashion-mnist-trainer {__version__}")
        self.add_argument("job", metavar="JOB", help="a file of jobs/ without .yaml, such as cpu, or a path to one")
        self.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help=set_help)


def parse_with_trainer_flags(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """What stands before ``--``, as ``parser`` takes it, and in ``trainer_flags`` what stands behind it."""
    words = list(argv)
    cut = words.index("--") if "--" in words else len(words)
    options = parser.parse_args(words[:cut])
    options.trainer_flags = words[cut + 1 :]
    return options
