"""What a container is started with: command, arguments, environment."""

import re
from collections.abc import Iterator
from typing import Any

from trainer.cloud.jobspec import Job
from trainer.cloud.preflight.finding import Finding, items, mapping, text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ENTRY_POINT = ("-m", "trainer.task")
#: Set by the platform in every replica; what a job defines itself would be taken for it, or be lost.
_RESERVED = ("AIP_", "CLOUD_ML_")
_RESERVED_NAMES = ("CLUSTER_SPEC", "TF_CONFIG", "TPU_CONFIG")


def check(job: Job) -> Iterator[Finding]:
    for path, pool in job.pools.items():
        if pool:
            yield from _kind(pool, path)
            yield from _command(mapping(pool.get("containerSpec")), path)
            yield from _module(mapping(pool.get("pythonPackageSpec")), path)
            yield from _environment(container_of(pool), path)
            yield from _processor(pool, path)


def container_of(pool: dict[str, Any]) -> dict[str, Any]:
    """Either of the two ways in which a pool says what it runs."""
    return mapping(pool.get("containerSpec")) or mapping(pool.get("pythonPackageSpec"))


def package_of(pool: dict[str, Any]) -> str:
    """What the image is called within its repository, such as ``train-cpu``."""
    return text(container_of(pool).get("imageUri")).rpartition("/")[2].partition(":")[0].partition("@")[0]


def environment_of(pool: dict[str, Any]) -> dict[str, str]:
    """The job's own variables, and the one that the image with JAX sets itself."""
    entries = [mapping(entry) for entry in items(container_of(pool).get("env"))]
    of_the_image = {"KERAS_BACKEND": "jax"} if package_of(pool).endswith("-jax") else {}
    return of_the_image | {text(entry.get("name")): text(entry.get("value")) for entry in entries}


def flags_in_command(pool: dict[str, Any]) -> list[str]:
    """What follows trainer.task in ``command``: the container's arguments come after it."""
    words = [word for word in items(container_of(pool).get("command")) if isinstance(word, str)]
    return words[words.index(ENTRY_POINT[1]) + 1 :] if ENTRY_POINT[1] in words else []


def _kind(pool: dict[str, Any], path: str) -> Iterator[Finding]:
    given = [part for part in ("containerSpec", "pythonPackageSpec") if part in pool]
    if len(given) != 1:
        expected, do = "containerSpec, or pythonPackageSpec", "keep one: containerSpec with our image"
        yield Finding("container", path, f"one of {expected}", " and ".join(given), do)


def _command(container: dict[str, Any], path: str) -> Iterator[Finding]:
    words = [text(word) for word in items(container.get("command"))]
    if words and ENTRY_POINT not in zip(words, words[1:], strict=False):
        expected = f"none, or one with {' and '.join(ENTRY_POINT)} as words of their own: it replaces the entry point"
        do = "move flags to args, and leave command out: a shell would take them, and SIGTERM, for itself"
        yield Finding("command", f"{path}.containerSpec.command", expected, " ".join(words), do)


def _module(package: dict[str, Any], path: str) -> Iterator[Finding]:
    module = text(package.get("pythonModule"))
    if package and module != ENTRY_POINT[1]:
        do = f"write pythonModule: {ENTRY_POINT[1]}"
        yield Finding("command", f"{path}.pythonPackageSpec.pythonModule", ENTRY_POINT[1], module, do)
    places = [text(place) for place in items(package.get("packageUris"))]
    if package and not (places and all(place.startswith("gs://") for place in places)):
        expected, do = (
            "gs://bucket/name.tar.gz of our package",
            "build it with python -m build, and copy it to a bucket",
        )
        yield Finding("package", f"{path}.pythonPackageSpec.packageUris", expected, ", ".join(places), do)


def _environment(container: dict[str, Any], path: str) -> Iterator[Finding]:
    entries = [mapping(entry) for entry in items(container.get("env"))]
    names = [text(entry.get("name")) for entry in entries]
    for number, name in enumerate(names):
        where = f"{path} env {name or number}"
        if not _NAME.fullmatch(name):
            expected = "a name of letters, digits and _, not beginning with a digit"
            yield Finding("env-name", where, expected, name, "rename it")
        elif name.startswith(_RESERVED) or name in _RESERVED_NAMES:
            expected = "a name that Vertex AI does not set itself (AIP_…, CLOUD_ML_…, CLUSTER_SPEC, TF_CONFIG)"
            yield Finding("env-reserved", where, expected, name, "take it out, or use a flag of the trainer in args")
        elif name in names[:number]:
            yield Finding("env-twice", where, "each variable once", f"{name} again", "keep one")
        if "value" not in entries[number]:
            expected = 'a value, "" for none: the API calls it required'
            yield Finding("env-value", where, expected, "no value", f'write value: "…", or take {name or "it"} out')


def _processor(pool: dict[str, Any], path: str) -> Iterator[Finding]:
    accelerator = text(mapping(pool.get("machineSpec")).get("acceleratorType"))
    package = package_of(pool)
    if accelerator and package.endswith("-cpu"):
        expected = f"an image that can use the {accelerator}, such as {package.removesuffix('cpu')}gpu"
        yield Finding("image-processor", f"{path}.containerSpec.imageUri", expected, package, "--set image=…")
