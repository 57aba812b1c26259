"""Too little memory is the machine's fault, and said in one line."""

import pytest
import tensorflow as tf

from trainer.ending import shortage_told_as_interrupt
from trainer.errors import Interrupted


def allocated_by_tensorflow() -> None:
    tf.zeros((2**22, 2**22))


def allocated_by_numpy() -> None:
    raise MemoryError


def allocated_by_jax() -> None:
    raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.\nmore")


@pytest.mark.parametrize("allocate", [allocated_by_tensorflow, allocated_by_numpy, allocated_by_jax])
def test_it_is_an_interruption_of_one_line(allocate) -> None:
    message = "the memory is too small .* – expected .* – received .* – start the .* a smaller --batch-size or network$"
    with pytest.raises(Interrupted, match=message) as error, shortage_told_as_interrupt():
        allocate()
    assert "\n" not in str(error.value)


def test_any_other_error_stays_what_it_is() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError), shortage_told_as_interrupt():
        tf.reshape(tf.zeros(3), (2, 2))
