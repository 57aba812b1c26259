"""A job's log lines from Cloud Logging, as they arrive."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from trainer.cloud.google_rest import GoogleRest

_PAGE = 1000
#: Log entries may arrive after later ones: each question looks back so far.
_LATE_SECONDS = 60


@dataclass(frozen=True)
class LogLine:
    """``replica`` is such as ``workerpool0-0``; ``severity`` such as ``INFO``."""

    time: str
    severity: str
    replica: str
    text: str

    @property
    def is_error(self) -> bool:
        return self.severity in ("ERROR", "CRITICAL", "ALERT", "EMERGENCY")

    def __str__(self) -> str:
        return f"{self.time[11:19]} {self.replica} {self.severity.lower():<8} {self.text}"


@dataclass
class JobLogs:
    """Each line of a job's replicas, once. Raises StorageError when asked in vain."""

    rest: GoogleRest
    project: str
    job_number: str
    _seen: set[str] = field(default_factory=set)
    _latest: str = ""

    def new(self) -> Iterator[LogLine]:
        """What has arrived since the last question, in order of time."""
        token = ""
        since = self._since()
        while True:
            body: dict[str, Any] = {
                "resourceNames": [f"projects/{self.project}"],
                "filter": f'resource.type="ml_job" AND resource.labels.job_id="{self.job_number}"{since}',
                "orderBy": "timestamp asc",
                "pageSize": _PAGE,
            }
            answer = self.rest.post("logging", "v2/entries:list", "the job's log", {**body, "pageToken": token})
            for entry in answer.get("entries", []):
                if entry.get("insertId", "") not in self._seen:
                    self._seen.add(entry.get("insertId", ""))
                    self._latest = max(self._latest, entry.get("timestamp", ""))
                    yield _line(entry)
            token = answer.get("nextPageToken", "")
            if not token:
                return

    def _since(self) -> str:
        if not self._latest:
            return ""
        moment = datetime.fromisoformat(self._latest).timestamp() - _LATE_SECONDS
        return f' AND timestamp>="{datetime.fromtimestamp(moment, UTC).isoformat()}"'


def _line(entry: Mapping[str, Any]) -> LogLine:
    payload = entry.get("jsonPayload", {})
    text = str(payload.get("message") or entry.get("textPayload") or payload or "").rstrip()
    labels = entry.get("resource", {}).get("labels", {})
    return LogLine(entry.get("timestamp", ""), entry.get("severity", "DEFAULT"), labels.get("task_name", "job"), text)
