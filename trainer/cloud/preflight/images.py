"""Where a container image may lie."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from trainer.cloud import machines
from trainer.cloud.jobspec import Job, open_placeholders
from trainer.cloud.preflight.finding import Finding, mapping, text

_IMAGE = re.compile(
    r"(?P<location>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[a-z][a-z0-9.:-]*[a-z0-9])/(?P<repository>[a-z][a-z0-9-]*)/"
    r"(?P<package>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_CONTAINER_REGISTRY = re.compile(r"(?:[a-z]+\.)?gcr\.io/")
_GOOGLES = re.compile(r"[a-z]+-docker\.pkg\.dev/vertex-ai/")
_FOR_TENSORFLOW = re.compile(r"[a-z]+-docker\.pkg\.dev/vertex-ai/training/tf-")
#: Repositories that span several regions, by the regions' prefixes.
_CONTINENTS = {"us": ("us-",), "europe": ("europe-",), "asia": ("asia-",)}


@dataclass(frozen=True)
class Image:
    """The parts of an image's name in Artifact Registry."""

    location: str
    project: str
    repository: str
    package: str
    tag: str
    digest: str


def parse(uri: str) -> Image | None:
    """None for what is no image of Artifact Registry. Without tag and digest it is ``latest``."""
    match = _IMAGE.fullmatch(uri)
    if match is None:
        return None
    parts = match.groupdict(default="")
    return Image(**{**parts, "tag": parts["tag"] or ("" if parts["digest"] else "latest")})


def uris(job: Job) -> dict[str, str]:
    """Every image of the job by the place that names it."""
    found = {}
    for path, pool in job.pools.items():
        for part, key in (("containerSpec", "imageUri"), ("pythonPackageSpec", "executorImageUri")):
            if part in pool:
                found[f"{path}.{part}.{key}"] = text(mapping(pool[part]).get(key))
    return found


def check(job: Job) -> Iterator[Finding]:
    for path, uri in uris(job).items():
        if not open_placeholders(uri):
            yield from _image(path, uri, job.region)


def _image(path: str, uri: str, region: str) -> Iterator[Finding]:
    form = f"{region}-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE:TAG"
    do = f"build it with Cloud Build, then --set image={form}"
    image = parse(uri)
    if not uri:
        yield Finding("image-missing", path, "the image to run", "", do)
    elif _FOR_TENSORFLOW.match(uri):
        expected = "an image of our own: Google's for training TensorFlow end at 2.17 and are gone since 2026-07-11"
        yield Finding("image-prebuilt", path, expected, uri, do)
    elif _GOOGLES.match(uri) and not path.endswith("executorImageUri"):
        expected = "an image of our own: the trainer is not in Google's"
        yield Finding("image-prebuilt", path, expected, uri, do)
    elif _CONTAINER_REGISTRY.match(uri):
        yield Finding("image-retired", path, "Artifact Registry: Container Registry is shut down", uri, do)
    elif "docker.pkg.dev/" not in uri.partition("://")[2] and not _looks_like_ours(uri):
        yield Finding("image-registry", path, f"an image in Artifact Registry, {form}", uri, do)
    elif image is None:
        received = repr(uri) if any(letter.isspace() for letter in uri) else uri
        do = "write it like that, without https://"
        yield Finding("image-form", path, f"{form}, or @sha256:DIGEST", received, do)
    elif region not in machines.load().regions:
        return  # The region is what is wrong.
    elif image.location != region and not region.startswith(_CONTINENTS.get(image.location, ("\0",))):
        expected = f"a repository in the job's region, {region}"
        yield Finding("image-region", path, expected, image.location, f"use the image in {region}, or --set region=…")


def _looks_like_ours(uri: str) -> bool:
    return "docker.pkg.dev" in uri.partition("/")[0]
