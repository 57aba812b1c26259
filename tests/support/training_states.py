"""What a training remembers from one epoch to the next, made comparable."""

from trainer.training.checkpoint import TrainingState


def bytes_of(state: TrainingState) -> list[bytes]:
    """Every array of ``state``: the same to the last bit, or different."""
    return [array.tobytes() for array in (*state.model, *state.optimizer, *state.best, *state.losses)]
