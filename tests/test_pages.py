"""The pages beside the notebooks: what they name exists, what they promise happens."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from fkd_helpers import filters
from fkd_helpers.course import checks
from fkd_helpers.course.checks import capstone

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NOTEBOOK_LINK = re.compile(r"\[([^\]]+)\]\(\.\./notebooks/([^)]+\.ipynb)\)")


def page(name) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(notebook) -> str:
    """Return the text cells of a notebook."""
    cells = json.loads((ROOT / "notebooks" / notebook).read_text(encoding="utf-8"))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def snippets(name) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page(name), re.M | re.S)


def test_a_term_of_the_glossary_is_used_in_the_notebook_that_it_names():
    entries = re.findall(r"^- \*\*(.+?)\*\*: (.+)$", page("docs/glossary.md"), re.M)
    terms = [term for term, _ in entries]
    assert len(terms) > 50 and terms == sorted(terms, key=str.lower) and len(set(terms)) == len(terms)
    for term, text in entries:
        (said, number, notebook), *more = re.findall(r"^(.+) \[(\d\d)\]\(\.\./notebooks/([^)]+)\) · ", text)
        assert not more and notebook.startswith(number)
        assert said.endswith(".") and 1 <= len(re.findall(r"[.:](?: |$)", said)) <= 4, term
        assert re.search(r"· \[[^\]]+\]\(https://[^)\s]+\)$", text), term
        word = term.partition(",")[0].removesuffix(" map").lower()
        assert word in " ".join(prose(notebook).lower().split()), f"{term}: not in {notebook}"


def test_the_instructors_page_names_headings_that_exist():
    text = page("docs/instructors.md")
    cells = text[text.index("## Which cells") : text.index("## To mark")]
    found = NOTEBOOK_LINK.findall(cells)
    assert len(found) >= 10
    for heading, notebook in found:
        assert re.search(rf"^#+ {re.escape(heading)}$", prose(notebook), re.M), f"{notebook}: {heading}"


def test_the_question_of_the_prerequisites_has_the_answer_that_is_given():
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(snippets("docs/prerequisites.md")[0], {})
    answer = page("docs/prerequisites.md").partition("<summary>Answer</summary>")[2]
    assert said.getvalue().splitlines() == re.findall(r"`([^`]+)`", answer)[:4]


def test_the_starters_of_the_capstone_begin_well_and_stop_where_the_page_says():
    ring, alive, rule = snippets("docs/capstone.md")
    space = {}
    try:
        exec(ring, space)
        verdict = checks.own_filter(space["monocle"])
    finally:
        filters.FILTERS.pop("monocle", None)
    assert verdict.message.startswith("half as large") and verdict.passed == 6
    exec(rule, space)
    verdict = checks.own_rule(space["my_rule"])
    assert verdict.message.startswith("faces three times as large") and verdict.passed == 1
    assert "live_demo" in alive
    assert f"less than {capstone.MOST_MS:.0f} ms" in page("docs/capstone.md")


def test_the_filter_of_the_contributing_guide_stops_where_it_says():
    space = {"cv2": __import__("cv2"), "face_filter": filters.face_filter}
    try:
        exec(snippets("CONTRIBUTING.md")[0], space)
        assert checks.own_filter(space["clown_nose"]).message.startswith("half as large")
    finally:
        filters.FILTERS.pop("clown_nose", None)


def test_the_citation_has_what_the_format_asks_for():
    cited = yaml.safe_load(page("CITATION.cff"))
    assert cited["cff-version"] == "1.2.0" and cited["message"] and cited["title"] and cited["license"] == "MIT"
    assert all(author.keys() & {"name", "family-names"} for author in cited["authors"])
    assert f'version = "{cited["version"]}"' in page("pyproject.toml")


def test_the_readme_begins_with_a_picture_that_moves():
    words, name = re.search(r"^!\[([^\]]+)\]\((images/[^)]+)\)", page("README.md"), re.M).groups()
    assert len(words) > 40 and (ROOT / name).stat().st_size < 1_000_000
    with Image.open(ROOT / name) as picture:
        assert picture.n_frames > 20 and picture.info["loop"] == 0


def test_the_readme_shows_every_notebook_with_its_picture():
    table = page("README.md").partition("<!-- notebooks -->")[2].partition("<!-- /notebooks -->")[0]
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        assert f"(notebooks/{path.name})" in table
    assert len(re.findall(r'<img src="[^"]+" width="\d+" alt="[^"]{20,}">', table)) >= 7


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", *(f"docs/{path.name}" for path in DOCS.glob("*.md"))])
def test_a_page_has_one_title_and_says_things_shortly(name):
    text = re.sub(r"^```.*?^```", "", page(name), flags=re.M | re.S)
    assert len(re.findall(r"^# ", text, re.M)) == 1 and text.startswith("# ")
    for tag in re.findall(r"<img\b[^>]*>", text):
        assert re.search(r'\balt="[^"]+"', tag), tag
