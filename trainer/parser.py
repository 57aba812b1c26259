"""What the command lines of all commands have in common."""

import argparse
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from trainer import __version__
from trainer.errors import SettingsError


class Parser(argparse.ArgumentParser):
    """Raises SettingsError where argparse would print its usage and exit, and takes no flag's name cut short."""

    expected: ClassVar[str] = "flags as --help lists them"
    #: ``{prog}`` stands for the command's name.
    do: ClassVar[str] = "see --help"

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        do = self.do.format(prog=self.prog)
        raise SettingsError("command line", expected=self.expected, received=message, do=do)


def add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"fashion-mnist-trainer {__version__}")


def add_verbose(group: "argparse._ActionsContainer") -> None:
    group.add_argument("-v", "--verbose", action="store_true", help="show the traceback of an error")


class JobParser(Parser):
    """Of a command that is about a job."""

    expected = "a job, and flags as --help lists them"
    do = "see {prog} --help"

    def add_job(self, *, set_help: str) -> None:
        """Which job, and what of it is changed for this once."""
        add_version(self)
        add_verbose(self)
        self.add_argument("job", metavar="JOB", help="a file of jobs/ without .yaml, such as cpu, or a path to one")
        self.add_argument("--set", metavar="KEY=VALUE", action="append", default=[], help=set_help)
        self.add_argument("--jobs-dir", metavar="FOLDER", type=Path, default=Path("jobs"), help="(default jobs)")


def _where_it_belongs(stranger: str, parser: Parser) -> str:
    """What to do about a flag that the command does not have; empty for what is no flag."""
    name = stranger.partition("=")[0]
    if not name.startswith("--"):
        return ""
    known = {option.replace("-", ""): option for option in parser._option_string_actions if option.startswith("--")}
    close = get_close_matches(re.sub("[-_]", "", name), known, n=1)
    return f"did you mean {known[close[0]]}?" if close else "flags of the trainer stand behind --"


def parse_with_trainer_flags(parser: Parser, argv: Sequence[str]) -> argparse.Namespace:
    """What stands before ``--``, as ``parser`` takes it, and in ``trainer_flags`` what stands behind it."""
    words = list(argv)
    cut = words.index("--") if "--" in words else len(words)
    options, strangers = parser.parse_known_args(words[:cut])
    if strangers:
        received = f"unrecognized arguments: {' '.join(strangers)}"
        do = _where_it_belongs(strangers[0], parser) or parser.do.format(prog=parser.prog)
        raise SettingsError("command line", expected=parser.expected, received=received, do=do)
    options.trainer_flags = words[cut + 1 :]
    return options
