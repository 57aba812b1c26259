"""Whatever stands in a job file, preflight says findings, and never falls over."""

from argparse import Namespace
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.job_files import FOLDER, NAMES, job
from trainer.cloud.preflight.check import check
from trainer.errors import SettingsError
from trainer.submission.commandline import parse
from trainer.submission.job import build
from trainer.submission.settings import read_flags

JUNK = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    *(st.just([]), st.just({}), st.just([[]]), st.just([None]), st.just({"a": 1}), st.just([1, "b"]), st.just({1: 2})),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    found = [path] if path else []
    for key, item in children:
        found += places(item, (*path, key))
    return found


def put(document: Any, path: tuple[Any, ...], junk: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = junk


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), number=st.integers(min_value=0), junk=JUNK)
# Values of a parameter whose keys are no texts.
@example(name="tuning", number=4694, junk={1: 2})
def test_junk_anywhere_in_a_file_is_found_or_allowed(name: str, number: int, junk: Any, tmp_path: Path) -> None:
    broken = job(name)
    everywhere = places(broken.document)
    put(broken.document, everywhere[number % len(everywhere)], junk)
    for finding in check(broken, read_flags):
        assert "\n" not in str(finding)
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(broken.document))
    words = [str(file), "--set=project=my-project", "--set=machine=n1-standard-4", "--max-cost=5"]
    with suppress(SettingsError):  # "--set leads nowhere"
        check(build(parse(words, {})), read_flags)


@pytest.mark.parametrize("document", [{}, {"studySpec": None}, {"trialJobSpec": []}, {"workerPoolSpecs": {}}, {1: 2}])
def test_a_file_with_hardly_anything_in_it(document: dict[Any, Any], tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump(document))
    options: Namespace = parse([str(file), "--jobs-dir", str(FOLDER), "--set", "project=my-project"], {})
    assert check(build(options), read_flags)
