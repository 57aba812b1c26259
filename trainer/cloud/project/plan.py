"""What was asked for: one project and the names of what it is to hold."""

from dataclasses import dataclass

#: What ``ACCELERATOR`` in the Dockerfile may be; without a word, the first is built.
IMAGES = ("cpu", "gpu", "jax")


@dataclass(frozen=True)
class Plan:
    """Flags of ``scripts/setup_gcp``. ``None``: not wanted.

    Attributes:
        reader_project: another project whose Vertex AI may read released models and images.
        data_bucket: a bucket, of any project, whose images may be trained on.
        budget: per month, in the billing account's currency.
        github: ``owner/name``.
        images: of ``IMAGES`` those that are built from it.
    """

    project: str
    region: str
    bucket: str
    repository: str
    branch: str
    build_submits: bool
    reader_project: str | None = None
    data_bucket: str | None = None
    budget: int | None = None
    github: str | None = None
    images: tuple[str, ...] = IMAGES[:1]

    def is_wanted(self, flag: str) -> bool:
        """Whether ``flag``, such as ``--reader-project``, was given."""
        return not flag or bool(getattr(self, flag.removeprefix("--").replace("-", "_")))

    def email(self, account: str) -> str:
        return f"{account}@{self.project}.iam.gserviceaccount.com"
