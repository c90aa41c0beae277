"""Measure the HTTP endpoint on this machine, client and server sharing its cores; writes `benchmark-serve`.

    python benchmarks/serve.py [--seconds 20] [--memory 10000] [--out data/records]

Photos of 640x480 with one puppet, kept connections: photos per second with two clients; times at 30 photos per second;
memory of the server over many photos; and 100 malformed requests, each of which must get a 4xx answer.
"""

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import psutil
import requests

from fkd_helpers.core import records
from fkd_helpers.data.puppets import stream

JPEG, RATE, CLIENTS, MALFORMED = {"Content-Type": "image/jpeg"}, 30, 2, 100


def malformed(photos: list[bytes], rng: np.random.Generator) -> list[tuple[bytes, dict]]:
    """Return bodies and headers that no endpoint should accept."""
    kinds = (
        lambda: (rng.bytes(5000), JPEG), lambda: (b"", JPEG), lambda: (photos[0], {"Content-Type": "text/plain"}),
        lambda: (bytes(12_000_000), JPEG), lambda: (photos[0][: rng.integers(1, len(photos[0]) // 2)], JPEG),
    )  # fmt: skip
    return [kinds[i % len(kinds)]() for i in range(MALFORMED)]


def benchmark(address: str, server: psutil.Process, seconds: float, many: int) -> dict:
    """Return what the record holds."""
    photos = [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame, *_ in stream(n=30)]
    sessions = [requests.Session() for _ in range(CLIENTS)]

    def post(i, body=None, headers=JPEG):
        started = time.perf_counter()
        body = photos[i % len(photos)] if body is None else body
        response = sessions[i % CLIENTS].post(f"{address}/predict", body, headers=headers, timeout=60)
        return time.perf_counter() - started, response.status_code, response.json()

    def client(number, end):
        count = 0
        while time.perf_counter() < end:
            assert post(CLIENTS * count + number)[1] == 200
            count += 1
        return count

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(post, range(20)))  # warm
        end = time.perf_counter() + seconds
        per_second = sum(pool.map(client, range(CLIENTS), [end] * CLIENTS)) / seconds
        bad = malformed(photos, np.random.default_rng(0))
        answers = [post(i, body, headers) for i, (body, headers) in enumerate(bad)]
        refused = sum(400 <= status < 500 and bool(answer["detail"]) for _, status, answer in answers)
        memory = []
        for block in np.array_split(np.arange(many), 10):
            assert all(status == 200 for _, status, _ in pool.map(post, block.tolist()))
            memory.append(server.memory_info().rss / 1e6)
    with ThreadPoolExecutor(CLIENTS) as pool:
        waits, begun = [], time.perf_counter()
        for i in range(int(RATE * seconds)):
            time.sleep(max(0.0, begun + i / RATE - time.perf_counter()))
            waits.append(pool.submit(lambda i=i, due=begun + i / RATE: (post(i), time.perf_counter() - due)[1]))
        waits = 1000 * np.array([wait.result() for wait in waits])  # from when each was due
    p50, p99 = np.percentile(waits, (50, 99)).tolist()
    return {
        "photos_per_second": per_second, "clients": CLIENTS, "rate": RATE, "ms_p50": p50, "ms_p99": p99,
        "malformed": MALFORMED, "refused": refused, "photos": many, "memory_mb": memory,
        "growth_mb": memory[-1] - memory[0], "photo_kb": sum(map(len, photos)) / len(photos) / 1000,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--memory", type=int, default=10_000, help="photos over which memory is watched")
    parser.add_argument("--note", default="", help="what else ran meanwhile")
    parser.add_argument("--out", type=Path, help="folder of the record (default: printed only)")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    command = [sys.executable, "-m", "fkd_helpers", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            address = child.stdout.readline().split()[2].rstrip(";")
            found = benchmark(address, psutil.Process(child.pid), options.seconds, options.memory)
        finally:
            child.terminate()
    found |= {"load_before": load, "note": options.note}
    print(found)
    if options.out:
        print(records.write("benchmark", "serve", folder=options.out, **found))


if __name__ == "__main__":
    main()
