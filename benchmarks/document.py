"""Writing a measurement into its place in a document."""

from pathlib import Path

from trainer.artifacts.provenance import commit, hardware


def hardware_line() -> str:
    """One sentence: processor, cores, memory, and the commit of the code."""
    facts = hardware([])
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gib']} GiB, no accelerator; "
        f"commit {(commit(None) or 'unknown')[:12]}."
    )


def replace_section(path: Path, name: str, text: str) -> None:
    """Put ``text`` between the markers ``<!-- name -->`` and ``<!-- /name -->`` of the document at ``path``."""
    document = path.read_text(encoding="utf-8")
    before, opening, rest = document.partition(f"<!-- {name} -->")
    _, closing, after = rest.partition(f"<!-- /{name} -->")
    if not (opening and closing):
        raise SystemExit(f"{path} has no markers <!-- {name} --> and <!-- /{name} -->")
    path.write_text(f"{before}{opening}\n{text}\n{closing}{after}", encoding="utf-8")
