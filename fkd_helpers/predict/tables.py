"""Tables of faces, one row each: the rows, and a Parquet dataset made of part files."""

import csv
import importlib.util
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

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
    types |= dict.fromkeys((f"{axis}{i}" for i in range(points) for axis in "xy"), "float32")
    return types | dict.fromkeys((f"e{i}" for i in range(points)), "float32")


def table_rows(record: dict) -> list[list]:
    """Return the row of each face in a record of `predict_photos`."""
    rows = []
    for i, face in enumerate(record["faces"]):
        emotion = [face["emotion"]] if "emotion" in face else []
        start = [record["photo"], i, record["width"], record["height"], *face["box"], face["score"]]
        errors = face["errors"] or [None] * len(face["keypoints"])
        rows.append([*start, *emotion, *itertools.chain(*face["keypoints"]), *errors])
    return rows


def spelled(path: str | Path) -> str:
    """Return a path as text that every table can hold: bytes that are no UTF-8 are spelled out."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class Summary(NamedTuple):
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
    out: Path, photos: Sequence[tuple[str, Path]], predict: Callable[[Sequence[Path]], Iterable[dict]],
    columns: dict[str, str], *, source: str,
) -> Summary:  # fmt: skip
    """Write records of photos to a Parquet dataset: a folder of part files, which `pd.read_parquet` reads as one table.

    Args:
        photos: name in the dataset and path of each
        predict: from the paths of a part to their records
        source: digest of what all parts have in common; an output of another source is never overwritten
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise InputError("Parquet needs pyarrow, which is not here: pip install 'fkd-helpers[scale]'")
    if out.suffix != ".parquet" or not out.parent.is_dir():
        raise InputError(f"{out}: expected a name ending in .parquet, in a folder that is there")
    import pandas as pd  # slow to import

    source = digest_of([source, [(name, path.exists() and path.stat().st_mtime_ns) for name, path in photos]])
    mark, left_out, faces, resumed = out / f"_{source}", [], 0, 0  # pandas reads no file whose name begins so
    if out.exists() and not mark.exists():
        raise InputError(f"{out}: made of other photos or with other settings; move it away, or name another")
    out.mkdir(exist_ok=True)
    mark.touch()
    for start in range(0, len(photos), PART):
        names, paths = zip(*photos[start : start + PART], strict=True)
        part = out / f"part-{start // PART + 1:06d}.parquet"
        if part.exists():
            resumed += len(names)
        else:
            records = [record | {"photo": name} for name, record in zip(names, predict(paths), strict=True)]
            rows = list(itertools.chain(*map(table_rows, records)))
            table = pd.DataFrame(rows, columns=list(columns)).astype(columns)
            table.attrs = {"left_out": [[r["photo"], r["problem"], r["reason"]] for r in records if not r["faces"]]}
            table.to_parquet(out / "_partial", index=False)
            (out / "_partial").replace(part)
        table = pd.read_parquet(part, columns=["face"])
        left_out, faces = left_out + table.attrs["left_out"], faces + len(table)
    with whole_file(left_out_path(out)) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["photo", "problem", "reason"], *left_out])
    problems = [problem for _, problem, _ in left_out]
    return Summary(len(photos), faces, problems.count(DAMAGED), problems.count(NO_FACE), resumed)


def left_out_path(out: str | Path) -> Path:
    """Return where the photos without a row are listed: beside faces.parquet it is faces.left_out.csv."""
    return Path(out).with_suffix(".left_out.csv")
