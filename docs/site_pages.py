"""Formulas as MathML, which needs no script of another host; stored notebooks with the alt text of their pictures;
docstrings without reStructuredText's own signs."""

import re
from functools import partial

import nbformat
from docutils import nodes
from latex2mathml.converter import convert

WIDGET = "application/vnd.jupyter.widget-view+json"
NOTE = '<p class="widget-note">Here a widget answers your mouse when you run the notebook; this page cannot.</p>'


def notebook(text: str) -> nbformat.NotebookNode:
    """Return the notebook for myst-nb, which looks for alt text in the cell; JupyterLab keeps it with the output."""
    read = nbformat.reads(text, as_version=4)
    for cell in read.cells:
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                output.data = {"text/html": NOTE}
            for kind, metadata in output.get("metadata", {}).items():
                if kind.startswith("image/") and "alt" in metadata:
                    cell.metadata["mystnb"] = {"image": {"alt": metadata["alt"]}}
    return read


def formula(translator, node, **options):
    found = convert(node.astext(), **options)
    translator.body.append(f'<div class="formula" tabindex="0">{found}</div>' if options else found)
    raise nodes.SkipNode


def as_rst(app, what, name, obj, options, lines):
    """Escape what only reStructuredText would read; what stands between backticks and in examples stays."""
    for number, line in enumerate(lines):
        if not line.startswith((">>>", "    ")):
            parts = re.split(r"(`[^`]*`)", line)
            parts[::2] = (re.sub(r"[*|\\]|(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2])
            lines[number] = "".join(parts)


def with_pictures(app, doctree):
    """Find the pictures of the README's table, which the first page includes from the folder above."""
    for node in doctree.findall(nodes.image):
        node["uri"] = re.sub(r"^images/", "/images/", node["uri"])


def setup(app):
    app.add_html_math_renderer("mathml", (formula, None), (partial(formula, display="block"), None))
    app.connect("autodoc-process-docstring", as_rst, priority=400)
    app.connect("doctree-read", with_pictures, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
