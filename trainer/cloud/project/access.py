"""Who may do what, and why: every service account, role and condition of the project, once."""

from dataclasses import dataclass

#: Account → what it is for. The first three are the original system's.
ACCOUNTS = {
    "model-training": "runs training jobs and the trials of tuning",
    "model-registry": "registers, promotes and mirrors models; runs jobs with --register",
    "model-serving": "runs what answers predictions",
    "model-build": "builds, checks and pushes images",
}

_EXPERIMENTS = (
    "artifacts.create", "artifacts.get", "artifacts.list",
    "contexts.addContextArtifactsAndExecutions", "contexts.addContextChildren",
    "contexts.create", "contexts.get", "contexts.list", "contexts.update",
    "executions.get", "executions.list",
    "metadataStores.create", "metadataStores.get",
    "tensorboards.get", "tensorboards.list",
    "tensorboardExperiments.create", "tensorboardExperiments.get", "tensorboardExperiments.list",
    "tensorboardRuns.create", "tensorboardRuns.get", "tensorboardRuns.list", "tensorboardRuns.write",
    "tensorboardTimeSeries.create", "tensorboardTimeSeries.get", "tensorboardTimeSeries.list",
)  # fmt: skip
_REGISTRY = (
    "models.delete", "models.get", "models.list", "models.update", "models.upload",
    "modelEvaluations.get", "modelEvaluations.import", "modelEvaluations.list",
)  # fmt: skip
_SUBMISSION = (
    "customJobs.cancel", "customJobs.create", "customJobs.get", "customJobs.list",
    "hyperparameterTuningJobs.cancel", "hyperparameterTuningJobs.create",
    "hyperparameterTuningJobs.get", "hyperparameterTuningJobs.list",
)  # fmt: skip


@dataclass(frozen=True)
class CustomRole:
    """A role of this project: Google's own roles for Vertex AI hold hundreds of permissions."""

    title: str
    permissions: tuple[str, ...]


def _role(title: str, permissions: tuple[str, ...]) -> CustomRole:
    return CustomRole(title, tuple(f"aiplatform.{permission}" for permission in sorted(permissions)))


CUSTOM_ROLES = {
    "trainerExperiments": _role("Write Vertex AI Experiments and TensorBoard", _EXPERIMENTS),
    "trainerRegistrar": _role("Mirror models in Vertex AI Model Registry", _REGISTRY),
    "trainerSubmitter": _role("Submit and follow Vertex AI jobs", _SUBMISSION),
}

# What a role is granted on.
PROJECT, BUCKET, IMAGES, DATA_BUCKET = "the project", "the bucket", "the image repository", "the data bucket"
TRAINING_ACCOUNT = "the account model-training"


@dataclass(frozen=True)
class Grant:
    """``role`` on ``on`` for an account.

    Attributes:
        account: a key of ``ACCOUNTS``, or ``READERS`` for another project's Vertex AI.
        role: ``roles/…`` or a key of ``CUSTOM_ROLES``.
        prefix: of the objects in a bucket that it is for, as an IAM condition; "" without one.
        only_with: the flag without which it is not granted.
    """

    account: str
    role: str
    on: str
    why: str
    prefix: str = ""
    only_with: str = ""


READERS = "another project's Vertex AI"

GRANTS = (
    Grant("model-training", "roles/storage.objectUser", BUCKET, "writes checkpoints, models and logs of jobs", "jobs/"),
    Grant("model-training", "roles/storage.objectViewer", BUCKET, "reads the images to train on", "data/"),
    Grant("model-training", "roles/storage.objectViewer", DATA_BUCKET, "reads them there", only_with="--data-bucket"),
    Grant("model-training", "trainerExperiments", PROJECT, "writes parameters and figures with --experiment"),
    Grant("model-training", "roles/logging.logWriter", PROJECT, "writes its log"),
    Grant("model-registry", "roles/storage.objectUser", BUCKET, "publishes versions, keeps history", "registry/"),
    Grant("model-registry", "roles/storage.objectUser", BUCKET, "reads, and trains with --register", "jobs/"),
    Grant("model-registry", "roles/storage.objectViewer", BUCKET, "examines models on the images", "data/"),
    Grant("model-registry", "roles/storage.objectViewer", DATA_BUCKET, "the same there", only_with="--data-bucket"),
    Grant("model-registry", "trainerRegistrar", PROJECT, "mirrors versions in Vertex AI Model Registry"),
    Grant("model-registry", "trainerExperiments", PROJECT, "trains with --register and --experiment"),
    Grant("model-registry", "roles/logging.logWriter", PROJECT, "writes its log"),
    Grant("model-serving", "roles/storage.objectViewer", BUCKET, "loads the released model", "registry/"),
    Grant("model-serving", "roles/logging.logWriter", PROJECT, "writes its log"),
    Grant("model-build", "roles/artifactregistry.writer", IMAGES, "pushes images"),
    Grant("model-build", "roles/storage.objectUser", BUCKET, "keeps what each image consists of", "sbom/"),
    Grant("model-build", "roles/ondemandscanning.admin", PROJECT, "looks for known vulnerabilities before it pushes"),
    Grant("model-build", "roles/logging.logWriter", PROJECT, "writes its log"),
    Grant("model-build", "trainerSubmitter", PROJECT, "submits a job with the new image", only_with="--build-submits"),
    Grant(
        "model-build", "roles/storage.bucketViewer", BUCKET,
        "sees where it is before it submits", only_with="--build-submits",
    ),
    Grant(
        "model-build", "roles/storage.objectViewer", BUCKET,
        "sees whether that job is done already", "jobs/", "--build-submits",
    ),
    Grant(
        "model-build", "roles/iam.serviceAccountUser", TRAINING_ACCOUNT,
        "lets that job run as model-training", only_with="--build-submits",
    ),
    Grant(READERS, "roles/storage.objectViewer", BUCKET, "serves our models", "registry/", "--reader-project"),
    Grant(READERS, "roles/artifactregistry.reader", IMAGES, "runs our images", only_with="--reader-project"),
)  # fmt: skip

SERVICES = (
    "aiplatform.googleapis.com",
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "containeranalysis.googleapis.com",
    "iam.googleapis.com",
    "logging.googleapis.com",
    "ondemandscanning.googleapis.com",
    "storage.googleapis.com",
)
BUDGET_SERVICES = ("billingbudgets.googleapis.com", "cloudbilling.googleapis.com")


def table() -> str:
    """``GRANTS`` in Markdown, for docs/setup-gcp.md."""
    rows = ["| account | role | on | why | only with |", "|---|---|---|---|---|"]
    for grant in GRANTS:
        place = f"{grant.on}, `{grant.prefix}`" if grant.prefix else grant.on
        flag = f"`{grant.only_with}`" if grant.only_with else ""
        account = f"`{grant.account}`" if grant.account in ACCOUNTS else grant.account
        rows.append(f"| {account} | `{grant.role}` | {place} | {grant.why} | {flag} |")
    return "\n".join(rows)
