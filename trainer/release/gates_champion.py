"""The gate that holds a model against the one in service."""

from trainer.release.comparison import Difference
from trainer.release.evidence import Evidence
from trainer.release.thresholds import Thresholds
from trainer.release.verdict import Verdict, not_measured, verdict


def champion(evidence: Evidence, thresholds: Thresholds) -> Verdict:
    """Not worse than the champion beyond chance. ``better`` says whether it is better beyond chance."""
    comparison, significance = evidence.comparison, thresholds.champion.significance
    if evidence.measured is None or evidence.uncompared:
        return not_measured("champion", evidence.uncompared or evidence.unmeasured, better=False, worse=False)
    if comparison is None:
        return verdict("champion", [], "there is no champion to compare it with", {"better": True, "worse": False})
    overall = comparison.overall
    better, worse = overall.is_better(significance), overall.is_worse(significance)
    sentence = f"against the champion (run {comparison.champion}) on the same {overall.n} images: {_in_words(overall)}"
    for word, judge in (("better", Difference.is_better), ("worse", Difference.is_worse)):
        found = [name for name, difference in comparison.classes.items() if judge(difference, significance)]
        sentence += f"; {word} beyond chance in {', '.join(found)}" if found else ""
    faults = [f"worse {sentence}"] if worse else []
    praise = f"{'better' if better else 'neither better nor worse beyond chance,'} {sentence}"
    return verdict("champion", faults, praise, {**comparison.as_dict(), "better": better, "worse": worse})


def _in_words(overall: Difference) -> str:
    return (
        f"accuracy {100 * overall.value:+.2f} points (95 % interval {100 * overall.low:+.2f} to "
        f"{100 * overall.high:+.2f}), only this model is right on {overall.only_challenger}, "
        f"only the champion on {overall.only_champion}, McNemar p = {overall.p_value:.2g}"
    )
