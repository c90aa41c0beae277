"""Write the course as a teacher hands it out: notebooks without outputs, exercises as stubs, no solutions.

    make student          or: python tools/student_copy.py DIR
"""

import json
import re
import shutil
import sys
from pathlib import Path

COURSE = Path(__file__).parents[1]
TAKEN = (
    "fkd_helpers", "notebooks", "data/README.md", "data/records", "docs/prerequisites.md", "docs/glossary.md",
    "docs/cheat_sheet.md", "docs/faq.md", "docs/capstone.md", "docs/results.md", "images", "web", "tools/install.py",
    "tools/my_copies.py", "pyproject.toml", "environment.yml", "constraints.txt", "Makefile", "LICENSE", "CITATION.cff",
    ".gitignore",
)  # fmt: skip
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
README = """# Facial keypoints, hands on

Your copy of the course. The notebooks are in `notebooks/`; nothing in them was run yet.

    make lab                          # sets up .venv on the first call, opens JupyterLab
    python -m fkd_helpers check       # in .venv: what is installed, and the next step where something is missing

Without make: `python -m venv .venv`, then `.venv/bin/python -m pip install -e ".[all]"`
(on Windows `.venv\\Scripts\\python`).
Begin with [what you need](docs/prerequisites.md). Terms are explained in the [glossary](docs/glossary.md); the
[cheat sheet](docs/cheat_sheet.md) lists shapes, losses and metrics, and [questions](docs/faq.md) have answers.
Exercises check themselves; `fkd.progress()` in a notebook shows how far you are.

{table}
"""


def student_copy(folder: str | Path) -> Path:
    """Write the course for students into a new or empty folder, and return it."""
    folder = Path(folder).expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        sys.exit(f"student_copy: {folder}: expected a folder that is new or empty")
    left_out = shutil.ignore_patterns("solutions", "__pycache__", ".ipynb_checkpoints")
    for name in TAKEN:
        source, target = COURSE / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=left_out)
        elif source.exists():
            shutil.copyfile(source, target)
    ours = (COURSE / "README.md").read_text(encoding="utf-8")
    table = re.search("<!-- notebooks -->.*<!-- /notebooks -->", ours, re.S)[0]  # the start page shows it too
    (folder / "README.md").write_text(README.format(table=table), encoding="utf-8")
    for page in [*folder.glob("docs/*.md"), *folder.glob("data/*.md")]:
        page.write_text(with_links_here(page.read_text(encoding="utf-8"), page.parent), encoding="utf-8")
    for path in folder.glob("notebooks/*.ipynb"):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"], cell["execution_count"] = [], None
            else:
                cell["source"] = with_links_here("".join(cell["source"]), path.parent).splitlines(keepends=True)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def with_links_here(text: str, folder: Path) -> str:
    """Return Markdown in which a link to a file that is not there is plain words; solutions are elsewhere.

    >>> with_links_here("Solved in [solutions/01](solutions/01.ipynb), see [the card](none.md).", Path("nowhere"))
    "Solved in your teacher's copy of the course, see the card."
    """

    def kept(match):
        words, target = match.groups()
        if re.match(r"[a-z]+:|#", target) or (folder / target.partition("#")[0]).exists():
            return match[0]
        return "your teacher's copy of the course" if "solutions" in target else words

    return LINK.sub(kept, text)


if __name__ == "__main__":
    made = student_copy(sys.argv[1])
    print(f"{len(list(made.glob('notebooks/*.ipynb')))} notebooks for students in {made}")
