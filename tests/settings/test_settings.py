import shlex
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from trainer.commandline import table
from trainer.errors import SettingsError
from trainer.fields import meaning
from trainer.presets import PRESETS, Preset
from trainer.settings import FIELDS, Settings, parse, run_id

# The design's table.
REFERENCE = {
    "preset": "reference",
    "data": "fashion-mnist",
    "data_cache_dir": "~/.cache/fashion-mnist-trainer",
    "limit_train": 0,
    "limit_test": 0,
    "val_fraction": 0.1,
    "seed": 42,
    "output_dir": None,
    "checkpoint_dir": None,
    "tensorboard_dir": None,
    "resume": "auto",
    "epochs": 50,
    "batch_size": 32,
    "schedule": "plateau",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "label_smoothing": 0.0,
    "erase_probability": 0.0,
    "cut_mix_probability": 0.0,
    "min_learning_rate": 1e-6,
    "clip_norm": 1.0,
    "weight_decay": 1e-5,
    "lr_factor": 0.2,
    "lr_patience": 3,
    "early_stop_patience": 10,
    "network": "cnn",
    "views": "one",
    "whole_pixels": False,
    "filters": [32, 64, 128],
    "dense_units": 512,
    "conv_dropout": 0.25,
    "dense_dropout": 0.5,
    "rotation_degrees": 15.0,
    "shift_fraction": 0.15,
    "shear_fraction": 0.15,
    "zoom_fraction": 0.15,
    "horizontal_flip": True,
    "precision": "auto",
    "log_format": "auto",
}


def test_the_defaults_are_the_designs():
    values = Settings().as_dict()
    assert {name: values[name] for name in REFERENCE} == REFERENCE


def test_every_default_is_one_that_is_accepted():
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert Settings(**defaults).shaping() == Settings().shaping()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_one_that_is_accepted(name):
    settings = parse(["--preset", name], {})
    assert {key: getattr(settings, key) for key in PRESETS[name]} == PRESETS[name]


def test_every_preset_can_be_named():
    assert get_args(Preset) == tuple(PRESETS)


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().epochs = 3


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="epoch\n  Extra inputs are not permitted"):
        Settings(epoch=3)


OUT_OF_RANGE = [
    ("--epochs", "0", "an integer ≥ 1"),
    ("--clip-norm", "1e39", "a number > 0 and ≤ 1e+30"),
    ("--batch-size", "2.5", "an integer ≥ 1"),
    ("--limit-train", "-1", "an integer ≥ 0"),
    ("--val-fraction", "0", "a number > 0 and < 1"),
    ("--val-fraction", "1", "a number > 0 and < 1"),
    ("--learning-rate", "-1e-3", "a number > 0 and ≤ 1"),
    ("--learning-rate", "nan", "a number > 0 and ≤ 1"),
    ("--lr-factor", "1", "a number > 0 and < 1"),
    ("--conv-dropout", "1", "a number ≥ 0 and < 1"),
    ("--rotation-degrees", "181", "a number ≥ 0 and ≤ 180"),
    ("--zoom-fraction", "0.6", "a number ≥ 0 and ≤ 0.5"),
    ("--filters", "0", "1 to 4 comma-separated values, each an integer ≥ 1 and ≤ 65536"),
    ("--filters", "1,2,3,4,5", "1 to 4 comma-separated values, each an integer ≥ 1 and ≤ 65536"),
    ("--filters", "8,1e15", "1 to 4 comma-separated values, each an integer ≥ 1 and ≤ 65536"),
    ("--stem-filters", "1e9", "an integer ≥ 0 and ≤ 65536"),
    ("--dense-units", "65537", "an integer ≥ 1 and ≤ 65536"),
    ("--seed", "4294967296", "an integer ≥ 0 and ≤ 4294967295"),
    ("--precision", "float16", "one of auto, float32, bfloat16"),
    ("--preset", "nonesuch", "one of reference, fast, best, quick, small"),
    ("--horizontal-flip", "maybe", "true or false"),
    ("--output-dir", "gs://", "a folder or gs://bucket/prefix"),
]


@pytest.mark.parametrize(("flag", "value", "expected"), OUT_OF_RANGE)
def test_a_bad_value_is_told_with_what_was_expected(flag, value, expected):
    with pytest.raises(SettingsError) as caught:
        parse([flag, value], {})
    told = str(caught.value)
    assert told.startswith(f"{flag} – expected {expected} – received {value} – ")
    assert "\n" not in told
    assert caught.value.exit_code == 2


TOGETHER = [
    (
        ["--hard-fraction", "0.5", "--visit-fraction", "0.4"],
        "--hard-fraction – expected at most the --visit-fraction, 0.4",
    ),
    (["--hard-fraction", "0.5"], "--hard-fraction – expected 0 where --visit-fraction is 1 – received 0.5"),
    (
        ["--hard-fraction", "0.2", "--visit-fraction", "0.5", "--cut-mix-probability", "1"],
        "--hard-fraction – expected 0 with --cut-mix-probability 1, which leaves no image whole – received 0.2",
    ),
    (
        ["--erase-probability", "0.5", "--cut-mix-probability", "1"],
        "--erase-probability – expected 0 with --cut-mix-probability 1, which leaves no image whole – received 0.5",
    ),
    (
        ["--network", "residual", "--batch-size", "1", "--cut-mix-probability", "0.5"],
        "--batch-size – expected 2 or more with --cut-mix-probability, which mixes images of a batch – received 1",
    ),
    (["--stem-filters", "8"], "--stem-filters – expected 0 with --network cnn – received 8"),
    (["--stage-depth", "2"], "--stage-depth – expected 1 with --network cnn – received 2"),
    (
        ["--ensemble-size", "2"],
        "--ensemble-size – expected 1 with --network cnn – received 2 – choose --network residual",
    ),
    (["--batch-size", "1"], "--batch-size – expected 2 or more with --network cnn"),
    (["--learning-rate", "1e-7"], "--min-learning-rate – expected at most the --learning-rate, 1e-07"),
    (["--experiment-tensorboard", "7"], "--experiment-tensorboard – expected --experiment with it"),
    (["--output-dir", "a", "--checkpoint-dir", "a"], "--checkpoint-dir – expected another place"),
    (["--output-dir", "a", "--checkpoint-dir", "./b/../a/"], "--checkpoint-dir – expected another place"),
    (["--output-dir", "a", "--checkpoint-dir", "a/checkpoints"], "--checkpoint-dir – expected another place"),
    (
        ["--output-dir", "gs://bucket-b/m/", "--tensorboard-dir", "gs://bucket-b/m/logs"],
        "--tensorboard-dir – expected another place",
    ),
    (["--output-dir", "gs://bucket-b"], "--output-dir – expected a folder in it"),
    (["--output-dir", "/"], "--output-dir – expected a folder in it"),
]


@pytest.mark.parametrize(("argv", "message"), TOGETHER)
def test_values_that_contradict_each_other_are_refused(argv, message):
    with pytest.raises(SettingsError, match=message):
        parse(argv, {})


@pytest.mark.parametrize(
    ("output", "beside"),
    [
        ("a", "ab"),
        ("a/model", "a"),
        ("gs://bucket-b/m", "gs://bucket-b/m2"),
        ("gs://bucket-b/m", "/b/m"),
        ("gs://bucket-b/m", "gs://bucket-c/m/x"),
    ],
)
def test_places_beside_the_model_are_taken(output, beside):
    assert parse(["--output-dir", output, "--checkpoint-dir", beside], {}).checkpoint_dir == beside


PLACES = [
    ("gs://bucket/job/model", "gs://bucket/job/checkpoints/ID"),
    ("gs://bucket/model", "gs://bucket/checkpoints/ID"),
    ("runs/model", "runs/checkpoints/ID"),
    ("/data/model", "/data/checkpoints/ID"),
    (None, "artifacts/checkpoints/ID"),
]


@pytest.mark.parametrize(("output", "checkpoints"), PLACES)
def test_checkpoints_lie_beside_the_model(output, checkpoints):
    settings = Settings(output_dir=output)
    assert settings.resolved_output_dir("ID") == (output or "artifacts/ID")
    assert settings.resolved_checkpoint_dir("ID") == checkpoints


def test_a_checkpoint_dir_that_was_given_is_taken():
    assert Settings(checkpoint_dir="gs://bucket-b/c").resolved_checkpoint_dir("ID") == "gs://bucket-b/c"


IRRELEVANT = {
    "preset": "quick",
    "data": "elsewhere",
    "data_cache_dir": Path("/cache"),
    "fashion_mnist_dir": Path("/data"),
    "output_dir": "out",
    "checkpoint_dir": "check",
    "tensorboard_dir": "logs",
    "resume": "never",
    "validation_only": True,
    "hypertune_file": Path("reports"),
    "trial": "7",
    "register_model": True,
    "registry_root": "elsewhere",
    "registry_name": "other-cnn",
    "gates": Path("gates.yaml"),
    "signing_key": Path("signing.key"),
    "public_key": Path("signing.pub"),
    "vertex_project": "my-project",
    "vertex_region": "us-central1",
    "vertex_endpoint": "localhost:1",
    "experiment": "first",
    "experiment_tensorboard": "7",
    "log_format": "json",
    "verbose": True,
    "commit": "0123abc",
}


OTHER_NAMES = {
    "precision": "float32",
    "schedule": "triangular",
    "network": "residual",
    "optimizer": "muon",
    "views": "flip",
    "backend": "jax",
}


def test_the_run_id_names_settings_and_data():
    reference = run_id(Settings(), "data")
    assert len(reference) == 12
    assert int(reference, 16) >= 0
    assert run_id(Settings(), "data") == reference
    assert run_id(Settings(), "other data") != reference


@pytest.mark.parametrize("name", Settings.model_fields)
def test_each_setting_moves_the_run_id_just_if_it_shapes_the_result(name):
    default = Settings.model_fields[name].default
    if name in IRRELEVANT:
        value = IRRELEVANT[name]
    elif isinstance(default, bool):
        value = not default
    elif name in OTHER_NAMES:
        value = OTHER_NAMES[name]
    else:
        value = (8,) if name == "filters" else default + 1
    changed = run_id(Settings().model_copy(update={name: value}), "data")
    assert (changed == run_id(Settings(), "data")) == (name in IRRELEVANT)


def test_the_command_gives_the_same_settings_again():
    argv = [
        "--preset",
        "quick",
        "--filters",
        "8,16",
        "--no-horizontal-flip",
        "--learning-rate",
        "0.00123456789",
    ]
    settings = parse([*argv, "--data", "a folder"], {})
    words = shlex.split(settings.command())
    assert words[:3] == ["python", "-m", "trainer.task"]
    assert parse(words[3:], {}).shaping() == settings.shaping()
    assert parse(words[3:], {}).data == "a folder"


def test_contradictions_and_unknown_flags_are_told_together():
    argv = ["--min-learning-rate", "1", "--output-dir", "a", "--checkpoint-dir", "a", "--sead=3"]
    with pytest.raises(SettingsError, match="--sead.*; --min-learning-rate.*; --checkpoint-dir"):
        parse(argv, {})


def test_every_setting_says_what_it_means():
    assert [name for name, field in Settings.model_fields.items() if not meaning(field)] == []


def test_the_table_has_a_row_for_every_setting():
    rows = table(FIELDS).splitlines()[2:]
    assert len(rows) == len(Settings.model_fields)
    assert all(row.count("|") == 5 for row in rows)
