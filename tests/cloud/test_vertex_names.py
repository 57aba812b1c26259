import pytest

from tests.support.vertex_versions import example_version
from trainer.cloud.vertex_names import DESCRIPTION_BYTES, alias_of, description_of, identity_labels, serving_image
from trainer.errors import SettingsError


def test_an_alias_holds_no_dot() -> None:
    assert alias_of("1.20.3") == "v1-20-3"


@pytest.mark.parametrize("version", ["", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.x", "1.2.3\n"])
def test_what_is_no_version_has_no_alias(version: str) -> None:
    with pytest.raises(SettingsError, match="three numbers such as 1"):
        alias_of(version)


def test_the_identity_is_short_enough_for_labels() -> None:
    labels = identity_labels(example_version("1.2.3", digest="0123456789abcdef" * 4))
    assert labels == {"version": "v1-2-3", "digest": "0123456789abcdef01234567" + "89abcdef01234567"}


def test_a_short_card_is_kept() -> None:
    assert description_of(example_version(description="\n# Card\n\ntext\n")) == "# Card\n\ntext"


@pytest.mark.parametrize("line", ["a line of text", "é" * 31, "×"], ids=["ascii", "two bytes", "short"])
def test_a_long_card_is_cut_at_the_end_of_a_line(line: str) -> None:
    text = "\n".join([line] * 3000)
    found = description_of(example_version("1.2.0", description=text))
    card, _, rest = found.rpartition("\n\n")
    assert DESCRIPTION_BYTES - 80 < len(found.encode()) <= DESCRIPTION_BYTES
    assert set(card.split("\n")) == {line}
    assert rest == "(The rest: gs://my-bucket/registry/custom-cnn/1.2.0/metadata/model_card.md)"


def test_bytes_count_and_not_letters() -> None:
    found = description_of(example_version(description="\n".join(["é" * 50] * 30)))
    assert len(found.encode()) <= DESCRIPTION_BYTES


def test_a_card_of_one_endless_line_is_cut_within_it() -> None:
    found = description_of(example_version(description="é" * 3000))
    assert found.startswith("é" * 900)
    assert DESCRIPTION_BYTES - 4 < len(found.encode()) <= DESCRIPTION_BYTES


@pytest.mark.parametrize(
    ("region", "registry"),
    [("us-central1", "us"), ("europe-west4", "europe"), ("asia-east1", "asia"), ("australia-southeast1", "asia"),
     ("southamerica-east1", "us"), ("me-west1", "us")],
)  # fmt: skip
def test_the_container_comes_from_the_nearest_registry(region: str, registry: str) -> None:
    assert serving_image(region) == f"{registry}-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest"
