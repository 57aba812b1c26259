"""A prefix of a Cloud Storage bucket, through Google's own client.

With ``STORAGE_EMULATOR_HOST`` set, the client talks to that address, anonymously.
"""

import mimetypes
import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from trainer.errors import AlreadyExistsError, NotFoundError, StorageError
from trainer.storage.atomic import file_errors, replacing
from trainer.storage.bucket_errors import PreconditionError, bucket_errors
from trainer.storage.folder import HIDDEN_PREFIX, check_name, is_hidden

# How long a request is repeated while the service or the network is away.
RETRY_SECONDS = 60.0
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 60.0
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.5, 8.0

# Object metadata that tells whose upload it was. A response may get lost after the service has done its work:
# the client repeats the request and is told that the object exists. Only this says whether it is its own.
_WRITER = "trainer-writer"


def open_bucket(bucket: str, prefix: str) -> "BucketFolder":
    """Raises StorageError when there are no credentials. The bucket itself is not contacted."""
    from google.cloud import storage

    # The client would otherwise ask for the bucket's own data, for traces that nobody records.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    with bucket_errors(f"gs://{bucket}"):
        return BucketFolder(storage.Client(project=None).bucket(bucket), prefix)


class BucketFolder:
    """Objects below ``prefix``. Every request is repeated while it fails for a passing reason."""

    def __init__(self, bucket: Any, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""

    @property
    def uri(self) -> str:
        return f"gs://{self._bucket.name}/{self._prefix}".removesuffix("/")

    def child(self, name: str) -> "BucketFolder":
        return BucketFolder(self._bucket, self._prefix + check_name(name))

    def read(self, name: str) -> bytes:
        blob = self._blob(name)
        with self._errors(name):
            content: bytes = blob.download_as_bytes(checksum="crc32c", **_patience())
        return content

    def write(self, name: str, data: bytes) -> None:
        self.put(name, data)

    def create(self, name: str, data: bytes) -> None:
        try:
            self.put(name, data, if_generation_match=0)
        except PreconditionError as error:
            raise AlreadyExistsError(
                "this may be created only once",
                expected="no such object",
                received=f"{self.uri}/{name}, which exists",
                do="keep it, or choose another name",
            ) from error

    def exists(self, name: str) -> bool:
        return self._find(name) is not None

    def names(self, prefix: str = "") -> list[str]:
        return sorted(self.generations(prefix))

    def delete(self, name: str) -> None:
        self.remove(name)

    def upload(self, name: str, path: Path) -> None:
        with file_errors(path):
            data = path.read_bytes()
        self.write(name, data)

    def download(self, name: str, path: Path) -> None:
        blob = self._blob(name)
        with file_errors(path), self._errors(name), replacing(path) as file:
            blob.download_to_file(file, checksum="crc32c", **_patience())

    def check_writable(self) -> None:
        probe = f"{HIDDEN_PREFIX}{uuid.uuid4().hex}.probe"
        self.write(probe, b"probe")
        self.delete(probe)

    def remove_unfinished(self) -> None:
        """Nothing: an upload that was cut short is no object."""

    @contextmanager
    def publication(self, marker: str, content: bytes) -> Iterator["BucketPublication"]:
        publication = BucketPublication(self, marker, content)
        yield publication
        publication.release()

    # Below: what only buckets have. A generation is the version number of an object; 0 stands for no object.
    # A request whose precondition does not hold raises PreconditionError.

    def put(self, name: str, data: bytes, *, if_generation_match: int | None = None) -> "Version":
        """Upload, and tell what this very upload made."""
        blob = self._blob(name)
        writer = uuid.uuid4().hex
        blob.metadata = {_WRITER: writer}
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        conditions = {"if_generation_match": if_generation_match, "checksum": "crc32c", **_patience()}
        try:
            with self._errors(name):
                blob.upload_from_string(data, content_type=kind, **conditions)
        except PreconditionError:
            blob = self._find(name)
            if _writer_of(blob) != writer:
                raise
        return Version(int(blob.generation), writer)

    def copy(self, source: str, name: str, *, version: "Version") -> None:
        """Create ``name`` from that version of ``source``; the service checks both in the one request."""
        conditions = {"if_generation_match": 0, "if_source_generation_match": version.generation}
        target = self._prefix + check_name(name)
        try:
            with self._errors(name):
                self._bucket.copy_blob(self._blob(source), self._bucket, target, **conditions, **_patience())
        except PreconditionError:
            if _writer_of(self._find(name)) != version.writer:
                raise

    def remove(self, name: str, *, if_generation_match: int | None = None) -> None:
        """An object that is gone already is fine."""
        with suppress(NotFoundError), self._errors(name):
            self._blob(name).delete(if_generation_match=if_generation_match, **_patience())

    def generation(self, name: str) -> int:
        blob = self._find(name)
        return 0 if blob is None else int(blob.generation)

    def generations(self, prefix: str = "") -> dict[str, int]:
        """Of every object that ``names`` lists."""
        with self._errors(""):
            blobs = list(self._bucket.list_blobs(prefix=self._prefix + prefix, **_patience()))
        found = {blob.name.removeprefix(self._prefix): int(blob.generation) for blob in blobs}
        # A name that ends in "/" is an empty folder as the web console draws it.
        return {name: found[name] for name in found if not name.endswith("/") and not is_hidden(name)}

    def _find(self, name: str) -> Any:
        """The object with its metadata, or None."""
        blob = self._blob(name)
        try:
            with self._errors(name):
                blob.reload(**_patience())
        except NotFoundError:
            return None
        return blob

    def _blob(self, name: str) -> Any:
        return self._bucket.blob(self._prefix + check_name(name))

    def _errors(self, name: str) -> AbstractContextManager[None]:
        return bucket_errors(f"gs://{self._bucket.name}/{self._prefix}{name}")


class Version(NamedTuple):
    """What one upload made."""

    generation: int
    writer: str


class BucketPublication:
    """Filling a prefix under a claim.

    Nothing locks a prefix, and a lock that outlives a killed process would be worse. So the last process to
    claim wins: the claim is an object, written over by each publisher, and the marker is made by *copying the
    claim* on the condition that it is still the publisher's own. Whoever has lost it can't commit any more.
    Each payload object is written over only at the generation last seen, which the holder looks up *before*
    it checks its claim: so a late request of a former holder can't replace what the present one has put.
    """

    def __init__(self, folder: BucketFolder, marker: str, content: bytes) -> None:
        self._folder = folder
        self._marker = marker
        self._claim_name = f"{HIDDEN_PREFIX}claim-{marker}"
        self._claim = folder.put(self._claim_name, content)
        self._generations = folder.generations()
        self._check_claim()

    def put(self, name: str, path: Path) -> None:
        with file_errors(path):
            data = path.read_bytes()
        while not self._try_put(name, data):
            # A former holder was faster; it has at most one request under way, so this ends.
            self._generations[name] = self._folder.generation(name)
            self._check_claim()

    def remove(self, name: str) -> None:
        generation = self._folder.generation(name)
        self._check_claim()
        self._folder.remove(name, if_generation_match=generation)

    def commit(self) -> None:
        try:
            self._folder.copy(self._claim_name, self._marker, version=self._claim)
        except (PreconditionError, NotFoundError) as error:
            raise self._superseded() from error

    def release(self) -> None:
        """Remove the claim unless it is a successor's. One that is left over is hidden, and no harm."""
        with suppress(PreconditionError):
            self._folder.remove(self._claim_name, if_generation_match=self._claim.generation)

    def _try_put(self, name: str, data: bytes) -> bool:
        try:
            self._folder.put(name, data, if_generation_match=self._generations.get(name, 0))
        except PreconditionError:
            return False
        return True

    def _check_claim(self) -> None:
        if self._folder.generation(self._claim_name) != self._claim.generation:
            raise self._superseded()

    def _superseded(self) -> StorageError:
        return StorageError(
            "another process has taken over publishing here",
            expected="one publisher at a time",
            received=self._folder.uri,
            do="leave it to that process, or start this command again when it has ended",
        )


def _writer_of(blob: Any) -> str | None:
    return (blob.metadata or {}).get(_WRITER) if blob else None


def _patience() -> dict[str, Any]:
    from google.cloud.storage.retry import DEFAULT_RETRY

    retry = DEFAULT_RETRY.with_delay(initial=_FIRST_DELAY_SECONDS, maximum=_LONGEST_DELAY_SECONDS)
    return {"retry": retry.with_timeout(RETRY_SECONDS), "timeout": (_CONNECT_SECONDS, _READ_SECONDS)}
