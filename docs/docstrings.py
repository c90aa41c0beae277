"""Docstrings as reStructuredText: ours are plain text with `names`, "name: meaning" lines and doctests."""

import re

ITEM = re.compile(r"[a-z_]\w*(?:\(\w*\))?(?:, \w+(?:\(\w*\))?)*: \S")
SIGN = re.compile(r"`[^`]*`|[*|\\]|(?<=\w)_(?!\w)")


def lines_of(docstring: list[str]) -> list[str]:
    """Return the lines of a docstring with its "name: meaning" lines as a list, and what only rST reads, escaped.

    >>> lines_of(["Do it.", "", "name_: what", "    it is", "x, y: pixels"])
    ['Do it.', '', '- **name\\\\_**: what', '  it is', '- **x, y**: pixels']
    """
    lines, items, doctest = [], False, False
    for number, line in enumerate(docstring):
        before = docstring[number - 1] if number else ""
        doctest = line.startswith(">>>") or (doctest and bool(line))
        if doctest or (line.startswith("    ") and not items):
            lines.append(line)
            continue
        if not line:
            items = False
        elif ITEM.match(line) and (items or not before):
            items = True
            name, _, meaning = line.partition(": ")
            lines.append(f"- **{escaped(name)}**: {escaped(meaning)}")
            continue
        elif items:
            line = f"  {line.strip()}"
        code_follows = line.endswith(":") and re.match(r"\n +\S", "\n".join(docstring[number + 1 : number + 3]))
        lines.append(escaped(line) + (":" if code_follows else ""))
    return lines


def escaped(text: str) -> str:
    """Return text in which stars and trailing underscores are no markup."""
    return SIGN.sub(lambda sign: sign[0] if sign[0][0] == "`" else f"\\{sign[0]}", text)


def rewrite(app, what, name, obj, options, lines):
    """Rewrite a docstring in place, before napoleon reads its sections."""
    lines[:] = lines_of(lines)


def setup(app):
    app.connect("autodoc-process-docstring", rewrite, priority=400)
    return {"parallel_read_safe": True}
