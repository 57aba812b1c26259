"""Settings that contradict each other, or of which one would be ignored."""

from collections.abc import Iterator
from os.path import abspath
from typing import TYPE_CHECKING

from trainer.commandline import complaint

if TYPE_CHECKING:
    from trainer.settings import Settings


def disagreements(settings: "Settings") -> Iterator[str]:
    """A complaint for each of them."""
    yield from _in_recipe(settings)
    if settings.network == "cnn":
        yield from _in_cnn(settings)
    yield from _in_places(settings)


def _in_recipe(s: "Settings") -> Iterator[str]:
    if s.schedule == "plateau" and s.min_learning_rate > s.learning_rate:
        expected, do = f"at most the --learning-rate, {s.learning_rate:g}", "lower it, or raise the learning rate"
        yield complaint("--min-learning-rate", expected=expected, received=s.min_learning_rate, do=do)
    if s.hard_fraction > s.visit_fraction:
        expected = f"at most the --visit-fraction, {s.visit_fraction:g}"
        yield complaint("--hard-fraction", expected=expected, received=s.hard_fraction, do="lower it")
    if s.hard_fraction > 0 and s.visit_fraction == 1:
        expected, do = "0 where --visit-fraction is 1", "lower --visit-fraction, so that there is a choice"
        yield complaint("--hard-fraction", expected=expected, received=s.hard_fraction, do=do)
    if s.cut_mix_probability > 0:
        yield from _in_cut_mix(s)


def _in_cut_mix(s: "Settings") -> Iterator[str]:
    if s.batch_size == 1:
        expected, do = "2 or more with --cut-mix-probability, which mixes images of a batch", "raise it"
        yield complaint("--batch-size", expected=expected, received=1, do=do)
    of_whole_images = (("--hard-fraction", s.hard_fraction), ("--erase-probability", s.erase_probability))
    for flag, received in of_whole_images:
        if received > 0 and s.cut_mix_probability == 1:
            expected = "0 with --cut-mix-probability 1, which leaves no image whole"
            yield complaint(flag, expected=expected, received=received, do="set it to 0, or lower the other")


def _in_cnn(s: "Settings") -> Iterator[str]:
    if s.batch_size == 1:
        expected, do = "2 or more with --network cnn, which normalises over the batch", "raise it"
        yield complaint("--batch-size", expected=expected, received=1, do=do)
    of_residual = (
        ("--stem-filters", 0, s.stem_filters),
        ("--stage-depth", 1, s.stage_depth),
        ("--ensemble-size", 1, s.ensemble_size),
    )
    for flag, without, received in of_residual:
        if received != without:
            expected, do = f"{without} with --network cnn", "choose --network residual"
            yield complaint(flag, expected=expected, received=received, do=do)


def _in_places(s: "Settings") -> Iterator[str]:
    yield from _in_output(s)
    if s.validation_only and s.register_model:
        yield complaint("--register", expected="a model", received="--validation-only", do="leave one of them out")
    if s.experiment and not (s.vertex_project and s.vertex_region):
        expected, do = "--vertex-project and --vertex-region with it", "name both, or leave it out"
        yield complaint("--experiment", expected=expected, received=s.experiment, do=do)
    if s.experiment_tensorboard and not s.experiment:
        expected, do = "--experiment with it, which it shows", "name the experiment, or leave it out"
        yield complaint("--experiment-tensorboard", expected=expected, received=s.experiment_tensorboard, do=do)


def _in_output(s: "Settings") -> Iterator[str]:
    """Into a folder that holds other files than a model's, no model is published: after the training it is too late."""
    if not s.output_dir or s.validation_only:
        return
    places = (
        ("--checkpoint-dir", s.checkpoint_dir),
        ("--tensorboard-dir", s.tensorboard_dir),
        ("--registry-root", s.registry_root if s.register_model else None),
    )
    for flag, place in places:
        if place and is_within(place, s.output_dir):
            expected, do = "another place than the --output-dir or below it", "keep it beside the model, not in it"
            yield complaint(flag, expected=expected, received=place, do=do)
    if not s.checkpoint_dir and is_within(s.resolved_checkpoint_dir(""), s.output_dir):
        expected, do = "a folder in it, as the checkpoints lie beside the model", "name one, such as …/model"
        yield complaint("--output-dir", expected=expected, received=s.output_dir, do=do)


def is_within(place: str, folder: str) -> bool:
    """Whether it is that folder or lies below it, however both are spelt; on a bucket there is but one spelling."""
    return f"{_spelt_out(place)}/".startswith(f"{_spelt_out(folder)}/")


def _spelt_out(place: str) -> str:
    return (place if place.startswith("gs://") else abspath(place)).rstrip("/")
