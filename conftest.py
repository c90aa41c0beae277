"""How the suite runs: on the embedded default, whatever data this machine has, with time for slow cells."""

import os
import signal

from notebook_times import NotebookTimes

# MPLBACKEND too: a kernel that inherits it draws no figure into the notebook
for name in ("FKD_DATASET", "FKD_DATA_DIR", "MPLBACKEND"):
    os.environ.pop(name, None)
os.environ["FKD_PROGRESS"] = "off"  # a test solves no exercise for anybody

# a suite that was started in the background ignores Ctrl-C, and so would the runs that its tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

MESSAGE_SECONDS = 60  # nbval waits 5 s between two outputs of a cell, which a busy machine exceeds


def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item, "output_timeout"):
            item.output_timeout = MESSAGE_SECONDS


def pytest_configure(config):
    config.pluginmanager.register(NotebookTimes())
