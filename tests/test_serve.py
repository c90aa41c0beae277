"""The HTTP endpoint, asked by real clients over a socket."""

import asyncio
import io
import socket
import threading
import time

import numpy as np
import pytest
import requests
from PIL import Image

from fkd_helpers import cli
from fkd_helpers.data.puppets import stream
from fkd_helpers.faces.images import read_photo
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.serve.endpoint import Limits, make_app, make_server

LIMITS = Limits(max_bytes=2_000_000, max_pixels=4_000_000, timeout=1)
JPEG = {"Content-Type": "image/jpeg"}


def encoded(pixels, kind="JPEG"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


PHOTO = encoded(next(iter(stream(n=1)))[0])
PIXELS_200M = encoded(np.zeros((10_000, 20_000), bool), "PNG")


@pytest.fixture(scope="module")
def served():
    """Serve from a thread, and give (host, port) and the server."""
    server, listener = make_server(make_app(KeypointPredictor(), LIMITS), LIMITS, port=0)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname(), server
    server.should_exit = True
    thread.join()


@pytest.fixture
def address(served):
    return served[0]


def post(address, body, headers=JPEG, **options):
    return requests.post("http://{}:{}/predict".format(*address), body, headers=headers, timeout=20, **options)


def test_a_photo_is_answered_as_the_predictor_answers(address):
    for response in (post(address, PHOTO), post(address, None, {}, files={"photo": ("a.jpg", PHOTO, "image/jpeg")})):
        assert response.status_code == 200
        answer = response.json()
        wanted = KeypointPredictor()(read_photo(PHOTO))
        assert (answer["width"], answer["height"], len(answer["faces"])) == (640, 480, len(wanted))
        np.testing.assert_allclose(answer["faces"][0]["keypoints"], wanted[0].keypoints, atol=0.01)
        np.testing.assert_allclose(answer["faces"][0]["errors"], wanted[0].errors, atol=1e-3)


def test_an_answer_does_not_wait_for_the_receipt_of_its_head(served):
    address, server = served
    with socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
        for protocol in server.server_state.connections:
            kept = protocol.transport.get_extra_info("socket")
            assert kept.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    "body, headers, status, message",
    [
        (b"hello", JPEG, 400, "photo: not an image that can be read"),
        (PHOTO[: len(PHOTO) // 2], JPEG, 400, "photo: damaged or cut off"),
        (bytes(10_000_000), JPEG, 413, "body: expected at most 2,000,000 bytes"),
        (iter([bytes(1_500_000)] * 3), JPEG, 413, "body: expected at most 2,000,000 bytes"),  # chunked, of no length
        (PIXELS_200M, JPEG, 413, "photo: expected at most 4 megapixels, got 20000x10000 pixels"),
        (PHOTO, {"Content-Type": "text/plain"}, 415, "Content-Type: expected image/jpeg, image/png"),
        (b"x", {"Content-Type": "multipart/form-data"}, 400, "form: expected a part with a file"),
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


@pytest.mark.parametrize(
    "options, message",
    [
        ("--port {port}", "Address already in use"),
        ("--port 99999", "--port 99999: bind(): port must be 0-65535"),
    ],
)
def test_a_server_that_cannot_start_says_why(address, options, message, capsys):
    assert cli.main(["serve", *options.format(port=address[1]).split()]) == 2
    assert message in capsys.readouterr().err
