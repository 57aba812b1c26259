"""What the trainer itself would say to the job's arguments, and which of its settings can't work in a container."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainer.cloud.jobspec import Job, fill, is_place
from trainer.cloud.preflight.containers import (
    ENTRY_POINT,
    container_of,
    environment_of,
    flags_in_command,
    package_of,
)
from trainer.cloud.preflight.finding import Finding, items, mapping, text

_ENDING = ("--help", "-h", "--version", "--print-settings")
_NEXT_FLAG = re.compile(r"\s+(?=--[a-z])")
_DATA_BY_NAME = ("fashion-mnist", "synthetic", "auto")
#: Paths that exist in a replica: Vertex AI mounts every bucket there.
_MOUNTED = "/gcs/"


@dataclass(frozen=True)
class Flags:
    """What the trainer's own settings make of some arguments.

    Attributes:
        complaint: what they refuse, in one line; empty if nothing.
        values: every setting by name, empty after a complaint.
        shaping: those that the resulting weights depend on.
    """

    complaint: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    shaping: Mapping[str, Any] = field(default_factory=dict)


#: Arguments and environment of a container in, what the trainer's settings make of them out.
ReadFlags = Callable[[Sequence[str], Mapping[str, str]], Flags]


def ends(word: str) -> bool:
    """Whether the trainer would print something for this argument, and end; flags may be spelled with _ too."""
    return word.partition("=")[0].replace("_", "-") in _ENDING


def check(job: Job, read_flags: ReadFlags) -> Iterator[Finding]:
    seen: list[tuple[list[str], dict[str, str]]] = []
    for path, pool in job.pools.items():
        run = (arguments_of(pool), environment_of(pool))
        if pool and run not in seen:
            seen.append(run)
            yield from _arguments(job, f"{path}.containerSpec", pool, read_flags)


def arguments_of(pool: dict[str, Any]) -> list[str]:
    words = [word for word in items(container_of(pool).get("args")) if isinstance(word, str)]
    return [*flags_in_command(pool), *words]


def read(job: Job, pool: dict[str, Any], read_flags: ReadFlags) -> Flags:
    # That a bucket is still left open is told elsewhere; here it is any bucket.
    arguments = fill(arguments_of(pool), {"BUCKET": "bucket"})
    return read_flags(arguments, replica_environment(job, environment_of(pool)))


def replica_environment(job: Job, given: Mapping[str, str]) -> dict[str, str]:
    """The job's own variables, and of Vertex AI's those that the trainer takes defaults from."""
    directories = {"AIP_MODEL_DIR": "model", "AIP_CHECKPOINT_DIR": "checkpoints", "AIP_TENSORBOARD_LOG_DIR": "logs"}
    # In a tuning job each trial has its own, by its number.
    root = f"{job.output}/1" if job.is_tuning else job.output
    set_by_vertex = {name: f"{root}/{folder}/" for name, folder in directories.items()} if is_place(job.output) else {}
    return {**given, **set_by_vertex, "CLUSTER_SPEC": "{}"}


def _arguments(job: Job, container: str, pool: dict[str, Any], read_flags: ReadFlags) -> Iterator[Finding]:
    path = f"{container}.args"
    if wrong := list(_words(arguments_of(pool), path)):
        yield from wrong
        return
    flags = read(job, pool, read_flags)
    if flags.complaint:
        yield Finding("flags", f"{path}: {flags.complaint}", "", "", "")
    else:
        yield from _places(job, path, flags.values)
        yield from _backend(pool, f"{container}.imageUri", flags.values)


def _words(arguments: list[str], path: str) -> Iterator[Finding]:
    if ENTRY_POINT[1] in arguments:
        start = " ".join(arguments[: arguments.index(ENTRY_POINT[1]) + 1])
        expected = "flags alone: the image starts trainer.task by itself"
        yield Finding("flag-words", path, expected, start, f"take {start} out")
        return
    for word in arguments:
        name = word.partition("=")[0]
        several = _NEXT_FLAG.split(word) if word.startswith("-") else []
        if len(several) > 1:
            apart = " and ".join(map(_one_word, several))
            yield Finding("flag-words", path, "one word to each line", word, f"write {apart} on lines of their own")
        elif ends(word):
            yield Finding("flag-ends", path, "flags of a training", f"{word}, which prints and ends", "take it out")
        elif word.startswith("-") and any(letter.isspace() for letter in name):
            expected = "one word to each line"
            yield Finding("flag-words", path, expected, word, f"write {_one_word(word)}")
        elif name == "--config":
            expected = "flags: a file of this machine is not in the container"
            yield Finding("flag-config", path, expected, word, "write its settings as flags")


def _one_word(text: str) -> str:
    """A flag and its value, however they were put."""
    return "=".join(re.split(r"\s*=\s*|\s+", text, maxsplit=1))


def _backend(pool: dict[str, Any], path: str, values: Mapping[str, Any]) -> Iterator[Finding]:
    """The images differ in what they compute with on a GPU."""
    package, accelerator = package_of(pool), mapping(pool.get("machineSpec")).get("acceleratorType")
    stem, _, kind = package.rpartition("-")
    wants_jax = values["backend"] == "jax"
    if wants_jax and kind in ("cpu", "gpu"):
        yield Finding("image-backend", path, f"an image with JAX, such as {stem}-jax", package, "--set image=…")
    elif not wants_jax and kind == "jax" and accelerator:
        expected = f"one whose TensorFlow can use the {accelerator}, such as {stem}-gpu"
        yield Finding("image-backend", path, expected, package, "--set image=…, or leave the backend to the image")


def _places(job: Job, path: str, values: Mapping[str, Any]) -> Iterator[Finding]:
    if is_place(job.output):
        yield from _outputs(job, path, values)
    data = str(values["data"])
    if data not in _DATA_BY_NAME and _is_local(data):
        expected = f"{', '.join(_DATA_BY_NAME)} or gs://bucket/prefix"
        yield Finding("local-data", f"{path} --data", expected, data, "copy the four files to a bucket")
    folder = str(values["fashion_mnist_dir"] or _MOUNTED)
    if data in ("fashion-mnist", "auto") and _is_local(folder):
        expected = f"a folder that the replica can see, below {_MOUNTED}bucket/"
        yield Finding("local-data", f"FASHION_MNIST_DIR beside {path}", expected, folder, "take it out of env")
    for name in ("gates", "signing_key", "public_key"):
        if values[name] is not None and _is_local(str(values[name])):
            flag = f"--{name.replace('_', '-')}"
            expected = f"a file that the replica can see, below {_MOUNTED}bucket/"
            yield Finding("local-file", f"{path} {flag}", expected, str(values[name]), "copy it to a bucket")
    if values["register_model"]:
        yield from _registration(job, path, values)


def _outputs(job: Job, path: str, values: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("output_dir", "checkpoint_dir", "tensorboard_dir"):
        place, flag = str(values[name]), f"--{name.replace('_', '-')}"
        if _is_local(place):
            rule = "spot-checkpoints" if _is_spot(job) and name == "checkpoint_dir" else "local-output"
            expected = "gs://bucket/prefix: a replica's disk is gone when it ends"
            yield Finding(rule, f"{path} {flag}", expected, place, "leave it out: Vertex AI sets it")
        elif job.is_tuning and not place.startswith(f"{job.output}/"):
            expected = "no such flag: every trial has its own place, which Vertex AI sets"
            yield Finding("trials-share", f"{path} {flag}", expected, place, "leave it out")
    if _is_spot(job) and values["resume"] == "never":
        expected = "auto: a spot machine that is taken away would begin from nothing each time"
        yield Finding("spot-checkpoints", f"{path} --resume", expected, "never", "leave it out")


def _registration(job: Job, path: str, values: Mapping[str, Any]) -> Iterator[Finding]:
    account = text(job.spec.get("serviceAccount"))
    if not account or account.startswith("model-training@"):
        expected = "one that may register: neither Vertex AI's own nor model-training may"
        do = "--set service-account=model-registry@PROJECT.iam.gserviceaccount.com"
        yield Finding("register-account", "serviceAccount", expected, account, do)
    if _is_local(str(values["registry_root"])):
        expected = "gs://bucket/prefix: a replica's disk is gone when it ends"
        received, do = str(values["registry_root"]), "add --registry-root=gs://BUCKET/registry"
        yield Finding("local-registry", f"{path} --registry-root", expected, received, do)
    project, region = values["vertex_project"], values["vertex_region"]
    if bool(project) != bool(region):
        received = f"--vertex-project={project}" if project else f"--vertex-region={region}"
        expected, do = "--vertex-project and --vertex-region, or neither", "name the other too, or leave it out"
        yield Finding("register-mirror", path, expected, received, do)


def _is_spot(job: Job) -> bool:
    return bool(mapping(job.spec.get("scheduling")).get("strategy") == "SPOT")


def _is_local(place: str) -> bool:
    return not place.startswith(("gs://", _MOUNTED))
