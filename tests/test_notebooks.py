"""What every notebook keeps to, as it is stored; that its outputs are true is nbval's part (`make test`)."""

import re
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
COURSE = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "notebooks" / "solutions").glob("*.ipynb"))
MAX_LINES, MAX_BYTES = 32, 1_000_000
MACHINE_PATH = re.compile(r"/(?:home|Users|root|tmp|work|var|opt|usr)/\w|\b[A-Z]:\\\w|site-packages")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)")


def test_there_are_notebooks():
    assert COURSE and SOLUTIONS


@pytest.fixture(params=[*COURSE, *SOLUTIONS], ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook) -> str:
    """All text cells, without what stands in code fences."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)


def where(cell) -> str:
    return f"in the cell that begins {cell.source[:60]!r}"


def test_the_name_says_number_and_subject(path):
    assert re.fullmatch(r"\d\d_[a-z0-9]+(_[a-z0-9]+)*\.ipynb", path.name)
    if path in SOLUTIONS:
        assert path.name.endswith("_solutions.ipynb")
        assert [other for other in COURSE if other.name[:3] == path.name[:3]], "solutions of no notebook"


def test_one_title_and_headings_in_order(notebook):
    levels = [len(mark) for mark in re.findall(r"^(#{1,6}) ", prose(notebook), re.M)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert notebook.cells[0].source.startswith("# ")
    assert all(level <= before + 1 for before, level in pairwise(levels)), levels


def test_the_first_cell_says_how_long_it_takes(path, notebook):
    if path in COURSE:
        assert re.search(r"\d+\s+(minutes?|seconds?)", notebook.cells[0].source)


def test_it_was_run_from_top_to_bottom(notebook):
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))


def test_errors_only_where_they_are_meant(notebook):
    for cell in code(notebook):
        if "raises-exception" not in cell.metadata.get("tags", []):
            assert not [out for out in cell.outputs if out.output_type == "error"], where(cell)


def test_code_cells_are_short(notebook):
    for cell in code(notebook):
        assert 0 < len(cell.source.splitlines()) <= MAX_LINES, where(cell)


def test_the_file_is_small(path):
    assert path.stat().st_size < MAX_BYTES


def test_own_links_exist_and_pictures_have_words(path, notebook):
    for is_picture, words, target in LINK.findall(prose(notebook)):
        if is_picture:
            assert words.strip(), f"a picture without alt text: {target}"
        if not re.match(r"[a-z]+:|#", target):
            assert (path.parent / target.partition("#")[0]).exists(), target
    for tag in re.findall(r"<img\b[^>]*>", prose(notebook)):
        assert re.search(r"""\balt=["'][^"']""", tag), tag


def test_drawn_figures_have_words(notebook):
    for cell in code(notebook):
        for out in cell.outputs:
            for kind in ("image/png", "image/jpeg"):
                if kind in out.get("data", {}):
                    words = out.metadata.get(kind, {}).get("alt") or cell.metadata.get("alt")
                    assert words, f"a figure without alt text {where(cell)}"


def test_no_trace_of_the_machine(path, notebook):
    for cell in code(notebook):
        for out in cell.outputs:
            texts = [out.get("text", ""), *out.get("traceback", [])]
            texts += [value for kind, value in out.get("data", {}).items() if kind.startswith("text/")]
            for text in texts:
                assert not (found := MACHINE_PATH.search(text)), f"{found} {where(cell)}"
        assert "execution" not in cell.metadata, f"execution times are stored {where(cell)}"
    assert "widgets" not in notebook.metadata, "widget state is stored"
    assert notebook.metadata.kernelspec.name == "python3"


def test_what_changes_from_run_to_run_is_not_compared(notebook):
    """A widget's view carries an id of its own; a cell that shows one is tagged."""
    for cell in code(notebook):
        shown = {kind for out in cell.outputs for kind in out.get("data", {})}
        if "application/vnd.jupyter.widget-view+json" in shown:
            assert "nbval-ignore-output" in cell.metadata.get("tags", []), where(cell)
