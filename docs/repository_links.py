"""Links into the repository that are no pages here: to the page that shows the same, else plain text."""

import posixpath
from pathlib import Path

from sphinx.addnodes import pending_xref

ROOT = Path(__file__).parents[1]
PAGES = {
    "README": "docs/index", "notebooks": "docs/notebooks", "notebooks/solutions": "docs/solutions", "docs": "docs/more",
    "fkd_helpers": "docs/reference/index",
}  # fmt: skip


def mend(app, doctree):
    """Turn links to the README and to folders into links to pages, or into their words."""
    for node in list(doctree.findall(pending_xref)):
        if node.get("reftype") != "myst" or "#" in node["reftarget"]:
            continue
        target = node["reftarget"]
        if node["refdomain"] != "doc":
            target = posixpath.normpath(posixpath.join(posixpath.dirname(node["refdoc"]), target))
        if target in PAGES:
            node.update_all_atts({"refdomain": "doc", "reftarget": PAGES[target]}, replace=True)
            node["reftargetid"] = None
        elif (ROOT / target).is_dir():
            node.replace_self(node.children)


def setup(app):
    app.connect("doctree-read", mend)
    return {"parallel_read_safe": True}
