"""Label tables and image folders from disk into one cached array. `data.load` is the way in."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from platformdirs import user_cache_path
from tqdm import tqdm

from fkd_helpers.data import CLASSIC, KeypointSet, person_of
from fkd_helpers.errors import InputError
from fkd_helpers.photos import read_photo, write_photo

CACHE_VERSION = 1


def read_folder(path: Path, *, on_error: str = "skip", progress: bool = False) -> KeypointSet:
    """Read a classic folder, a folder with one label table, or a label table (CSV) beside its images."""
    if on_error not in ("skip", "raise"):
        raise InputError(f"on_error: expected 'skip' or 'raise', got {on_error!r}")
    problems: list[str] = []
    files, names, rows = [], [], []
    for table, folder, prefix in _tables(Path(path)):
        for name, row in zip(*read_table(table, problems), strict=True):
            files.append(folder / name)
            names.append(prefix + name)
            rows.append(row)
    if len({row.shape for row in rows}) > 1:
        raise InputError(f"{path}: its tables have different numbers of keypoints, expected one number")
    images = read_images(files, problems, progress=progress)
    kept = [i for i, image in enumerate(images) if image is not None]
    if problems and on_error == "raise":
        raise InputError("; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" if len(problems) > 3 else ""))
    if not kept:
        raise InputError(f"{path}: no usable row ({problems[0] if problems else 'the table is empty'})")
    if problems:
        warnings.warn(f"{path}: {len(problems)} rows left out, first: {problems[0]}", stacklevel=3)
    # frames of a video belong to a person, files of other folders to the photo that they were cut from
    person = person_of if any(name.rpartition("/")[0] in CLASSIC for name in names) else photo_of
    return KeypointSet(
        images=[images[i] for i in kept],
        keypoints=np.stack([rows[i] for i in kept]),
        names=tuple(names[i] for i in kept),
        people=[person(names[i]) for i in kept],
        problems=tuple(problems),
    )


def photo_of(name: str) -> str:
    """Return the photo that a crop was cut from: a number before the last underscore, else the file itself.

    >>> photo_of("helen/1234_2.jpg"), photo_of("lfpw/image_0042.jpg")
    ('helen/1234', 'lfpw/image_0042')
    """
    stem = name.rpartition(".")[0] or name
    head = stem.rpartition("_")[0]
    return head if any(letter.isdigit() for letter in head.rpartition("/")[2]) else stem


def _tables(path: Path) -> list[tuple[Path, Path, str]]:
    """Return (table, folder of its images, prefix of its names) for a path."""
    if not path.exists():
        raise InputError(f"{path}: no such folder or CSV file")
    if path.is_file():
        beside = [folder for folder, csv in CLASSIC.items() if csv == path.name and (path.parent / folder).is_dir()]
        return [(path, path.parent / (beside[0] if beside else ""), "")]
    try:
        classic = [(path / csv, path / folder, f"{folder}/") for folder, csv in CLASSIC.items() if (path / csv).exists()]
        others = sorted(path.glob("*.csv"))
    except PermissionError:
        raise InputError(f"{path}: no permission to read this folder") from None
    if classic:
        return classic
    labelled = others if len(others) == 1 else [table for table in others if _is_label_table(table)]
    if len(labelled) != 1:
        found = ", ".join(table.name for table in others) or "no CSV file"
        raise InputError(f"{path}: expected {' and '.join(CLASSIC.values())}, or one label table, found {found}")
    return [(labelled[0], path, "")]


def _is_label_table(table: Path) -> bool:
    """Tell whether a CSV's header is that of coordinates: 0, 1, 2 ... after the first column."""
    with table.open(encoding="utf-8", errors="replace") as lines:
        header = lines.readline().strip().split(",")
    return header[1:] == [str(i) for i in range(len(header) - 1)] and len(header) > 2


def read_table(path: Path, problems: list[str]) -> tuple[list[str], np.ndarray]:
    """Read a label table: the file name, then x0, y0, x1, y1 ...; blank = missing.

    problems: rows with text in the place of a number, or a repeated name, are appended here and left out

    Returns:
        names (n), keypoints (n, k, 2) float32

    Raises:
        InputError: empty, not a CSV, an odd number of coordinates, or a classic table without 136 of them.
    """
    try:
        table = pd.read_csv(path, index_col=0, dtype=str, keep_default_na=False, on_bad_lines="error")
    except pd.errors.EmptyDataError:
        raise InputError(f"{path}: empty, expected a header and one row a face") from None
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a label table ({' '.join(str(error).split())})") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read it") from None
    width = table.shape[1]
    if path.name in CLASSIC.values() and width != 136:
        raise InputError(f"{path}: expected 136 coordinate columns (68 keypoints), got {width}")
    if width < 2 or width % 2:
        raise InputError(f"{path}: expected an even number of coordinate columns (x, y ...), got {width}")
    if not len(table):
        raise InputError(f"{path}: no rows, expected one a face")
    text = table.to_numpy()
    blank = np.isin(np.char.lower(np.char.strip(text.astype(str))), ["", "nan"])
    values = pd.to_numeric(pd.Series(text.ravel()), errors="coerce").to_numpy(np.float64).reshape(text.shape)
    bad = (~np.isfinite(values)) & ~blank
    names = [str(name).strip() for name in table.index]
    seen: dict[str, int] = {}
    keep = []
    for row, name in enumerate(names):
        if bad[row].any():
            column = int(np.argmax(bad[row]))
            problems.append(f"{path.name} row {row + 1} ({name}), column {table.columns[column]}: "
                            f"expected a number, got {text[row, column]!r}")
        elif name in seen:
            problems.append(f"{path.name} row {row + 1} ({name}): the same name as row {seen[name] + 1}")
        else:
            seen[name] = row
            keep.append(row)
    return [names[row] for row in keep], values[keep].astype(np.float32).reshape(len(keep), -1, 2)


def read_images(files: list[Path], problems: list[str], *, progress: bool = False) -> list[np.ndarray | None]:
    """Decode image files in parallel, once: later calls map the cached pixels into memory.

    problems: files that are missing or damaged are appended here; their place in the list is None
    """
    stats = [(str(f), s.st_size, s.st_mtime_ns) if (s := _stat(f)) else (str(f), -1, -1) for f in files]
    key = hashlib.sha256(json.dumps([CACHE_VERSION, stats]).encode()).hexdigest()[:16]
    cache = user_cache_path("fkd_helpers") / "images" / f"{key}.pixels"
    index = cache.with_suffix(".json")
    if not index.exists():
        return _decode_into(cache, index, files, problems, progress)
    return _mapped(cache, index, problems)


def _stat(file: Path):
    try:
        return file.stat()
    except OSError:
        return None


def _decode_into(cache: Path, index: Path, files: list[Path], problems: list[str], progress: bool) -> list:
    """Decode all files; write pixels to `cache` and shapes to `index` where the disk allows it."""
    shapes, wrong, offset, stream = [], [], 0, None
    images: list[np.ndarray | None] = []
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        stream = tempfile.NamedTemporaryFile(dir=cache.parent, suffix=".partial", delete=False)
    except OSError as error:
        warnings.warn(f"no cache in {cache.parent} ({error.strerror}): decoding again next time", stacklevel=5)
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(_read_or_say, files)
            for file, image in tqdm(zip(files, results, strict=True), "decoding", len(files), disable=not progress):
                if isinstance(image, str):
                    wrong.append(image)
                    images.append(None)
                    shapes.append(None)
                    continue
                images.append(image)
                shapes.append([offset, *image.shape])
                offset += image.size
                if stream:
                    try:
                        stream.write(image.data)
                    except OSError as error:  # the disk is full: go on in memory
                        warnings.warn(f"{stream.name}: {error.strerror}; the images stay in memory", stacklevel=5)
                        stream.close()
                        Path(stream.name).unlink(missing_ok=True)
                        stream = None
        problems.extend(wrong)
        if not stream or not offset:
            return images
        stream.close()
        del images
        Path(stream.name).replace(cache)
        # a file that was missing or damaged may be mended with the same size and time: such a set is decoded anew
        _write_index(index, {"shapes": shapes, "problems": wrong})
        return _mapped(cache, index, [])
    finally:
        if stream:
            stream.close()
            Path(stream.name).unlink(missing_ok=True)


def _write_index(index: Path, content: dict) -> None:
    partial = index.with_suffix(".json.partial")
    partial.write_text(json.dumps(content))
    partial.replace(index)


def _read_or_say(file: Path) -> np.ndarray | str:
    try:
        return np.ascontiguousarray(read_photo(file))
    except InputError as error:
        return str(error)


def _mapped(cache: Path, index: Path, problems: list[str]) -> list:
    content = json.loads(index.read_text())
    pixels = np.memmap(cache, np.uint8, "r")
    problems.extend(content["problems"])
    images = []
    for place in content["shapes"]:
        if place is None:
            images.append(None)
            continue
        offset, *shape = place
        images.append(pixels[offset : offset + int(np.prod(shape))].reshape(shape))
    return images


def write_classic(faces: KeypointSet, folder: Path, *, parts: Iterable[str] | None = None) -> Path:
    """Write a set in the classic layout (images, and one CSV a part) and return the folder.

    parts: n folder names, by default the folder in each face's own name, else "training"
    """
    folder = Path(folder)
    parts = np.array(list(parts) if parts else [name.rpartition("/")[0] or "training" for name in faces.names])
    for part in np.unique(parts):
        (folder / part).mkdir(parents=True, exist_ok=True)
        chosen = faces.subset(parts == part)
        table = chosen.table()
        table.index = pd.Index([name.rpartition("/")[2] for name in chosen.names])
        for name, image in zip(table.index, chosen.images, strict=True):
            write_photo(folder / part / name, image)
        table.to_csv(folder / CLASSIC.get(str(part), f"{part}_frames_keypoints.csv"))
    return folder
