"""What a search knows: an Optuna study in a SQLite file, and how it learns from itself and from earlier ones."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.cloud.search_space import Choice, SearchSpace, as_json
from trainer.errors import SettingsError, StorageError
from trainer.fields import as_text

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

STUDY_NAME = "trainer"
#: Of an earlier study with other settings, whose values can't be compared: the first that are tried here.
BEST_TRIED_AGAIN = 5
RANDOM_TRIALS = 8
PRUNING_STARTS_AFTER_TRIALS = 4
# Attributes of a study and of its trials.
_IDENTITY, _LEARNT_FROM, _CUT_OFF = "identity", "learnt_from", "cut_off"
_FOLDER, _COPIED = "folder", "copied_from"

log = logging.getLogger(__name__)


def open_study(
    folder: Path, identity: Mapping[str, Any], *, reference: Mapping[str, Any], epochs: int, seed: int
) -> "Study":
    """The study of ``folder``, begun if there is none, ready to go on.

    Args:
        identity: all that must be equal for two trials to be comparable.
        reference: values to begin with; {} for none.

    Raises SettingsError if the study was begun with another ``identity``.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        study = optuna.create_study(
            storage=address(folder), study_name=STUDY_NAME, direction="maximize", load_if_exists=True
        )
    except _no_database() as error:
        expected, do = "a database of Optuna", "choose another --study, or move study.db out of it"
        received = _cause(error)
        raise StorageError(f"the study {folder} can't be read", expected=expected, received=received, do=do) from error
    begun_with = study.user_attrs.get(_IDENTITY)
    if begun_with is None:
        if reference:
            study.enqueue_trial(dict(reference), user_attrs={"why": "the settings that the search starts from"})
        study.set_user_attr(_IDENTITY, dict(identity))
    elif begun_with != identity:
        raise SettingsError(
            f"--study {folder} was begun with other settings, and its trials can't be compared with new ones",
            expected=_difference(begun_with, identity),
            received=_difference(identity, begun_with),
            do=f"choose another --study, with --warm-start {folder} to learn from this one",
        )
    # With a seed of its own at each start: a search that goes on would else draw what it has drawn before.
    study.sampler = optuna.samplers.TPESampler(seed=(seed + len(study.trials)) % 2**32, n_startup_trials=RANDOM_TRIALS)
    # Not before half of the epochs: a triangular schedule shows only then what it is worth.
    study.pruner = optuna.pruners.MedianPruner(
        n_startup_trials=PRUNING_STARTS_AFTER_TRIALS, n_warmup_steps=max(1, epochs // 2)
    )
    _take_up_cut_off_trials(study)
    return study


def address(place: str | Path) -> str:
    """Optuna's address of the study in a folder; an address stays what it is."""
    return str(place) if "://" in str(place) else f"sqlite:///{Path(place) / 'study.db'}"


def distributions(space: SearchSpace) -> "dict[str, BaseDistribution]":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        name: CategoricalDistribution(values.values)
        if isinstance(values, Choice)
        else FloatDistribution(values.low, values.high, log=values.log)
        for name, values in space.items()
    }


def learn_from(study: "Study", earlier: str, space: SearchSpace) -> int:
    """Warm start from the study at ``earlier``, once; how many of its trials are used.

    Of a study with the same settings the finished trials count as if they had been tried here. Of any other the best
    are tried here first, as far as they lie within ``space``.

    Raises SettingsError if there is no such study.
    """
    source = _load(earlier)
    learnt_from: list[str] = study.user_attrs.get(_LEARNT_FROM, [])
    if address(earlier) in learnt_from:
        return 0
    finished = [trial for trial in _complete(source) if _lies_within(trial.params, space)]
    if source.user_attrs.get(_IDENTITY) == study.user_attrs[_IDENTITY]:
        used = finished
        for trial in used:
            trial.set_user_attr(_COPIED, address(earlier))
            study.add_trial(trial)
    else:
        used = sorted(finished, key=lambda trial: trial.value or 0, reverse=True)[:BEST_TRIED_AGAIN]
        for trial in used:
            why = {"why": f"trial {trial.number} of {earlier}"}
            study.enqueue_trial({name: trial.params[name] for name in space}, why, skip_if_exists=True)
    study.set_user_attr(_LEARNT_FROM, [*learnt_from, address(earlier)])
    return len(used)


def counted(study: "Study") -> "list[FrozenTrial]":
    """The trials that were brought to an end here, whatever it was."""
    cut_off = study.user_attrs.get(_CUT_OFF, [])
    finished = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    return [trial for trial in finished if trial.number not in cut_off and _COPIED not in trial.user_attrs]


def best(study: "Study") -> "FrozenTrial | None":
    return max(_complete(study), key=lambda trial: trial.value or 0, default=None)


def folder_name(trial: "Trial | FrozenTrial") -> str:
    """Of the trial's files: one that goes on after it was cut off keeps its own."""
    return str(trial.user_attrs.get(_FOLDER, f"{trial.number:04d}"))


def as_flags(params: Mapping[str, Any]) -> list[str]:
    """The way Vertex AI passes a trial its values: ``--name=value``."""
    return [f"--{name}={as_text(value)}" for name, value in params.items()]


def identity_of(space: SearchSpace, fixed: Mapping[str, Any]) -> dict[str, Any]:
    """What makes trials comparable: the space, and all that is fixed for every trial. JSON-able."""
    identity = {"space": as_json(space), "fixed": {name: value for name, value in fixed.items() if name not in space}}
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


def _take_up_cut_off_trials(study: "Study") -> None:
    """A trial that ran when the search ended is started again, with its values, in its folder: it goes on there."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.set_user_attr(_CUT_OFF, [*study.user_attrs.get(_CUT_OFF, []), trial.number])
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params, {**trial.user_attrs, _FOLDER: folder_name(trial)})
        log.info("trial %d was cut off and goes on", trial.number)


def _load(place: str) -> "Study":
    import optuna

    expected, do = "a folder that --study made, or the address of Optuna's storage", "check the name"
    database = place.removeprefix("sqlite:///") if "://" in place else str(Path(place) / "study.db")
    if "://" in database or not Path(database).is_file():  # Optuna would make a new one.
        raise SettingsError(f"--warm-start {place}", expected=expected, received="no such file", do=do)
    try:
        names = optuna.get_all_study_names(storage=address(place))
    except _no_database() as error:
        raise SettingsError(f"--warm-start {place}", expected=expected, received=_cause(error), do=do) from error
    if not names:
        raise SettingsError(f"--warm-start {place}", expected="a study", received="an empty storage", do=do)
    name = STUDY_NAME if STUDY_NAME in names else names[0]
    return optuna.load_study(study_name=name, storage=address(place))


def _no_database() -> tuple[type[Exception], ...]:
    """What comes of a file that is none, or that another version of Optuna has made (RuntimeError)."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    return StorageInternalError, SQLAlchemyError, RuntimeError


def _cause(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _complete(study: "Study") -> "Sequence[FrozenTrial]":
    from optuna.trial import TrialState

    return study.get_trials(states=(TrialState.COMPLETE,))


def _lies_within(params: Mapping[str, Any], space: SearchSpace) -> bool:
    return all(name in params and values.holds(params[name]) for name, values in space.items())


def _difference(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """What ``one`` says of the names in which it differs from ``other``."""
    found = []
    for part in one:
        ours, theirs = one[part], other[part]
        found += [f"{name}={ours[name]}" for name in ours if ours[name] != theirs.get(name)]
    return ", ".join(found) or "fewer settings"
