"""The command line of ``trainer.registry``: which commands there are, and their flags."""

import argparse
import os.path
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from trainer.errors import SettingsError
from trainer.parser import Parser, add_verbose, add_version

DEFAULT_ROOT = "registry"
DEFAULT_NAME = "custom-cnn"
DEFAULT_BASELINE = "automl-baseline"
DEFAULT_CACHE = "~/.cache/fashion-mnist-trainer"


class _Flag(NamedTuple):
    """A flag whose default is an environment variable's value, if that is set."""

    variable: str
    metavar: str
    text: str
    is_file: bool = False
    default: str | None = None


_FLAGS = {
    "--registry-root": _Flag("TRAINER_REGISTRY_ROOT", "PLACE", "a folder or gs://bucket/prefix", default=DEFAULT_ROOT),
    "--signing-key": _Flag("TRAINER_SIGNING_KEY", "FILE", "PEM of the private key to sign with", is_file=True),
    "--public-key": _Flag("TRAINER_PUBLIC_KEY", "FILE", "PEM of the public key to check signatures with", is_file=True),
    "--vertex-project": _Flag("TRAINER_VERTEX_PROJECT", "ID", "the project's id"),
    "--vertex-region": _Flag("TRAINER_VERTEX_REGION", "REGION", "such as us-central1"),
    "--vertex-endpoint": _Flag(
        "TRAINER_VERTEX_ENDPOINT", "HOST", "instead of the region's own, for Private Service Connect"
    ),
}

#: Where the mirror is.
_PROJECT = ("--vertex-project", "--vertex-region")
_VERSION = "such as 1.2.0, or the word latest or prod"


class _Parser(Parser):
    expected = "a command and its flags"
    do = "see {prog} --help"


def parse(argv: Sequence[str], env: Mapping[str, str]) -> argparse.Namespace:
    """The command, in ``command``, and every flag of it. ``--help`` and ``--version`` raise SystemExit(0).

    Raises SettingsError for anything that is not a command with its flags.
    """
    options = _build_parser(env).parse_args(list(argv))
    if getattr(options, "override", False) and not options.reason:
        what, do = "--override needs a reason, which is kept with the version", "say why the gates are overruled"
        raise SettingsError(what, expected='--reason "…"', received="none", do=do)
    if getattr(options, "reason", "") and not options.override:
        what, do = "--reason is that of an override", "add --override, or use --why for a remark"
        raise SettingsError(what, expected="--override with it", received="--reason alone", do=do)
    if options.command == "import-baseline" and options.name != DEFAULT_NAME:
        what, do = "a baseline has a name of its own", "leave --name out"
        raise SettingsError(what, expected="NAME alone", received=f"--name {options.name}", do=do)
    if hasattr(options, "vertex_project"):
        _find_mirror(options, env)
    return options


def _find_mirror(options: argparse.Namespace, env: Mapping[str, str]) -> None:
    """Let the environment say what no flag does of the mirror's project and region.

    Other commands read the same variables. So of a registry on this machine, which Vertex AI can't read, they alone ask
    for no mirror, and are told in ``unmirrored``. Raises SettingsError for a project without a region, or the reverse.
    """
    variables = {name.removeprefix("--").replace("-", "_"): _FLAGS[name].variable for name in _PROJECT}
    given = [name for name in variables if getattr(options, name)]
    found = [name for name in variables if name not in given and env.get(variables[name])]
    told = " and ".join(f"{variables[name]}={env[variables[name]]}" for name in found)
    if found and not given and options.command != "mirror" and not options.registry_root.startswith("gs://"):
        options.unmirrored = told
        return
    for name in found:
        setattr(options, name, env[variables[name]])
    if len(given) + len(found) == 1:
        received = told or f"--{given[0].replace('_', '-')} {getattr(options, given[0])}"
        expected, do = " and ".join(_PROJECT), f"name the other too, or {'unset it' if found else 'leave it out'}"
        raise SettingsError("Vertex AI needs both", expected=expected, received=received, do=do)


def _build_parser(env: Mapping[str, str]) -> _Parser:
    everywhere, keys, release, vertex = _everywhere(env), _public_key(env), _release(), _vertex(env)
    parser = _Parser(
        prog="python -m trainer.registry",
        description="Register models, and release those that pass every gate.",
        epilog="Each command has its own --help. docs/release.md says how it works.",
    )
    add_version(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)

    def add(name: str, text: str, *parents: _Parser) -> _Parser:
        inherited = [everywhere, *parents]
        return commands.add_parser(name, help=text, description=text, parents=inherited)

    command = add("register", "examine a model folder and keep it as a version", _registration(env), keys, vertex)
    command.add_argument("model", metavar="MODEL", help="a committed model folder, or gs://bucket/prefix")
    add("list", "every version, with its labels and figures")
    command = add("show", "what is known about one version")
    command.add_argument("version", metavar="VERSION", nargs="?", default="latest", help=f"{_VERSION} (default latest)")
    command = add("diff", "what changed between two versions: settings, data, metrics, classes")
    command.add_argument("a", metavar="A", help=_VERSION)
    command.add_argument("b", metavar="B", help=_VERSION)
    add("history", "who did what, when and why")
    command = add("verify", "check files, signatures and history", keys)
    command.add_argument("version", metavar="VERSION", nargs="?", help=f"{_VERSION} (default all)")
    command = add("approve", "approve a version that a gate refused, or make one latest", release, vertex)
    command.add_argument("version", metavar="VERSION", help=_VERSION)
    command.add_argument("--make-latest", action="store_true", help="let latest point to it")
    _add_override(command)
    command = add("promote", "put an approved version into production", release, keys, vertex)
    command.add_argument("version", metavar="VERSION", help=_VERSION)
    command.add_argument("--to", choices=["prod"], default="prod", help="where to (default prod)")
    add("rollback", "take the version in production out of it and restore the one before", release, keys, vertex)
    command = add("import-baseline", "keep the figures of a model that is not ours, to compare with", release)
    command.add_argument("baseline", metavar="NAME", help=f"such as {DEFAULT_BASELINE}")
    command.add_argument("--metrics", metavar="FILE", type=Path, required=True, help="JSON; see docs/release.md")
    command = add("compare", "a version and a baseline, side by side on the same metrics")
    command.add_argument("version", metavar="VERSION", nargs="?", default="latest", help=f"{_VERSION} (default latest)")
    command.add_argument("--baseline", metavar="NAME", default=DEFAULT_BASELINE, help=f"(default {DEFAULT_BASELINE})")
    add("mirror", "bring Vertex AI Model Registry to the state of this one", vertex)
    return parser


def _everywhere(env: Mapping[str, str]) -> _Parser:
    parent = _Parser(add_help=False)
    group = parent.add_argument_group("which registry")
    _add(group, env, "--registry-root")
    group.add_argument("--name", default=DEFAULT_NAME, help=f"of the model (default {DEFAULT_NAME})")
    group = parent.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print JSON, for programs")
    add_verbose(group)
    return parent


def _registration(env: Mapping[str, str]) -> _Parser:
    parent = _Parser(add_help=False)
    parent.set_defaults(fashion_mnist_dir=_path(env.get("FASHION_MNIST_DIR")))
    group = parent.add_argument_group("examination")
    group.add_argument("--data", metavar="PLACE", help="where its data are (default where its report says)")
    cache = f"where downloaded data is kept (default {DEFAULT_CACHE})"
    group.add_argument("--data-cache-dir", metavar="FOLDER", type=_path, default=_path(DEFAULT_CACHE), help=cache)
    group.add_argument("--gates", metavar="FILE", type=Path, help="YAML with other thresholds; see docs/gates.md")
    _add(group, env, "--signing-key")
    group = parent.add_argument_group("registration")
    wanted = "a version above the one that follows from what changed"
    group.add_argument("--version", metavar="VERSION", dest="asked_version", help=wanted)
    group.add_argument("--make-latest", action="store_true", help="let latest point to it though it is not better")
    group.add_argument("--why", metavar="TEXT", type=_text, default="", help="kept in the history")
    _add_override(group)
    return parent


def _public_key(env: Mapping[str, str]) -> _Parser:
    parent = _Parser(add_help=False)
    group = parent.add_argument_group("signature")
    _add(group, env, "--public-key")
    return parent


def _release() -> _Parser:
    parent = _Parser(add_help=False)
    parent.add_argument("--why", metavar="TEXT", type=_text, default="", help="kept in the history")
    return parent


def _vertex(env: Mapping[str, str]) -> _Parser:
    parent = _Parser(add_help=False)
    text = "off without a project; the variables alone ask for none of a registry on this machine"
    group = parent.add_argument_group("mirror in Vertex AI Model Registry", text)
    _add(group, {}, *_PROJECT)  # So that a flag is told from a variable; parse reads those.
    _add(group, env, "--vertex-endpoint")
    parent.set_defaults(unmirrored="")
    return parent


def _add_override(group: "argparse._ActionsContainer") -> None:
    group.add_argument("--override", action="store_true", help="approve it though a gate refused it; needs --reason")
    group.add_argument(
        "--reason", metavar="TEXT", type=_text, default="", help="why, kept and shown wherever the version is"
    )


def _add(group: "argparse._ActionsContainer", env: Mapping[str, str], *names: str) -> None:
    for name in names:
        flag = _FLAGS[name]
        group.add_argument(
            name,
            metavar=flag.metavar,
            type=_path if flag.is_file else str,
            default=env.get(flag.variable) or flag.default,
            help=f"{flag.text} (default {flag.variable}, else {flag.default or 'none'})",
        )


def _path(text: str | None) -> Path | None:
    return Path(os.path.expanduser(text)) if text else None


def _text(given: str) -> str:
    """What a history can keep. Raises ArgumentTypeError for bytes that a terminal of another encoding sent."""
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError(f"text in UTF-8 is needed, received {given!a}") from error
    return given
