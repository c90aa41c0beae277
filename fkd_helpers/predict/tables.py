"""Tables of faces, one row each: a CSV file that grows, and the part files of a Parquet dataset."""

import contextlib
import csv
import importlib.util
import io
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.core.records import digest_of

PART = 512  # photos; a run that is killed loses at most one part
DAMAGED, NO_FACE = "damaged", "no face"
BEFORE_POINTS = {"photo": "str", "face": "int32", "width": "int32", "height": "int32"} | dict.fromkeys(
    ("box_x", "box_y", "box_w", "box_h", "score"), "float32"
)


def table_columns(points: int, *, emotion: bool) -> dict[str, str]:
    """Return the columns of a table of faces with so many keypoints, and their types."""
    coordinates = dict.fromkeys((f"{axis}{i}" for i in range(points) for axis in "xy"), "float32")
    return BEFORE_POINTS | ({"emotion": "str"} if emotion else {}) | coordinates


def table_rows(record: dict) -> list[list]:
    """Return the row of each face in a record of `predict_photos`."""
    rows = []
    for i, face in enumerate(record["faces"]):
        emotion = [face["emotion"]] if "emotion" in face else []
        coordinates = itertools.chain(*face["keypoints"])
        size = record["width"], record["height"]
        rows.append([record["photo"], i, *size, *face["box"], face["score"], *emotion, *coordinates])
    return rows


def spelled(path: str | Path) -> str:
    """Return a path as text that every table can hold: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class CsvTable:
    """A CSV file that is written row by row: `close` keeps the rows so far, and leaves no file where there is none."""

    def __init__(self, path: Path):
        if path.suffix.lower() != ".csv" or not path.parent.is_dir():
            raise InputError(f"{path}: expected a name ending in .csv, in a folder that is there")
        self.path, self.partial, self.lines, self.size = path, path.with_name(f"{path.name}.partial"), 0, 0
        self.file = self.partial.open("wb", buffering=0)

    def write(self, rows: list[list]) -> None:
        """Write rows, the header first, to the disk."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        data = text.getvalue().encode()
        while data:
            data = data[self.file.write(data) :]
        self.lines, self.size = self.lines + len(rows), self.file.tell()

    def close(self) -> None:
        """Give the file its name, if it has more than a header."""
        with contextlib.suppress(OSError):
            self.file.truncate(self.size)  # no half row of a full disk
        self.file.close()
        if self.lines > 1:
            self.partial.replace(self.path)
        else:
            self.partial.unlink(missing_ok=True)


@dataclass
class Summary:
    """How many photos were looked at, and what came of them; `resumed` were done by an earlier run."""

    photos: int = 0
    faces: int = 0
    damaged: int = 0
    no_face: int = 0
    resumed: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        before = f", {self.resumed} of them before" if self.resumed else ""
        rate = f"; {(self.photos - self.resumed) / self.seconds:.0f} photos/s" if self.seconds else ""
        return (
            f"{self.photos} photos{before}: {self.faces} faces, {self.no_face} photos without one, "
            f"{self.damaged} damaged{rate}"
        )

    def add(self, photos: int, faces: int, left_out: Sequence[Sequence[str]]) -> None:
        """Count what came of some photos; `left_out` are those without a face, each with problem and reason."""
        problems = [problem for _, problem, _ in left_out]
        self.photos, self.faces = self.photos + photos, self.faces + faces
        self.damaged, self.no_face = self.damaged + problems.count(DAMAGED), self.no_face + problems.count(NO_FACE)


def write_dataset(
    out: Path,
    photos: Sequence[Path],
    root: Path,
    predict: Callable[[list[Path]], Iterator[dict]],
    columns: dict[str, str],
    *,
    source: str,
    on_progress: Callable[[Summary], object],
) -> Summary:
    """Write records of photos to a Parquet dataset: a folder of part files, which `pd.read_parquet` reads as one table.

    A part knows which photos it was made of, and is not made again for the same ones.

    Args:
        root: the folder that names of photos begin at
        predict: `predict_photos` for the photos of a part
        source: what all parts have in common; an output of another source is never overwritten
    """
    open_dataset(out, source)
    summary, left_out, paths, started = Summary(), [], [], time.perf_counter()
    for start in range(0, len(photos), PART):
        part = list(photos[start : start + PART])
        names = [spelled(photo.relative_to(root).as_posix()) for photo in part]
        key = digest_of([names, [photo.exists() and photo.stat().st_mtime_ns for photo in part]])
        paths.append(out / f"part-{len(paths) + 1:06d}.parquet")
        facts = read_facts(paths[-1])
        if facts.get("key") == key:
            summary.add(len(part), facts["faces"], facts["left_out"])
            summary.resumed += len(part)
        else:
            rows, facts = [], {"source": source, "key": key, "faces": 0, "left_out": []}
            with contextlib.closing(predict(part)) as records:
                for name, record in zip(names, records, strict=True):
                    problem = [] if record["faces"] else [[name, record["problem"], record["reason"]]]
                    rows += table_rows(record | {"photo": name})
                    facts["left_out"] += problem
                    summary.add(1, len(record["faces"]), problem)
                    summary.seconds = time.perf_counter() - started
                    on_progress(summary)
            write_part(paths[-1], rows, columns, facts | {"faces": len(rows)})
        left_out += facts["left_out"]
    for path in set(out.glob("part-*")) - set(paths):  # parts of photos that are there no more
        path.unlink()
    with whole_file(left_out_path(out)) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["photo", "problem", "reason"], *left_out])
    return summary


def left_out_path(out: str | Path) -> Path:
    """Return where the photos without a row are listed: beside faces.parquet it is faces.left_out.csv."""
    return Path(out).with_suffix(".left_out.csv")


def open_dataset(folder: Path, source: str) -> None:
    """Make the folder of a Parquet dataset, or see that an earlier run made it from the same source."""
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError("Parquet needs pyarrow, which is not here: pip install 'fkd-helpers[scale]'")
    if folder.suffix != ".parquet" or not folder.parent.is_dir():
        raise InputError(f"{folder}: expected a name ending in .parquet, in a folder that is there")
    if folder.is_file() or any(not path.match("part-*.parquet") for path in folder.glob("[!_]*")):
        raise InputError(f"{folder}: not a dataset that was made here; move it away, or name another")
    for path in folder.glob("part-*"):
        if read_facts(path).get("source", source) != source:
            raise InputError(f"{folder}: made of other photos or with other settings; move it away, or name another")
    folder.mkdir(exist_ok=True)


def write_part(path: Path, rows: list[list], columns: dict[str, str], facts: dict) -> None:
    """Write rows to a Parquet file with facts about them, whole or not at all."""
    import pandas as pd  # slow to import

    table = pd.DataFrame(rows, columns=list(columns)).astype(columns)
    table.attrs = facts
    partial = path.with_name("_partial")  # pandas reads no file of a dataset whose name begins so
    table.to_parquet(partial, index=False)
    partial.replace(path)


def read_facts(path: Path) -> dict:
    """Return the facts of a part file, {} where there is none or it is damaged."""
    import pyarrow.parquet  # slow to import, and an extra

    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, ValueError):  # pyarrow's errors are among them
        return {}
    return json.loads(metadata.get(b"PANDAS_ATTRS", "{}")) or {"source": "another program"}
