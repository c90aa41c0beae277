"""Check the installation: Python, packages, data, devices and folders, one line each."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cache_folder
from fkd_helpers.course.exercises import progress_file

PROJECT = "fkd-helpers"
LEAST_PYTHON = (3, 11)
INSTALL = "python -m pip install -e '.[all]' in the course's folder"
FREE_BYTES = 1_000_000_000  # the real set, its cache and a few runs
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Note(Exception):
    """Something optional is missing: what, and what to do about it."""


def check(*, camera: bool = True) -> bool:
    """Print one line per step, "ok", "note" or "FAULT", and return whether the course can run (no FAULT).

    camera: take one picture with the first camera
    """
    states = [_state(step, advice) for step, advice in STEPS.items() if camera or step is not camera_works]
    faults = states.count("FAULT")
    print(f"{faults} to mend first: the lines that begin with FAULT" if faults else "all that the course needs is here")
    return not faults


def _state(step: Callable[[], str], advice: str) -> str:
    """Run a step, print its line and return its state; whatever it raises is what the learner wants to know."""
    try:
        state, line, advice = "ok", step(), ""
    except Note as note:
        state, (line, advice) = "note", note.args
    except InputError as error:
        state, line = "FAULT", str(error)
    except Exception as error:
        state, line = "FAULT", f"{step.__name__}: {type(error).__name__}: {str(error).partition(chr(10))[0][:150]}"
        advice = INSTALL if isinstance(error, ModuleNotFoundError) else advice
    print(f"{state:6} {line}" + (f" -> {advice}" if advice else ""), flush=True)
    return state


def python_version() -> str:
    line = f"Python {platform.python_version()}, {sys.executable}"
    if sys.version_info < LEAST_PYTHON:
        raise InputError(line)
    return line


def missing(extra: str = "") -> list[str]:
    """Return which requirements of the package, or of an extra, are missing, too old or too new.

    >>> missing()
    []
    """
    from packaging.requirements import Requirement  # so that a broken installation can still say so

    found = []
    for need in map(Requirement, requires(PROJECT) or ()):
        if need.name == PROJECT or bool(need.marker) != bool(extra):
            continue
        if need.marker and not need.marker.evaluate({"extra": extra}):
            continue
        try:
            installed = version(need.name)
        except PackageNotFoundError:
            found.append(f"{need.name} is not installed, expected {need.specifier}")
            continue
        if not need.specifier.contains(installed, prereleases=True):
            found.append(f"{need.name} {installed}, expected {need.specifier}")
    return found


def packages() -> str:
    if faults := missing():
        raise InputError("; ".join(faults))
    from fkd_helpers.core.records import versions

    named = [f"{name} {number}" for name, number in versions().items() if name != "python"]
    return f"packages are as new as needed: {', '.join(named)}"


def training_step() -> str:
    import torch
    import torchvision

    layer = torch.nn.Conv2d(1, 2, 3)
    layer(torch.ones(1, 1, 5, 5)).sum().backward()
    return f"torch {torch.__version__} with torchvision {torchvision.__version__} takes a training step"


def photo_to_keypoints() -> str:
    """Use OpenCV, ONNX Runtime and the shipped network on a portrait."""
    from skimage.data import astronaut

    from fkd_helpers.predict import KeypointPredictor

    count = len(KeypointPredictor()(astronaut()))
    if count != 1:
        raise InputError(f"photo to keypoints: {count} faces found on the astronaut, expected 1")
    return "photo to keypoints: 1 face found on the astronaut"


def data_sets() -> str:
    from fkd_helpers.data import data_dirs, find

    chosen = os.environ.get("FKD_DATASET") or "puppets"
    if chosen != "puppets":
        find(chosen)
    line = f"data: notebooks use {chosen}; the puppets need no files"
    try:
        return f"{line}; the real 68-point set is in {find('ytf')}"
    except InputError:
        folders = " nor ".join(map(str, data_dirs()))
        raise Note(f"{line}; no real 68-point set in {folders}", "make data fetches it; no lesson needs it") from None


def device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"graphics card: {torch.cuda.get_device_name()}, {torch.cuda.mem_get_info()[0] / 2**30:.1f} GiB free"
    if torch.backends.mps.is_available():
        return "graphics card: Apple's (mps)"
    raise Note("no graphics card that torch can use", f"{os.cpu_count()} processor cores are enough for every lesson")


def camera_works() -> str:
    from fkd_helpers.live.sources import open_source

    if sys.platform == "linux" and not list(Path("/dev").glob("video*")):
        raise Note("no camera at this computer", "the live demo can use a browser's camera, or the puppet")
    try:
        source = open_source("camera", 0)
        frame, _ = next(source.frames)
        source.frames.close()  # switches its light off
    except (InputError, StopIteration):
        raise Note("camera 0 gives no picture", "close other programs that use it, allow it to Python") from None
    return f"camera 0 gives pictures of {frame.shape[1]} x {frame.shape[0]}"


def browser() -> str:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise Note("no Chromium for the browser tests", "only make test asks for it, and skips them")
    return f"browser for the tests: {path}"


def extras() -> str:
    names = [name for name in metadata(PROJECT).get_all("Provides-Extra") or () if name != "all"]
    absent = {name: faults[0] for name in names if (faults := missing(name))}
    line = f"extras: {', '.join(name for name in names if name not in absent) or 'none'}"
    if absent:
        faults = "; ".join(f"{name} lacks: {fault}" for name, fault in absent.items())
        raise Note(f"{line}; {faults}", f"python -m pip install -e '.[{','.join(absent)}]'")
    return line


def folders() -> str:
    free = shutil.disk_usage(Path(__file__).parents[2]).free
    line = f"{free / 1e9:.0f} GB free; caches go to {cache_folder()}; solved exercises are noted in {progress_file()}"
    if free < FREE_BYTES:
        raise Note(line, "the real set, its cache and runs need one")
    return line


# each step, and what to do if it fails
STEPS: dict[Callable[[], str], str] = {
    python_version: "install Python 3.11 or newer",
    packages: INSTALL,
    training_step: "install the two together: python -m pip install -U torch torchvision",
    photo_to_keypoints: "python -m pip install 'opencv-python>=4.10,<5' onnxruntime; libgl1, libglib2.0-0 on Debian",
    data_sets: "correct FKD_DATA_DIR and FKD_DATASET, or unset them",
    device: INSTALL,
    camera_works: "the demo's source puppet needs no camera",
    browser: INSTALL,
    extras: INSTALL,
    folders: "free some space, or move the course",
}
