"""Gates on where a model comes from: its files, and the data it was made from."""

from trainer.release.evidence import Evidence
from trainer.release.thresholds import Thresholds
from trainer.release.verdict import Verdict, not_measured, verdict


def integrity(evidence: Evidence, _: Thresholds) -> Verdict:
    """Every file is the one that was committed, by whom it should be, and the graph holds nothing but arithmetic."""
    files = len(evidence.manifest.files)
    praise = f"all {files} files are as they were committed, every op is allowed; {evidence.signature}"
    figures = {"files": files, "findings": list(evidence.integrity), "signature": evidence.signature}
    faults = [f"not intact: {'; '.join(evidence.integrity)}"] if evidence.integrity else []
    return verdict("integrity", faults, praise, figures)


def data(evidence: Evidence, _: Thresholds) -> Verdict:
    """Real data, nothing that blocks a release, and no test image among those trained on."""
    report, manifest, measured = evidence.data_report, evidence.manifest, evidence.measured
    source = report.get("source", {})
    told = (manifest.synthetic, evidence.metrics.get("synthetic"), source.get("synthetic"))
    synthetic = any(told) or bool(measured and measured.synthetic)
    blocking = list(dict.fromkeys([*manifest.blocking, *report.get("blocking", ())]))
    copies = max(report.get("leakage", {}).get("copies", 0), measured.copies if measured else 0)
    figures = {"synthetic": synthetic, "blocking": blocking, "copies": copies}
    faults = [f"release is blocked: {mark}" for mark in blocking]
    if synthetic and not blocking:
        faults.append("the data are synthetic")
    if copies:
        faults.append(f"{copies} test images are training images too, so every figure flatters the model")
    if measured is None and not faults:
        return not_measured("data", evidence.unmeasured, **figures)
    praise = f"the data are real ({source.get('name')}), and no test image is among the training images"
    if odd := report.get("suspicious"):
        praise += f"; odd, and put up with: {'; '.join(odd)}"
    return verdict("data", faults, praise, figures)
