from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from tests.support.predictions import example_history, example_images, perfect_predictions, predictions
from trainer.evaluation import figures
from trainer.evaluation.metrics import classification_metrics

PROBABILITIES, LABELS = predictions(600, seed=3)
METRICS = classification_metrics(PROBABILITIES, LABELS)
IMAGES = example_images(600).images

Draw = Callable[[Path, bool], None]
DRAWINGS: dict[str, Draw] = {
    "confusion matrix": lambda path, synthetic: figures.confusion_matrix(path, METRICS, synthetic=synthetic),
    "reliability": lambda path, synthetic: figures.reliability(path, METRICS, synthetic=synthetic),
    "curves": lambda path, synthetic: figures.training_curves(
        path, example_history(46), best_epoch=36, synthetic=synthetic
    ),
    "mistakes": lambda path, synthetic: figures.mistakes(path, IMAGES, PROBABILITIES, LABELS, synthetic=synthetic),
    "curves of one epoch": lambda path, synthetic: figures.training_curves(
        path, example_history(1), best_epoch=1, synthetic=synthetic
    ),
    "no mistakes": lambda path, synthetic: figures.mistakes(
        path, IMAGES, perfect_predictions(LABELS), LABELS, synthetic=synthetic
    ),
    "one class only": lambda path, synthetic: figures.confusion_matrix(
        path, classification_metrics(PROBABILITIES[:1], LABELS[:1]), synthetic=synthetic
    ),
    "one prediction": lambda path, synthetic: figures.reliability(
        path, classification_metrics(PROBABILITIES[:1], LABELS[:1]), synthetic=synthetic
    ),
}
each_drawing = pytest.mark.parametrize("draw", DRAWINGS.values(), ids=DRAWINGS.keys())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved while the test ran, to look into."""
    saved: list[Figure] = []
    save = Figure.savefig

    def keep_and_save(figure: Figure, *args, **options) -> None:
        saved.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep_and_save)
    return saved


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


Box = tuple[float, float, float, float]


def visible_boxes(figure: Figure) -> list[tuple[Text, Box]]:
    """Texts and their extents in pixels, without tick labels that lie outside of their axes' limits."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    hidden = {id(label) for axes in figure.axes if not axes.axison for label in axes.findobj(Text)}
    titles = {id(axes.title) for axes in figure.axes}
    shown = [text for text in texts(figure) if (id(text) not in hidden or id(text) in titles) and _within_limits(text)]
    return [(text, text.get_window_extent(canvas.get_renderer()).extents) for text in shown]


def _within_limits(text: Text) -> bool:
    for axes in text.figure.axes:
        for axis, limits, k in ((axes.xaxis, axes.get_xlim(), 0), (axes.yaxis, axes.get_ylim(), 1)):
            if text in axis.get_ticklabels(which="both"):
                return min(limits) <= text.get_position()[k] <= max(limits)
    return True


def overlap(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1


@each_drawing
def test_no_text_overlaps_another_or_leaves_the_picture(draw: Draw, tmp_path: Path, drawn: list[Figure]) -> None:
    draw(tmp_path / "figure.png", True)
    boxes = visible_boxes(drawn[0])
    # The extent of a slanted text is far larger than the text.
    straight = [(text.get_text(), box) for text, box in boxes if text.get_rotation() % 90 == 0]
    assert [(a[0], b[0]) for a, b in combinations(straight, 2) if overlap(a[1], b[1])] == []
    width, height = drawn[0].canvas.get_width_height()
    outside = [(x0, y0, x1, y1) for _, (x0, y0, x1, y1) in boxes if x0 < 0 or y0 < 0 or x1 > width or y1 > height]
    assert outside == []


@each_drawing
def test_same_figures_give_the_same_bytes_without_time_or_version(draw: Draw, tmp_path: Path) -> None:
    draw(tmp_path / "one.png", False)
    draw(tmp_path / "two.png", False)
    content = (tmp_path / "one.png").read_bytes()
    assert content == (tmp_path / "two.png").read_bytes()
    assert b"tEXt" not in content
    assert b"tIME" not in content
    assert imread(tmp_path / "one.png").std() > 0.01


@pytest.mark.parametrize("draw", list(DRAWINGS.values())[:4], ids=list(DRAWINGS)[:4])
@pytest.mark.parametrize("synthetic", [True, False])
def test_synthetic_data_is_marked(draw: Draw, synthetic: bool, tmp_path: Path, drawn: list[Figure]) -> None:
    draw(tmp_path / "figure.png", synthetic)
    assert any(text.get_text() == "SYNTHETIC DATA" for text in texts(drawn[0])) is synthetic


def test_confusion_matrix_shows_count_and_share_of_the_row(tmp_path: Path, drawn: list[Figure]) -> None:
    labels = np.array([6, 6, 6, 6, 2], np.int32)
    answers = np.array([6, 6, 6, 4, 2])
    figures.confusion_matrix(
        tmp_path / "matrix.png", classification_metrics(perfect_predictions(answers), labels), synthetic=False
    )
    cells = {(t.get_position(), t.get_text()) for t in drawn[0].axes[0].texts}
    assert cells == {
        ((6, 5.87), "3"), ((6, 6.22), "75.0 %"), ((4, 5.87), "1"), ((4, 6.22), "25.0 %"),
        ((2, 1.87), "1"), ((2, 2.22), "100.0 %"),
    }  # fmt: skip


def test_curves_mark_the_best_epoch_and_show_the_rate_on_a_log_axis(tmp_path: Path, drawn: list[Figure]) -> None:
    figures.training_curves(tmp_path / "curves.png", example_history(9), best_epoch=7, synthetic=False)
    loss, accuracy, rate = drawn[0].axes
    assert rate.get_yscale() == "log"
    for axes in (loss, accuracy, rate):
        marks = [line for line in axes.lines if line.get_label() == "best epoch"]
        assert [list(line.get_xdata()) for line in marks] == [[7, 7]]
    assert any("augmentation and dropout on" in text.get_text() for text in texts(drawn[0]))


def test_the_worst_mistakes_are_shown_most_confident_first(tmp_path: Path, drawn: list[Figure]) -> None:
    labels = np.array([0, 1, 2, 3], np.int32)
    probabilities = np.zeros((4, 10), np.float32)
    probabilities[0, [6, 0]] = 0.7, 0.3
    probabilities[1, 1] = 1  # right
    probabilities[2, [4, 2]] = 0.9, 0.1
    probabilities[3, [3, 0]] = 0.6, 0.4  # right
    images = np.stack([np.full((28, 28, 1), 10 * k, np.uint8) for k in range(4)])
    figures.mistakes(tmp_path / "mistakes.png", images, probabilities, labels, synthetic=False)
    shown = [axes for axes in drawn[0].axes if axes.images]
    assert [axes.get_title() for axes in shown] == [
        "Pullover\n→ Coat\n90.0 %",
        "T-shirt/top\n→ Shirt\n70.0 %",
    ]
    assert [int(axes.images[0].get_array().max()) for axes in shown] == [20, 0]
    assert drawn[0].get_suptitle() == "All 2 mistakes on 4 images"
