"""What is installed and present: `check` looks at Python, packages, data, devices and folders.

The first line of a course for a learner, and the first thing to ask for when something does not work.
"""

import contextlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
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
    """Something is missing that the course can run without: what, and what to do about it."""


@dataclass(frozen=True)
class Finding:
    """One line of a check: "ok", "note" (the course runs without it) or "FAULT", and what to do about it."""

    what: str
    state: str = "ok"
    next: str = ""

    def __str__(self) -> str:
        return f"{self.state:6} {self.what}" + (f" -> {self.next}" if self.next else "")


def check(*, camera: bool = True) -> bool:
    """Print what is here, a line each, and return whether the course can run: no line is a FAULT.

    Args:
        camera: open the first camera for one picture; False leaves it alone
    """
    findings = [_finding(step, advice) for step, advice in STEPS.items() if camera or step is not camera_works]
    faults = sum(finding.state == "FAULT" for finding in findings)
    print(f"{faults} to mend first: the lines that begin with FAULT" if faults else "all that the course needs is here")
    return not faults


def _finding(step: Callable[[], str], advice: str) -> Finding:
    """Run a step and print its line; whatever is broken here is what the learner wants to know."""
    try:
        finding = Finding(step())
    except Note as note:
        finding = Finding(note.args[0], "note", note.args[1])
    except InputError as error:
        finding = Finding(str(error), "FAULT", advice)
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:150]}"
        advice = INSTALL if isinstance(error, ModuleNotFoundError) else advice
        finding = Finding(f"{step.__name__.replace('_', ' ')}: {reason}", "FAULT", advice)
    print(finding, flush=True)
    return finding


def python_version() -> str:
    """Say which Python runs."""
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
        of_extra = need.marker is not None and need.marker.evaluate({"extra": extra})
        if need.name == PROJECT or (need.marker and not of_extra) or (extra and not need.marker):
            continue
        try:
            here = version(need.name)
        except PackageNotFoundError:
            found.append(f"{need.name} is not installed, expected {need.specifier}")
        else:
            if not need.specifier.contains(here, prereleases=True):
                found.append(f"{need.name} {here}, expected {need.specifier}")
    return found


def packages() -> str:
    """Compare the installed packages with what the course needs."""
    if faults := missing():
        raise InputError("; ".join(faults))
    from fkd_helpers.core.records import versions

    named = [f"{name} {number}" for name, number in versions().items() if name != "python"]
    return f"packages are all as new as needed: {', '.join(named)}"


def training_step() -> str:
    """Take one step of training."""
    import torch
    import torchvision

    layer = torch.nn.Conv2d(1, 2, 3)
    layer(torch.ones(1, 1, 5, 5)).sum().backward()
    what = f"torch {torch.__version__} with torchvision {torchvision.__version__} takes a step of training"
    if layer.weight.grad is None or not torch.isfinite(layer.weight.grad).all():
        raise InputError(f"{what}: no gradient came")
    return what


def photo_to_keypoints() -> str:
    """Find the face of a portrait: OpenCV's Haar files, ONNX Runtime and the shipped network."""
    from skimage.data import astronaut

    from fkd_helpers.predict import KeypointPredictor

    count = len(KeypointPredictor()(astronaut()))
    if count != 1:
        raise InputError(f"photo to keypoints: {count} faces found on the astronaut, expected 1")
    return "photo to keypoints: 1 face found on the astronaut"


def data_sets() -> str:
    """Say which data set is chosen and which are here."""
    from fkd_helpers.data import data_dirs, find

    chosen = os.environ.get("FKD_DATASET") or "puppets"
    if chosen != "puppets":
        find(chosen)
    here = {folder.name for place in data_dirs() if place.is_dir() for folder in place.iterdir() if folder.is_dir()}
    others = "".join(f"; {name} is here" for name in sorted(here - {"records", "ytf"}))
    line = f"data: notebooks use {chosen}; the puppets need no files{others}"
    try:
        return f"{line}; the real 68-point set is in {find('ytf')}"
    except InputError:
        places = " nor ".join(map(str, data_dirs()))
        missing_set = f"{line}; no real 68-point set in {places}"
        raise Note(missing_set, "make data fetches it; no lesson needs it") from None


def device() -> str:
    """Look for a graphics card."""
    import torch

    if torch.cuda.is_available():
        free = torch.cuda.mem_get_info()[0] / 2**30
        return f"graphics card: {torch.cuda.get_device_name()}, {free:.1f} GiB free"
    if torch.backends.mps.is_available():
        return "graphics card: Apple's (mps)"
    raise Note("no graphics card that torch can use", f"{os.cpu_count()} processor cores do for every lesson")


def camera_works() -> str:
    """Take one picture with the camera."""
    from fkd_helpers.live.sources import open_source

    if sys.platform == "linux" and not list(Path("/dev").glob("video*")):
        raise Note("no camera at this computer", "a browser's camera, or the puppet, serve the live demo")
    try:
        source = open_source("camera", 0)
        frame, _ = next(source.frames)
        source.frames.close()  # its light goes off
    except (InputError, StopIteration):
        raise Note("camera 0 gives no picture", "close other programs that use it, allow it to Python") from None
    return f"camera 0 gives pictures of {frame.shape[1]} x {frame.shape[0]}"


def browser() -> str:
    """Look for a browser that tests can drive."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise Note("no Chromium for the browser tests", "only make test asks for it, and skips them")
    return f"browser for the tests: {path}"


def extras() -> str:
    """Say which optional parts are here."""
    names = [name for name in metadata(PROJECT).get_all("Provides-Extra") or () if name != "all"]
    absent = {name: faults[0] for name in names if (faults := missing(name))}
    line = f"extras: {', '.join(name for name in names if name not in absent) or 'none'}"
    if absent:
        faults = "; ".join(f"{name} lacks: {fault}" for name, fault in absent.items())
        raise Note(f"{line}; {faults}", f"python -m pip install -e '.[{','.join(absent)}]'")
    return line


def folders() -> str:
    """Look for room on the disk, and for folders to write to."""
    free = shutil.disk_usage(Path(__file__).parents[2]).free
    line = f"{free / 1e9:.0f} GB free on the disk of the course"
    if free < FREE_BYTES:
        raise Note(line, "the real set, its cache and runs want one")
    losses = {cache_folder(): "nothing is cached", progress_file().parent: "no solved exercise is noted"}
    for folder, loss in losses.items():
        if not writable(folder):
            raise Note(f"{line}; {folder} cannot be written", loss)
    return f"{line}; caches go to {cache_folder()}; solved exercises are noted in {progress_file()}"


def writable(folder: Path) -> bool:
    """True if files can be written to a folder, which is made if it is not there."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    return False


# what is looked at, and what to do if it fails
STEPS: dict[Callable[[], str], str] = {
    python_version: "install Python 3.11 or newer",
    packages: INSTALL,
    training_step: "the two fit one another only from one install: python -m pip install -U torch torchvision",
    photo_to_keypoints: "python -m pip install 'opencv-python>=4.10,<5' onnxruntime; libgl1, libglib2.0-0 on Debian",
    data_sets: "correct FKD_DATA_DIR and FKD_DATASET, or unset them",
    device: INSTALL,
    camera_works: "the demo's source puppet needs no camera",
    browser: INSTALL,
    extras: INSTALL,
    folders: "free some space, or move the course",
}
