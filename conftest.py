"""How the suite runs: on the embedded default, whatever data this machine has, with time for slow cells."""

import os
import re
import signal
from pathlib import Path

import psutil

# MPLBACKEND too: a kernel that inherits it draws no figure into the notebook
for name in ("FKD_DATASET", "FKD_DATA_DIR", "MPLBACKEND"):
    os.environ.pop(name, None)
os.environ["FKD_PROGRESS"] = "off"  # a test solves no exercise for anybody

# a suite that was started in the background ignores Ctrl-C, and so would the runs that its tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

MESSAGE_SECONDS = 60  # nbval waits 5 s between two outputs of a cell, which a busy machine exceeds
CORES, ROOM = 2, 1.5  # a notebook may take its promised time on so many cores, and half as much again
used, promised = {}, {}  # processor seconds of each notebook's kernel, and what its first cell promises


# What takes longest begins first, then the other notebooks: else one core waits for another at the end.
FIRST = (
    "12_scale.ipynb", "test_live_demo.py", "09_missing_labels.ipynb", "test_site.py", "02_train_a_cnn.ipynb",
    "test_web_page.py", "03_compare_experiments.ipynb", "10_expressions.ipynb", "test_experiments.py",
    "04_can_you_trust_the_score.ipynb", "05_detect_faces_and_keypoints.ipynb", "test_distributed.py", "test_export.py",
    "test_scripts.py", "02_solutions.ipynb", "test_runs.py",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(FIRST) + (item.path.suffix != ".ipynb")))
    for item in items:
        if hasattr(item, "output_timeout"):
            item.output_timeout = MESSAGE_SECONDS


def pytest_runtest_teardown(item):
    """Hand on how long a notebook's kernel has worked so far; with xdist this process is not the one that reports."""
    manager = getattr(getattr(item.parent, "kernel", None), "km", None)
    if manager is None:
        return
    text = item.parent.nb["cells"][0]["source"]
    promise = re.search(r"All cells\s+together\s+run\s+in\s+(?:less\s+than|about)\s+(\d+)\s+(second|minute)", text)
    try:
        times = psutil.Process(manager.provisioner.pid).cpu_times()
    except (psutil.NoSuchProcess, AttributeError):
        return  # a kernel that died: its cells say so
    limit = float(promise[1]) * {"second": 1, "minute": 60}[promise[2]] if promise else 0.0
    item.user_properties += [("processor", sum(times[:4])), ("promised", limit)]


def pytest_runtest_logreport(report):
    properties = dict(report.user_properties)
    if report.when == "teardown" and "processor" in properties:
        name = Path(report.nodeid.partition("::")[0]).name
        used[name], promised[name] = properties["processor"], properties["promised"]


def _slow() -> list[str]:
    return [name for name in used if promised[name] and used[name] > CORES * ROOM * promised[name]]


def pytest_sessionfinish(session):
    """Fail if a notebook takes longer than its first cell promises."""
    if _slow() and session.exitstatus == 0:
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter):
    for name, seconds in sorted(used.items()):
        line = f"{name}: {seconds:.0f} s of processor time, {promised[name]:.0f} s promised on {CORES} cores"
        terminalreporter.write_line(line, red=name in _slow())
