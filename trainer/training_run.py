"""The middle of the recipe: from checked data to a trained network."""

import gc
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING

from trainer.cloud.experiments import Destination, ExperimentReport
from trainer.data.batches import epoch_order
from trainer.ending import raise_if_interrupted, shortage_told_as_interrupt
from trainer.fields import as_text
from trainer.job import Job, Trained
from trainer.model.cnn import build_cnn
from trainer.model.precision import accelerators, computes_in_bfloat16, dtype_policy, resolve_precision
from trainer.model.residual import build_residual
from trainer.model.spread import spread
from trainer.model.startup import signals_held_back, stderr_as_log, stdout_as_log
from trainer.model.training_model import with_augmentation
from trainer.model.views import with_flips, with_flips_and_shifts
from trainer.settings import Settings
from trainer.storage import open_folder
from trainer.training import replicas
from trainer.training.checkpoint import Checkpoints, TrainingState
from trainer.training.fit import Networks, Observer, TrainingData, fit
from trainer.training.hypertune import TrialReports
from trainer.training.progress import EpochReporter, Follower, Listener
from trainer.training.recipe import Recipe, compile_for_training
from trainer.training.temperature import cool
from trainer.visits import epoch_visits, images_per_epoch, steps_per_epoch

if TYPE_CHECKING:
    import keras  # At run time trainer.model starts it, before anything else imports it.

#: For the statistics of batch normalisation: more don't change them by anything that matters.
CALIBRATION_IMAGES = 5000

log = logging.getLogger(__name__)


def train(job: Job, checkpoints: Checkpoints | None, start: TrainingState | None) -> Trained | None:
    """Train the network, or go on from ``start``, and choose its weights by the validation part.

    Together with the job's other replicas, of which the primary has ``checkpoints`` and may have a ``start``, and alone
    gets the result.
    """
    settings, cluster = job.settings, job.cluster
    with replicas.lost_replicas_interrupt() if cluster.replicas > 1 else nullcontext():
        if cluster.replicas > 1:
            replicas.join(cluster.addresses, cluster.rank)
        precision = resolve_precision(settings.precision)
        if cluster.replicas > 1:
            with stdout_as_log():  # With the first exchange Gloo tells there, in C++, of its connections.
                replicas.agree(f"{job.run_id} {job.code.fingerprint} {precision}")
            start = replicas.told_by_primary(start)
        precision = kept_precision(precision, start)
        if precision == "bfloat16" and not computes_in_bfloat16():
            log.warning("this machine imitates bfloat16: many times as slow as float32, and gradients are less exact")
        use_devices(settings.backend)
        with shortage_told_as_interrupt():
            state = train_network(job, precision, checkpoints, start)
        if settings.backend == "jax":
            replicas.leave()
    if not cluster.is_primary:
        return None
    gc.collect()  # What trained refers to itself, and is as large as what is to come.
    served = network_builder(settings)(dtype="float32")
    served.set_weights(state.best)
    if settings.label_smoothing or settings.cut_mix_probability:
        log.info("logits divided by a temperature of %.2f, fitted on validation", cool(served, job.validation))
    return Trained(as_served(served, settings), state, precision)


def kept_precision(here: str, start: TrainingState | None) -> str:
    """What training computes in: what it began in where it goes on, though it be slower, for the numbers stay the same.

    ``here`` is what the settings mean on this machine.
    """
    if start is None or start.precision == here:
        return here
    log.warning("going on in %s, in which training began, where this machine would take %s", start.precision, here)
    return start.precision


def use_devices(backend: str) -> None:
    """Train on all accelerators where the backend can, and say which are left idle."""
    if backend == "jax":
        log.info("training on %d devices", replicas.use_all_devices())
    elif len(accelerators()) > 1:
        log.warning("%d GPUs, of which TensorFlow uses one: --backend jax uses all", len(accelerators()))


def train_network(
    job: Job, precision: str, checkpoints: Checkpoints | None, start: TrainingState | None
) -> TrainingState:
    """The last state of training; its best weights are those of the lowest validation loss."""
    settings = job.settings
    network = network_builder(settings)(dtype=dtype_policy(precision))
    images = len(job.split.train)
    log.info(
        "training %d parameters on %d images, validating on %d, in %s",
        network.count_params(), images, len(job.split.validation), precision,
    )  # fmt: skip
    recipe = recipe_of(settings)
    with observer(job, checkpoints, start, images=images) as watching:
        return fit(
            Networks(
                training_model(network, settings),
                network,
                spread(network) if replicas.several() else network,
            ),
            training_data(job),
            recipe=recipe,
            start=start or replace(recipe.initial_state(), precision=precision),
            observer=watching,
        )


@contextmanager
def observer(
    job: Job, checkpoints: Checkpoints | None, start: TrainingState | None, *, images: int
) -> Iterator[Observer]:
    """Who commits and tells of each epoch: only the primary has ``checkpoints``."""
    if checkpoints is None:
        yield Follower()
        return
    settings = job.settings
    with ExitStack() as resources:
        reporter = EpochReporter(
            checkpoints,
            epochs=settings.epochs,
            steps=steps_per_epoch(images, settings),
            terminal=settings.log_format == "text" and sys.stderr.isatty(),
            listeners=listeners(job, start, resources),
        )
        yield resources.enter_context(reporter)


def listeners(job: Job, start: TrainingState | None, resources: ExitStack) -> list[Listener]:
    """Who is told of each epoch, as the settings ask for it; ``resources`` closes what they hold open."""
    settings = job.settings
    found: list[Listener] = []
    if settings.tensorboard_dir:
        from trainer.training.tensorboard import EpochEvents

        with signals_held_back(), stderr_as_log():  # TensorBoard's writer imports TensorFlow, whatever trains.
            events = resources.enter_context(EpochEvents(open_folder(settings.tensorboard_dir)))
        if start:
            events.write(start.history)  # The process before may have ended between its checkpoint and this.
        found.append(events)
    if settings.trial or settings.hypertune_file:
        reports = TrialReports(settings.hypertune_file, settings.trial)
        if start:
            reports.write(start.history)
        found.append(reports)
    if settings.experiment:
        found.append(resources.enter_context(experiment_report(job)))
    return [*found, LateAnswer()]


class LateAnswer:
    """Ends training after an epoch for a signal whose Interrupted was passed over, as in a destructor."""

    def write(self, history: Sequence[Mapping[str, float]]) -> None:  # noqa: ARG002
        """Raise Interrupted if there was one."""
        raise_if_interrupted()


def experiment_report(job: Job) -> ExperimentReport:
    settings = job.settings
    destination = Destination(
        project=str(settings.vertex_project),
        region=str(settings.vertex_region),
        experiment=str(settings.experiment),
        tensorboard=settings.experiment_tensorboard,
        endpoint=settings.vertex_endpoint,
    )
    shaping = {name: getattr(settings, name) for name in settings.shaping()}
    numbers = {name: value for name, value in shaping.items() if type(value) in (int, float)}
    texts = {name: as_text(value) for name, value in shaping.items()}
    facts = {"data": settings.data, "data_fingerprint": job.data_report["fingerprint"]}
    return ExperimentReport(destination, job.run_id, {**texts, **numbers, **facts})


def network_builder(settings: Settings) -> "Callable[..., keras.Model]":
    """Builds the network that the settings ask for, in the ``dtype`` policy given: the same weights each time."""
    if settings.network == "residual":
        return partial(
            build_residual,
            filters=settings.filters,
            stem_filters=settings.stem_filters,
            stage_depth=settings.stage_depth,
            ensemble_size=settings.ensemble_size,
            seed=settings.seed,
        )
    return partial(
        build_cnn,
        filters=settings.filters,
        dense_units=settings.dense_units,
        conv_dropout=settings.conv_dropout,
        dense_dropout=settings.dense_dropout,
        seed=settings.seed,
    )


def as_served(network: "keras.Model", settings: Settings) -> "keras.Model":
    """What is exported, and measured in the end: ``network`` itself, or the mean of its looks at several views.

    Training validates the network by one look: six would take longer than the epoch does.
    """
    if settings.views == "flip":
        return with_flips(network)
    if settings.views == "flip-and-shift":
        return with_flips_and_shifts(network)
    return network


def training_model(network: "keras.Model", settings: Settings) -> "keras.Model":
    """``network`` behind its augmentation, as ``with_augmentation`` describes it, and as the settings ask for it."""
    return with_augmentation(
        network,
        erase_probability=settings.erase_probability,
        cut_mix=settings.cut_mix_probability > 0,
        seed=settings.seed,
    )


def compiled_model(network: "keras.Model", settings: Settings, *, images: int) -> "keras.Model":
    """The training model with the step of a job of ``images`` training images, for who looks at the step alone.

    ``fit`` compiles it so, and a test compares the two.
    """
    model = training_model(network, settings)
    per_epoch = images_per_epoch(images, settings)
    compile_for_training(model, recipe_of(settings), images=images, images_per_epoch=per_epoch)
    return model


def recipe_of(settings: Settings) -> Recipe:
    """The part of the settings that the training loop needs."""
    return Recipe(**{item.name: getattr(settings, item.name) for item in fields(Recipe)})


def training_data(job: Job) -> TrainingData:
    """The inputs of each epoch, drawn when it begins, and the images that are looked at after it."""
    examples, part = job.dataset.train, job.split.train
    any_order = epoch_order(len(part), seed=job.settings.seed, epoch=0)
    return TrainingData(
        images=len(part),
        images_per_epoch=images_per_epoch(len(part), job.settings),
        visits=partial(epoch_visits, examples, part, job.settings),
        calibration=examples.images[part[any_order[:CALIBRATION_IMAGES]]],
        validation=job.validation,
    )
