"""The map of the package (docs/map.md): every module once, in its own words, and the arrows point up."""

import ast
import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "map.md").read_text(encoding="utf-8")
spec = importlib.util.spec_from_file_location("package_map", ROOT / "benchmarks" / "package_map.py")
package_map = importlib.util.module_from_spec(spec)
spec.loader.exec_module(package_map)


def test_every_module_has_its_line_and_no_line_is_of_a_module_that_is_gone():
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "fkd_helpers").rglob("*.py")}
    linked = re.findall(r"^\| \[`[\w.]+`\]\(\.\./([\w/.]+)\) \|", PAGE, re.M)
    assert sorted(linked) == sorted(files - {"fkd_helpers/__init__.py"})


def test_a_line_is_the_first_of_the_docstring():
    lines = dict(re.findall(r"^\| \[`[\w.]+`\]\(\.\./([\w/.]+)\) \| (.*) \|$", PAGE, re.M))
    for name, words in lines.items():
        docstring = ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        assert docstring and " ".join(docstring.split()).startswith(words), f"{name}: run `make readme`"


def test_no_module_imports_from_a_group_below_its_own():
    groups = package_map.grouped()
    row = {name: number for number, names in enumerate(groups.values()) for name in names}
    trees = package_map.modules()
    arrows = {(name, other) for name, tree in trees.items() for other in package_map.imported(tree, trees)}
    assert ("reading", "data") in arrows and ("live.engine", "live.mailbox") in arrows
    assert not {(name, other) for name, other in arrows if row[other] > row[name]}
