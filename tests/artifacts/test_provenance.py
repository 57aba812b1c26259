"""The digest of the code that shapes a result, and the commit where git can't be asked."""

import re
from pathlib import Path

import pytest

from trainer.artifacts import provenance
from trainer.errors import TrainerError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("contract.py", "model/cnn.py", "model/notes.md", "release/gates.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}\n")
    monkeypatch.setattr(provenance, "PACKAGE_ROOT", tmp_path)
    monkeypatch.setattr(provenance, "RESULT_SHAPING_CODE", ("contract.py", "model"))
    return tmp_path


@pytest.mark.parametrize("name", ["contract.py", "model/cnn.py", "model/new.py"])
def test_another_line_of_what_shapes_a_result_is_another_digest(package: Path, name: str) -> None:
    before = provenance.code_fingerprint()
    with (package / name).open("a") as file:
        file.write("# another\n")
    assert provenance.code_fingerprint() != before


@pytest.mark.parametrize("name", ["model/notes.md", "release/gates.py"])
def test_nothing_else_is_part_of_it(package: Path, name: str) -> None:
    before = provenance.code_fingerprint()
    (package / name).write_text("another\n")
    assert provenance.code_fingerprint() == before


@pytest.mark.parametrize(("missing", "part"), [("contract.py", "contract.py"), ("model/cnn.py", "model")])
def test_a_part_that_is_missing_is_refused_rather_than_left_out(package: Path, missing: str, part: str) -> None:
    (package / missing).unlink()
    with pytest.raises(TrainerError, match=f"expected Python files at {package / part} – received none"):
        provenance.code_fingerprint()


def test_the_parts_that_are_named_are_there() -> None:
    assert len(provenance.code_fingerprint()) == 64


#: What these parts import, and no result depends on beyond the settings, which are compared by themselves.
SHAPES_NOTHING = (
    "agreement",
    "artifacts",
    "cloud",
    "ending",
    "errors",
    "fields",
    "google_errors",
    "logs",
    "settings",
    "storage",
)


def test_whatever_these_parts_import_is_part_of_it() -> None:
    names = set()
    for part in provenance.RESULT_SHAPING_CODE:
        for path in provenance._sources(provenance.PACKAGE_ROOT / part):
            names |= set(
                re.findall(r"^ *(?:from|import) trainer\.(\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
            )
    parts = {part.removesuffix(".py") for part in provenance.RESULT_SHAPING_CODE}
    assert names >= {"visits", "model"}
    assert names - parts - set(SHAPES_NOTHING) == set()


@pytest.mark.parametrize(("script", "mode"), [("#!/bin/sh\nexec sleep 60\n", 0o755), ("not a program", 0o644)])
def test_a_git_that_does_not_answer_leaves_the_commit_unknown(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, mode: int
) -> None:
    monkeypatch.setattr(provenance, "PACKAGE_ROOT", package / "model")
    monkeypatch.setattr(provenance, "GIT_SECONDS", 0.2)
    (tmp_path / ".git").mkdir()
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    git.write_text(script)
    git.chmod(mode)
    monkeypatch.setenv("PATH", f"{git.parent}:/bin:/usr/bin" if mode == 0o755 else str(git.parent))
    assert provenance.commit(None) is None
