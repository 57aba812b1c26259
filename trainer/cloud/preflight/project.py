"""What only the project can say, asked with credentials: bucket, image, quota, jobs that write to the same place."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote

from trainer.cloud import job_calls, machines
from trainer.cloud.google_rest import GoogleRest
from trainer.cloud.jobspec import Job
from trainer.cloud.preflight import images
from trainer.cloud.preflight.finding import Finding, mapping, text, whole
from trainer.contract import MANIFEST_NAME
from trainer.errors import NotFoundError, StorageError
from trainer.google_errors import Trouble, Words, google_errors

_STORAGE = Words(
    "the storage service",
    missing="no such object",
    do={Trouble.DENIED: "ask for roles/storage.objectViewer and .bucketViewer on the bucket"},
)
_PREFIX = "custom_model_training_"
#: Beginnings of the regions that a multi-region or a pair of regions holds.
_AROUND = {
    "US": ("us-",),
    "EU": ("europe-",),
    "ASIA": ("asia-",),
    "ASIA1": ("asia-northeast1", "asia-northeast2"),
    "EUR4": ("europe-north1", "europe-west4"),
    "EUR5": ("europe-west1", "europe-west2"),
    "EUR7": ("europe-west2", "europe-west3"),
    "EUR8": ("europe-west3", "europe-west6"),
    "NAM4": ("us-central1", "us-east1"),
}


@dataclass
class Answers:
    """What was found, and what could not be asked."""

    findings: list[Finding] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def check(job: Job, rest: GoogleRest, active_jobs: Callable[[], Sequence[str]], *, model: str = "") -> Answers:
    """``active_jobs`` names the jobs that write to this one's place and have not ended yet.

    ``model`` is the place of the model that is to come, empty where none is, or where it may be there already.
    """
    answers = Answers()
    buckets = dict.fromkeys(_parts(place)[0] for place in (job.output, model) if place.startswith("gs://"))
    questions: list[Callable[[], Iterator[Finding]]] = [
        *(partial(_bucket, job, name) for name in buckets),
        partial(_model, job, model),
        *(partial(_image, uri, rest) for uri in dict.fromkeys(images.uris(job).values())),
        *(partial(_quota, job, name, needed, rest) for name, needed in demands(job).items()),
        lambda: _active(job, active_jobs()),
    ]
    for ask in questions:
        try:
            answers.findings += ask()
        except StorageError as error:
            answers.unchecked.append(str(error))
    return answers


def demands(job: Job) -> Counter[str]:
    """How much of which quota the job takes at once."""
    table, needed = machines.load(), Counter[str]()
    at_once = (whole(job.document.get("parallelTrialCount")) or 1) if job.is_tuning else 1
    for pool in job.pools.values():
        spec, replicas = mapping(pool.get("machineSpec")), whole(pool.get("replicaCount")) or 0
        machine = table.machines[text(spec["machineType"])]
        needed[machine.quota] += machine.cpus * replicas * at_once
        if kind := text(spec.get("acceleratorType")):
            needed[table.accelerators[kind].quota] += (whole(spec.get("acceleratorCount")) or 0) * replicas * at_once
    if mapping(job.spec.get("scheduling")).get("strategy") != "SPOT":
        return needed
    return Counter({name.replace(_PREFIX, f"{_PREFIX}preemptible_"): count for name, count in needed.items()})


def _bucket(job: Job, name: str) -> Iterator[Finding]:
    from google.cloud import storage

    with google_errors(f"the bucket {name}", _STORAGE):
        bucket = storage.Client(project=job.project).lookup_bucket(name)
    if bucket is None:
        do = "scripts/setup_gcp makes it, or --set bucket=NAME"
        yield Finding("bucket", f"the bucket {name}", "one that is there", "no such bucket", do)
    else:
        yield from place_findings(bucket, job.region)


def _model(job: Job, place: str) -> Iterator[Finding]:
    from google.cloud import storage

    if not place.startswith("gs://"):
        return
    name, folder = _parts(place)
    manifest = "/".join(part for part in (folder, MANIFEST_NAME) if part)
    with google_errors(f"whether there is a model in {place}", _STORAGE):
        is_there = storage.Client(project=job.project).bucket(name).blob(manifest).exists()
    if is_there:
        received, do = f"gs://{name}/{manifest}", "take that model, or --set run=NAME to train it again"
        yield Finding("already-done", "the model of this run", "no such model yet", received, do)


def _parts(place: str) -> tuple[str, str]:
    """Bucket and prefix."""
    bucket, _, prefix = place.removeprefix("gs://").partition("/")
    return bucket, prefix


def place_findings(bucket: Any, region: str) -> Iterator[Finding]:
    place = str(bucket.location or "").upper()
    if place and place != region.upper() and not region.startswith(_AROUND.get(place, "\0")):
        expected = f"in {region}, or in the multi-region around it: reading across regions costs time and money"
        yield Finding("bucket-region", f"the bucket {bucket.name}", expected, place.lower(), "--set bucket=NAME")


def by_digest(uri: str, rest: GoogleRest) -> str:
    """The image that ``uri`` names now, so that a tag that moves changes nothing. Raises StorageError."""
    image = images.parse(uri)
    if image is None or image.digest:
        return uri
    digest = text(_ask_for(image, uri, rest).get("version")).rpartition("/")[2]
    return f"{uri.removesuffix(f':{image.tag}')}@{digest}" if digest else uri


def _image(uri: str, rest: GoogleRest) -> Iterator[Finding]:
    image = images.parse(uri)
    if image is None:
        return
    try:
        _ask_for(image, uri, rest)
    except NotFoundError:
        do = "build it: gcloud builds submit, see docs/cloud-build.md; or --set image=…"
        yield Finding("image-absent", "the image", "one that is there", uri, do)


def _ask_for(image: images.Image, uri: str, rest: GoogleRest) -> dict[str, Any]:
    package = quote(image.package, safe="")
    version = f"versions/{image.digest}" if image.digest else f"tags/{image.tag}"
    repository = f"v1/projects/{image.project}/locations/{image.location}/repositories/{image.repository}"
    return rest.get("artifactregistry", f"{repository}/packages/{package}/{version}", f"the image {uri}")


def _quota(job: Job, name: str, needed: int, rest: GoogleRest) -> Iterator[Finding]:
    metric = quote(f"aiplatform.googleapis.com/{name}", safe="")
    service = f"v1beta1/projects/{job.project}/services/aiplatform.googleapis.com"
    answer = rest.get("serviceusage", f"{service}/consumerQuotaMetrics/{metric}?view=FULL", f"the quota {name}")
    limit = _limit(answer, job.region)
    if limit is not None and limit < needed:
        expected = f"at least {needed} in {job.region}"
        do = "ask for more at console.cloud.google.com/iam-admin/quotas, or use another machine or region"
        yield Finding("quota", f"the quota {name}", expected, str(limit), do)


def _limit(answer: Any, region: str) -> int | None:
    """The effective limit in ``region``, else the one for regions that have none of their own; None without a limit."""
    general: int | None = None
    for limit in answer.get("consumerQuotaLimits", []):
        for bucket in limit.get("quotaBuckets", []):
            value, place = int(bucket.get("effectiveLimit", -1)), bucket.get("dimensions", {}).get("region")
            value_or_none = None if value < 0 else value
            if place == region:
                return value_or_none
            if place is None:
                general = value_or_none
    return general


def _active(job: Job, names: Sequence[str]) -> Iterator[Finding]:
    for name in names:
        do = f"follow it: {job_calls.about(job, 'stream-logs', name)}, or {job_calls.about(job, 'cancel', name)}"
        yield Finding("already-running", f"jobs that write to {job.output}", "none at work", name, do)
