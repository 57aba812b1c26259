"""Tables on a terminal: columns as wide as they must be, the last one folded. A thousand rows take milliseconds."""

import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

# Escape codes of a terminal (ECMA-48, "select graphic rendition").
_CODES = {"good": "32", "bad": "31", "caution": "33", "dim": "2", "strong": "1"}
_GAP = "  "
_NARROWEST = 20


class Cell(NamedTuple):
    """A text and how it is coloured: ``good``, ``bad``, ``caution``, ``dim``, ``strong`` or not at all."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Page:
    """Where it is shown: ``width`` in characters, 0 for no limit; colours or none."""

    width: int
    colour: bool

    @classmethod
    def of_stdout(cls, env: Mapping[str, str]) -> "Page":
        """Colours only on a terminal, and not if ``NO_COLOR`` is set (https://no-color.org); no limit in a pipe."""
        terminal = sys.stdout.isatty()
        return cls(shutil.get_terminal_size().columns if terminal else 0, terminal and not env.get("NO_COLOR"))

    def paint(self, cell: Cell | str) -> str:
        text, style = cell if isinstance(cell, Cell) else (cell, "")
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and style and text else text

    def table(self, header: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> str:
        """``rows`` below ``header``, each with as many cells; a line more where the last cell is too long."""
        cells = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
        texts = [list(header), *([cell.text for cell in row] for row in cells)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines = [self._line([Cell(name, "dim") for name in header], widths)]
        indent = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
        for row in cells:
            first, *rest = self._fold(row[-1].text, indent)
            lines.append(self._line([*row[:-1], Cell(first, row[-1].style)], widths))
            lines += [" " * indent + self.paint(Cell(text, row[-1].style)) for text in rest]
        return "\n".join(lines)

    def _line(self, row: Sequence[Cell], widths: Sequence[int]) -> str:
        padded = [self.paint(cell) + " " * (width - len(cell.text)) for cell, width in zip(row, widths, strict=True)]
        return _GAP.join(padded).rstrip()

    def _fold(self, text: str, indent: int) -> list[str]:
        room = max(self.width - indent, _NARROWEST) if self.width else max(len(text), 1)
        return textwrap.wrap(text, room) or [""]
