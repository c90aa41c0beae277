"""Put the page, the networks and the few runtime files that it needs into one folder: `python web/build.py [FOLDER]`.

npm brings ONNX Runtime for the web to build/npm, once for each version; nothing of it is committed. `--serve` then
shows the page at localhost, with the two headers that let WebAssembly use several threads.
"""

import argparse
import functools
import http.server
import json
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parent
ROOT = WEB.parent
NPM = ROOT / "build" / "npm"
PACKAGE = NPM / "node_modules" / "onnxruntime-web"
ENGINES = ("wasm.min.mjs", "webgpu.min.mjs")
COMPILED = ("threaded", "threaded.asyncify")  # the runtime of each engine
RUNTIME = [f"ort.{name}" for name in ENGINES]
RUNTIME += [f"ort-wasm-simd-{name}.{kind}" for name in COMPILED for kind in ("mjs", "wasm")]
WEIGHTS = [ROOT / "fkd_helpers" / "weights" / f"{name}.onnx" for name in ("small", "detector")]


class Isolated(http.server.SimpleHTTPRequestHandler):
    """Serve files with the headers by which a browser isolates a page from others: only then it shares memory."""

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()


def build(folder: Path) -> None:
    """Build the page in a folder; what cannot be had ends the script with one line."""
    wanted = json.loads((WEB / "package.json").read_text())["dependencies"]["onnxruntime-web"]
    there = PACKAGE / "package.json"
    if not there.exists() or json.loads(there.read_text())["version"] != wanted:
        npm = shutil.which("npm") or sys.exit("npm not found: install Node.js, which brings it")
        NPM.mkdir(parents=True, exist_ok=True)
        shutil.copy(WEB / "package.json", NPM)
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        answer = subprocess.run([npm, "install", *options], cwd=NPM, capture_output=True, text=True)
        if answer.returncode:
            lines = answer.stderr.strip().splitlines() or ["no reason given"]
            sys.exit(f"npm could not bring onnxruntime-web: {lines[0]}")
    folder.mkdir(parents=True, exist_ok=True)
    for path in (WEB / "index.html", *WEB.glob("*.js"), *WEIGHTS, *(PACKAGE / "dist" / name for name in RUNTIME)):
        shutil.copy(path, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "web")
    parser.add_argument("--serve", nargs="?", type=int, const=8000, metavar="PORT", help="then show it at localhost")
    options = parser.parse_args()
    build(options.folder)
    if options.serve is None:
        print(f"{options.folder}: show it with: python web/build.py --serve")
    else:
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", options.serve), functools.partial(Isolated, directory=options.folder)
        )
        print(f"http://localhost:{server.server_address[1]}", flush=True)
        server.serve_forever()
