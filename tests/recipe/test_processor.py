"""What Linux says of a processor, and what it is taken to mean for bfloat16."""

from pathlib import Path

import pytest

from trainer import processor

ZEN_3 = "fpu sse2 fma avx f16c avx2 vaes"
CASCADE_LAKE = f"{ZEN_3} avx512f avx512vl avx512_vnni"
SAPPHIRE_RAPIDS = f"{CASCADE_LAKE} avx512_bf16 amx_bf16 amx_tile"


def said(folder: Path, flags: str) -> Path:
    """A file like that of two cores."""
    core = f"processor\t: 0\nmodel name\t: AMD EPYC 7763: 64 cores\nflags\t\t: {flags}\npower management:\n\n"
    (folder / "cpuinfo").write_text(2 * core, encoding="utf-8")
    return folder / "cpuinfo"


@pytest.mark.parametrize(
    ("flags", "instructions", "multiplies"),
    [
        ("fpu sse2", [], False),
        (ZEN_3, ["avx2"], False),
        (CASCADE_LAKE, ["avx512f"], False),
        (f"{CASCADE_LAKE} avx512_bf16", ["avx512f", "avx512_bf16"], True),
        (SAPPHIRE_RAPIDS, ["avx512f", "avx512_bf16", "amx_bf16"], True),
    ],
)
def test_the_widest_vectors_and_bfloat16(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, instructions: list[str], multiplies: bool
) -> None:
    monkeypatch.setattr(processor, "INFORMATION", said(tmp_path, flags))
    assert processor.instructions() == instructions
    assert processor.multiplies_bfloat16() is multiplies
    assert processor.name() == "AMD EPYC 7763: 64 cores"


def test_where_linux_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "INFORMATION", tmp_path / "nothing")
    assert processor.name()
    assert processor.instructions() == []
    assert not processor.multiplies_bfloat16()
