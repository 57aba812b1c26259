"""The search as a job file of Vertex AI: the same space, each trial the job that the file describes."""

from collections.abc import Mapping
from typing import Any

from trainer.cloud.search_space import SearchSpace, study_spec


def tuning_document(
    document: Mapping[str, Any], space: SearchSpace, *, trials: int | None, workers: int | None
) -> dict[str, Any]:
    """A HyperparameterTuningJob, JSON-able: ``document`` with this space, and these numbers where they are given."""
    most = trials or document.get("maxTrialCount")
    at_a_time = workers or document.get("parallelTrialCount")
    if isinstance(most, int) and isinstance(at_a_time, int):
        at_a_time = min(at_a_time, most)  # Vertex AI refuses more.
    return {**document, "maxTrialCount": most, "parallelTrialCount": at_a_time, "studySpec": study_spec(space)}
