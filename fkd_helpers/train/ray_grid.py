"""Runs of a grid as tasks of a Ray cluster: on this machine, or at an address. Used in notebook 08.

A run is a pure function of its config, so it may be computed anywhere and again: Ray starts a task anew whose worker
was lost, and it goes on from its checkpoint where the folder is still there. No data travels: each worker reads it.
"""

import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from unittest import mock

from fkd_helpers.core.errors import InputError

RETRIES = 3
STORE = 100_000_000  # bytes of shared memory; only configs and records travel
PATIENCE = 4.0  # seconds to wait for a connection to a cluster, and for its answer
SETTINGS = b"\x04"
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00" + SETTINGS + bytes(5)  # HTTP/2's preface and empty settings


def run_tasks(
    function: Callable,
    tasks: Sequence[tuple],
    *,
    names: Sequence[str],
    after: Sequence[object] | None = None,
    address: str | None = None,
    workers: int = 2,
    cpus: float = 1,
    gpus: float = 0,
) -> Iterator[tuple[int, object]]:
    """Call a function of a module with each tuple of arguments; yield (index, result) as each call ends.

    The result of a task whose workers were lost too often is the error. A program's own error is not tried again.

    names: what Ray calls the tasks
    after: a key a task; those of the same key run one after the other
    address: of a cluster, such as "10.0.0.1:6379", "auto" = the one that runs on this machine; its machines have this
        package installed. None = start one of `workers` tasks at a time here, and end it with the last task
    cpus, gpus: what a task needs

    Raises:
        InputError: no package ray, no answer at the address, or no machine that has what a task needs.
    """
    with connected(address, cpus=workers * cpus, gpus=gpus) as ray:
        _check_room(ray, cpus, gpus)

        def task(_, *arguments):
            return function(*arguments)

        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)(task)
        last, places = {}, {}
        for i, arguments in enumerate(tasks):
            key = after[i] if after else i
            last[key] = remote.options(name=names[i]).remote(last.get(key), *arguments)
            places[last[key]] = i
        while places:
            for done in ray.wait(list(places), num_returns=1)[0]:
                try:
                    result = ray.get(done)
                except ray.exceptions.RayTaskError:
                    raise
                except ray.exceptions.RayError as error:
                    result = error
                yield places.pop(done), result


@contextlib.contextmanager
def connected(address: str | None = None, *, cpus: float = 2, gpus: float = 0) -> Iterator:
    """Give the package ray, connected; what is started here, is ended here, and a cluster elsewhere is left running.

    Raises:
        InputError: no package ray, or no answer at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else a warning of what will change
    try:
        import ray
    except ImportError:
        raise InputError("backend 'ray': the package ray is not here: pip install 'fkd-helpers[scale]'") from None
    if ray.is_initialized():
        yield ray
        return
    from ray._private import services, worker

    worker.print_to_stdstream = lambda *_, **__: None  # it has no option to say nothing of workers that were lost
    quiet = dict(log_to_driver=False, logging_level=logging.ERROR)
    try:
        if address is None:
            # no option either to stay on the loopback: Ray would look for an address that other machines reach
            stays = mock.patch.object(services, "resolve_ip_for_localhost", lambda host: host, create=True)
            with _importable(), stays:
                ray.init("local", num_cpus=int(cpus), num_gpus=int(gpus), include_dashboard=False,
                         object_store_memory=STORE, _node_ip_address="127.0.0.1", **quiet)  # fmt: skip
        else:
            _check_answer(address)
            ray.init(address, **quiet)
        yield ray
    except ConnectionError as error:
        raise InputError(f"address: no Ray cluster answers at {address}: {str(error).splitlines()[0]}") from None
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _importable():
    """Let the workers of a cluster that is started here find this package where it was found."""
    before, here = os.environ.get("PYTHONPATH"), str(Path(__file__).parents[2])
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *([before] if before else [])])
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def _check_answer(address: str) -> None:
    """Greet as Ray's gRPC does, and wait a little for the answer: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal():
        raise InputError(f"address: expected HOST:PORT, ray://HOST:PORT or 'auto', got {address!r}")
    try:
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as line:
            line.sendall(HELLO)
            if line.recv(9)[3:4] != SETTINGS:
                raise OSError("what answers there is something else")
    except OSError as error:
        raise InputError(f"address: no Ray cluster answers at {address} ({error.strerror or error})") from None


def _check_room(ray, cpus: float, gpus: float) -> None:
    """Refuse what no machine of the cluster could ever run; Ray would wait for one to come."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if not any(machine.get("CPU", 0) >= cpus and machine.get("GPU", 0) >= gpus for machine in machines):
        raise InputError(f"a run needs {cpus:g} CPUs and {gpus:g} GPUs: no machine of the cluster has as many")
