"""Who is acting, for the registry's history."""

import getpass
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path


def who(env: Mapping[str, str]) -> str:
    """The service account whose key is set up, else ``user@host``; with the Vertex AI job, if it is one.

    It is a courtesy, not a proof: whoever may write to the registry may write any name.
    """
    name = _service_account(env) or f"{_user()}@{socket.gethostname()}"
    job = env.get("CLOUD_ML_JOB_ID")
    told = f"{name} (Vertex AI job {job})" if job else name
    # The history is UTF-8, and a name need not be.
    return told.encode(errors="backslashreplace").decode()


def _service_account(env: Mapping[str, str]) -> str | None:
    key = env.get("GOOGLE_APPLICATION_CREDENTIALS")
    try:
        return str(json.loads(Path(key).read_text(encoding="utf-8"))["client_email"]) if key else None
    except (OSError, ValueError, KeyError, TypeError):  # Another kind of credentials. Google's client will say more.
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # A container's user id need not have a name.
        return f"uid {os.getuid()}"
