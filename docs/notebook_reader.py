"""Read a stored notebook for the site: pictures keep their alt text, a widget becomes a note."""

import nbformat

WIDGET = "application/vnd.jupyter.widget-view+json"
NOTE = '<p class="widget-note">Here a widget answers your mouse when you run the notebook; this page cannot.</p>'


def read(text: str) -> nbformat.NotebookNode:
    """Return the notebook as myst-nb is to show it.

    JupyterLab finds alt text in the metadata of the output, myst-nb in that of the cell.
    """
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                output.data = {"text/html": NOTE}
            for kind, metadata in output.get("metadata", {}).items():
                if kind.startswith("image/") and "alt" in metadata:
                    cell.metadata["mystnb"] = {"image": {"alt": metadata["alt"]}}
    return notebook
