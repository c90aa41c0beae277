"""Numbers in prose say what their source says; see benchmarks/bound_numbers.py for how they are bound."""

import re

import bound_numbers
import nbformat
import pytest
from nbconvert.filters import markdown2html

NME = "evaluation-ytf-test-small/scores/nme * 100"


@pytest.mark.parametrize("path", bound_numbers.PAGES, ids=lambda path: path.stem)
def test_each_number_says_what_its_source_says(path):
    assert not (found := bound_numbers.faults(path)), "\n".join(found)


@pytest.mark.parametrize("path", bound_numbers.PAGES, ids=lambda path: path.stem)
def test_a_marker_is_not_seen(path):
    for where, text in bound_numbers.texts_of(path):
        if bound_numbers.MARK.search(text):
            shown = markdown2html(text)
            assert "&lt;!--" not in shown, where
            assert len(bound_numbers.MARK.findall(shown)) == len(bound_numbers.MARK.findall(text)), where


def page(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"NME 4.02<!-- = {NME} --> %", "the text says 4.02, "),
        ("five<!-- = training-keypoints68/config/epochs --> epochs", "the text says five, "),
        ("a tenth<!-- = haar_to_face/fit/shift_y --> of it", "the text says tenth, "),
        (f"more than five<!-- < {NME} --> %", "the text says five, "),
        (f"less than 4<!-- > {NME} --> %", "the text says 4, "),
        ("4<!-- = evaluation-ytf-test-small/scores/nmee -->", "no number at scores/nmee"),
        ("4<!-- = evaluation-ytf-tset-small/scores/nme -->", "no such record and no such cell"),
        (f"the error<!-- = {NME} -->", "no number stands before"),
        (f"an error of 4.01 %\n<!-- = {NME} --> is small", "no number stands before"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, says):
    (found,) = bound_numbers.faults(page(tmp_path, f"# A page\n\n{text}\n"))
    assert says in found and found.startswith("page.md line ")


@pytest.mark.parametrize(
    "text",
    [
        f"**4.01**<!-- = {NME} --> %, 4.0 %<!-- = {NME} -->, below 5<!-- > {NME} --> %",
        "a hundred<!-- = training-keypoints68/config/epochs + training-keypoints68_fine/history/# * 2 --> epochs",
        "5,770<!-- = facts-ytf/images/all --> frames, 6,000<!-- = facts-ytf/images/all to 1 digit --> or so",
        "a sixth<!-- = haar_to_face/fit/shift_y --> of it, more than twice<!-- < 5 / 2 --> that",
    ],
)
def test_a_true_number_is_left_alone(tmp_path, text):
    path = page(tmp_path, text)
    assert not bound_numbers.faults(path) and bound_numbers.renewed_page(path, text) == text


def test_a_number_that_a_cell_printed_is_found_by_the_words_before_it_and_written_anew(tmp_path):
    cell = nbformat.v4.new_code_cell(
        "...", id="scores", outputs=[nbformat.v4.new_output("stream", text="faces: 1,050\nrules   34%  0.71\n")]
    )
    prose = "1,049<!-- = scores//1 --> faces, 0.7<!-- = scores/rules/2 -->, a third<!-- = scores/rules / 100 -->"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose, id="text"), cell])
    path = tmp_path / "notebook.ipynb"
    nbformat.write(notebook, path)
    assert bound_numbers.faults(path) == ["notebook.ipynb text: the text says 1,049, <!-- = scores//1 --> says 1050"]
    mended = nbformat.reads(bound_numbers.renewed_page(path, path.read_text(encoding="utf-8")), as_version=4)
    assert mended.cells[0].source == prose.replace("1,049", "1,050")
    assert mended.cells[1] == cell


# What looks measured, by a decimal point and a unit, and is not ours: worked out in the text, made up, or quoted.
FREE = {
    "01_visualise_data": {"2.1 %", "1.3 %"},  # pixels of two pictures, in an answer
    "02_train_a_cnn": {"NME 0.0471"},  # a colleague who was made up
    "06_missing_labels": {"4.2 M", "0.9 pixels"},  # quoted to be doubted
    "07_expressions": {"60.7 %"},  # Mollahosseini and others
}
MEASURED = re.compile(r"\d+\.\d+ ?(?:%|(?:ms|s|M|MB|px|pixels)\b)(?!<!--)|NME \d\.\d{3,}(?!\d*<!--)")


@pytest.mark.parametrize("path", bound_numbers.PAGES, ids=lambda path: path.stem)
def test_a_measured_number_is_bound(path):
    for where, text in bound_numbers.texts_of(path):
        prose = re.sub(r"^```.*?^```|<!-- (\w+) -->.*?<!-- /\1 -->", "", text, flags=re.M | re.S)
        free = {match[0] for match in MEASURED.finditer(prose)} - FREE.get(path.stem, set())
        assert not free, f"{path.name} {where}: {', '.join(sorted(free))}: bind it (see benchmarks/bound_numbers.py)"
