"""The one place where a job's arguments meet the trainer's own settings: preflight and cost get plain values."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from trainer import settings
from trainer.cloud.preflight.flags import Flags, ends
from trainer.errors import SettingsError


def read_flags(argv: Sequence[str], env: Mapping[str, str]) -> Flags:
    """Asked about ``--help`` and the like, it says so, and neither prints nor ends."""
    if ending := [word for word in argv if ends(word)]:
        return Flags(complaint=f"{ending[0]} prints and ends")
    try:
        parsed = settings.parse(argv, env)
    except SettingsError as error:
        return Flags(complaint=str(error))
    return Flags(values=parsed.as_dict(), shaping={"data": parsed.data, **parsed.shaping()})


def run_name(flags: Flags, arguments: Sequence[str], image: str) -> str:
    """Names what comes out: the same settings and image find their checkpoints, others never get in their way."""
    identity = json.dumps([flags.shaping or list(arguments), image], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()[:10]
