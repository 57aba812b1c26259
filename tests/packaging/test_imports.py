"""The design's table of who may import whom, held against the code."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]

COMMON = {"contract", "errors"}
SETTINGS_PARTS = {"fields", "presets", "commandline", "origins", "agreement"}
PARSING = COMMON | {"parser"}
#: What each part of the package may import of ours, beside itself and the package's version.
MAY_IMPORT = {
    "": set(),
    "contract": set(),
    "errors": set(),
    "google_errors": {"errors"},
    "logs": set(),
    "unique_keys": set(),
    "parser": {"errors"},
    "ending": {"errors", "logs"},
    **dict.fromkeys(SETTINGS_PARTS, SETTINGS_PARTS | PARSING | {"unique_keys"}),
    "agreement": {"commandline", "settings"},  # The latter for its type.
    "settings": SETTINGS_PARTS | PARSING,
    "storage": {"errors", "google_errors"},
    "data": COMMON | {"storage"},
    "processor": set(),
    "model": {"contract", "processor"},
    "training": COMMON | {"storage"},
    "evaluation": COMMON,
    "artifacts": COMMON | {"storage", "processor"},
    "release": COMMON | {"storage", "artifacts.manifest", "unique_keys"},
    "cloud": COMMON | {"google_errors", "unique_keys"},
}
#: The commands, the only places where stages meet, and what they are divided into.
RECIPES = {
    *("task", "job", "visits", "training_run", "model_folder", "export_process", "supervision"),
    *("registry", "examination", "measurement"),
    *("submission", "setup_gcp", "local_job", "tune"),
}

KERAS_IN = ("model", "training", "artifacts.export", "artifacts.client", "artifacts.graph")
GOOGLE_IN = ("google_errors", "storage", "cloud")


class Import(NamedTuple):
    module: str
    line: int
    name: str
    in_function: bool
    for_types_only: bool

    def __str__(self) -> str:
        return f"trainer.{self.module}:{self.line} imports {self.name}"


def imports_of(tree: ast.AST, module: str, *, in_function: bool = False, types_only: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names]
        yield from (Import(module, node.lineno, name, in_function, types_only) for name in names)
        function = in_function or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        types = types_only or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        yield from imports_of(node, module, in_function=function, types_only=types)


def all_imports() -> list[Import]:
    found = []
    for path in sorted((ROOT / "trainer").rglob("*.py")):
        parts = path.relative_to(ROOT / "trainer").with_suffix("").parts
        module = ".".join(parts).removesuffix("__init__").removesuffix(".")
        found += imports_of(ast.parse(path.read_text(encoding="utf-8")), module)
    return found


IMPORTS = all_imports()


def is_within(name: str, parts: set[str] | tuple[str, ...]) -> bool:
    return any(name == part or name.startswith(f"{part}.") for part in parts)


def is_allowed(item: Import) -> bool:
    part = item.module.split(".")[0]
    target = item.name.removeprefix("trainer").removeprefix(".")
    if part in RECIPES or target in ("", "__version__"):
        return True
    return is_within(target, MAY_IMPORT[part] | {part})


def test_the_package_was_read():
    assert len(IMPORTS) > 100
    assert {item.module.split(".")[0] for item in IMPORTS} >= {"task", "data", "model", "training"}


def test_the_table_names_nothing_that_is_not_there():
    there = {path.stem for path in (ROOT / "trainer").iterdir()}
    assert sorted(({*MAY_IMPORT} | RECIPES) - {""} - there) == []


def test_our_modules_import_only_downwards():
    ours = [item for item in IMPORTS if item.name.split(".")[0] == "trainer"]
    assert [str(item) for item in ours if not is_allowed(item)] == []


def test_imports_are_absolute():
    assert [str(item) for item in IMPORTS if item.name.startswith(".")] == []


def test_a_command_that_is_a_package_imports_nothing_before_its_main() -> None:
    packages = [path for path in (ROOT / "trainer").iterdir() if path.name in RECIPES and path.is_dir()]
    assert [str(item) for item in IMPORTS if item.module in {path.name for path in packages}] == []
    assert [path.name for path in packages if not (path / "__main__.py").is_file()] == []


def test_tensorflow_and_keras_stay_in_their_places():
    strays = [
        str(item)
        for item in IMPORTS
        if is_within(item.name, ("tensorflow", "keras", "jax", "tensorboard"))
        and not is_within(item.module, KERAS_IN)
        and not item.for_types_only
    ]
    assert strays == []


def test_google_is_imported_inside_functions_of_its_few_places():
    strays = [
        str(item)
        for item in IMPORTS
        if is_within(item.name, ("google",))
        and not item.for_types_only
        and not (is_within(item.module, GOOGLE_IN) and item.in_function)
    ]
    assert strays == []


CASES = [
    ("data.idx", "from trainer.errors import DataError", True),
    ("data.idx", "from trainer.training import fit", False),
    ("data.idx", "from trainer import settings", False),
    ("release.gates", "from trainer.artifacts.manifest import Manifest", True),
    ("release.gates", "from trainer.artifacts.export import export", False),
    ("release.gates", "from trainer.evaluation import gap", False),
    ("examination", "from trainer.evaluation import gap", True),
    ("model.cnn", "def f():\n    from trainer.errors import DataError", False),
    ("task", "from trainer.data import idx", True),
    ("registry.views", "from trainer.artifacts.formats import number", True),
    ("artifacts.formats", "from trainer.registry.views import show", False),
    ("release.store", "from trainer.registry import run", False),
    ("cloud.tuning", "def f():\n    from trainer import registry", False),
]


@pytest.mark.parametrize(("module", "code", "allowed"), CASES)
def test_the_rule_itself(module, code, allowed):
    assert [is_allowed(item) for item in imports_of(ast.parse(code), module)] == [allowed]
