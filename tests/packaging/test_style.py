"""What ruff and mypy don't hold: lengths, and that every error says all it has to."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer import errors

ROOT = Path(__file__).parents[2]
PATHS = sorted(path for folder in ("trainer", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
LONGEST_FUNCTION = 50
LONGEST_FILE = 300

ERRORS = {name for name, value in vars(errors).items() if isinstance(value, type)}
PARTS = {"expected", "received", "do"}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def too_long(code: str) -> list[str]:
    """The functions of ``code`` that don't fit on a screen, each with its line: several may have the same name."""
    lengths = [(node, (node.end_lineno or 0) - node.lineno + 1) for node in functions(ast.parse(code))]
    return [f"{node.name}:{node.lineno}" for node, length in lengths if length > LONGEST_FUNCTION]


def silent_parts(tree: ast.AST, kinds: set[str]) -> Iterator[tuple[int, set[str]]]:
    """Line and missing parts of each error that is made of parts. One made of a whole line has no parts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds:
            named = {keyword.arg for keyword in node.keywords}
            whole_line = not named and not isinstance(node.args[0], ast.Constant)
            if not whole_line and not named >= PARTS:
                yield node.lineno, PARTS - named


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_fit_on_a_screen(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= LONGEST_FILE
    assert too_long(text) == []


def test_a_long_function_is_found_beside_a_short_one_of_its_name() -> None:
    long, short = "    def f(self):\n" + 50 * "        pass\n", "    def f(self): pass\n"
    assert too_long(f"class A:\n{long}class B:\n{short}") == ["f:2"]
    assert too_long(f"class A:\n{short}class B:\n{long}") == ["f:4"]


def test_every_error_says_what_was_expected_and_received_and_what_to_do() -> None:
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "trainer").rglob("*.py")}
    ours = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    kinds = ERRORS | {node.name for node in ours if ERRORS & {ast.unparse(base) for base in node.bases}}
    found = [
        f"{path.relative_to(ROOT)}:{line} lacks {', '.join(sorted(missing))}"
        for path, tree in trees.items()
        for line, missing in silent_parts(tree, kinds)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ('DataError("what", expected="a", received="b", do="c")', []),
        ('DataError("what", expected="a", received="b")', [{"do"}]),
        ('raise DataError("what")', [PARTS]),
        ("DataError('; '.join(complaints))", []),
    ],
)
def test_the_rule_itself(code: str, missing: list[set[str]]) -> None:
    assert [parts for _, parts in silent_parts(ast.parse(code), {"DataError"})] == missing
