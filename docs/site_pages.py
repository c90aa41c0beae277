"""Formulas as MathML, which needs no script of another host; stored notebooks with the alt text of their pictures."""

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


def inline(translator, node):
    translator.body.append(convert(node.astext()))
    raise nodes.SkipNode


def block(translator, node):
    translator.body.append(f'<div class="formula" tabindex="0">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
