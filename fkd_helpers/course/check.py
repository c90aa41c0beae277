"""What is here: `check` looks at Python, packages, data, devices and folders, and says the next step where one misses.

The first line of a course for a learner, and the first thing to ask for when something does not work.
"""

import contextlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from fkd_helpers.core.errors import InputError
from fkd_helpers.core.files import cache_folder
from fkd_helpers.course.exercises import exercises, progress_file, solved

PROJECT = "fkd-helpers"
LEAST_PYTHON = (3, 11)
INSTALL = "python -m pip install -e '.[all]' in the course's folder"
FREE_BYTES = 1_000_000_000  # the real set, its cache and a few runs
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Finding:
    """One line of a check. state: "ok", "note" (the course runs without it) or "FAULT"; next: what to do about it."""

    what: str
    state: str = "ok"
    next: str = ""

    def __str__(self) -> str:
        return f"{self.state:6} {self.what}" + (f" -> {self.next}" if self.next else "")


def check(*, camera: bool = True) -> bool:
    """Print what is here, a line each, and return whether the course can run: no line is a FAULT.

    camera: open the first camera for one picture; False leaves it alone
    """
    steps = [step for step in STEPS if camera or step is not camera_here]
    found = []
    for step in steps:
        for finding in _findings(step):
            print(finding, flush=True)
            found.append(finding)
    faults = sum(finding.state == "FAULT" for finding in found)
    print(f"{faults} to mend first: the lines that begin with FAULT" if faults else "all that the course needs is here")
    return not faults


def _findings(step: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from step()
    except Exception as error:  # whatever is broken here is what the learner wants to know
        what = f"{step.__name__.replace('_', ' ')}: {type(error).__name__}: {str(error).splitlines()[0][:150]}"
        yield Finding(what, "FAULT", INSTALL if isinstance(error, ModuleNotFoundError) else STEPS[step])


def python() -> Iterator[Finding]:
    """Python itself."""
    here, old = f"Python {platform.python_version()}, {sys.executable}", sys.version_info < LEAST_PYTHON
    yield Finding(here, "FAULT", STEPS[python]) if old else Finding(here)


def lacking(extra: str = "") -> list[str]:
    """Return what misses or is too old or new of the package's requirements, or of those of an extra.

    >>> lacking()
    []
    """
    from packaging.requirements import Requirement

    found = []
    for need in map(Requirement, requires(PROJECT) or ()):
        if need.name == PROJECT or (need.marker and not need.marker.evaluate({"extra": extra})):
            continue
        if extra and not need.marker:
            continue
        try:
            here = version(need.name)
        except PackageNotFoundError:
            found.append(f"{need.name} is not installed, expected {need.specifier}")
        else:
            if not need.specifier.contains(here, prereleases=True):
                found.append(f"{need.name} {here}, expected {need.specifier}")
    return found


def packages() -> Iterator[Finding]:
    """The packages of the course."""
    faults = lacking()
    yield from (Finding(fault, "FAULT", INSTALL) for fault in faults)
    if not faults:
        from fkd_helpers.core.records import versions

        named = [f"{name} {number}" for name, number in versions().items() if name != "python"]
        yield Finding(f"packages are all as new as needed: {', '.join(named)}")


def torch_works() -> Iterator[Finding]:
    """One step of training."""
    import torch
    import torchvision

    layer = torch.nn.Conv2d(1, 2, 3)
    layer(torch.ones(1, 1, 5, 5)).sum().backward()
    good = layer.weight.grad is not None and bool(torch.isfinite(layer.weight.grad).all())
    what = f"torch {torch.__version__} with torchvision {torchvision.__version__} takes a step of training"
    yield Finding(what) if good else Finding(f"{what}: no gradient came", "FAULT", INSTALL)


def a_face_is_found() -> Iterator[Finding]:
    """OpenCV's Haar files, ONNX Runtime and the shipped network."""
    from skimage.data import astronaut

    from fkd_helpers.predict.predictor import KeypointPredictor

    count = len(KeypointPredictor()(astronaut()))
    what = f"photo to keypoints: {count} face found on the astronaut, expected 1"
    yield Finding(what.partition(",")[0]) if count == 1 else Finding(what, "FAULT", INSTALL)


def data_sets() -> Iterator[Finding]:
    """The data sets."""
    from fkd_helpers.data import data_dirs, find

    chosen = os.environ.get("FKD_DATASET") or "puppets"
    if chosen != "puppets":
        find(chosen)
    here = {folder.name for place in data_dirs() if place.is_dir() for folder in place.iterdir() if folder.is_dir()}
    others = sorted(here - {"records", "ytf"})
    yield Finding(f"data: notebooks use {chosen}; the puppets need no files{''.join(f'; {o} is here' for o in others)}")
    try:
        yield Finding(f"the real 68-point set is in {find('ytf')}")
    except InputError:
        places = " nor ".join(map(str, data_dirs()))
        yield Finding(f"no real 68-point set in {places}", "note", "make data fetches it; no lesson needs it")


def device() -> Iterator[Finding]:
    """The graphics card."""
    import torch

    if torch.cuda.is_available():
        free = torch.cuda.mem_get_info()[0] / 2**30
        yield Finding(f"graphics card: {torch.cuda.get_device_name()}, {free:.1f} GiB free")
    elif torch.backends.mps.is_available():
        yield Finding("graphics card: Apple's (mps)")
    else:
        cores = os.cpu_count()
        yield Finding("no graphics card that torch can use", "note", f"{cores} processor cores do for every lesson")


def camera_here() -> Iterator[Finding]:
    """The camera."""
    from fkd_helpers.live.sources import open_source

    if sys.platform == "linux" and not list(Path("/dev").glob("video*")):
        yield Finding("no camera at this computer", "note", "a browser's camera, or the puppet, serve notebook 05")
        return
    try:
        source = open_source("camera", 0)
        frame, _ = next(source.frames)
        source.frames.close()  # its light goes off
        yield Finding(f"camera 0 gives pictures of {frame.shape[1]} x {frame.shape[0]}")
    except (InputError, StopIteration):
        yield Finding("camera 0 gives no picture", "note", "close other programs that use it, allow it to Python")


def browser() -> Iterator[Finding]:
    """A browser that tests can drive."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    missing = Finding("no Chromium for the browser tests", "note", "only make test asks for it, and skips them")
    yield Finding(f"browser for the tests: {path}") if path else missing


def extras() -> Iterator[Finding]:
    """Optional parts."""
    names = [name for name in metadata(PROJECT).get_all("Provides-Extra") or () if name != "all"]
    missing = {name: faults for name in names if (faults := lacking(name))}
    yield Finding(f"extras: {', '.join(name for name in names if name not in missing) or 'none'}")
    for name, faults in missing.items():
        yield Finding(f"extra {name}: {faults[0]}", "note", f"python -m pip install -e '.[{name}]'")


def folders() -> Iterator[Finding]:
    """Room on the disk, and folders to write to."""
    course = Path(__file__).parents[2]
    free = shutil.disk_usage(course).free
    what = f"{free / 1e9:.0f} GB free on the disk of the course"
    yield Finding(what) if free > FREE_BYTES else Finding(what, "note", "the real set, its cache and runs want one")
    cache = cache_folder()
    if writable(cache):
        yield Finding(f"caches go to {cache}")
    else:
        yield Finding(f"{cache} cannot be written", "note", "nothing is kept from one start to the next")
    names = {name for notebook in exercises().values() for name in notebook}
    state = f"exercises: {len(names & solved())} of {len(names)} solved"
    if writable(progress_file().parent):
        yield Finding(f"{state}, noted in {progress_file()}; fkd.progress() shows them")
    else:
        yield Finding(f"{state}; {progress_file().parent} cannot be written", "note", "what you solve is not noted")


def writable(folder: Path) -> bool:
    """Return whether files can be written to a folder, which is made where it is not there."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    return False


# what is looked at, and what to try where it breaks altogether
STEPS = {
    python: "install Python 3.11 or newer",
    packages: INSTALL,
    torch_works: "the two fit one another only from one install: python -m pip install -U torch torchvision",
    a_face_is_found: "python -m pip install 'opencv-python>=4.10,<5' onnxruntime; libgl1, libglib2.0-0 on Debian",
    data_sets: "correct FKD_DATA_DIR and FKD_DATASET, or unset them",
    device: INSTALL,
    camera_here: "the demo's source puppet needs no camera",
    browser: INSTALL,
    extras: INSTALL,
    folders: "free some space, or move the course",
}
