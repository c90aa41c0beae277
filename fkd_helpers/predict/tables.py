"""Tables of faces, one row each: a CSV file that grows, and a Parquet dataset made of part files."""

import contextlib
import csv
import importlib.util
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.core.records import digest_of

PART = 512  # photos; a run that is killed loses at most one part
DAMAGED, NO_FACE = "damaged", "no face"


def table_columns(points: int, *, emotion: bool) -> dict[str, str]:
    """Return the columns of a table of faces with so many keypoints, and their types."""
    types = {"photo": "str", "face": "int32", "width": "int32", "height": "int32"}
    types |= dict.fromkeys(("box_x", "box_y", "box_w", "box_h", "score"), "float32")
    types |= {"emotion": "str"} if emotion else {}
    return types | dict.fromkeys((f"{axis}{i}" for i in range(points) for axis in "xy"), "float32")


def table_rows(record: dict) -> list[list]:
    """Return the row of each face in a record of `predict_photos`."""
    rows = []
    for i, face in enumerate(record["faces"]):
        emotion = [face["emotion"]] if "emotion" in face else []
        start = [record["photo"], i, record["width"], record["height"], *face["box"], face["score"]]
        rows.append([*start, *emotion, *itertools.chain(*face["keypoints"])])
    return rows


def spelled(path: str | Path) -> str:
    """Return a path as text that every table can hold: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def growing_csv(path: Path, header: Iterable[str]) -> Iterator[Callable[[list[list]], None]]:
    """Give a function that writes rows to the disk; however the block ends, they are kept, if there is any."""
    if path.suffix.lower() != ".csv" or not path.parent.is_dir():
        raise InputError(f"{path}: expected a name ending in .csv, in a folder that is there")
    partial, ends = path.with_name(f"{path.name}.partial"), []  # where each batch of rows ends
    file = partial.open("w", newline="", encoding="utf-8")

    def write(rows):
        csv.writer(file).writerows(rows)
        file.flush()
        if rows:
            ends.append(file.tell())

    try:
        write([list(header)])
        yield write
    finally:
        with contextlib.suppress(OSError):
            file.close()
        if len(ends) > 1:
            os.truncate(partial, ends[-1])  # no half row of a full disk
            partial.replace(path)
        else:
            partial.unlink(missing_ok=True)


@dataclass(frozen=True)
class Summary:
    """How many photos a dataset is of, and what came of them; `resumed` were done by an earlier run."""

    photos: int
    faces: int
    damaged: int
    no_face: int
    resumed: int

    def __str__(self) -> str:
        photos = f"{self.photos} photos, {self.resumed} of them before" if self.resumed else f"{self.photos} photos"
        return f"{photos}: {self.faces} faces, {self.no_face} photos without one, {self.damaged} damaged"


def write_dataset(
    out: Path,
    photos: Sequence[tuple[str, Path]],
    predict: Callable[[Sequence[Path]], Iterable[dict]],
    columns: dict[str, str],
    *,
    source: str,
) -> Summary:
    """Write records of photos to a Parquet dataset: a folder of part files, which `pd.read_parquet` reads as one table.

    A part knows which photos it was made of, and is not made again for the same ones.

    Args:
        photos: name in the dataset and path of each
        predict: from the paths of a part to their records
        source: what all parts have in common; an output of another source is never overwritten
    """
    _open_dataset(out, source)
    left_out, paths, faces, resumed = [], [], 0, 0
    for start in range(0, len(photos), PART):
        names, part = zip(*photos[start : start + PART], strict=True)
        key = digest_of([names, [path.exists() and path.stat().st_mtime_ns for path in part]])
        paths.append(out / f"part-{len(paths) + 1:06d}.parquet")
        facts = _read_facts(paths[-1])
        if facts.get("key") == key:
            resumed += len(part)
        else:
            records = [record | {"photo": name} for name, record in zip(names, predict(part), strict=True)]
            missing = [[each["photo"], each["problem"], each["reason"]] for each in records if not each["faces"]]
            rows = list(itertools.chain(*map(table_rows, records)))
            facts = {"source": source, "key": key, "faces": len(rows), "left_out": missing}
            _write_part(paths[-1], rows, columns, facts)
        left_out += facts["left_out"]
        faces += facts["faces"]
    for path in set(out.glob("part-*")) - set(paths):  # of photos that are there no more
        path.unlink()
    with whole_file(left_out_path(out)) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["photo", "problem", "reason"], *left_out])
    problems = [problem for _, problem, _ in left_out]
    return Summary(len(photos), faces, problems.count(DAMAGED), problems.count(NO_FACE), resumed)


def left_out_path(out: str | Path) -> Path:
    """Return where the photos without a row are listed: beside faces.parquet it is faces.left_out.csv."""
    return Path(out).with_suffix(".left_out.csv")


def _open_dataset(folder: Path, source: str) -> None:
    """Make the folder of a dataset, or see that an earlier run made it from the same source."""
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError("Parquet needs pyarrow, which is not here: pip install 'fkd-helpers[scale]'")
    if folder.suffix != ".parquet" or not folder.parent.is_dir():
        raise InputError(f"{folder}: expected a name ending in .parquet, in a folder that is there")
    if folder.is_file() or any(not path.match("part-*.parquet") for path in folder.glob("[!_]*")):
        raise InputError(f"{folder}: not a dataset that was made here; move it away, or name another")
    if any(_read_facts(path).get("source", source) != source for path in folder.glob("part-*")):
        raise InputError(f"{folder}: made of other photos or with other settings; move it away, or name another")
    folder.mkdir(exist_ok=True)


def _write_part(path: Path, rows: list[list], columns: dict[str, str], facts: dict) -> None:
    import pandas as pd  # slow to import

    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    pairs = zip(columns.items(), values, strict=True)  # one column at a time is faster than all rows
    table = pd.DataFrame({name: pd.Series(column, dtype=kind) for (name, kind), column in pairs})
    table.attrs = facts  # pandas keeps them in the file
    partial = path.with_name("_partial")  # pandas reads no file of a dataset whose name begins so
    table.to_parquet(partial, index=False)
    partial.replace(path)


def _read_facts(path: Path) -> dict:
    """Return the facts of a part, {} where there is none or it is damaged."""
    import pyarrow.parquet  # slow to import, and an extra

    try:
        metadata = pyarrow.parquet.read_schema(path).metadata or {}
    except (OSError, ValueError):  # pyarrow's errors are among them
        return {}
    return json.loads(metadata.get(b"PANDAS_ATTRS", "{}")) or {"source": "another program"}
