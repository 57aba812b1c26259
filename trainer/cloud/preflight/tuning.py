"""A tuning job's study: what is searched, for what, and how often."""

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.cloud.jobspec import Job
from trainer.cloud.preflight.finding import Finding, items, mapping, nearest, text, whole
from trainer.cloud.preflight.flags import ReadFlags, arguments_of, replica_environment

#: What the trainer reports after each epoch.
METRIC, GOAL = "val_accuracy", "MAXIMIZE"
_VALUES = ("doubleValueSpec", "integerValueSpec", "categoricalValueSpec", "discreteValueSpec")


def check(job: Job, read_flags: ReadFlags) -> Iterator[Finding]:
    if not job.is_tuning:
        return
    for part in ("studySpec", "trialJobSpec"):
        if not mapping(job.document.get(part)):
            yield Finding("study", part, "the study, and the job of a trial", "", "see jobs/tuning.yaml")
    study = mapping(job.document.get("studySpec"))
    if study:
        yield from _metric([mapping(item) for item in items(study.get("metrics"))])
    yield from _trials(job.document)
    parameters = [mapping(item) for item in items(study.get("parameters"))]
    if study and not parameters:
        yield Finding("study", "studySpec.parameters", "at least one setting to search", "", "see jobs/tuning.yaml")
    pools = items(job.spec.get("workerPoolSpecs"))
    arguments = arguments_of(pools[0]) if pools else []
    if read_flags(arguments, replica_environment(job, {})).values.get("validation_only") is False:
        expected = "--validation-only: a trial looks at no test image, and publishes nothing"
        yield Finding("study-test", "args of trialJobSpec", expected, " ".join(arguments), "add it")
    for parameter in parameters:
        yield from _parameter(job, parameter, arguments, read_flags)


def _metric(metrics: list[dict[str, Any]]) -> Iterator[Finding]:
    given = [(text(metric.get("metricId")), text(metric.get("goal"))) for metric in metrics]
    if given != [(METRIC, GOAL)]:
        expected = f"one metric, {METRIC}, with goal {GOAL}: the trainer reports that one, and test is no objective"
        received = ", ".join(f"{name} {goal}" for name, goal in given)
        yield Finding("study-metric", "studySpec.metrics", expected, received, "see jobs/tuning.yaml")


def _trials(document: Mapping[str, Any]) -> Iterator[Finding]:
    most, parallel = whole(document.get("maxTrialCount")), whole(document.get("parallelTrialCount"))
    if not most:
        received = str(document.get("maxTrialCount", ""))
        yield Finding("study-trials", "maxTrialCount", "how many trials, at least 1", received, "write such as 20")
    elif not parallel or parallel > most:
        received = str(document.get("parallelTrialCount", ""))
        expected = f"1 to maxTrialCount, {most}"
        yield Finding("study-trials", "parallelTrialCount", expected, received, "write parallelTrialCount: 2")


def _parameter(job: Job, parameter: dict[str, Any], arguments: list[str], read_flags: ReadFlags) -> Iterator[Finding]:
    name = text(parameter.get("parameterId"))
    what = f"studySpec.parameters {name}"
    given = {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in arguments if word[:2] == "--"}
    if name in given:
        expected = "a setting that the arguments leave open"
        yield Finding("study-twice", what, expected, f"--{name} in args too", "take it out of args")
        return
    env = replica_environment(job, {})
    known = list(read_flags([], env).values)
    if name not in known:
        yield Finding("study-parameter", what, "a setting of the trainer", name, nearest(name, known, "see --help"))
        return
    values, is_range = _values(parameter)
    if is_range and len(values) == 2 and values[0] >= values[1]:
        received = f"{values[0]:g} and {values[1]:g}"
        yield Finding("study-range", what, "minValue below maxValue", received, "swap them")
    for value in values:
        complaint = read_flags([*arguments, f"--{name}={value}"], env).complaint
        if complaint and not read_flags(arguments, env).complaint:
            expected = "values that trainer.task takes"
            yield Finding("study-range", what, expected, complaint, "narrow the range")


def _values(parameter: dict[str, Any]) -> tuple[list[Any], bool]:
    """The lowest and highest value of a range, True; or all values of a choice, False."""
    for kind in _VALUES:
        given = mapping(parameter.get(kind))
        if "values" in given:
            return items(given["values"]), False
        if given:
            numbers = [_number(given.get(key)) for key in ("minValue", "maxValue")]
            return [number for number in numbers if number is not None], True
    return [], False


def _number(value: Any) -> float | None:
    """Protocol buffers take 64-bit numbers as text, too. None for what is none, which `schema` says."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
