"""The four pictures of one evaluation, as PNG files in one style.

Drawn on ``Figure`` objects, without pyplot's global state. Same figures in, same bytes out: no time and no
version is written into a file. A picture of ``synthetic`` data says so at its top.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from trainer.contract import CLASS_NAMES, NUM_CLASSES
from trainer.evaluation.intervals import wilson_interval

# Okabe & Ito 2008, "Color Universal Design": told apart with every kind of colour vision.
BLUE, SKY, ORANGE, VERMILION = "#0072B2", "#9fd0ee", "#E69F00", "#D55E00"
INK, GREY, LIGHT = "#1f2933", "#66717f", "#dfe4ea"
DASHES = (0, (4, 3))

STYLE: dict[Any, Any] = {
    "figure.facecolor": "white",
    "figure.constrained_layout.w_pad": 0.12,
    "figure.constrained_layout.h_pad": 0.1,
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": LIGHT,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 2,
}
DOTS_PER_INCH = 150
GALLERY_COLUMNS, GALLERY_ROWS = 6, 4
CURVES_NOTE = (
    "Training figures are means over the epoch, with augmentation and dropout on: they look worse than\n"
    "validation without the model being worse. The best epoch is the one of the lowest validation loss."
)


def confusion_matrix(path: Path, metrics: Mapping[str, Any], *, synthetic: bool) -> None:
    """Counts, and shares of each row, of ``metrics["confusion_matrix"]``; the shade is the share."""
    counts = np.asarray(metrics["confusion_matrix"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with rc_context(STYLE):
        figure = Figure(figsize=(9.2, 9), layout="constrained")
        axes = figure.subplots()
        # The root lifts the few percent of the cells off the diagonal out of the white.
        axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
        for i, j in np.argwhere(counts):
            _matrix_cell(axes, i, j, f"{counts[i, j]:,}", shares[i, j])
        axes.set_xticks(range(NUM_CLASSES), CLASS_NAMES, rotation=38, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(NUM_CLASSES), CLASS_NAMES)
        axes.set_xticks(np.arange(NUM_CLASSES + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(NUM_CLASSES + 1) - 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=1.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted class", ylabel="true class")
        right = f"{metrics['n']:,} images, {100 * metrics['accuracy']['value']:.2f} % right"
        _save(figure, path, f"What is taken for what: {right}", synthetic)


def training_curves(path: Path, history: Sequence[Mapping[str, Any]], *, best_epoch: int, synthetic: bool) -> None:
    """Loss, accuracy and learning rate over the epochs of ``history``; ``best_epoch`` counts from 1."""
    epochs = [record["epoch"] for record in history]
    with rc_context(STYLE):
        figure = Figure(figsize=(9.2, 9), layout="constrained")
        loss, accuracy, rate = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 1.4])
        _two_curves(loss, history, "loss")
        _two_curves(accuracy, history, "accuracy")
        accuracy.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        rates = [record["learning_rate"] for record in history]
        rate.plot(epochs, rates, "o-", drawstyle="steps-mid", color=INK, markersize=3)
        rate.set_yscale("log")
        rate.set(title="Learning rate", xlabel="epoch", xlim=(min(epochs) - 0.5, max(epochs) + 0.5))
        rate.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        for axes in (loss, accuracy, rate):
            axes.grid(True)
            axes.axvline(best_epoch, color=VERMILION, linestyle=DASHES, lw=1.2, zorder=1, label="best epoch")
        _legend_above(loss)
        figure.supxlabel(CURVES_NOTE, fontsize=8.5, color=GREY, x=0.013, ha="left")
        _save(figure, path, f"Training: epoch {best_epoch} of {len(history)} is the best", synthetic)


def reliability(path: Path, metrics: Mapping[str, Any], *, synthetic: bool) -> None:
    """Accuracy against confidence in the bins of ``metrics["calibration_bins"]``, and the bins' counts."""
    bins = [b for b in metrics["calibration_bins"] if b["count"]]
    centres = [(b["low"] + b["high"]) / 2 for b in bins]
    width = 0.92 * (bins[0]["high"] - bins[0]["low"])
    with rc_context(STYLE):
        figure = Figure(figsize=(9.2, 9), layout="constrained")
        diagram, histogram = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        diagram.bar(centres, [b["accuracy"] for b in bins], width=width, color=SKY)
        diagram.plot([0, 1], [0, 1], color=INK, linewidth=1.2, linestyle=DASHES, label="perfect calibration")
        diagram.errorbar(
            [b["confidence"] for b in bins],
            [b["accuracy"] for b in bins],
            yerr=_error_bars(bins),
            fmt="o",
            color=BLUE,
            elinewidth=1.5,
            capsize=3,
            label="share right, 95 % interval",
        )
        diagram.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share that is right")
        _legend_above(diagram)
        histogram.bar(centres, [b["count"] for b in bins], width=width, color=GREY)
        histogram.set_yscale("log")
        histogram.set(xlabel="confidence: probability of the predicted class", ylabel="images (log scale)")
        for axes in (diagram, histogram):
            axes.grid(axis="y")
        error = f"expected calibration error {metrics['expected_calibration_error']:.3f}"
        _save(figure, path, f"Calibration: {error} on {metrics['n']:,} images", synthetic)


def mistakes(
    path: Path,
    images: NDArray[np.uint8],
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int32],
    *,
    synthetic: bool,
) -> None:
    """The 24 wrong answers given with the highest confidence, most confident first.

    ``images`` uint8 (N, 28, 28, 1), ``probabilities`` float32 (N, 10), ``labels`` int32 (N,).
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    most_confident_first = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")]
    worst = most_confident_first[: GALLERY_COLUMNS * GALLERY_ROWS]
    rows = max(1, -(-len(worst) // GALLERY_COLUMNS))
    with rc_context(STYLE):
        figure = Figure(figsize=(9.2, 0.5 + 2.15 * rows), layout="constrained")
        grid = figure.subplots(rows, GALLERY_COLUMNS).ravel()
        for axes in grid:
            axes.axis("off")
        for axes, i in zip(grid, worst, strict=False):
            axes.imshow(images[i, :, :, 0], cmap="gray", vmin=0, vmax=255)
            confidence = f"{100 * probabilities[i].max():.1f} %"
            story = f"{CLASS_NAMES[labels[i]]}\n→ {CLASS_NAMES[predicted[i]]}\n{confidence}"
            axes.set_title(story, loc="center", fontsize=8.5)
        _save(figure, path, _gallery_heading(len(worst), len(wrong), len(labels)), synthetic)


def _matrix_cell(axes: Axes, row: int, column: int, count: str, share: float) -> None:
    colour = "white" if share > 0.3 else INK
    axes.text(column, row - 0.13, count, ha="center", va="center", color=colour, fontsize=11)
    axes.text(column, row + 0.22, f"{100 * share:.1f} %", ha="center", va="center", color=colour, fontsize=8.5)


def _two_curves(axes: Axes, history: Sequence[Mapping[str, Any]], name: str) -> None:
    epochs = [record["epoch"] for record in history]
    for key, label, colour in ((name, "training", ORANGE), (f"val_{name}", "validation", BLUE)):
        values = [record[key] for record in history]
        axes.plot(epochs, values, "o-", color=colour, markersize=3.5, label=label)
    axes.set_title(name.capitalize())


def _legend_above(axes: Axes) -> None:
    """Outside the plot, where it can't cover data."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.2)


def _error_bars(bins: Sequence[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Lengths below and above each bin's accuracy, float64 (2, bins)."""
    intervals = np.array([wilson_interval(round(b["accuracy"] * b["count"]), b["count"]) for b in bins])
    accuracy = np.array([b["accuracy"] for b in bins])
    lengths: NDArray[np.float64] = np.stack([accuracy - intervals[:, 0], intervals[:, 1] - accuracy])
    return lengths


def _gallery_heading(shown: int, mistakes_count: int, images_count: int) -> str:
    if not mistakes_count:
        return f"No mistake on {images_count:,} images"
    chosen = "All" if shown == mistakes_count else f"The {shown} most confident of"
    return f"{chosen} {mistakes_count:,} mistakes on {images_count:,} images"


def _save(figure: Figure, path: Path, heading: str, synthetic: bool) -> None:
    figure.suptitle(heading, x=0.013, ha="left", fontsize=12, fontweight="bold")
    if synthetic:
        badge = {"facecolor": VERMILION, "edgecolor": "none", "boxstyle": "round,pad=0.35"}
        top = 1 - 0.12 / figure.get_figheight()
        text = figure.text(0.987, top, "SYNTHETIC DATA", ha="right", va="top", color="white", bbox=badge)
        text.set_fontweight("bold")
    figure.savefig(path, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
