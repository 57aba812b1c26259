"""A tuning job's study: what is searched, for what, and how often."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from trainer.cloud.jobspec import Job
from trainer.cloud.preflight.containers import environment_of
from trainer.cloud.preflight.finding import Finding, items, mapping, nearest, text, whole
from trainer.cloud.preflight.flags import ReadFlags, arguments_of, replica_environment

#: What the trainer reports after each epoch.
METRIC, GOAL = "val_accuracy", "MAXIMIZE"
_RANGES, _LISTS = ("doubleValueSpec", "integerValueSpec"), ("categoricalValueSpec", "discreteValueSpec")
#: With another value of these, trials are judged on other images; the split follows from the seed.
_NOT_COMPARABLE = ("data", "seed", "val_fraction", "limit_train", "limit_test")


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
    arguments = arguments_of(job.first_pool)
    settings = read_flags(arguments, replica_environment(job, {})).values
    if settings.get("validation_only") is False:
        expected = "--validation-only: a trial looks at no test image, and publishes nothing"
        yield Finding("study-test", "args of trialJobSpec", expected, " ".join(arguments), "add it")
    if settings.get("data") == "auto":
        expected = "the same data for all trials: each would find for itself what auto stands for"
        yield Finding("study-data", "args of trialJobSpec --data", expected, "auto", "name the data, or leave it out")
    names = [text(parameter.get("parameterId")) for parameter in parameters]
    for name in dict.fromkeys(name for name in names if name and names.count(name) > 1):
        yield Finding("study-twice", f"studySpec.parameters {name}", "each parameter once", f"{name} again", "keep one")
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
        yield Finding(
            "study-trials", "parallelTrialCount", expected, received, f"write parallelTrialCount: {min(2, most)}"
        )


def _parameter(job: Job, parameter: dict[str, Any], arguments: list[str], read_flags: ReadFlags) -> Iterator[Finding]:
    name = text(parameter.get("parameterId"))
    what = f"studySpec.parameters {name}"
    given = {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in arguments if word[:2] == "--"}
    env = replica_environment(job, environment_of(job.first_pool))
    defaults = read_flags([], env)
    if name in given:
        expected = "a setting that the arguments leave open"
        yield Finding("study-twice", what, expected, f"--{name} in args too", "take it out of args")
    elif name in _NOT_COMPARABLE:
        expected = "a setting that leaves every trial the same validation images"
        yield Finding("study-parameter", what, expected, name, "take it out")
    elif name not in defaults.shaping:
        known = [key for key in defaults.shaping if key not in _NOT_COMPARABLE]
        do = "take it out" if name in defaults.values else nearest(name, known, "see --help")
        yield Finding("study-parameter", what, "a setting of the trainer that shapes the weights", name, do)
    else:
        yield from _values(parameter, what)
        yield from _taken(parameter, what, lambda value: _complaint([*arguments, f"--{name}={value}"], env, read_flags))


def _complaint(arguments: list[str], env: Mapping[str, str], read_flags: ReadFlags) -> str:
    """About the last of ``arguments``; what is wrong without it is told elsewhere."""
    return "" if read_flags(arguments[:-1], env).complaint else read_flags(arguments, env).complaint


def _values(parameter: dict[str, Any], what: str) -> Iterator[Finding]:
    """A kind of values, all that belongs to it, and a scale that fits."""
    kind = next((kind for kind in (*_RANGES, *_LISTS) if kind in parameter), "")
    given, scale = mapping(parameter.get(kind)), text(parameter.get("scaleType"))
    low, high = _number(given.get("minValue")), _number(given.get("maxValue"))
    if not kind or (kind in _LISTS and not given.get("values")):
        expected = f"values to try: {', '.join((*_RANGES, *_LISTS))}"
        yield Finding("study-range", what, expected, "", "see jobs/tuning.yaml")
    elif kind in _RANGES and not {"minValue", "maxValue"} <= given.keys():
        received = ", ".join(map(str, given))
        yield Finding("study-range", f"{what}.{kind}", "minValue and maxValue", received, "write both")
    elif low is not None and high is not None and low >= high:
        yield Finding("study-range", what, "minValue below maxValue", f"{low:g} and {high:g}", "swap them")
    elif low is not None and low <= 0 and "LOG" in scale:
        do = "raise it, or write scaleType: UNIT_LINEAR_SCALE"
        yield Finding("study-range", what, f"minValue above 0 for {scale}", f"{low:g}", do)
    elif kind == "categoricalValueSpec" and scale:
        yield Finding("study-range", what, "no scale: these are names, not numbers", scale, "take scaleType out")


def _taken(parameter: dict[str, Any], what: str, complaint: Callable[[Any], str]) -> Iterator[Finding]:
    """Whether the trainer takes what a trial would be given; the first that it doesn't is told."""
    for kind in (*_RANGES, *_LISTS):
        given = mapping(parameter.get(kind))
        for value in items(given.get("values")):
            if refused := complaint(value):
                yield Finding("study-range", what, "values that trainer.task takes", refused, "take it out")
                return
        ends = [number for key in ("minValue", "maxValue") if (number := _number(given.get(key))) is not None]
        for value in ends:
            if refused := complaint(value):
                yield Finding("study-range", what, "values that trainer.task takes", refused, "narrow the range")
                return
        # Nothing in between is whole.
        between = min(ends) + (max(ends) - min(ends)) / math.pi if kind == "doubleValueSpec" and ends else None
        if between is not None and (refused := complaint(between)):
            yield Finding("study-range", what, "values that trainer.task takes", refused, "write integerValueSpec")


def _number(value: Any) -> float | None:
    """Protocol buffers take 64-bit numbers as text, too. None for what is none, which `schema` says."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None
