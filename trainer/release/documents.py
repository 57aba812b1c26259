"""The four documents in ``metadata/``, checked once at the door, so that what the gates read in them is there.

The schemas name only that. Whether it is true is for the gates to say.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from trainer.contract import METADATA_DIR
from trainer.errors import NotFoundError
from trainer.release.plain_json import Schema, fault, load_json
from trainer.storage import Folder

#: Of images.
_Count = Annotated[int, Field(ge=0, lt=2**31)]


class _Schema(Schema):
    model_config = ConfigDict(allow_inf_nan=False)


class _Mistaken(_Schema):
    name: str = Field(alias="class")
    count: _Count


class _ClassRow(_Schema):
    precision: float | None = None
    recall: float | None
    f1: float | None = None
    support: _Count
    mistaken_for: Sequence[_Mistaken]


class _ClassPerformance(_Schema):
    classes: Mapping[str, _ClassRow]


class _Interval(_Schema):
    value: float
    low: float
    high: float


class _Figures(_Schema):
    """Those that are compared and shown one by one: numbers, as far as they are there. Tables are only compared."""

    n: Annotated[_Count, Field(gt=0)]
    accuracy: _Interval | None = None
    f1_macro: float | None = None
    f1_weighted: float | None = None
    log_loss: float | None = None
    average_precision_macro: float | None = None
    average_precision_micro: float | None = None
    roc_auc_macro: float | None = None
    roc_auc_micro: float | None = None
    expected_calibration_error: float | None = None


class _Metrics(_Schema):
    test: _Figures
    validation: _Figures
    synthetic: bool = False


class _SplitSettings(_Schema):
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    val_fraction: Annotated[float, Field(gt=0, lt=1)]
    limit_train: _Count
    limit_test: _Count


class _Params(_Schema):
    run_id: str
    split_fingerprint: str
    settings: _SplitSettings


class _Source(_Schema):
    name: str
    origin: str
    synthetic: bool
    published: bool


class _Leakage(_Schema):
    copies: int


class _DataReport(_Schema):
    fingerprint: str
    blocking: Sequence[str]
    suspicious: Sequence[str] = ()
    source: _Source
    leakage: _Leakage
    counts: Mapping[str, Any] = Field(default_factory=dict)


SCHEMAS: Mapping[str, type[BaseModel]] = {
    "params": _Params,
    "metrics": _Metrics,
    "class_performance": _ClassPerformance,
    "data_report": _DataReport,
}


def read_raw(folder: Folder, name: str) -> dict[str, Any] | None:
    """The document ``name``, a key of ``SCHEMAS``, of the model in ``folder``; None if there is none.

    Raises ValueError for what is no JSON object, NaN in it included. Whether one holds what it should is not looked at.
    """
    try:
        document = load_json(folder.read(f"{METADATA_DIR}/{name}.json"), parse_constant=_no_json)
    except NotFoundError:
        return None
    if not isinstance(document, dict):
        raise ValueError(f"a {type(document).__name__}, no object")
    return document


def _no_json(name: str) -> None:
    raise ValueError(f"{name}, which JSON has no number for")


def read_documents(folder: Folder) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """The documents by name, and what is wrong with them, a line each; a faulty document is empty."""
    documents: dict[str, dict[str, Any]] = {}
    findings: list[str] = []
    for name, schema in SCHEMAS.items():
        path = f"{METADATA_DIR}/{name}.json"
        documents[name] = {}
        try:
            document = read_raw(folder, name)
        except ValueError as error:
            findings.append(f"{path} is not a JSON object: {error}")
            continue
        if document is None:
            findings.append(f"{path} is missing")
        elif found := fault(schema, document):
            findings.append(f"{path} is not as the trainer writes it: {found}")
        else:
            documents[name] = document
    return documents, findings
