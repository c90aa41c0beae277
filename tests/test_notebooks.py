"""The form of every stored notebook; that its outputs are true is nbval's part (`make test`)."""

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
COURSE = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
MAX_LINES, MAX_BYTES = 32, 2_000_000
MACHINE_PATH = re.compile(r"/(?:home|Users|root|tmp|work|var|opt|usr)/\w|\b[A-Z]:\\\w|site-packages")
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(params=[*COURSE, *SOLUTIONS], ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.fixture
def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.fixture
def prose(notebook) -> str:
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def test_notebook_has_one_title_and_headings_in_order(prose):
    levels = [len(mark) for mark in re.findall(r"^(#{1,6}) ", prose, re.M)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(level <= before + 1 for before, level in pairwise(levels)), levels


def test_notebook_was_run_from_top_to_bottom_without_errors(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        meant = "raises-exception" in cell.metadata.get("tags", [])
        assert meant or not [out for out in cell.outputs if out.output_type == "error"], cell.source[:60]


def test_notebook_is_small_and_its_cells_are_short(path, code):
    assert path.stat().st_size < MAX_BYTES
    assert all(0 < len(cell.source.splitlines()) <= MAX_LINES for cell in code)


def test_notebook_links_exist_and_pictures_have_alt_text(path, prose, code):
    for is_picture, words, target in re.findall(r"(!?)\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)", prose):
        assert words.strip() or not is_picture, f"no alt text: {target}"
        if not re.match(r"[a-z]+:|#", target):
            assert (path.parent / target.partition("#")[0]).exists(), target
    assert all(re.search(r"""\balt=["'][^"']""", tag) for tag in re.findall(r"<img\b[^>]*>", prose))
    for cell in code:
        for out in cell.outputs:
            for kind in {"image/png", "image/jpeg"} & out.get("data", {}).keys():
                assert out.metadata.get(kind, {}).get("alt") or cell.metadata.get("alt"), cell.source[:60]


def test_notebook_keeps_no_trace_of_a_machine_or_a_run(notebook, code):
    for cell in code:
        for out in cell.outputs:
            data = out.get("data", {})
            texts = [out.get("text", ""), *out.get("traceback", []), *(data[k] for k in data if k.startswith("text/"))]
            assert not [found for text in texts if (found := MACHINE_PATH.search(text))], cell.source[:60]
            assert WIDGET not in data or "nbval-ignore-output" in cell.metadata.get("tags", []), cell.source[:60]
        assert "execution" not in cell.metadata
    assert "widgets" not in notebook.metadata and notebook.metadata.kernelspec.name == "python3"
