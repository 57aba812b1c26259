import pwd

import pytest
import yaml

from trainer.errors import SettingsError
from trainer.fields import about
from trainer.settings import Settings, parse

VERTEX = {
    "AIP_MODEL_DIR": "gs://bucket/job/model/",
    "AIP_CHECKPOINT_DIR": "gs://bucket/job/checkpoints/",
    "AIP_TENSORBOARD_LOG_DIR": "gs://bucket/job/logs/",
}

SPELLINGS = [
    ["--batch-size", "64"],
    ["--batch-size=64"],
    ["--batch_size", "64"],
    ["--batch_size=64"],
    ["--batch_size=64.0"],
    ["--batch-size=1", "--batch_size=64"],
]


@pytest.mark.parametrize("argv", SPELLINGS)
def test_a_flag_has_two_spellings_and_the_last_wins(argv):
    assert parse(argv, {}).batch_size == 64


SWITCHES = [
    (["--horizontal-flip"], True),
    (["--horizontal-flip", "false"], False),
    (["--horizontal_flip=true"], True),
    (["--no-horizontal-flip"], False),
    (["--no_horizontal_flip"], False),
    (["--no-horizontal-flip", "--horizontal-flip"], True),
]


@pytest.mark.parametrize(("argv", "value"), SWITCHES)
def test_a_switch_takes_a_value_or_none(argv, value):
    assert parse(argv, {}).horizontal_flip is value


def test_lists_are_separated_by_commas():
    assert parse(["--filters", "16,32"], {}).filters == (16, 32)


def test_flag_beats_file_beats_preset_beats_default(config):
    file = config("epochs: 7\nbatch-size: 16\n")
    settings = parse([*file, "--preset", "quick", "--epochs", "3"], {})
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (3, 16, 0.002)
    assert settings.dense_units == 512


@pytest.mark.parametrize("variable", ["CLOUD_ML_TRIAL_ID", "FASHION_MNIST_DIR"])
def test_what_only_the_environment_sets_is_called_as_there(variable):
    with pytest.raises(SettingsError, match=rf"^{variable} – expected a .* – received ' ' – correct or unset it$"):
        parse([], {variable: " "})


DEEP = "epochs: " + "[" * 3000 + "]" * 3000


@pytest.mark.parametrize("text", [DEEP, "epochs: !!bool maybe", "epochs: 2020-99-99"], ids=["deep", "tag", "day"])
def test_a_file_that_yaml_chokes_on_is_one_line(config, text):
    with pytest.raises(SettingsError, match="^--config .* – expected a readable YAML file"):
        parse(config(text), {})


def test_who_has_no_home_needs_none(monkeypatch):
    def unknown(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert str(parse(["--data", "here"], {}).data_cache_dir) == "~/.cache/fashion-mnist-trainer"
    with pytest.raises(SettingsError, match="^--gates – expected a local file – received ~/x – "):
        parse(["--gates", "~/x"], {})


NOT_OF_THEIR_TAGS = [
    ("!!bool maybe", "'maybe' is not of its tag tag:yaml.org,2002:bool"),
    ('!!int ""', "'' is not of its tag tag:yaml.org,2002:int"),
    ('!!float ""', "'' is not of its tag tag:yaml.org,2002:float"),
    ("!!float " + ":".join(["1"] * 200), "is not of its tag tag:yaml.org,2002:float"),
    ("!!timestamp x", "'x' is not of its tag tag:yaml.org,2002:timestamp"),
    ("[1, !!timestamp x]", "'x' is not of its tag tag:yaml.org,2002:timestamp"),
    ("!!map [1]", "a sequence is not of its tag tag:yaml.org,2002:map"),
]


@pytest.mark.parametrize(("value", "message"), NOT_OF_THEIR_TAGS)
def test_a_value_that_is_not_of_its_tag_is_told_with_its_line(config, value, message):
    with pytest.raises(SettingsError, match=f"^--config .* – received line 2: .*{message} – write"):
        parse(config(f"seed: 1\ndata: {value}"), {})


def test_a_file_may_name_the_preset_and_a_flag_another(config):
    file = config("preset: quick")
    assert parse(file, {}).epochs == 4
    assert parse([*file, "--preset", "reference"], {}).epochs == 50


def test_the_environment_is_weaker_than_the_file(config):
    file = config("output_dir: from/file")
    assert parse([], VERTEX).output_dir == "gs://bucket/job/model"
    assert parse([], VERTEX).checkpoint_dir == "gs://bucket/job/checkpoints"
    assert parse([], VERTEX).tensorboard_dir == "gs://bucket/job/logs"
    assert parse(file, VERTEX).output_dir == "from/file"


def test_an_empty_variable_and_a_null_count_as_not_set(config):
    assert parse([], {"AIP_MODEL_DIR": ""}).output_dir is None
    assert parse(config("output_dir: null"), VERTEX).output_dir == "gs://bucket/job/model"


def test_what_the_environment_alone_can_set():
    env = {"FASHION_MNIST_DIR": "/data", "TRAINER_COMMIT": "0123abc"}
    settings = parse([], env)
    assert (str(settings.fashion_mnist_dir), settings.commit) == ("/data", "0123abc")
    with pytest.raises(SettingsError, match="received --fashion-mnist-dir"):
        parse(["--fashion-mnist-dir", "/data"], {})


def test_a_trial_that_publishes_nothing_can_register_nothing():
    with pytest.raises(SettingsError, match="--register – expected a model – received --validation-only"):
        parse(["--validation-only", "--register"], {})


def test_an_experiment_needs_a_place_and_a_name_that_can_be_one():
    place = ["--vertex-project", "my-project", "--vertex-region", "us-central1"]
    assert parse(["--experiment", "first", *place], {}).experiment == "first"
    with pytest.raises(SettingsError, match="--experiment – expected --vertex-project and --vertex-region with it"):
        parse(["--experiment", "first"], {})
    for name in ("First", "first_one", "-first", "x" * 116):
        with pytest.raises(SettingsError, match="--experiment – expected at most 115 of a-z"):
            parse([f"--experiment={name}", *place], {})


LOG_FORMATS = [
    ({}, [], "text"),
    ({"CLOUD_ML_JOB_ID": "1"}, [], "json"),
    ({"CLUSTER_SPEC": "{}"}, [], "json"),
    ({"AIP_MODEL_DIR": "gs://bucket-b/m"}, [], "json"),
    ({"AIP_MODEL_DIR": ""}, [], "text"),
    ({"CLOUD_ML_JOB_ID": "1"}, ["--log-format", "text"], "text"),
    ({}, ["--log-format", "json"], "json"),
]


@pytest.mark.parametrize(("env", "argv", "log_format"), LOG_FORMATS)
def test_logs_are_json_under_vertex_and_where_asked(env, argv, log_format):
    assert parse(argv, env).log_format == log_format


UNKNOWN = [
    (["--batch-sise", "3"], "received --batch-sise – did you mean --batch-size?"),
    (["--epoch=3"], "received --epoch – did you mean --epochs?"),
    (["--zzz"], "received --zzz – see --help"),
    (["stray"], "received stray – see --help"),
    (["--filters", "32", "64", "128"], "received 64 128 – .* joined by commas, as in --filters 32,64,128$"),
    (["epochs=3"], r"received epochs=3 – did you mean --epochs\?$"),
    (["epochs", "3"], r"received epochs 3 – did you mean --epochs\?$"),
    (["--epoch", "3", "4"], r"received --epoch – did you mean --epochs\?$"),
    (["--epochs"], "--epochs – expected an integer ≥ 1 – received nothing"),
    (["--epochs="], "--epochs – expected an integer ≥ 1 – received nothing"),
    (["--epochs", "--verbose"], "--epochs – expected an integer ≥ 1 – received nothing"),
    (["--", "--epochs", "3"], "command line – expected the trainer's flags alone – received -- – leave it out"),
    (["--print-settings=3"], "command line – expected flags .* – received .*--print-settings.* – see --help"),
]


@pytest.mark.parametrize(("argv", "message"), UNKNOWN)
def test_a_wrong_command_line_is_told(argv, message):
    with pytest.raises(SettingsError, match=message):
        parse(argv, {})


FILES = [
    ("epoch: 3", "received epoch – did you mean epochs?"),
    ("3: 3", "received 3 – see --help"),
    ("fashion_mnist_dir: /data", "received fashion_mnist_dir"),
    ("epochs: many", r"--epochs \(file .*run.yaml\) – expected an integer ≥ 1 – received many"),
    ("epochs: true", "expected an integer ≥ 1 – received True"),
    ("epochs: [1]", "expected an integer ≥ 1"),
    ("resume: no", "expected one of auto, never, require – received False"),
    ("registry_name: 2024", "expected at most 63 of .* – received 2024 – put it in quotes"),
    ("experiment: 2024-01-01", "received 2024-01-01 – put it in quotes"),
    ("- epochs", "expected a readable YAML file with a mapping of settings – received list"),
    ("just words", "received str"),
    ("epochs: 3\nseed: 1\nepochs: 4", "received line 3: the key epochs stands here twice"),
    ("batch-size: 3\nbatch_size: 4", "expected each setting once – received batch_size in both spellings"),
    ("epochs: [", "expected a readable YAML file"),
    ("epochs: !!python/object:os.system x", "expected a readable YAML file"),
]


@pytest.mark.parametrize(("text", "message"), FILES)
def test_a_wrong_file_is_told(config, text, message):
    with pytest.raises(SettingsError, match=message) as caught:
        parse(config(text), {})
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, do in (
        ("missing.yaml", "correct its name"),
        ("binary", "write one setting a line"),
        (".", "correct its name"),
    ):
        with pytest.raises(SettingsError, match=f"expected a readable YAML file.*{do}"):
            parse(["--config", str(tmp_path / name)], {})


def test_a_file_of_comments_sets_nothing(config):
    assert parse(config("# nothing yet\n"), {}) == parse([], {})


def test_a_number_in_a_file_may_be_written_as_in_a_flag(config):
    assert parse(config("learning_rate: 1e-4"), {}).learning_rate == 1e-4


def test_all_problems_are_told_in_one_line(config):
    with pytest.raises(SettingsError) as caught:
        parse([*config("epoch: 3\nfilters: 0"), "--val-fraction", "1", "--sead", "3"], {})
    told = str(caught.value)
    assert [word in told for word in ("epoch ", "--filters", "--val-fraction", "--sead")] == [True] * 4
    assert "\n" not in told


def test_printed_settings_say_where_they_come_from_and_can_be_read_again(config, capsys):
    argv = ["--preset", "quick", "--filters", "8,16", "--data", "a: folder # 1", "--print-settings"]
    with pytest.raises(SystemExit) as caught:
        parse(argv, VERTEX)
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    lines = printed.splitlines()
    assert len(lines) == len(Settings.model_fields)
    assert "filters: [8, 16]  # flag" in lines
    assert "epochs: 4  # preset quick" in lines
    assert "dense_units: 512  # default" in lines
    assert any(line.endswith("# environment AIP_MODEL_DIR") for line in lines)
    assert "log_format: auto  # default, here json" in lines
    assert isinstance(yaml.safe_load(printed)["weight_decay"], float)
    assert parse(config(printed), VERTEX) == parse(argv[:-1], VERTEX)


def test_help_lists_every_flag_and_version_the_version(capsys):
    for argv in (["--help"], ["--version"]):
        with pytest.raises(SystemExit) as caught:
            parse(argv, {})
        assert caught.value.code == 0
    printed = capsys.readouterr().out
    flags = [f"--{name.replace('_', '-')}" for name, field in Settings.model_fields.items() if about(field).has_flag]
    assert [flag for flag in flags if flag not in printed] == []
    assert "fashion-mnist-trainer 0.1.0" in printed
