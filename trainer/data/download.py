"""Files from the web into the cache: checked against their SHA-256, in place at once, never in part.

A machine without a network learns so within ten seconds in all, also where a name look-up or a host hangs: the wait
for a host to answer happens in a thread that is left behind when its time is up. (A socket's own timeout covers
neither the look-up nor the sum over a name's addresses.)
"""

import hashlib
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from trainer.errors import DataError
from trainer.storage.atomic import file_errors, replacing

if TYPE_CHECKING:
    from requests import Response

log = logging.getLogger(__name__)

#: To find out that no host answers, all hosts together; with the start of the program still less than ten.
REACH_SECONDS = 8.0
#: For one file, from the first byte to the last.
TRANSFER_SECONDS = 600.0
_PROGRESS_SECONDS = 5.0
_CHUNK_BYTES = 1 << 16


class UnavailableError(DataError):
    """No host delivered the file."""


class _HostError(Exception):
    """This host did not deliver; the next one may. The text says why."""


class Downloader:
    """Fetches files that several hosts offer. A host that failed once is not asked again."""

    def __init__(
        self,
        hosts: Sequence[str],
        *,
        reach_seconds: float = REACH_SECONDS,
        transfer_seconds: float = TRANSFER_SECONDS,
    ) -> None:
        self._hosts = list(hosts)
        self._patience_seconds = reach_seconds / len(hosts)
        self._transfer_seconds = transfer_seconds
        self._failures: list[str] = []

    def fetch(self, name: str, target: Path, *, sha256: str) -> str:
        """Put the file ``name`` in place as ``target`` and return the host it came from.

        Raises UnavailableError when no host delivers it as pinned, StorageError when it can't be written.
        """
        while self._hosts:
            host = self._hosts[0]
            try:
                self._fetch_from(host + name, target, sha256)
            except _HostError as failure:
                self._failures.append(f"{urlsplit(host).netloc}: {failure}")
                del self._hosts[0]
            else:
                return host
        raise UnavailableError(
            f"{name} can't be downloaded",
            expected="one of the hosts of the data set to deliver it",
            received="; ".join(self._failures),
            do="put the four files into a folder and set FASHION_MNIST_DIR to it, or use --data synthetic",
        )

    def _fetch_from(self, url: str, target: Path, sha256: str) -> None:
        log.info("downloading %s", url)
        digest = hashlib.sha256()
        with _open(url, self._patience_seconds) as response, file_errors(target), replacing(target) as file:
            for chunk in _chunks(response, self._transfer_seconds):
                digest.update(chunk)
                file.write(chunk)
            if digest.hexdigest() != sha256:
                raise _HostError(f"sent other bytes (SHA-256 {digest.hexdigest()[:12]}…, not {sha256[:12]}…)")


def _open(url: str, patience_seconds: float) -> "Response":
    """The answer to a GET, its body not yet read."""
    outcome: SimpleQueue[Response | _HostError] = SimpleQueue()
    threading.Thread(target=_request, args=(url, patience_seconds, outcome), daemon=True).start()
    try:
        answer = outcome.get(timeout=patience_seconds)
    except Empty:
        raise _HostError(f"no answer within {patience_seconds:g} s") from None
    if isinstance(answer, _HostError):
        raise answer
    return answer


def _request(url: str, patience_seconds: float, outcome: "SimpleQueue[Response | _HostError]") -> None:
    import requests

    try:
        # "identity", lest a server unpacks the gzip file for us and its bytes are no longer those of the digest.
        headers = {"Accept-Encoding": "identity"}
        response = requests.get(url, headers=headers, stream=True, timeout=patience_seconds)
        if not response.ok:
            raise requests.HTTPError(f"HTTP {response.status_code}")
    # A bundle of certificates that is not there is an OSError, a proxy's address that is none a ValueError.
    except (requests.RequestException, OSError, ValueError) as error:
        outcome.put(_HostError(_reason(error)))
    else:
        outcome.put(response)


def _chunks(response: "Response", transfer_seconds: float) -> Iterator[bytes]:
    """The body as it arrives. Raises _HostError when it stalls, breaks off or takes too long."""
    from urllib3.exceptions import HTTPError

    length = response.headers.get("Content-Length", "")
    of_all = f" of {int(length) / 1e6:.1f}" if length.isdecimal() else ""
    began = shown = time.monotonic()
    received = 0
    try:
        # Unlike read(), read1() comes back with what there is, so that a trickle of bytes meets the time limit too.
        while chunk := response.raw.read1(_CHUNK_BYTES):
            received += len(chunk)
            yield chunk
            now = time.monotonic()
            if now - began > transfer_seconds:
                raise _HostError(f"not done after {transfer_seconds:g} s")
            if now - shown > _PROGRESS_SECONDS:
                shown = now
                log.info("… %.1f%s MB", received / 1e6, of_all)
    except (HTTPError, OSError) as error:
        raise _HostError(_reason(error)) from error


def _reason(error: Exception) -> str:
    """The innermost cause: what lies around it only repeats the address."""
    cause: BaseException = error
    while isinstance(deeper := getattr(cause, "reason", None) or cause.__context__, BaseException):
        cause = deeper
    return f"{type(cause).__name__}: {cause}"
