"""Tables of faces as Parquet files: parts that know of what they were made, and the one file that becomes of them."""

import contextlib
import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import whole_file
from fkd_helpers.predict.predictor import Face

ROW_GROUP = 65_536  # rows, 40 MB, that are held while parts become one file
MARK = b"fkd_faces"  # in a file's metadata: of what it was made
PROBLEM = ("photo", "problem", "reason")  # what is said of a photo without a face


def arrow():
    """Return the module pyarrow with pyarrow.parquet in it.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError("Parquet needs pyarrow, which is not here: pip install 'fkd-helpers[scale]'") from None
    return pyarrow


def part_schema(points: int):
    """Return the columns of a part for faces of so many keypoints: those of a face, then problem and reason."""
    pa = arrow()
    integers = [(name, pa.int32()) for name in ("face", "width", "height")]
    numbers = ["box_x", "box_y", "box_w", "box_h", "score", *(f"{axis}{i}" for i in range(points) for axis in "xy")]
    texts = [("problem", pa.string()), ("reason", pa.string())]
    return pa.schema([("photo", pa.string()), *integers, *((name, pa.float32()) for name in numbers), *texts])


def face_rows(photo: str, size: Sequence[int], faces: Sequence[Face]) -> list[tuple]:
    """Return the rows of a photo of `size` (h, w) with faces."""
    return [
        (photo, i, size[1], size[0], *face.box.tolist(), face.score, *face.keypoints.ravel().tolist(), None, None)
        for i, face in enumerate(faces)
    ]


def problem_row(photo: str, problem: str, reason: str, schema) -> tuple:
    """Return the row of a photo without a face."""
    return photo, *[None] * (len(schema) - 3), problem, reason


def write_part(path: Path, rows: Sequence[tuple], schema, key: str) -> None:
    """Write rows to a Parquet file, whole or not at all. The key tells what they were made of."""
    pa = arrow()
    arrays = [pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=schema.with_metadata({MARK: json.dumps({"key": key})}))
    with whole_file(path) as partial:
        pa.parquet.write_table(table, partial, write_page_checksum=True)


def read_part(path: Path, schema, key: str):
    """Return the table of a part, or None if there is none, it is damaged, or it was made of something else."""
    pa = arrow()
    try:
        table = pa.parquet.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return None
    return table if table.schema.equals(schema) and _mark(table.schema).get("key") == key else None


def merge(paths: Iterable[Path], out: Path, left_out: Path, schema, mark: dict) -> None:
    """Write the rows with a face of all parts to `out`, and those without one to the CSV file `left_out`."""
    pa = arrow()
    schema = pa.schema(list(schema)[:-2], {MARK: json.dumps(mark)})
    with contextlib.ExitStack() as stack:
        partial, partial_csv = (stack.enter_context(whole_file(path)) for path in (out, left_out))
        rows = csv.writer(stack.enter_context(partial_csv.open("w", newline="", encoding="utf-8")))
        rows.writerow(PROBLEM)
        writer = stack.enter_context(pa.parquet.ParquetWriter(partial, schema, write_page_checksum=True))
        held: list = []
        for path in paths:
            table = pa.parquet.read_table(path, page_checksum_verification=True)
            without = table["problem"].is_valid()
            rows.writerows(row.values() for row in table.filter(without).select(PROBLEM).to_pylist())
            held.append(table.filter(table["problem"].is_null()).select(schema.names).cast(schema))
            if sum(map(len, held)) >= ROW_GROUP:
                writer.write_table(pa.concat_tables(held))
                held.clear()
        if held:
            writer.write_table(pa.concat_tables(held))


def read_mark(path: Path) -> dict:
    """Return what `merge` noted in a finished file, after all of it was read.

    Raises:
        InputError: a damaged file, or one that `merge` did not write.
    """
    pa = arrow()
    try:
        with pa.parquet.ParquetFile(path, page_checksum_verification=True) as file:
            mark = _mark(file.schema_arrow)
            for _ in file.iter_batches() if mark else ():
                pass
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a whole Parquet file ({str(error).splitlines()[0]}); move it away") from None
    if not mark:
        raise InputError(f"{path}: a table that was not made here; move it away, or name another file")
    return mark


def _mark(schema) -> dict:
    try:
        return json.loads((schema.metadata or {})[MARK])
    except (KeyError, ValueError):
        return {}
