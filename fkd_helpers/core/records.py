"""Run records: one JSON file per run or benchmark, from which tables and the README are rendered."""

import dataclasses
import hashlib
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import read_text, whole_file

RECORDS = Path(__file__).parents[2] / "data" / "records"
VERSION = 1
PACKAGES = ("numpy", "opencv-python", "torch", "onnxruntime", "lightning")  # that results depend on


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def machine() -> dict[str, str | int]:
    """Return what kind of machine this is: system, processor family, cores. No name, no address."""
    return {"system": sys.platform, "processor": platform.machine(), "cores": os.cpu_count() or 1}


def digest(faces) -> str:
    """Return a short digest of a FaceSet: its names and keypoints."""
    text = hashlib.sha256("\n".join(faces.names).encode())
    text.update(np.ascontiguousarray(faces.keypoints).tobytes())
    return text.hexdigest()[:16]


def digest_of(value) -> str:
    """Return a short digest of plain values, the same on every machine."""
    return hashlib.sha256(json.dumps(plain(value), sort_keys=True).encode()).hexdigest()[:12]


def plain(value):
    """Return JSON's own types: numbers with five significant digits, lists for arrays."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, int | str) or value is None:
        return value
    number = float(value)
    return float(f"{number:.5g}") if np.isfinite(number) else str(number)


def write(kind: str, name: str, *, folder: Path | None = None, **content) -> Path:
    """Write a record (what was run, with what, and what came out) as `folder/kind-name.json`; never half of one."""
    path = Path(folder or RECORDS) / f"{kind}-{name}.json"
    head = {"record": VERSION, "kind": kind, "name": name, "date": time.strftime("%Y-%m-%d")}
    head |= {"versions": versions(), "machine": machine()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        partial.write_text(json.dumps(plain(head | content), indent=1) + "\n", encoding="utf-8")
    return path


def read(path: str | Path) -> dict:
    """Return the content of one record file."""
    try:
        record = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not a record ({error})") from None
    if not isinstance(record, dict) or record.get("record") != VERSION:
        raise InputError(f"{path}: not a record of version {VERSION}")
    return record


def find(kind: str, *, folder: Path | None = None) -> list[dict]:
    """Return all records of a kind in a folder, sorted by name; None = those of the course, `data/records`."""
    return [read(path) for path in sorted(Path(folder or RECORDS).glob(f"{kind}-*.json"))]
