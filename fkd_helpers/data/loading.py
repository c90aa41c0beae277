"""Find and load a data set by its name or path."""

import os
from pathlib import Path

from fkd_helpers.core.errors import InputError, unknown
from fkd_helpers.data.faceset import CLASSIC, FaceSet
from fkd_helpers.data.labels import read_folder
from fkd_helpers.data.puppets.puppet import make_set


def data_dirs() -> list[Path]:
    """Return the folders in which data sets are looked for: $FKD_DATA_DIR, then `data/` of this course."""
    folders = [os.environ.get("FKD_DATA_DIR"), Path(__file__).parents[2] / "data"]
    return [Path(folder).expanduser() for folder in folders if folder]


def load(name: str | Path | None = None, *, n: int = 400, seed: int = 0, looks: bool = False) -> FaceSet:
    """Load a data set: "puppets" (made on the spot, the default), "ytf" (the real 68-point set), or a folder.

    Without a name, $FKD_DATASET says which. `n`, `seed` and `looks` are those of `puppets.make_set`.
    """
    name = name or os.environ.get("FKD_DATASET") or "puppets"
    return make_set(n, seed=seed, looks=looks) if str(name) == "puppets" else read_folder(find(name))


def find(name: str | Path) -> Path:
    """Return the folder of a data set, by path or by its name below one of `data_dirs()`."""
    path, folders = Path(name).expanduser(), data_dirs()
    for found in (path, *(folder / path for folder in folders)):
        whole = str(name) != "ytf" or all((found / table).exists() for table in CLASSIC.values())  # a download cut off
        if found.is_dir() and whole:
            return found
    if str(name) == "ytf":
        where = " nor ".join(map(str, folders))
        raise InputError(f"data set 'ytf' is not, or not whole, in {where}: run `make data`, or set FKD_DATA_DIR")
    if path.is_file():
        raise InputError(f"{name}: a file, expected the folder of a data set")
    here = [found.name for folder in folders if folder.is_dir() for found in folder.iterdir() if found.is_dir()]
    raise unknown("data set", name, {"puppets", "ytf", *here} - {"records"})
