"""The HTTP endpoint, asked by real clients over a socket."""

import asyncio
import io
import socket
import threading
import time
from unittest.mock import Mock

import numpy as np
import pytest
import requests
import uvicorn
from PIL import Image

from fkd_helpers import cli
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.images import read_photo
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.serve.endpoint import Limits, make_app

LIMITS = Limits(max_bytes=2_000_000, max_pixels=4_000_000, timeout=1)
JPEG = {"Content-Type": "image/jpeg"}


def encoded(pixels, kind="JPEG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


PHOTO = encoded(next(iter(stream(n=1)))[0])
PIXELS_200M = encoded(np.zeros((10_000, 20_000), bool), "PNG")


@pytest.fixture(scope="module")
def address():
    """Serve from a thread, and give host and port."""
    server = uvicorn.Server(uvicorn.Config(make_app(KeypointPredictor(), LIMITS), port=0, log_level="critical"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()
    server.should_exit = True
    thread.join()


def post(address, body, headers=JPEG, **options):
    return requests.post("http://{}:{}/predict".format(*address), body, headers=headers, timeout=20, **options)


def test_a_photo_is_answered_as_the_predictor_answers(address):
    response = post(address, PHOTO)
    assert response.status_code == 200
    answer, wanted = response.json(), KeypointPredictor()(read_photo(PHOTO))
    assert (answer["width"], answer["height"], len(answer["faces"])) == (640, 480, len(wanted))
    np.testing.assert_allclose(answer["faces"][0]["keypoints"], wanted[0].keypoints, atol=0.01)
    np.testing.assert_allclose(answer["faces"][0]["errors"], wanted[0].errors, atol=1e-3)


@pytest.mark.parametrize(
    "body, headers, status, message",
    [
        (b"hello", JPEG, 400, "photo: not an image that can be read"),
        (PHOTO[: len(PHOTO) // 2], JPEG, 400, "photo: damaged or cut off"),
        (bytes(10_000_000), JPEG, 413, "body: expected at most 2,000,000 bytes"),
        (iter([bytes(1_500_000)] * 3), JPEG, 413, "body: expected at most 2,000,000 bytes"),  # chunked, of no length
        (PIXELS_200M, JPEG, 413, "photo: expected at most 4 megapixels, got 20000x10000 pixels"),
        (PHOTO, {"Content-Type": "text/plain"}, 415, "Content-Type: expected image/jpeg, image/png"),
    ],
)
def test_bad_input_is_one_sentence(address, body, headers, status, message):
    response = post(address, body, headers)
    assert response.status_code == status and message in response.json()["detail"]
    assert post(address, PHOTO).status_code == 200


def raw(address, *chunks, wait=0.0, end=False):
    """Send bytes as they are and return what comes back until the connection is closed."""
    with socket.create_connection(address, timeout=20) as connection:
        for chunk in chunks:
            connection.sendall(chunk)
            time.sleep(wait)
        if end:
            connection.shutdown(socket.SHUT_WR)
        connection.settimeout(5)
        return b"".join(iter(lambda: connection.recv(65536), b""))


HEAD = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n" % len(PHOTO)


@pytest.mark.parametrize(
    "chunks, options, status",
    [
        ([HEAD + b"Connection: close\r\n\r\n", *(PHOTO[i : i + 10] for i in range(3))], {"wait": 0.3}, b"408"),  # slow
        ([HEAD + b"\r\n", PHOTO[:999]], {"end": True}, None),  # stops in the middle: nobody is left to be told
    ],
)
def test_a_client_that_sends_too_slowly_or_half_is_let_go(address, chunks, options, status):
    answer = raw(address, *chunks, **options)
    assert answer.split()[1:2] == ([status] if status else [])
    assert post(address, PHOTO).status_code == 200


def test_the_command_serves_its_limits(monkeypatch, capsys):
    served = Mock()
    monkeypatch.setattr(uvicorn, "run", served)
    assert cli.main(["serve", "--port", "8001", "--max-bytes", "99"]) == 0
    (app,), options = served.call_args
    assert options["port"] == 8001 and "POST a photo to /predict" in capsys.readouterr().out
    usage = next(route.endpoint for route in app.routes if route.path == "/")()
    assert usage["limits"] == {"max_bytes": 99, "max_pixels": 25_000_000, "timeout": 10}
