"""What the programs write above and into their tables."""

import platform
import re
from importlib import metadata
from pathlib import Path

import pytest

from benchmarks.document import benchmark_parser, measured, replace_section, table


def test_the_sentences_name_the_command_the_machine_the_code_and_the_versions() -> None:
    text = measured("python -m x", "once", packages=["keras"], others={"torch": "2"}, accelerators=["a card"])
    found = re.fullmatch(r"Measured \d{4}-\d\d-\d\d by `python -m x`, once\. .* a card; commit \w+\. (.*)\.", text)
    assert found
    assert found[1] == f"python {platform.python_version()}, keras {metadata.version('keras')}, torch 2"


def test_a_table_has_a_line_under_its_columns() -> None:
    assert table(("a", "b"), [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_a_section_is_that_of_the_program_or_of_the_flag() -> None:
    parser = benchmark_parser(None, "memory")
    assert parser.parse_args([]).section == "memory"
    assert parser.parse_args(["--section", "memory best"]).section == "memory best"


def test_a_text_replaces_what_is_between_its_markers_alone(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    document.write_text("a\n<!-- x -->\nold\n<!-- /x -->\n<!-- x y -->\nother\n<!-- /x y -->\n", encoding="utf-8")
    replace_section(document, "x", "new")
    assert document.read_text(encoding="utf-8") == (
        "a\n<!-- x -->\nnew\n<!-- /x -->\n<!-- x y -->\nother\n<!-- /x y -->\n"
    )


def test_what_was_measured_is_not_lost_where_markers_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "document.md"
    document.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="no markers <!-- x -->"):
        replace_section(document, "x", "new")
    assert capsys.readouterr().out == "new\n"
