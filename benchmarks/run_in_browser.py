"""Open every notebook in JupyterLab in a real browser, choose Run All, and look for errors and missing pictures.

    python benchmarks/run_in_browser.py [FOLDER FOR SCREENSHOTS] [NOTEBOOK ...]

Needs Debian's chromium; takes about as long as all notebooks together. Ends with 1 if anything is wrong.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))
from lab_page import Lab, Notebook, enter, find_browser, launch

ROOT = Path(__file__).parents[1]
MINUTES = 8  # a notebook, at most
STATE = """() => {
    const cells = window.panel.content.widgets.filter((cell) => cell.model.type === 'code');
    const outputs = cells.flatMap((cell) => cell.model.outputs.toJSON().map((output) => [cell, output]));
    const meant = (cell) => (cell.model.getMetadata('tags') ?? []).includes('raises-exception');
    const pictures = [...window.panel.node.querySelectorAll('.jp-OutputArea img, .jp-MarkdownOutput img')];
    return {cells: cells.length, run: cells.filter((cell) => cell.model.executionCount).length,
            counts: cells.map((cell) => cell.model.executionCount),
            errors: outputs.filter(([cell, output]) => output.output_type === 'error' && !meant(cell))
                .map(([cell, output]) => `${output.ename}: ${output.evalue}`.slice(0, 200)),
            pictures: pictures.length,
            missing: pictures.filter((image) => image.complete && !image.naturalWidth).map((image) => image.alt)};
}"""


def run_all(page, name: str) -> dict:
    """Run all cells of a notebook and return what the page then shows."""
    Notebook(page, name)
    for command in ("clear-all-cell-outputs", "run-all-cells"):
        page.evaluate("(command) => { window.jupyterapp.commands.execute(`notebook:${command}`); }", command)
        page.wait_for_timeout(500)
    last, begun = {}, time.monotonic()
    while time.monotonic() - begun < 60 * MINUTES:
        page.wait_for_timeout(2000)
        last = page.evaluate(STATE)
        idle = page.evaluate("() => window.panel.sessionContext.session?.kernel?.status === 'idle'")
        if last["errors"] or (idle and last["counts"] == list(range(1, last["cells"] + 1))):
            break
    for cell in range(0, page.evaluate("() => window.panel.content.widgets.length"), 3):  # drawn as they come into view
        page.evaluate("(cell) => window.panel.content.scrollToItem(cell)", cell)
        page.wait_for_timeout(60)
    return page.evaluate(STATE) | {"seconds": round(time.monotonic() - begun)}


def main(arguments: list[str]) -> int:
    """Run the notebooks; return the exit code."""
    from playwright.sync_api import sync_playwright

    shots = Path(arguments[0]) if arguments else None
    chosen = arguments[1:] or sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    faults = 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        lab = Lab(Path(folder))
        try:
            for part in ("notebooks", "images", "docs", "fkd_helpers/weights"):
                shutil.copytree(ROOT / part, lab.root / part, dirs_exist_ok=True)
            browser = launch(driver, find_browser(), None)
            page = enter(browser.new_context(viewport={"width": 1280, "height": 1000}).new_page(), lab)
            for name in chosen:
                found = run_all(page, f"notebooks/{name}")
                wrong = found["errors"] or found["missing"] or found["run"] < found["cells"]
                faults += bool(wrong)
                counted = "{run} of {cells} cells, {pictures} pictures, {seconds} s".format(**found)
                print("; ".join([f"{name}: {counted}", *found["errors"], *found["missing"]]), flush=True)
                if shots:
                    shots.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=shots / f"{Path(name).stem}.png")
                lab.end_kernels()
            browser.close()
        finally:
            lab.close()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
