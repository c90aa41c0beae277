"""Measure the HTTP endpoint on this machine, client and server sharing its cores; writes `benchmark-serve`.

    python benchmarks/serve.py [--seconds 20] [--memory 10000] [--out data/records]

Photos of 640x480 with one puppet, kept connections: photos per second with two clients; times at 30 photos per second;
memory of the server over many photos. Processor time is that of server and clients together, in milliseconds per photo.
The clients read answers without parsing them.
"""

import http.client
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import psutil

from fkd_helpers.core import records
from fkd_helpers.core.options import run_script
from fkd_helpers.data.puppets import stream

JPEG, RATE, CLIENTS = {"Content-Type": "image/jpeg"}, 30, 2


def benchmark(address: str, server: psutil.Process, seconds: float, many: int) -> dict:
    """Return what the record holds."""
    photos = [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame, *_ in stream(n=30)]
    own = threading.local()  # each thread keeps its connection

    def post(i):
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=60)
        own.connection.request("POST", "/predict", photos[i % len(photos)], JPEG)
        answer = own.connection.getresponse()
        return answer.status, answer.read()

    def client(number, end):
        count = 0
        while time.perf_counter() < end:
            assert post(CLIENTS * count + number)[0] == 200
            count += 1
        return count

    def wait_of(i, due):
        post(i)
        return 1000 * (time.perf_counter() - due)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(post, range(20)))  # warm
        end, before = time.perf_counter() + seconds, sum(server.cpu_times()[:2]) + time.process_time()
        count = sum(pool.map(client, range(CLIENTS), [end] * CLIENTS))
        spent = sum(server.cpu_times()[:2]) + time.process_time() - before
        memory = []
        for block in np.array_split(np.arange(many), 10):
            assert all(status == 200 for status, _ in pool.map(post, block.tolist()))
            memory.append(server.memory_info().rss / 1e6)
        waits, begun = [], time.perf_counter()
        for i in range(int(RATE * seconds)):
            time.sleep(max(0.0, begun + i / RATE - time.perf_counter()))
            waits.append(pool.submit(wait_of, i, begun + i / RATE))
        p50, p99 = np.percentile([wait.result() for wait in waits], (50, 99))
    return {
        "photos_per_second": count / seconds, "processor_ms": 1000 * spent / count, "clients": CLIENTS, "rate": RATE,
        "ms_p50": p50, "ms_p99": p99, "photos": many, "memory_mb": memory, "growth_mb": memory[-1] - memory[0],
        "photo_kb": sum(map(len, photos)) / len(photos) / 1000,
    }  # fmt: skip


def main(*, seconds: float = 20, memory: int = 10_000, note: str = "", out: Path | None = None) -> None:
    """Measure the HTTP endpoint; `out` keeps the record, with a note on what else ran meanwhile."""
    command = [sys.executable, "-m", "fkd_helpers", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            address = next(line for line in child.stderr if "running on" in line).split("running on ")[1].split()[0]
            found = benchmark(address, psutil.Process(child.pid), seconds, memory)
        finally:
            child.terminate()
    print(records.plain(found))
    if out:
        print(records.write("benchmark", "serve", folder=out, note=note, **found))


if __name__ == "__main__":
    run_script(main)
