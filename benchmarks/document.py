"""Writing a measurement into its place in a document."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from trainer.artifacts.provenance import commit, hardware

BENCHMARKS = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def hardware_line(accelerators: Sequence[str] = ()) -> str:
    """One sentence: processor, cores, memory, the accelerators that were used, and the commit of the code."""
    facts = hardware(accelerators)
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"{facts['accelerator'] or 'no accelerator'}; "
        f"commit {(commit(None) or 'unknown')[:12]}."
    )


def benchmark_parser(description: str | None) -> argparse.ArgumentParser:
    """For a program whose result is a section of ``docs/benchmarks.md``."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--document", type=Path, default=BENCHMARKS, help="where the result goes")
    return made


def replace_section(path: Path, name: str, text: str) -> None:
    """Print ``text``, and put it between the markers ``<!-- name -->`` and ``<!-- /name -->`` in ``path``."""
    document = path.read_text(encoding="utf-8")
    before, opening, rest = document.partition(f"<!-- {name} -->")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not (opening and closing):
        raise SystemExit(f"{path} has no markers <!-- {name} --> and <!-- /{name} -->")
    path.write_text(f"{before}{opening}\n{text}\n{closing}{after}", encoding="utf-8")
    print(text)
