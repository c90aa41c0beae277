"""Run every notebook as a reader would, time it, and write the executed pages to `build/`.

    python benchmarks/run_course.py [NOTEBOOK ...]

Ends with 1 and the names of the notebooks in which a cell failed; their pages are written up to that cell.
"""

import os
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

ROOT = Path(__file__).parents[1]
CELL_SECONDS = 600


def run(path: Path, build: Path) -> str | None:
    """Execute one notebook in its own folder, write its page, and return what went wrong, or None."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        extra_arguments=["--log-level=40"],  # errors only: warnings would break the progress line
        resources={"metadata": {"path": path.parent}},
    )
    os.environ["FKD_PROGRESS"] = "off"  # nobody solved anything here
    problem = None
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        problem = str(error).strip().splitlines()[-1]
    # the default template drops the alt text of pictures
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    build.mkdir(exist_ok=True)
    (build / f"{path.stem}.html").write_text(page, encoding="utf-8")
    return problem


def main(arguments: list[str]) -> int:
    paths = [Path(a).resolve() for a in arguments] or [
        *sorted((ROOT / "notebooks").glob("*.ipynb")),
        *sorted((ROOT / "notebooks/solutions").glob("*.ipynb")),
    ]
    failed = []
    for i, path in enumerate(paths, 1):
        print(f"[{i}/{len(paths)}] {path.stem} ...", end=" ", flush=True)
        start = time.perf_counter()
        problem = run(path, ROOT / "build")
        print(f"{time.perf_counter() - start:.0f} s{': ' + problem if problem else ''}", flush=True)
        if problem:
            failed.append(path.stem)
    if not paths:
        print("no notebooks found", file=sys.stderr)
        return 1
    print(f"{len(paths) - len(failed)} of {len(paths)} notebooks ran; pages in build/")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
