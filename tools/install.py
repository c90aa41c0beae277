"""Make .venv and install the course into it, with a few lines of progress instead of pip's two hundred.

    python3 tools/install.py [--torch auto|cpu|plain] [--pinned]

--torch auto takes PyTorch without CUDA on a Linux machine without an NVIDIA card, if its index can be reached.
Plain Python, no package needed.
"""  # fmt: skip

import argparse
import platform
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / ("Scripts" if sys.platform == "win32" else "bin")
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
REPORT_SECONDS = 30
# JupyterLab asks nothing at its first start, shows Markdown as pages, and cuts no line of code
LAB_SETTINGS = """{
  "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false},
  "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
  "@jupyterlab/notebook-extension:tracker": {"codeCellConfig": {"lineNumbers": false, "lineWrap": true}}
}
"""


def make_venv() -> None:
    """Create .venv unless a working one is there."""
    python = BIN / "python"
    if python.exists() and subprocess.run([python, "-c", "import pip"], capture_output=True).returncode == 0:
        return
    try:
        venv.create(ROOT / ".venv", clear=True, with_pip=True, symlinks=sys.platform != "win32")
    except (subprocess.CalledProcessError, OSError) as error:
        sys.exit(f"no virtual environment could be made: {error} (on Debian and Ubuntu: apt-get install python3-venv)")


def without_cuda(choice: str) -> bool:
    """Return whether to install PyTorch without CUDA, and say so."""
    if choice != "auto" or (sys.platform, platform.machine()) != ("linux", "x86_64") or shutil.which("nvidia-smi"):
        return choice == "cpu"
    try:
        urllib.request.urlopen(f"{CPU_WHEELS}/torch/", timeout=5).close()
    except OSError:
        print("the index of PyTorch without CUDA cannot be reached: installing the plain one, 7 GB", flush=True)
        return False
    print("no NVIDIA card here: PyTorch without CUDA is installed (TORCH=plain: with it)", flush=True)
    return True


def pip_install(*arguments: str) -> None:
    """Run pip, and print a line every half minute; its own words are printed where it fails."""
    start, lines, done = time.monotonic(), [], threading.Event()

    def report():
        while not done.wait(REPORT_SECONDS):
            known = [line for line in lines if line.startswith(("Collecting", "Downloading", "Installing collected"))]
            doing = " ".join(known[-1].split()[:2]) if known else "starting"
            print(f"  {time.monotonic() - start:4.0f} s: {doing}", flush=True)

    command = [BIN / "python", "-m", "pip", "install", "--progress-bar", "off", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    threading.Thread(target=report, daemon=True).start()
    for line in process.stdout:
        lines.append(line)
    done.set()
    if process.wait():
        sys.exit("".join(lines[-25:]) + "pip could not install the course; the lines above are its last words")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", choices=("auto", "cpu", "plain"), default="auto")
    parser.add_argument("--pinned", action="store_true", help="the exact versions of constraints.txt")
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 (any Python may start this script)
        sys.exit(f"Python 3.11 or newer is needed, this is {platform.python_version()}: make PYTHON=python3.12 ...")
    print("making .venv and installing the packages of the course: 3 to 15 minutes, once", flush=True)
    make_venv()
    exact = ["-c", "constraints.txt"] if options.pinned else []
    if without_cuda(options.torch):
        pip_install("--index-url", CPU_WHEELS, *exact, "torch", "torchvision")
    pip_install(*exact, "-e", ".[all]")
    settings = ROOT / ".venv/share/jupyter/lab/settings/overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(LAB_SETTINGS)


if __name__ == "__main__":
    main()
