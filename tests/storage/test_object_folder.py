"""The test server's objects as files: they outlive it, and the rules hold as they do in memory."""

import pytest

from tests.support.object_folder import ObjectFolder
from tests.support.object_store import ServiceError, StoredObject


def stored(folder, name="a/b.txt", data=b"one", **conditions):
    return folder.put("bucket", StoredObject(name, data, "text/plain", {"key": "value"}), conditions)


def test_objects_outlive_the_server(tmp_path):
    first = ObjectFolder(tmp_path)
    first.create_bucket("bucket")
    generation = stored(first).generation
    assert (tmp_path / "bucket" / "a" / "b.txt").read_bytes() == b"one"
    second = ObjectFolder(tmp_path)
    second.create_bucket("bucket")
    found = second.get("bucket", "a/b.txt", {})
    assert (found.data, found.content_type, dict(found.metadata)) == (b"one", "text/plain", {"key": "value"})
    assert found.generation == generation
    assert stored(second, data=b"two").generation > generation


def test_preconditions_hold_across_servers(tmp_path):
    first = ObjectFolder(tmp_path)
    first.create_bucket("bucket")
    stored(first, ifGenerationMatch="0")
    with pytest.raises(ServiceError, match="pre-conditions"):
        stored(ObjectFolder(tmp_path), ifGenerationMatch="0")


def test_what_was_deleted_stays_deleted(tmp_path):
    first = ObjectFolder(tmp_path)
    first.create_bucket("bucket")
    stored(first)
    first.delete("bucket", "a/b.txt", {})
    assert not (tmp_path / "bucket" / "a" / "b.txt").exists()
    second = ObjectFolder(tmp_path)
    second.create_bucket("bucket")
    assert second.objects("bucket") == {}


@pytest.mark.parametrize("name", ["../outside", "/absolute", "folder/"])
def test_a_name_that_can_t_be_a_file_is_refused(tmp_path, name):
    folder = ObjectFolder(tmp_path)
    folder.create_bucket("bucket")
    with pytest.raises(ServiceError, match="can't be a file"):
        stored(folder, name)
