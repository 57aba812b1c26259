"""Gates on what a model is worth: measured on test, in a process of its own."""

from trainer.release.evidence import Evidence
from trainer.release.thresholds import Thresholds
from trainer.release.verdict import Verdict, not_measured, percent, verdict


def absolute(evidence: Evidence, thresholds: Thresholds) -> Verdict:
    """Good enough in each respect: with the chance in its accuracy counted against it, in its worst class, in doubt."""
    measured, least = evidence.measured, thresholds.absolute
    if measured is None:
        return not_measured("absolute", evidence.unmeasured)
    accuracy, log_loss = measured.test["accuracy"], measured.test["log_loss"]
    recalls = {name: row["recall"] for name, row in measured.classes["classes"].items()}
    interval = f"{percent(accuracy['value'])} (95 % interval {percent(accuracy['low'])} to {percent(accuracy['high'])})"
    faults = []
    if accuracy["low"] < least.accuracy_low_at_least:
        faults.append(
            f"test accuracy is {interval}, the lower end must be at least {percent(least.accuracy_low_at_least)}"
        )
    untested = [name for name, recall in recalls.items() if recall is None]
    faults += [f"no test image is of class {name}" for name in untested]
    weak = {name: recall for name, recall in recalls.items() if recall is not None and recall < least.recall_at_least}
    if weak:
        listed = ", ".join(f"{name} {percent(recall)}" for name, recall in weak.items())
        faults.append(f"recall must be at least {percent(least.recall_at_least)} in every class, it is: {listed}")
    if log_loss > least.log_loss_at_most:
        faults.append(f"log loss is {log_loss:.4g}, it must be at most {least.log_loss_at_most:g}")
    lowest = min((name for name in recalls if name not in untested), key=lambda name: float(recalls[name]))
    praise = f"test accuracy {interval}, lowest recall {percent(recalls[lowest])} ({lowest}), log loss {log_loss:.4f}"
    return verdict("absolute", faults, praise, {"accuracy": accuracy, "recall": recalls, "log_loss": log_loss})


def generalisation(evidence: Evidence, thresholds: Thresholds) -> Verdict:
    """Test is what validation promised: another distance is over-fitting, or another kind of data."""
    measured, most = evidence.measured, thresholds.generalisation
    if measured is None:
        return not_measured("generalisation", evidence.unmeasured)
    gap = measured.gap
    losses = {"validation": measured.validation["log_loss"], "test": measured.test["log_loss"]}
    direction = "below" if gap["points"] >= 0 else "above"
    distance = (
        f"test accuracy is {abs(gap['points']):.2f} points {direction} validation accuracy "
        f"(difference validation − test, 95 % interval {gap['low']:.2f} to {gap['high']:.2f})"
    )
    faults = []
    by_chance = gap["low"] <= 0 <= gap["high"]
    if abs(gap["points"]) > most.gap_at_most_points and not by_chance:
        faults.append(f"{distance}: more than {most.gap_at_most_points:g} points, and more than chance")
    if losses["test"] > most.log_loss_ratio_at_most * losses["validation"]:
        faults.append(
            f"log loss is {losses['test']:.4g} on test and {losses['validation']:.4g} on validation, "
            f"more than {most.log_loss_ratio_at_most:g} times as high"
        )
    praise = f"{distance}; log loss {losses['test']:.4f} on test, {losses['validation']:.4f} on validation"
    figures = {"points": gap["points"], "low": gap["low"], "high": gap["high"], "log_loss": losses}
    return verdict("generalisation", faults, praise, figures)


def calibration(evidence: Evidence, thresholds: Thresholds) -> Verdict:
    """A probability of 0.9 is right nine times out of ten."""
    measured, most = evidence.measured, thresholds.calibration
    if measured is None:
        return not_measured("calibration", evidence.unmeasured)
    error = measured.test["expected_calibration_error"]
    sentence = f"on average a probability is {error:.4f} away from how often it is right"
    faults = [f"{sentence}, it must be at most {most.error_at_most:g}"] if error > most.error_at_most else []
    return verdict("calibration", faults, sentence, {"expected_calibration_error": error})
