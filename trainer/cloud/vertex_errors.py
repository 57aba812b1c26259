"""Vertex AI's troubles: what passes by itself, and what is said of the rest, by what it was asked for."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from trainer.google_errors import Trouble, Words, trouble_of

if TYPE_CHECKING:
    from google.api_core.retry import Retry

#: How long we wait between two tries.
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 1.0, 20.0

_NAME = "Vertex AI"
REGISTRY = Words(
    _NAME,
    missing="Vertex AI has no such model, version or project",
    do={
        Trouble.MISSING: "check --vertex-project and --vertex-region, and register the version first",
        Trouble.DENIED: (
            "see docs/vertex-registry.md for the roles that this account and Vertex AI's service agent need"
        ),
        Trouble.AWAY: "check the network, --vertex-project and --vertex-region, then start the same command again",
    },
)
EXPERIMENTS = Words(
    _NAME,
    missing="Vertex AI has no such project, experiment or TensorBoard",
    do={
        Trouble.MISSING: "check --vertex-project, --vertex-region and --experiment-tensorboard",
        Trouble.DENIED: "see docs/setup-gcp.md for the role trainerExperiments that this account needs",
        Trouble.QUOTA: "ask for a higher quota",
        Trouble.AWAY: "check the network, --vertex-project and --vertex-region",
        Trouble.SLOW: "see the console",
    },
)
JOBS = Words(
    _NAME,
    missing="Vertex AI has no such project or job",
    do={
        Trouble.MISSING: "check project and region",
        Trouble.DENIED: "see docs/jobs.md for the roles that submitting takes",
        Trouble.QUOTA: "ask for a higher quota, or submit later or in another region",
        Trouble.AWAY: "check the network; the console shows whether the job was made",
        Trouble.SLOW: "the console shows whether the job was made",
        Trouble.REFUSED: "mend what it names",
    },
)

log = logging.getLogger("trainer.vertex")


def tell(error: Exception) -> None:
    log.warning("Vertex AI: %s; looking again", error)


def patience(
    seconds: float, also: tuple[type[Exception], ...] = (), *, on_error: Callable[[Exception], None] = tell
) -> "Retry":
    """Repeat for ``seconds`` what fails for a passing reason, or by one of ``also``. An expired login is none."""
    from google.api_core import exceptions as api
    from google.api_core.retry import Retry

    passing = (
        *(api.TooManyRequests, api.ServiceUnavailable, api.DeadlineExceeded, api.Aborted, api.InternalServerError),
        *also,
    )
    return Retry(
        predicate=lambda error: isinstance(error, passing) and trouble_of(error) is not Trouble.LOGIN,
        initial=FIRST_DELAY_SECONDS,
        maximum=LONGEST_DELAY_SECONDS,
        timeout=seconds,
        on_error=on_error,
    )
