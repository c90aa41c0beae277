"""The cards of the first page: `{cards}` stands for one a notebook, made of the README's table of notebooks."""

import re
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
ROW = re.compile(
    r'^\| <img src="(?P<picture>[^"]+)"[^>]*? alt="(?P<alt>[^"]+)"[^>]*> '
    r"\| \*\*\[(?P<title>[^\]]+)\]\((?P<notebook>[^)]+)\)\*\*: (?P<about>.+?) \| (?P<minutes>\d+) \|$",
    re.M,
)
CARD = """
:::{{container}} card-link
![{alt}](../{picture})

**[{title}](../{notebook})**

{about}.

{minutes} minutes
:::
"""


def cards() -> str:
    """Return a card for each row of the table: picture, title, what it is about, time."""
    rows = [row.groupdict() for row in ROW.finditer(README.read_text(encoding="utf-8"))]
    made = (CARD.format(**row | {"about": row["about"][0].upper() + row["about"][1:]}) for row in rows)
    return f"::::{{container}} cards\n{''.join(made)}\n::::"


def fill(app, docname, source):
    """Put the cards where the first page asks for them."""
    if docname == "docs/index":
        source[0] = source[0].replace("{cards}", cards())


def setup(app):
    app.connect("source-read", fill)
    app.connect("env-get-outdated", lambda *_: ["docs/index"])  # the README may have changed
    return {"parallel_read_safe": True}
