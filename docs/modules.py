"""The reference: `{modules} boxes live.*` in a page stands for these modules, each with its docstrings.

Without names it stands for the modules that no page names.
"""

import re
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).parent
PACKAGE = HERE.parent / "fkd_helpers"
LINE = re.compile(r"^\{modules\}(.*)$", re.M)
MODULE = """## `{name}`

```{{eval-rst}}
.. automodule:: fkd_helpers.{name}
   :members:
```
"""


def modules() -> list[str]:
    """Return the package's modules as dotted names below the package."""
    paths = (path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("*.py"))
    names = (".".join(path.parts).removesuffix("__init__").rstrip(".") for path in paths)
    return sorted(name for name in names if name and name != "__main__")


def named(patterns: str) -> list[str]:
    """Return the modules that patterns name, in the patterns' order."""
    return [name for pattern in patterns.split() for name in modules() if fnmatch(name, pattern)]


def without_page() -> list[str]:
    """Return the modules that no page of the reference names."""
    pages = (page.read_text(encoding="utf-8") for page in (HERE / "reference").glob("*.md"))
    found = {name for page in pages for patterns in LINE.findall(page) for name in named(patterns)}
    return [name for name in modules() if name not in found]


def fill(app, docname, source):
    """Put the modules where a page asks for them."""
    if docname.startswith("docs/reference/"):
        source[0] = LINE.sub(
            lambda match: "\n".join(MODULE.format(name=name) for name in named(match[1]) or without_page()), source[0]
        )


def setup(app):
    app.connect("source-read", fill)
    app.connect("env-get-outdated", lambda *_: ["docs/reference/index"])  # a module may have come
    return {"parallel_read_safe": True}
