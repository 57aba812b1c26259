"""The version that a new one is compared with, looked at as before a promotion: it must be what was registered."""

from trainer.registry.intact import refuse_altered
from trainer.release import decisions
from trainer.release.store import Registry


def find_champion(registry: Registry) -> str | None:
    """What ``latest`` points to, None if to nothing.

    Raises StorageError or GateRefusedError where the history or the champion's files are not as they were left.
    """
    index = registry.read()
    if index.latest is None:
        registry.check_record(index)
        return None
    champion = decisions.resolve(index, "latest")
    registry.check_record(index, champion)
    # Its signature is not asked for: it may be from before there was a key.
    do = "register that model again, which puts its files back, then this one"
    refuse_altered(registry, champion, None, known_as=f"the champion, version {champion.version},", do=do)
    return champion.version
