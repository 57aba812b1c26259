"""What a job costs, told to people, and kept below a limit."""

from collections.abc import Iterator
from dataclasses import replace

from trainer.cloud import cost, prices
from trainer.cloud.jobspec import Job, change_texts
from trainer.cloud.preflight.finding import mapping
from trainer.cloud.preflight.running import seconds
from trainer.errors import SettingsError
from trainer.submission.settings import settings_of


def limit(job: Job, most_usd: float | None) -> Job:
    """The job with the timeout that keeps it below ``most_usd``, or as it is without a limit.

    Raises SettingsError where the training can't be expected to end within it, or a machine has no price.
    """
    if most_usd is None:
        return job
    estimate, allowed = _estimate(job), cost.longest_timeout(job, most_usd)
    if estimate.expected is not None and estimate.expected > most_usd:
        received = f"${estimate.expected:.2f} to be expected"
        do = "raise it, train fewer epochs, or take a cheaper machine"
        raise SettingsError("--max-cost is too low", expected=f"at most ${most_usd:.2f}", received=received, do=do)
    if estimate.training_seconds is not None and estimate.training_seconds > allowed:
        raise SettingsError(
            "--max-cost would cut the training off",
            expected=f"{estimate.training_seconds:,.0f} s of training in each of {_attempts(estimate)}",
            received=f"{allowed:,} s for ${most_usd:.2f}",
            do=f"raise it, train fewer epochs, or {cost.fewer_attempts(job)}",
        )
    document = change_texts(job.document, str)
    scheduling = (document["trialJobSpec"] if job.is_tuning else document)["scheduling"]
    if (seconds(scheduling["timeout"]) or 0) > allowed:
        scheduling["timeout"] = f"{allowed}s"
    return replace(job, document=document)


def tell(job: Job, most_usd: float | None) -> Iterator[str]:
    """The estimate in lines; one line says so where a machine has no price."""
    try:
        estimate = _estimate(job)
    except SettingsError as error:
        yield f"cost: {error}"
        return
    rate, automl = estimate.rate, prices.automl()
    certainty = "" if rate.is_read else ", partly quoted or derived: 5 % more is reckoned at worst"
    yield f"cost: ${rate.usd:.4f} an hour for all replicas with disks (list price of {rate.as_of}{certainty})"
    trials = f", {estimate.trials} trials" if job.is_tuning else ""
    if estimate.expected is None:
        yield f"  expected: not known, as {estimate.why_not}"
    else:
        minutes = (estimate.training_seconds or 0) / 60
        source = prices.speeds().source
        yield f"  expected: ${estimate.expected:.2f} ({minutes:.0f} min of training at most{trials}; {source})"
    if estimate.worst is not None:
        kept = f", kept below ${most_usd:.2f} by the timeout" if most_usd is not None else ""
        each = "" if estimate.attempts == 1 else "each "
        yield f"  at worst: ${estimate.worst:.2f} ({_attempts(estimate)}, {each}until its timeout{trials}{kept})"
    yield from _too_short(job, estimate)
    yield (
        f"  beside it: AutoML ${automl.usd:.2f} ({automl.least_node_hours} node hours at ${automl.usd_per_node_hour}, "
        f"its least, {automl.as_of})"
    )


def _attempts(estimate: cost.Estimate) -> str:
    return f"{estimate.attempts} attempt{'s' * (estimate.attempts > 1)}"


def _too_short(job: Job, estimate: cost.Estimate) -> Iterator[str]:
    """No finding: training may stop early, and what was expected may be slower than that machine."""
    allowed = seconds(mapping(job.spec.get("scheduling")).get("timeout"))
    if allowed is not None and estimate.training_seconds is not None and estimate.training_seconds > allowed:
        yield (
            f"  warning: the timeout of {allowed:,.0f} s is shorter than the {estimate.training_seconds:,.0f} s of "
            "training that are expected at most: where that ends it, the job expires; submitted again, it goes on"
        )


def _estimate(job: Job) -> cost.Estimate:
    return cost.estimate(job, settings_of(job))
