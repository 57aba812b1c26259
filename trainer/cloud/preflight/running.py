"""How the job is run: for how long, again after what, as whom, and where its files go."""

import re
from collections.abc import Iterator
from typing import Any

from trainer.cloud import machines
from trainer.cloud.jobspec import PLACEHOLDERS, Job, is_place, open_placeholders
from trainer.cloud.preflight.finding import Finding, mapping, text

_ACCOUNT = re.compile(
    r"[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.-]+\.iam\.gserviceaccount\.com"
    r"|\d+-compute@developer\.gserviceaccount\.com|[a-z0-9.-]+@appspot\.gserviceaccount\.com"
)
_NETWORK = re.compile(r"projects/\d+/global/networks/[a-z][a-z0-9-]*")
_TENSORBOARD = re.compile(r"projects/[^/]+/locations/(?P<region>[^/]+)/tensorboards/\d+")
SHORTEST_SECONDS, LONGEST_SECONDS = 120, 7 * 24 * 3600
DEPRECATED = {"ON_DEMAND": "STANDARD", "LOW_COST": "SPOT"}


def check(job: Job) -> Iterator[Finding]:
    yield from _output(job)
    yield from _account(job)
    scheduling = mapping(job.spec.get("scheduling"))
    yield from _timeout(scheduling)
    yield from _strategy(scheduling)
    if scheduling.get("strategy") == "FLEX_START":
        yield from _flex_start(job)
    yield from _resources(job)


def seconds(duration: Any) -> float | None:
    """Of a duration such as ``3600s``; None for what is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)s", text(duration))
    return float(match[1]) if match else None


def _output(job: Job) -> Iterator[Finding]:
    what, given = "baseOutputDirectory.outputUriPrefix", mapping(job.spec.get("baseOutputDirectory"))
    if not job.output:
        expected = "a fixed place: without it there is no AIP_MODEL_DIR, and a resubmitted job finds no checkpoint"
        yield Finding("output-missing", what, expected, "", f"write gs://BUCKET/jobs/{job.name}/RUN")
    elif not open_placeholders(job.output) and not is_place(job.output):
        do = f"write it like that; nothing is filled in but {', '.join(PLACEHOLDERS)}"
        yield Finding(
            "output-form", what, "gs://bucket/prefix, without empty parts or ..", text(given.get("outputUriPrefix")), do
        )


def _account(job: Job) -> Iterator[Finding]:
    account = text(job.spec.get("serviceAccount"))
    if account and not open_placeholders(account) and not _ACCOUNT.fullmatch(account):
        expected = "NAME@PROJECT.iam.gserviceaccount.com"
        yield Finding("service-account-form", "serviceAccount", expected, account, "scripts/setup_gcp makes one")


def _timeout(scheduling: dict[str, Any]) -> Iterator[Finding]:
    what, duration = "scheduling.timeout", scheduling.get("timeout")
    if duration is None:
        do = "write timeout: 10800s, or let --max-cost set it"
        yield Finding("timeout-missing", what, "an end: Vertex AI's own is after 7 days", "", do)
    elif (length := seconds(duration)) is not None and not SHORTEST_SECONDS <= length <= LONGEST_SECONDS:
        expected = f"{SHORTEST_SECONDS}s to {LONGEST_SECONDS}s (7 days)"
        yield Finding("timeout-range", what, expected, text(duration), "write what the training needs, doubled")


def _strategy(scheduling: dict[str, Any]) -> Iterator[Finding]:
    strategy = text(scheduling.get("strategy"))
    if strategy in DEPRECATED:
        expected = "STANDARD, SPOT or FLEX_START: the older names are deprecated"
        yield Finding("strategy", "scheduling.strategy", expected, strategy, f"write {DEPRECATED[strategy]}")
    if strategy == "SPOT" and scheduling.get("disableRetries") is True:
        expected = "false: Vertex AI starts a spot job again after it was taken away, up to six times"
        yield Finding("spot-retries", "scheduling.disableRetries", expected, "true", "take it out, or use STANDARD")
    if "maxWaitDuration" in scheduling and strategy != "FLEX_START":
        expected = "only with strategy FLEX_START, which waits for machines"
        yield Finding("max-wait", "scheduling.maxWaitDuration", expected, strategy or "no strategy", "take it out")


def _flex_start(job: Job) -> Iterator[Finding]:
    known = machines.load().accelerators
    fitting = ", ".join(name for name, accelerator in known.items() if accelerator.flex_start)
    kinds = [text(mapping(pool.get("machineSpec")).get("acceleratorType")) for pool in job.pools.values()]
    for kind in dict.fromkeys(kinds):
        if kind in (*known, "") and not (kind and known[kind].flex_start):
            do = "take STANDARD or SPOT, or such a machine"
            yield Finding("flex-start", "scheduling.strategy FLEX_START", f"one of {fitting}", kind or "no GPU", do)


def _resources(job: Job) -> Iterator[Finding]:
    network, tensorboard = text(job.spec.get("network")), text(job.spec.get("tensorboard"))
    if network and not open_placeholders(network) and not _NETWORK.fullmatch(network):
        do = "write the project's number, not its id"
        yield Finding("network", "network", "projects/NUMBER/global/networks/NAME", network, do)
    if not tensorboard or open_placeholders(tensorboard):
        return
    match = _TENSORBOARD.fullmatch(tensorboard)
    if match is None or match["region"] != job.region:
        expected = f"projects/PROJECT/locations/{job.region}/tensorboards/NUMBER"
        do = "copy it from gcloud ai tensorboards list"
        yield Finding("tensorboard", "tensorboard", expected, tensorboard, do)
    if not job.spec.get("serviceAccount"):
        expected = "an account that may write to the tensorboard"
        yield Finding("tensorboard-account", "serviceAccount", expected, "", "add it, see scripts/setup_gcp")
