"""What the machine's processor is called, and which of the instructions it has that shape speed and rounding."""

import platform
from collections.abc import Iterator
from pathlib import Path

INFORMATION = Path("/proc/cpuinfo")

#: Linux's names of what arithmetic on arrays is compiled to, from the narrowest to the widest, then those of bfloat16.
VECTOR_INSTRUCTIONS = ("avx", "avx2", "avx512f")
BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def name() -> str:
    """As the processor calls itself, "Intel(R) Xeon(R) CPU @ 2.00GHz", or as Python's ``platform`` knows it."""
    return next(_values("model name"), "") or platform.processor() or platform.machine()


def instructions() -> list[str]:
    """The widest of the vector instructions, then those of bfloat16; empty where Linux does not tell."""
    flags = {flag for line in _values("flags") for flag in line.split()}
    widest = [flag for flag in VECTOR_INSTRUCTIONS if flag in flags][-1:]
    return [*widest, *(flag for flag in BFLOAT16_INSTRUCTIONS if flag in flags)]


def multiplies_bfloat16() -> bool:
    """Whether it multiplies numbers in bfloat16, rather than imitating that in float32."""
    return any(flag in BFLOAT16_INSTRUCTIONS for flag in instructions())


def _values(key: str) -> Iterator[str]:
    """What /proc/cpuinfo says of ``key``, processor by processor."""
    if not INFORMATION.exists():
        return
    for line in INFORMATION.read_text(encoding="utf-8").splitlines():
        word, _, value = line.partition(":")
        if word.strip() == key:
            yield value.strip()
