"""Copy the notebooks to my_notebooks/, where a learner works: an update of the course never touches what is there.

    python tools/my_copies.py            # copies what is missing, and the start page
    python tools/my_copies.py 02         # a fresh copy of notebook 02; the old one stays beside it under another name
"""

import itertools
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE, MINE = ROOT / "notebooks", ROOT / "my_notebooks"
START = """# Start here

Open a notebook by a click; run a cell with *Shift+Enter*. These are your copies: change what you like, an update of
the course leaves them alone. `make fresh NOTEBOOK=02` gives you a new copy of notebook 02 and keeps yours.

{table}

Solved exercises are in the folder `solutions`, unless your teacher keeps them. Something does not work? Run
`fkd.check()` in a notebook, or read the questions in `docs/faq.md`.
"""


def copy_missing() -> list[Path]:
    """Copy the notebooks that are not in my_notebooks/ and write the start page; return the new copies."""
    targets = {MINE / path.relative_to(SOURCE): path for path in sorted(SOURCE.rglob("[0-9]*.ipynb"))}
    made = [target for target in targets if not target.exists() and ".ipynb_checkpoints" not in target.parts]
    for target in made:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(targets[target], target)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- notebooks -->\n(.*?)\n<!-- /notebooks -->|$", readme, re.S)[1] or ""
    rows = table.replace("(notebooks/", "(").replace('src="images/', 'src="../images/')
    (MINE / "START.md").write_text(START.format(table=rows), encoding="utf-8")
    return made


def copy_fresh(number: str) -> tuple[Path, Path | None]:
    """Copy a notebook anew; return the copy, and where the learner's own has gone."""
    sources = {path.name[:2]: path for path in sorted(SOURCE.glob("[0-9]*.ipynb"))}
    if (number := number.zfill(2)) not in sources:
        sys.exit(f"notebook {number!r}: expected one of {', '.join(sources)}")
    target, kept = MINE / sources[number].name, None
    if target.exists():
        free = (target.with_stem(f"{target.stem}_mine_{i}") for i in itertools.count(1))
        kept = target.rename(next(path for path in free if not path.exists()))
    target.parent.mkdir(exist_ok=True)
    return Path(shutil.copyfile(sources[number], target)), kept


if __name__ == "__main__":
    if sys.argv[1:]:
        fresh, kept = copy_fresh(sys.argv[1])
        print(f"{fresh.relative_to(ROOT)} is new" + (f"; yours is {kept.relative_to(ROOT)}" if kept else ""))
    elif new := copy_missing():
        print(f"{len(new)} notebooks copied to {MINE.name}/, where you work")
