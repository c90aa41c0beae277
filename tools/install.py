"""Make .venv and install the course into it, with a few lines of progress instead of pip's two hundred.

    python3 tools/install.py [--torch auto|cpu|plain] [--pinned]

--torch auto takes PyTorch without CUDA on a Linux machine without an NVIDIA card, if its index can be reached.
Plain Python, no package needed.
"""  # fmt: skip

import argparse
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.request
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / ".venv" / ("Scripts" if sys.platform == "win32" else "bin")
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
REPORT_SECONDS = 30
# JupyterLab asks nothing at its first start, and shows Markdown as pages
LAB_SETTINGS = """{
  "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false},
  "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}}
}
"""


def make_venv() -> None:
    """Create .venv unless a working one is there."""
    python = BIN / "python"
    if python.exists() and subprocess.run([python, "-c", "import pip"], capture_output=True).returncode == 0:
        return
    print("making .venv", flush=True)
    try:
        venv.EnvBuilder(clear=True, with_pip=True, symlinks=sys.platform != "win32").create(ROOT / ".venv")
    except (subprocess.CalledProcessError, OSError) as error:
        shutil.rmtree(ROOT / ".venv", ignore_errors=True)
        sys.exit(f"no virtual environment could be made: {error} (on Debian and Ubuntu: apt-get install python3-venv)")


def without_cuda(choice: str) -> bool:
    """Return whether to install PyTorch without CUDA, and say why."""
    if choice != "auto" or sys.platform != "linux" or platform.machine() != "x86_64":
        return choice == "cpu"
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        return False
    try:
        urllib.request.urlopen(f"{CPU_WHEELS}/torch/", timeout=5).close()
    except OSError:
        print("no NVIDIA card here, but the index of PyTorch without CUDA cannot be reached: installing the plain one,")
        print("of whose 5.7 GB most are CUDA libraries (elsewhere, TORCH=cpu leaves them out)", flush=True)
        return False
    print("no NVIDIA card here: PyTorch without CUDA is installed (TORCH=plain: with it)", flush=True)
    return True


def pip_install(*arguments: str) -> None:
    """Run pip, and print a line every half minute; its own words are printed where it fails."""
    start = said = time.monotonic()
    lines, packages, megabytes = [], 0, 0.0
    command = [str(BIN / "python"), "-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]
    command += arguments
    process = subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in process.stdout:
        lines.append(line)
        packages += line.startswith("Collecting ")
        if size := re.search(r"Downloading .*\(([\d.]+) ([kMG])B\)", line):
            megabytes += float(size[1]) * {"k": 1e-3, "M": 1, "G": 1e3}[size[2]]
        unpacking = line.startswith("Installing collected packages")
        if unpacking or time.monotonic() - said > REPORT_SECONDS:
            said = time.monotonic()
            state = ", unpacking them" if unpacking else ""
            print(f"  {said - start:4.0f} s: {packages} packages, {megabytes:,.0f} MB downloaded{state}", flush=True)
    if process.wait():
        sys.exit("".join(lines[-25:]) + "pip could not install the course; the lines above are its last words")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", choices=("auto", "cpu", "plain"), default="auto")
    parser.add_argument("--pinned", action="store_true", help="the exact versions of constraints.txt")
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036 (any Python may start this script)
        sys.exit(f"Python 3.11 or newer is needed, this is {platform.python_version()}: make PYTHON=python3.12 ...")
    make_venv()
    print("installing the packages of the course: some minutes, once", flush=True)
    exact = ["-c", "constraints.txt"] if options.pinned else []
    if without_cuda(options.torch):
        pip_install("--index-url", CPU_WHEELS, *exact, "torch", "torchvision")
    pip_install(*exact, "-e", ".[all]")
    settings = ROOT / ".venv/share/jupyter/lab/settings/overrides.json"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(LAB_SETTINGS)


if __name__ == "__main__":
    main()
