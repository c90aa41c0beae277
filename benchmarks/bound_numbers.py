"""Numbers in prose that are bound to their source: a comment behind the number says where it comes from.

    4.01<!-- = evaluation-ytf-test-small/scores/nme * 100 --> %

`=` means that the number is the source's, rounded to the digits that stand there; `<` and `>` compare ("more than
twice<!-- < ... -->"). A source is a field of a record (or of a JSON file in fkd_helpers/assets), keys divided by `/`,
with `#` for how many there are; or, in a notebook, a number that a cell prints: `cell-38/turned as well` is the first
number behind these words in the output of that cell, `cell-38/turned as well/2` the second. Sources and plain numbers
are joined by ` + `, ` - `, ` * `, ` / `; ` to 1 digit` at the end rounds. The number may be a word: seven, a third.

A comment must not begin a line: there it would make the whole line one that is not shown.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from fkd_helpers.core import records

ROOT = Path(__file__).parents[1]
ASSETS = ROOT / "fkd_helpers" / "assets"
PAGES = sorted(
    path
    for pattern in ("*.md", "data/*.md", "docs/**/*.md", "fkd_helpers/weights/*.md", "notebooks/**/*.ipynb")
    for path in ROOT.glob(pattern)
    if ".ipynb_checkpoints" not in path.parts
)

COUNTS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty""".split()
WORDS = {word: i for i, word in enumerate(COUNTS)}
WORDS |= {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "eighty": 80, "hundred": 100, "thousand": 1000}
WORDS |= {"twice": 2, "double": 2, "doubles": 2, "doubled": 2}
PARTS = {"half": 2, "third": 3, "quarter": 4, "fifth": 5, "sixth": 6, "tenth": 10, "twentieth": 20}
NEAR = 0.2  # how far, as a share, a half or a third in words may lie from its source

MARK = re.compile(r"<!--\s*([=<>])\s*(.*?)\s*-->")
DIGITS = r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?"
WORD = rf"(?<!\w)(?:(?:{'|'.join(COUNTS)})\s+)?(?:{'|'.join([*WORDS, *PARTS])})s?"
BEFORE = re.compile(rf"({DIGITS}|{WORD})(?:\*\*|[*_])?(?:\s?%)?(?:\*\*|[*_])?$", re.I)
PRINTED = re.compile(r"(?<![\w.])[+-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")


def texts_of(path: Path) -> Iterator[tuple[str, str]]:
    """Yield where and what of each piece of prose: a page is one, a notebook has one a text cell."""
    if path.suffix == ".md":
        yield "", path.read_text(encoding="utf-8")
        return
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield cell["id"], "".join(cell["source"])


def printed_by(path: Path) -> dict[str, str]:
    """Return what each code cell of a notebook printed or showed as text, by the cell's id; nothing for a page."""
    found = {}
    if path.suffix == ".ipynb":
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            outputs = cell.get("outputs", [])
            said = "".join("".join(out["text"]) for out in outputs if out.get("name") == "stdout")
            shown = ["".join(out["data"].get("text/plain", "")) for out in outputs if "data" in out]
            if cell["cell_type"] == "code":
                found[cell["id"]] = "\n".join([said, *shown])
    return found


def looked_up(source: str, printed: dict[str, str]) -> float:
    """Return the number that a source names.

    Raises:
        ValueError: no such cell, record, field or number.
    """
    name, _, rest = source.partition("/")
    if name in printed:
        words, index = (rest, "1") if not (match := re.fullmatch(r"(.*)/(\d+)", rest)) else match.groups()
        words = re.escape(words)
        for pattern in (rf"(?m)^\s*{words}(?!\w)", rf"(?<!\w){words}(?!\w)", words) if words else ("",):
            if match := re.search(pattern, printed[name]):
                numbers = PRINTED.findall(printed[name], match.end())
                if len(numbers) >= int(index):
                    return float(numbers[int(index) - 1].replace(",", ""))
        raise ValueError(f"the output of cell {name} has no such number")
    files = [folder / f"{name}.json" for folder in (records.RECORDS, ASSETS)]
    if not (there := [file for file in files if file.exists()]):
        raise ValueError(f"no such record and no such cell: {name}")
    value = json.loads(there[0].read_text(encoding="utf-8"))
    try:
        for key in rest.split("/"):
            value = len(value) if key == "#" else value[int(key)] if isinstance(value, list) else value[key]
        return float(value)
    except (KeyError, IndexError, ValueError, TypeError):
        raise ValueError(f"no number at {rest} in {there[0].name}") from None


def value_of(expression: str, printed: dict[str, str]) -> float:
    """Return the value of what stands behind the sign of a marker."""
    expression, digits = re.fullmatch(r"(.*?)(?: to (\d) digits?)?", expression).groups()
    parts = re.split(r"\s+([-+*/])\s+", expression)
    for i, part in enumerate(parts[::2]):
        parts[2 * i] = repr(float(part) if re.fullmatch(r"[\d.]+", part) else looked_up(part, printed))
    value = eval(" ".join(parts))  # floats and the four signs, nothing else
    return float(f"{value:.{digits}g}") if digits else value


def meant(number: str) -> tuple[float, float]:
    """Return the value of a number in prose, and how far from its source it may lie: half of its last digit."""
    if number[0].isdigit():
        plain = number.replace(",", "")
        return float(plain), 0.5 * 10.0 ** -len(plain.partition(".")[2])
    *times, word = number.lower().split()
    if word in WORDS:
        return float(WORDS[word]) * WORDS[times[0] if times else "one"], 0.5
    value = WORDS[times[0] if times else "one"] / PARTS[word.removesuffix("s").replace("halve", "half")]
    return value, NEAR * value


def agrees(number: str, sign: str, value: float) -> bool:
    """Tell whether a number in prose says what its source says."""
    said, room = meant(number)
    if sign != "=":
        return said < value if sign == "<" else said > value
    return abs(said - value) <= room * (1 + 1e-9)


def faults(path: Path) -> list[str]:
    """Return what is wrong with the bound numbers of a page or notebook: a line each, none where all is well."""
    found, printed = [], printed_by(path)
    for where, text in texts_of(path):
        for mark in MARK.finditer(text):
            place = f"{path.name} {where or 'line ' + str(text[: mark.start()].count(chr(10)) + 1)}"
            line = text[text.rfind("\n", 0, mark.start()) + 1 : mark.start()]
            number = BEFORE.search(text, 0, mark.start())
            if not line.strip() or not number:
                found.append(f"{place}: no number stands before {mark[0]}")
                continue
            try:
                value = value_of(mark[2], printed)
            except ValueError as error:
                found.append(f"{place}: {number[1]} {mark[0]}: {error}")
                continue
            if not agrees(number[1], mark[1], value):
                found.append(f"{place}: the text says {number[1]}, {mark[0]} says {value:.6g}")
    return found


def renewed(text: str, printed: dict[str, str]) -> str:
    """Return a text with the digits before each `=` marker written anew; words and comparisons stay as they are."""
    for mark in reversed(list(MARK.finditer(text))):
        number = BEFORE.search(text, 0, mark.start())
        if mark[1] == "=" and number and number[1][0].isdigit():
            value = value_of(mark[2], printed)
            if not agrees(number[1], "=", value):
                digits = len(number[1].partition(".")[2])
                text = text[: number.start(1)] + f"{value:,.{digits}f}" + text[number.end(1) :]
    return text


def renewed_page(path: Path, text: str) -> str:
    """Return the text of a file with its bound numbers written anew; of a notebook only text cells change."""
    if path.suffix == ".md":
        return renewed(text, {})
    notebook, printed = json.loads(text), printed_by(path)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = renewed("".join(cell["source"]), printed).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
