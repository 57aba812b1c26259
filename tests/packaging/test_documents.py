import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.commandline import table
from trainer.fields import about
from trainer.settings import FIELDS, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_holds_the_table_of_settings_as_it_is():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- settings -->\n(.*?)\n<!-- /settings -->", text, flags=re.DOTALL)
    assert [block.strip() for block in blocks] == [table(FIELDS)], "paste: python -m trainer.settings"


def test_every_flag_that_the_documents_name_exists():
    text = (ROOT / "README.md").read_text() + (ROOT / "CONTRIBUTING.md").read_text()
    commands = re.findall(r"(?:trainer\.task|scripts/train)((?:[^\n`|]|\\\n)*)", text)
    named = {flag for command in commands for flag in re.findall(r"--([a-z][a-z-]+)", command)}
    known = {name.replace("_", "-") for name in Settings.model_fields} | {"help", "version", "config", "print-settings"}
    known |= {(about(field).short or "").removeprefix("--") for field in Settings.model_fields.values()}
    assert named - known == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_placeholder_is_left(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert re.findall(r"\b(?:RESULTS|EXAMPLE|AUGMENT|TODO|TBD|FIXME|XXX)\b", text) == []


def test_every_path_that_contributing_names_exists():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:trainer|tests|scripts|docs)/[\w./-]*)`", text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_readme_links_every_document():
    linked = re.findall(r"\]\((docs/[\w-]+\.md)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert sorted({str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")} - set(linked)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_within_the_project_leads_somewhere(document):
    links = re.findall(r"\]\(([^)#:\s]+)\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_readme_shows_what_its_example_prints():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [(command, shown)] = re.findall(r"```console\n\$ python (.*)\n(.*)\n```", text)
    job = [sys.executable, *shlex.split(command)]
    done = subprocess.run(job, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (2, shown + "\n")
