"""Put the page, the network and the few runtime files that it needs into one folder: `python web/build.py [FOLDER]`.

npm brings ONNX Runtime for WebAssembly to build/npm, once for each version; nothing of it is committed.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parent
ROOT = WEB.parent
NPM = ROOT / "build" / "npm"
PACKAGE = NPM / "node_modules" / "onnxruntime-web"
RUNTIME = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
OURS = (WEB / "index.html", WEB / "keypoints.js", ROOT / "fkd_helpers" / "weights" / "small.onnx")


def main(folder: Path) -> None:
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
    for path in (*OURS, *(PACKAGE / "dist" / name for name in RUNTIME)):
        shutil.copy(path, folder)
    print(f"{folder}: serve it with: python -m http.server -d {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build") / "web")
