"""Start the processes that train one network together on this machine, and end them all when one is lost.

They get the environment that torchrun and `fabric run` give: in either of these ways the same program runs.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from fkd_helpers.core.errors import InputError

LOOPBACK = "127.0.0.1"
GRACE = 10  # seconds that the other processes have to end in, once one has
CHILD = "FKD_CHILD"  # set in what `launch` starts


class ProcessLost(RuntimeError):
    """A process of several has ended before its work was done; the message says which and how."""


def launch(command: Sequence[str], *, devices: int, nodes: int = 1) -> None:
    """Run `python -m fkd_helpers COMMAND` in as many processes as there are devices, until all are done.

    nodes: machines that train together; each starts its own, and environment variables say which it is, as Lightning
        calls them: NODE_RANK (0 = the one that writes), MASTER_ADDR and MASTER_PORT (of the first)

    Raises:
        InputError: what one of them found wrong with its input, or no word on the other machines.
        ProcessLost: one was ended from outside or failed; the others are ended then.
    """
    first = devices * _node(nodes)
    shared = {
        "MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": _threads(devices),
        "TORCHELASTIC_RUN_ID": "fkd", CHILD: "1",
    } | os.environ | {"WORLD_SIZE": str(devices * nodes), "LOCAL_WORLD_SIZE": str(devices)}  # fmt: skip
    with tempfile.TemporaryDirectory() as place, contextlib.ExitStack() as stack:
        workers, words = [], [Path(place) / str(rank) for rank in range(devices)]
        for rank in range(devices):
            own = {"RANK": str(first + rank), "LOCAL_RANK": str(rank), "GROUP_RANK": str(first // devices)}
            worker = subprocess.Popen(
                [sys.executable, "-m", "fkd_helpers", *command], env=shared | own, stdin=subprocess.PIPE,
                stdout=None if first + rank == 0 else subprocess.DEVNULL,
                stderr=stack.enter_context(words[rank].open("wb")),
            )  # fmt: skip
            stack.callback(_end, worker)
            workers.append(worker)
        try:
            _wait(workers, words, devices)
        except KeyboardInterrupt:  # Ctrl-C reaches the others too: the first has a record to write
            with contextlib.suppress(subprocess.TimeoutExpired):
                workers[0].wait(GRACE)
            raise


def follow_launcher() -> None:
    """End this process when the one that started it is gone, however that came; nothing if `launch` did not."""

    def wait():
        os.read(0, 1)  # ends when the other end of the pipe does
        os._exit(1)

    if os.environ.pop(CHILD, None):
        threading.Thread(target=wait, daemon=True).start()


def _wait(workers, words, devices) -> None:
    """Wait for all; when one fails, give the others a moment to say why, too."""
    while any(worker.poll() is None for worker in workers) and not any(worker.poll() for worker in workers):
        time.sleep(0.05)
    failed = [(rank, worker.poll()) for rank, worker in enumerate(workers) if worker.poll()]
    said = [path.read_text(encoding="utf-8", errors="replace").strip() for path in words]
    if not failed:
        if said[0]:  # warnings
            print(said[0], file=sys.stderr)
        return
    # one that was killed is the cause, then one with bad input; the others failed because they lost it
    rank, code = min(failed, key=lambda pair: (pair[1] > 0, pair[1] != 2, pair[0]))
    if code == 2 and said[rank]:
        raise InputError(said[rank].splitlines()[-1].partition(": ")[2])
    if code == 130:
        raise KeyboardInterrupt
    if code > 0:
        print(said[rank], file=sys.stderr)
    how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed (exit code {code})"
    raise ProcessLost(f"process {rank + 1} of {devices} {how}, so the others were ended too")


def _end(worker) -> None:
    worker.stdin.close()  # it ends by itself then, see `follow_launcher`
    try:
        worker.wait(GRACE)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def _node(nodes: int) -> int:
    if nodes == 1:
        return 0
    missing = [name for name in ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise InputError(f"nodes: with {nodes} machines the environment must say {', '.join(missing)}")
    rank = os.environ["NODE_RANK"]
    if not rank.isdecimal() or int(rank) >= nodes:
        raise InputError(f"NODE_RANK: expected 0 to {nodes - 1}, got {rank!r}")
    return int(rank)


def _threads(devices: int) -> str:
    return str(max(1, (os.cpu_count() or 1) // devices))


def free_port() -> int:
    """Return a port of the loopback that nobody listens at."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        return taken.getsockname()[1]
