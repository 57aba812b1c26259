"""The settings that all trials have, what they leave to search, and whether both go together."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product

from trainer.cloud.search_space import SEARCH_SPACE, Choice, SearchSpace
from trainer.commandline import flag
from trainer.errors import SettingsError
from trainer.fields import as_text
from trainer.origins import collect
from trainer.settings import FIELDS, Settings
from trainer.settings import parse as parse_settings

#: Each trial has its own places, and publishes nothing.
_NOT_FOR_TRIALS = ("output_dir", "checkpoint_dir", "tensorboard_dir", "register_model")


def left_to_search(fixed: Sequence[str]) -> SearchSpace:
    """The search space without what the flags of every trial fix. Raises SettingsError for what no trial may have.

    What a preset or a file says of a searched setting fixes nothing: there the search starts.
    """
    given, _ = collect(fixed, {}, FIELDS)
    for name in _NOT_FOR_TRIALS:
        raw, origin = given[name]
        if origin != "default" and not _switches_off(name, raw):
            do = "leave it out, and give it to the best trial's command"
            received = flag(name) if origin == "flag" else f"{flag(name)} ({origin})"
            raise SettingsError(
                "settings of trials", expected="none of places or of publishing", received=received, do=do
            )
    space = {name: values for name, values in SEARCH_SPACE.items() if given[name].origin != "flag"}
    if not space:
        do = "leave one of them out"
        raise SettingsError("nothing is left to search", expected="a searched setting", received="all given", do=do)
    return space


def _switches_off(name: str, raw: object) -> bool:
    """Whether the value says no, as it does of registering in a file made with ``--print-settings``."""
    return FIELDS[name].annotation is bool and str(raw).lower() == "false"


def settings_of_trials(fixed: Sequence[str], env: Mapping[str, str]) -> Settings:
    """As every trial has them, but for what is searched. Raises SettingsError."""
    ours = {name: value for name, value in env.items() if not name.startswith(("AIP_", "CLUSTER_SPEC", "CLOUD_ML_"))}
    return parse_settings([*fixed, "--validation-only"], ours)


def reference_values(space: SearchSpace, base: Settings) -> dict[str, str | float]:
    """What the settings say without a search, where it lies within ``space``; else {}."""
    values = {
        name: as_text(getattr(base, name)) if isinstance(allowed, Choice) else getattr(base, name)
        for name, allowed in space.items()
    }
    return values if all(space[name].holds(value) for name, value in values.items()) else {}


def refuse_what_no_trial_takes(space: SearchSpace, fixed: Sequence[str], env: Mapping[str, str]) -> None:
    """Raise SettingsError for values of ``space`` that do not go with what is ``fixed``, before a trial meets them.

    Each value is tried, and each two of different settings: of two that disagree, one may matter with the other only.
    """
    values = [
        [(name, value) for value in (allowed.values if isinstance(allowed, Choice) else (allowed.low, allowed.high))]
        for name, allowed in space.items()
    ]
    for count in (1, 2):
        for settings in combinations(values, count):
            for chosen in product(*settings):
                _refuse_together(chosen, fixed, env)


def _refuse_together(chosen: Sequence[tuple[str, object]], fixed: Sequence[str], env: Mapping[str, str]) -> None:
    """Raise SettingsError where the values ``chosen``, by name, do not go with what is ``fixed``."""
    try:
        settings_of_trials([*fixed, *(f"{flag(name)}={value}" for name, value in chosen)], env)
    except SettingsError as error:
        names = " and ".join(flag(name) for name, _ in chosen)
        raise SettingsError(
            f"{names} can't be searched beside these settings",
            expected="such that go with all values of the search",
            received=f"of {' and '.join(str(value) for _, value in chosen)}: {error}",
            do=f"change them, or give {names} too, to search the others",
        ) from error
