"""How long each notebook takes in the suite, beside what its first cell promises; used by conftest.py.

A promise ("All cells together run in less than 60 seconds on two CPU cores") is a budget. Wall time says more about
what else a machine does, so what counts is the processor time of the kernel: twice the promise on two cores, and half
as much again for a slower machine. A notebook that takes more, or leaves a file beside itself, makes the run fail.
"""

import re
import time
from pathlib import Path

import psutil

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CORES, ROOM = 2, 1.5
SUITE_MINUTES = 25  # of the whole suite, on an idle machine with two cores


def promised(first_cell: str) -> float | None:
    """Return the seconds that a first cell promises for all cells together; None if it says nothing.

    >>> promised("All cells together run in about 2 minutes on two CPU cores.")
    120.0
    """
    said = re.search(r"All cells\s+together\s+run\s+in\s+(?:less\s+than|about)\s+(\d+)\s+(second|minute)", first_cell)
    return float(said[1]) * {"second": 1, "minute": 60}[said[2]] if said else None


def too_much(promise: float, processor: float) -> bool:
    """Tell whether a kernel used more than a promise allows, both in seconds."""
    return processor > CORES * ROOM * promise


def files_beside() -> set[Path]:
    """Return the files in the folder of notebooks, less what Jupyter and Python leave there."""
    own = (".ipynb_checkpoints", "__pycache__")
    return {path for path in NOTEBOOKS.rglob("*") if path.is_file() and not set(own) & set(path.parts)}


class NotebookTimes:
    """A pytest plugin: wall and processor seconds of each notebook that nbval runs, told at the end."""

    def __init__(self):
        self.before, self.started = files_beside(), time.monotonic()
        self.promises, self.wall, self.processor = {}, {}, {}

    def pytest_runtest_logreport(self, report):
        """Add up what the parts of a test took, by file."""
        name = report.nodeid.partition("::")[0]
        self.wall[name] = self.wall.get(name, 0.0) + report.duration

    def pytest_runtest_teardown(self, item):
        """Read the processor time of the kernel after each cell, while it is there."""
        kernel = getattr(item.parent, "kernel", None)
        if manager := getattr(kernel, "km", None):
            name = item.nodeid.partition("::")[0]
            if name not in self.promises:
                cells = getattr(item.parent, "nb", {}).get("cells", [{"source": ""}])
                self.promises[name] = promised(cells[0]["source"])
            try:
                used = psutil.Process(manager.provisioner.pid).cpu_times()
            except (psutil.NoSuchProcess, AttributeError):
                return  # a kernel that died: its cells say so
            self.processor[name] = sum(used[:4])  # of itself and of its children

    def faults(self) -> list[str]:
        """Return what is wrong, a line each."""
        slow = [
            f"{name}: {used:.0f} s of processor time, promised are {self.promises[name]:.0f} s on {CORES} cores"
            for name, used in self.processor.items()
            if self.promises[name] and too_much(self.promises[name], used)
        ]
        new = sorted(files_beside() - self.before)
        return slow + [f"left by a notebook: notebooks/{path.relative_to(NOTEBOOKS)}" for path in new]

    def pytest_sessionfinish(self, session):
        """Let the run fail where a notebook broke its promise."""
        if self.processor and self.faults() and session.exitstatus == 0:
            session.exitstatus = 1

    def pytest_terminal_summary(self, terminalreporter):
        """Tell the slowest files and the promises."""
        if not self.processor:
            return
        say = terminalreporter.write_line
        terminalreporter.section("time, seconds")
        say(f"{'file':50} {'wall':>6} {'processor':>10} {'promised':>9}")
        for name, wall in sorted(self.wall.items(), key=lambda pair: -pair[1])[:15]:
            used, promise = self.processor.get(name), self.promises.get(name)
            say(f"{name:50} {wall:6.0f} {f'{used:.0f}' if used else '':>10} {f'{promise:.0f}' if promise else '':>9}")
        say(f"all {(time.monotonic() - self.started) / 60:.1f} minutes; {SUITE_MINUTES} are meant for the whole suite")
        for fault in self.faults():
            say(fault, red=True)
