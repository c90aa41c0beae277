"""An HTTP endpoint for the network: a photo in, the faces and their keypoints out as JSON."""

import asyncio
import io
import os
from dataclasses import dataclass, field

from PIL import Image

from fkd_helpers.core.errors import InputError
from fkd_helpers.faces.images import read_photo
from fkd_helpers.predict import KeypointPredictor
from fkd_helpers.predict.folder import plain_face

try:
    import uvicorn
    from fastapi import FastAPI, HTTPException, Request
    from starlette.requests import ClientDisconnect
except ImportError:
    raise InputError("serve: needs FastAPI and uvicorn: pip install 'fkd-helpers[serve]'") from None

USAGE = "POST a photo to /predict: curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' ADDRESS/predict"
WAITING = 64  # connections; further ones are answered with 503


@dataclass(frozen=True)
class Limits:
    """What a client may send: bytes and pixels of a photo, and the seconds that it may take to send it."""

    max_bytes: int = field(default=10_000_000, metadata={"help": "larger bodies are refused"})
    max_pixels: int = field(default=25_000_000, metadata={"help": "larger photos are refused before they are decoded"})
    timeout: float = field(default=10.0, metadata={"help": "seconds in which a body must arrive"})


def make_app(predictor: KeypointPredictor, limits: Limits) -> FastAPI:
    """Return the endpoint: POST /predict, and GET / for how to use it."""
    app = FastAPI(title="Facial keypoints", docs_url=None, redoc_url=None)  # both pages load scripts from elsewhere
    workers = asyncio.Semaphore(os.cpu_count() or 1)  # predictions at once

    @app.get("/")
    def usage() -> dict:
        return {"usage": USAGE, "keypoints": predictor.runner.keypoints, "limits": vars(limits)}

    @app.post("/predict")
    async def predict(request: Request) -> dict:
        kind = request.headers.get("content-type", "none")
        if not kind.lower().startswith("image/"):
            raise HTTPException(415, f"Content-Type: expected image/jpeg, image/png or another image type, got {kind}")
        photo = await _read(request, limits)
        async with workers:
            return await asyncio.to_thread(_faces, photo, predictor, limits)

    return app


async def _read(request: Request, limits: Limits) -> bytes:
    """Return the body of a request, unless it is too large, too slow or cut off."""
    body, too_large = bytearray(), HTTPException(413, f"body: expected at most {limits.max_bytes:,} bytes")
    if int(request.headers.get("content-length", 0)) > limits.max_bytes:
        raise too_large
    try:
        async with asyncio.timeout(limits.timeout):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.max_bytes:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"body: expected all of it within {limits.timeout:g} s, got {len(body):,}") from None
    except ClientDisconnect:
        raise HTTPException(400, f"body: ended after {len(body):,} bytes") from None
    return bytes(body)


def _faces(photo: bytes, predictor: KeypointPredictor, limits: Limits) -> dict:
    """Return the size of a photo and its faces, in pixels of the photo as it is displayed."""
    try:
        with Image.open(io.BytesIO(photo)) as header:  # reads no pixel yet
            width, height = header.size
    except (OSError, SyntaxError, ValueError):
        width = height = 0  # read_photo knows the reason, or another decoder
    if width * height > limits.max_pixels:
        expected = f"at most {limits.max_pixels / 1e6:g} megapixels"
        raise HTTPException(413, f"photo: expected {expected}, got {width}x{height} pixels")
    try:
        frame = read_photo(photo)
    except InputError as error:
        raise HTTPException(400, str(error)) from None
    return {"width": frame.shape[1], "height": frame.shape[0], "faces": list(map(plain_face, predictor(frame)))}


def serve(*, host: str = "127.0.0.1", port: int = 8000, model: str = "small", **limits: Limits) -> None:
    """Answer photos with faces and keypoints over HTTP, until Ctrl+C.

    Args:
        host: address to listen at; 0.0.0.0 lets other machines ask
        port: port to listen at
        model: a model that ships, or a path to .onnx or .safetensors
    """
    app = make_app(KeypointPredictor(model), Limits(**limits))
    print(USAGE, flush=True)
    uvicorn.run(app, host=host, port=port, limit_concurrency=WAITING, access_log=False)
