"""The site as a reader meets it: every page in a browser, light and dark, with no other host in reach."""

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from .lab_page import served

ROOT = Path(__file__).parents[2]
COURSE = [*sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), *sorted((ROOT / "notebooks/solutions").glob("*.ipynb"))]
MODULES = sorted(path.relative_to(ROOT).with_suffix("") for path in (ROOT / "fkd_helpers").rglob("*.py"))
KINDS = {  # a page of each kind, on which axe looks for what keeps a reader out
    "docs/index.html", "docs/results.html", "docs/reference/generated/fkd_helpers.faces.html",
    "notebooks/08_live_demo.html",
}  # fmt: skip
# one element for each pair of colours and size of letters: contrast is slow to measure on every word of a program
MARK = """() => {
    const seen = new Set();
    for (const each of document.querySelectorAll('body *')) {
        delete each.dataset.contrast;
        if (![...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
        if (!each.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
        let below = each;
        while (below && getComputedStyle(below).backgroundColor === 'rgba(0, 0, 0, 0)') below = below.parentElement;
        const style = getComputedStyle(each);
        const back = below ? getComputedStyle(below).backgroundColor : '';
        const key = [style.color, back, style.fontSize, style.fontWeight].join();
        if (!seen.has(key)) each.dataset.contrast = '';
        seen.add(key);
    }
    return seen.size;
}"""


class Page(HTMLParser):
    """What a built page names: links, ids, and pictures with their alt text."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.parts, self.ids, self.pictures = [], [], set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "img":
            self.pictures.append((given["src"], given.get("alt")))
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        elif given.get("src") or given.get("href"):
            self.parts.append(given.get("src") or given["href"])


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """Build the site as `make site` does; any warning is an error. Give its folder."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "auto", "-c", "docs"]
    built = subprocess.run(
        [*command, "-d", folder / "doctrees", ".", folder / "html"], cwd=ROOT, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr[-3000:]
    return folder / "html"


@pytest.fixture(scope="session")
def pages(site):
    """Give what each page names, by its path in the site."""
    found = [path.relative_to(site) for path in sorted(site.rglob("*.html"))]
    return {path.as_posix(): Page(site / path) for path in found if "_static" not in path.parts}


@pytest.fixture(scope="session")
def address(site):
    """Give the address of a plain server of static files."""
    with served(site) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page(without_camera, address):
    """A page in which every trouble is written down: `page.trouble`."""
    context = without_camera.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    opened.trouble = []
    note = opened.trouble.append
    opened.on(
        "console",
        lambda said: note(f"{said.text} {said.location['url']}") if said.type in ("error", "warning") else None,
    )
    opened.on("pageerror", lambda error: note(str(error)))
    opened.on("request", lambda asked: None if asked.url.startswith((address, "data:")) else note(asked.url))
    opened.on("response", lambda answer: note(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    yield opened
    context.close()


def test_every_link_of_the_site_leads_somewhere(site, pages):
    broken = []
    for name, page in pages.items():
        for link in page.links + page.parts:
            target = urlsplit(urljoin(f"http://here/{name}", link))
            if target.netloc != "here":
                continue
            path = unquote(target.path).strip("/") or "index.html"
            anchor = unquote(target.fragment)
            if not (site / path).is_file() or (anchor and path in pages and anchor not in pages[path].ids):
                broken.append(f"{name}: {link}")
    assert not broken, broken


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_a_notebook_is_shown_whole(pages, path):
    """Every picture that is stored is there with its alt text; widgets are notes."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    stored = []
    for cell in notebook["cells"]:
        written = "".join(cell["source"]) if cell["cell_type"] == "markdown" else ""
        stored += re.findall(r"!\[(.+?)\]\(", written)
        for output in cell.get("outputs", []):
            stored += [meta["alt"] for meta in output.get("metadata", {}).values() if "alt" in meta]
    shown = pages[path.relative_to(ROOT).with_suffix(".html").as_posix()]
    alts = [alt for source, alt in shown.pictures if "_images" in source]
    assert alts == stored


def test_every_module_is_in_the_reference_once(pages):
    modules = [".".join(path.parts).removesuffix(".__init__") for path in MODULES if path.name != "__main__"]
    found = [name for page in pages.values() for name in page.ids if name.startswith("module-fkd_helpers")]
    assert sorted(found) == sorted(f"module-{name}" for name in modules if name != "fkd_helpers")
    assert "fkd_helpers.faces.boxes.square_of" in pages["docs/reference/generated/fkd_helpers.faces.html"].ids


def test_every_page_in_a_browser(page, pages, address):
    """No trouble, no missing picture, fits a phone; on a page of each kind axe finds nothing serious, light or dark."""
    from axe_playwright_python.sync_playwright import Axe

    axe, found = Axe(), []
    rules = {"preload": False, "resultTypes": ["violations"], "rules": {"color-contrast": {"enabled": False}}}
    contrast = {"preload": False, "resultTypes": ["violations"], "runOnly": ["color-contrast"]}
    for name in pages.keys() - {"index.html"}:  # which leads on at once
        page.goto(address + name)
        missing = page.evaluate("[...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)")
        found += [f"{name}: {image} is missing" for image in missing]
        found += [f"{name}: {trouble}" for trouble in page.trouble]
        page.trouble.clear()
        page.set_viewport_size({"width": 390, "height": 844})
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{name}: wider than a phone")
        page.set_viewport_size({"width": 1280, "height": 900})
        if name not in KINDS:
            continue
        results = [axe.run(page, options=rules)]
        for theme in ("light", "dark"):
            page.evaluate("(theme) => { document.documentElement.dataset.theme = theme; }", theme)
            assert page.evaluate(MARK) > 3
            results.append(axe.run(page, {"include": [["[data-contrast]"]]}, contrast))
        found += [
            f"{name}: {violation['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
            for result in results for violation in result.response["violations"]
            if violation["impact"] in ("serious", "critical") for node in violation["nodes"]
        ]  # fmt: skip
    assert pages.keys() >= KINDS and not found, "\n".join(found)
