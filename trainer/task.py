"""The main job: data → model → training → evaluation → a committed model folder.

``run`` is the recipe, in the order in which data flows; each step lives in its stage. TensorFlow and the plotting and
reporting libraries are imported where their step begins, so that ``--help``, a wrong setting, bad data or a run that
is already done answer without waiting for them.
"""

import importlib.util
import json
import logging
import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer import logs
from trainer.cloud.environment import Cluster, read_cluster, with_trial
from trainer.contract import MANIFEST_NAME, METADATA_DIR, MODEL_FOLDER_ENTRIES, RELEASE_NAME
from trainer.ending import (
    end_process,
    fail,
    failures_told_as_interrupts,
    interrupt_on_signals,
    output_unread,
    write_what_can_be_written,
)
from trainer.errors import AlreadyExistsError, Interrupted, SettingsError, StorageError, TrainerError
from trainer.job import Job, split_dataset
from trainer.registry.commandline import parse as parse_registry
from trainer.registry.run import prepare as prepare_registry
from trainer.registry.run import run as run_registry
from trainer.settings import Settings, choose_log_format, parse, run_id
from trainer.storage import Folder, ensure_vacant, open_folder, publish
from trainer.supervision import supervised

if TYPE_CHECKING:
    from trainer.training.checkpoint import Checkpoints, TrainingState

#: What may be left in an output folder that has lost its manifest, the registry's mark included.
LEFTOVERS = (*MODEL_FOLDER_ENTRIES, RELEASE_NAME)

log = logging.getLogger("trainer")


def main(argv: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """Run the job and return its exit code; a foreseen failure is one line on stderr, or of the log under Vertex AI."""
    interrupt_on_signals()
    write_what_can_be_written()
    env = os.environ if env is None else env
    verbose, log_format = False, choose_log_format("auto", env)
    try:
        cluster = read_cluster(env)
        settings = parse(sys.argv[1:] if argv is None else argv, with_trial(env, cluster))
        verbose, log_format = settings.verbose, settings.log_format
        logs.configure(settings.log_format, verbose=verbose)
        refuse_training_apart(settings, cluster)
    except BrokenPipeError:  # Of --print-settings, as in "… | head".
        return output_unread(0)
    except (TrainerError, Interrupted, OSError) as error:
        return fail("trainer.task", error, verbose=verbose, log_format=log_format)
    if cluster.replicas == 1:
        return train_and_register(settings, cluster, env)
    return supervised(
        lambda: train_and_register(settings, cluster, env),
        lambda error: fail("trainer.task", error, verbose=verbose, log_format=log_format),
    )


def train_and_register(settings: Settings, cluster: Cluster, env: Mapping[str, str]) -> int:
    """Run the job as one replica of ``cluster`` and return its exit code; only the primary registers the model."""
    os.environ["KERAS_BACKEND"] = settings.backend  # Keras reads it when it is imported.
    registers = settings.register_model and cluster.is_primary
    try:
        with failures_told_as_interrupts():
            if registers:
                prepare_registry(registration(settings, "the model to come", env), env)
            model = run(settings, cluster)
            if registers and model:
                register(settings, model, env)
    except (TrainerError, Interrupted, OSError) as error:
        return fail("trainer.task", error, verbose=settings.verbose, log_format=settings.log_format)
    return 0


def refuse_training_apart(settings: Settings, cluster: Cluster) -> None:
    """Raise SettingsError where each replica would train alone, and then write over the others' model."""
    if cluster.replicas > 1 and settings.backend != "jax":
        raise SettingsError(
            "several replicas can't train one Keras model on TensorFlow"
            " (https://github.com/keras-team/keras/issues/20585)",
            expected="--backend jax, or one replica",
            received=f"{cluster.replicas} replicas and --backend {settings.backend}",
            do="give every pool of the job an image with JAX and KERAS_BACKEND=jax",
        )
    if settings.backend == "jax" and importlib.util.find_spec("jax") is None:
        raise SettingsError(
            "JAX is not installed",
            expected="the package's extra of that name",
            received="--backend jax",
            do="pip install '.[jax]', with 'jax[cuda12]' for NVIDIA GPUs, or take the image that has it",
        )


def run(settings: Settings, cluster: Cluster | None = None) -> Folder | None:
    """From the data's place to a committed model folder; with ``--validation-only`` to a trained network's worth.

    Replicas of ``cluster`` other than the primary train along, and write nothing. Raises TrainerError for all that can
    be foreseen.
    """
    from trainer.artifacts.provenance import running_code
    from trainer.data import idx
    from trainer.data.checks import check
    from trainer.data.sources import locate

    source = locate(settings.data, fashion_mnist_dir=settings.fashion_mnist_dir, cache_dir=settings.data_cache_dir)
    dataset = idx.read_dataset(source.paths)
    identity = run_id(settings, idx.fingerprint(dataset))
    output = open_folder(settings.resolved_output_dir(identity))
    if not settings.validation_only and is_committed(output, identity):
        log.info("nothing to do: the model of this run is already at %s; delete it to make it again", output.uri)
        warn_of_other_code(output)
        report_trial_again(settings, output)
        return output
    data_report = check(dataset, source)
    split = split_dataset(dataset, settings)
    code = running_code(settings.commit)
    job = Job(settings, identity, source, dataset, split, data_report, code, cluster or Cluster())
    checkpoints, start = prepare_places(job, output) if job.cluster.is_primary else (None, None)
    from trainer.model_folder import build_model_folder
    from trainer.training_run import train

    trained = train(job, checkpoints, start)
    if trained is None:
        commits = "no model is published" if settings.validation_only else f"the primary commits {output.uri}"
        log.info("trained along to the end; %s", commits)
        return None if settings.validation_only else output
    if settings.validation_only:
        best = trained.state.history[trained.state.early_stop.best_epoch - 1]
        log.info("validation accuracy %.4f, of epoch %d; no model is published", best["val_accuracy"], best["epoch"])
        return None
    with tempfile.TemporaryDirectory(prefix="trainer-model-") as staging:
        build_model_folder(job, trained, Path(staging))
        commit(Path(staging), output, identity)
    log.info("committed %s – see metadata/report.html there", output.uri)
    return output


def commit(staging: Path, output: Folder, identity: str) -> None:
    """Publish the model in ``staging``, unless the same run, started twice, has done so meanwhile."""
    try:
        publish(staging, output, marker=MANIFEST_NAME, owned=LEFTOVERS)
    except AlreadyExistsError:
        if not is_committed(output, identity):  # Raises StorageError if it is another run's.
            raise  # No file, but a folder that is called like one.


def warn_of_other_code(output: Folder) -> None:
    """Say so where the model that is there was made by other code than this, which its run id doesn't tell."""
    from trainer.artifacts.provenance import code_fingerprint
    from trainer.release.documents import read_raw

    try:
        params = read_raw(output, "params") or {}
    except ValueError:
        return  # Damaged, which is for the gates to say.
    if params.get("code_fingerprint", "") not in ("", code_fingerprint()):
        log.warning("that model was made by other code than this: for one by this, delete it and add --resume never")


def report_trial_again(settings: Settings, output: Folder) -> None:
    """Report what a trial of tuning found whose model is there: it may have been started again on another machine."""
    if settings.trial or settings.hypertune_file:
        from trainer.training.hypertune import TrialReports

        place = f"{METADATA_DIR}/metrics.json"
        try:
            history = json.loads(output.read(place))["history"]
        except (ValueError, KeyError, TypeError) as error:
            raise StorageError(
                "what this trial found can't be reported again",
                expected=f"a history of epochs in {place}",
                received=f"{output.uri}: {error!r}",
                do="delete that model to make it again",
            ) from error
        TrialReports(settings.hypertune_file, settings.trial).write(history)


def register(settings: Settings, model: Folder, env: Mapping[str, str]) -> None:
    """Do what ``trainer.registry register`` does. Raises GateRefusedError if a gate refuses the model: it stays."""
    report = run_registry(registration(settings, model.uri, env), env)
    for verdict in report.document["verdicts"]:
        level = logging.INFO if verdict["passed"] else logging.WARNING
        log.log(level, "gate %s: %s", verdict["gate"], verdict["sentence"])
    log.info("%s is version %s of %s", model.uri, report.document["version"], report.document["registry"])
    if report.failure:
        raise report.failure


def registration(settings: Settings, model: str, env: Mapping[str, str]) -> Namespace:
    """The settings of the group "release" as the registry's command takes them. The data's place is in the report."""
    given = {
        "--registry-root": settings.registry_root,
        "--name": settings.registry_name,
        "--data-cache-dir": settings.data_cache_dir,
        "--gates": settings.gates,
        "--signing-key": settings.signing_key,
        "--public-key": settings.public_key,
        **mirror_flags(settings, env),
    }
    flags = [f"{name}={value}" for name, value in given.items() if value is not None]
    return parse_registry(["register", model, *flags], env)


def mirror_flags(settings: Settings, env: Mapping[str, str]) -> dict[str, str | None]:
    """Which project's Vertex AI is to follow the registry, but for what its command reads in the environment itself.

    The project of an experiment is there for that, and asks for no mirror of a registry that Vertex AI can't read.
    """
    if settings.experiment and not settings.registry_root.startswith("gs://"):
        return {}
    project, region = settings.vertex_project, settings.vertex_region
    return {
        "--vertex-project": None if project == env.get("TRAINER_VERTEX_PROJECT") else project,
        "--vertex-region": None if region == env.get("TRAINER_VERTEX_REGION") else region,
    }


def is_committed(output: Folder, identity: str) -> bool:
    """Whether ``output`` holds this run's model already. Raises StorageError if it holds another run's."""
    from trainer.artifacts.manifest import read_manifest

    manifest = read_manifest(output)
    if manifest and manifest.run_id != identity:
        raise StorageError(
            f"{output.uri} holds a committed model of another run, which is never overwritten",
            expected=f"run {identity}, that of these settings and data",
            received=f"run {manifest.run_id}",
            do="choose another --output-dir",
        )
    return manifest is not None


def prepare_places(job: Job, output: Folder) -> "tuple[Checkpoints, TrainingState | None]":
    """See that what is to be written can be written, before an hour is spent on it; then ``open_checkpoints``."""
    if not job.settings.validation_only:
        ensure_vacant(output, marker=MANIFEST_NAME, owned=LEFTOVERS)
        output.check_writable()
    if job.settings.tensorboard_dir:
        open_folder(job.settings.tensorboard_dir).check_writable()
    return open_checkpoints(job)


def open_checkpoints(job: Job) -> "tuple[Checkpoints, TrainingState | None]":
    """The run's checkpoints, and the state to go on from as ``--resume`` asks for it."""
    from trainer.artifacts.provenance import versions
    from trainer.training.checkpoint import Checkpoints

    settings = job.settings
    folder = open_folder(settings.resolved_checkpoint_dir(job.run_id))
    folder.check_writable()
    folder.remove_unfinished()  # Of a run that was killed while it saved, as large as a checkpoint.
    checkpoints = Checkpoints(
        folder,
        {
            "settings": settings.shaping(),
            "data": job.data_report["fingerprint"],
            "split": job.split.fingerprint,
            "code": job.code.fingerprint,
            "versions": {name: versions().get(name) for name in ("keras", settings.backend)},
        },
    )
    if settings.resume == "never":
        checkpoints.clear()
    latest = checkpoints.latest()
    if latest is None and settings.resume == "require":
        raise StorageError(
            f"there is no checkpoint in {folder.uri}",
            expected="one of this run, as --resume require asks for it",
            received="none",
            do="use --resume auto to start from the beginning",
        )
    if latest:
        log.info("going on after epoch %d, from %s", latest.epoch, folder.uri)
    return checkpoints, latest


if __name__ == "__main__":
    end_process(main())
