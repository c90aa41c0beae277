"""The cards of the first page: `{cards}` stands for one a notebook, made of what the notebook itself says."""

import re
from pathlib import Path

import nbformat

ROOT = Path(__file__).parents[1]
CARD = """
:::{{container}} card-link
[![{alt}](../{picture})](../{notebook})

**[{title}](../{notebook})**

{about}

*About {minutes} minutes*
:::
"""


def card(path: Path) -> str:
    """Return the card of a notebook: picture, title, first paragraph, time."""
    text = nbformat.read(path, as_version=4).cells[0].source
    title, about = re.match(r"# (.+?)\n+(.+?)\n\n", text, re.S).groups()
    minutes = re.search(r"about (\d+) minutes", text)[1]
    picture = next((ROOT / "images").glob(f"{path.name[:2]}_*.png")).relative_to(ROOT)
    alt = re.search(rf"!\[([^\]]+)\]\({picture}\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    about = re.sub(r"\[(.+?)\]\(.+?\)", r"\1", about)
    alt = alt[1] if alt else title
    notebook = path.relative_to(ROOT).as_posix()
    return CARD.format(alt=alt, picture=picture, notebook=notebook, title=title, about=about, minutes=minutes)


def fill(app, docname, source):
    """Put the cards where the first page asks for them."""
    if docname == "docs/index":
        cards = "".join(card(path) for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")))
        source[0] = source[0].replace("{cards}", f"::::{{container}} cards\n{cards}\n::::")


def setup(app):
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
