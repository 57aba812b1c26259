"""Writing a measurement into its place in a document."""

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from trainer.artifacts.provenance import commit, hardware, versions

BENCHMARKS = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def hardware_line(accelerators: Sequence[str] = ()) -> str:
    """One sentence: processor, cores, memory, the accelerators that were used, and the commit of the code."""
    facts = hardware(accelerators)
    instructions = f" with {', '.join(facts['instructions'])}" if facts["instructions"] else ""
    return (
        f"{facts['processor']}{instructions}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"{facts['accelerator'] or 'no accelerator'}; "
        f"commit {(commit(None) or 'unknown')[:12]}."
    )


def measured(
    command: str,
    how: str,
    *,
    packages: Sequence[str] = ("tensorflow", "keras"),
    others: Mapping[str, str] | None = None,
    accelerators: Sequence[str] = (),
) -> str:
    """The sentences above a table: when, by which command and how; on what machine, of which code; with what versions.

    Those of Python and of ``packages`` are this process's own; ``others`` are names and versions of other processes.
    """
    installed = {name: version for name, version in versions().items() if name in ("python", *packages)}
    used = ", ".join(f"{name} {version}" for name, version in (installed | dict(others or {})).items())
    return f"Measured {datetime.now(UTC):%Y-%m-%d} by `{command}`, {how}. {hardware_line(accelerators)} {used}."


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))


def benchmark_parser(description: str | None, section: str) -> argparse.ArgumentParser:
    """For a program whose result is a section of ``docs/benchmarks.md``, by default ``section``."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--document", type=Path, default=BENCHMARKS, help="where the result goes")
    text = f"between which markers there it goes (default {section})"
    made.add_argument("--section", default=section, metavar="NAME", help=text)
    return made


def replace_section(path: Path, name: str, text: str) -> None:
    """Print ``text``, and put it between the markers ``<!-- name -->`` and ``<!-- /name -->`` in ``path``.

    What was measured is printed first, so that it is not lost where the markers are missing.
    """
    print(text)
    document = path.read_text(encoding="utf-8")
    before, opening, rest = document.partition(f"<!-- {name} -->")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not (opening and closing):
        raise SystemExit(f"{path} has no markers <!-- {name} --> and <!-- /{name} -->")
    path.write_text(f"{before}{opening}\n{text}\n{closing}{after}", encoding="utf-8")
