"""Check the installation, one line per step. Each imports what it needs, so that the others can still speak."""

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import requires, version

from fkd_helpers.core.errors import InputError

INSTALL = "python -m pip install -e '.[all]' in the course's folder"


def check() -> bool:
    """Print one line per step, "ok" or "FAULT", and return whether the course can run (no FAULT)."""
    faults = 0
    for step, advice in STEPS.items():
        try:
            state, line = "ok", step()
        except Exception as error:  # whatever it is, the learner wants to know it
            advice = INSTALL if isinstance(error, ModuleNotFoundError) else advice
            what = error if isinstance(error, InputError) else f"{step.__name__}: {type(error).__name__}: {error}"
            state, line = "FAULT", f"{str(what).splitlines()[0]} -> {advice}"
        print(f"{state:6} {line}", flush=True)
        faults += state == "FAULT"
    print(f"{faults} to mend first: the lines that begin with FAULT" if faults else "all that the course needs is here")
    return not faults


def packages() -> str:
    from packaging.requirements import Requirement

    for need in map(Requirement, requires("fkd-helpers")):
        wanted = not need.marker or need.marker.evaluate({"extra": ""})
        if wanted and not need.specifier.contains(version(need.name), prereleases=True):
            raise InputError(f"{need.name} {version(need.name)}, expected {need.specifier}")
    return f"Python {platform.python_version()}, {sys.executable}; packages are as new as needed"


def training_step() -> str:
    import torch
    import torchvision

    torch.nn.Conv2d(1, 2, 3)(torch.ones(1, 1, 5, 5)).sum().backward()
    card = "Apple's (mps)" if torch.backends.mps.is_available() else "none, the processor is enough for every lesson"
    card = torch.cuda.get_device_name() if torch.cuda.is_available() else card
    versions = f"torch {torch.__version__} with torchvision {torchvision.__version__}"
    return f"{versions} takes a training step; graphics card: {card}"


def photo_to_keypoints() -> str:
    from skimage.data import astronaut

    from fkd_helpers.predict import KeypointPredictor

    if (count := len(KeypointPredictor()(astronaut()))) != 1:
        raise InputError(f"photo to keypoints: {count} faces found on the astronaut, expected 1")
    return "photo to keypoints: 1 face found on the astronaut"


def data_sets() -> str:
    from fkd_helpers.data import find

    chosen = os.environ.get("FKD_DATASET") or "puppets"
    if chosen != "puppets":
        find(chosen)
    return f"data: notebooks use {chosen}; the puppets need no files"


def folders() -> str:
    from fkd_helpers.core.files import cache_folder
    from fkd_helpers.course.exercises import progress_file

    return f"caches go to {cache_folder()}; solved exercises are noted in {progress_file()}"


# each step, and what to do if it fails
STEPS: dict[Callable[[], str], str] = {
    packages: INSTALL,
    training_step: "install the two together: python -m pip install -U torch torchvision",
    photo_to_keypoints: "python -m pip install 'opencv-python>=4.13,<5' onnxruntime; libgl1, libglib2.0-0 on Debian",
    data_sets: "correct FKD_DATA_DIR and FKD_DATASET, or unset them",
    folders: INSTALL,
}
