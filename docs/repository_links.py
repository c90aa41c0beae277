"""Links into the repository that are no pages here: to what shows the same (of a module: the reference), else words."""

import posixpath
from pathlib import Path

from sphinx.addnodes import download_reference, pending_xref

ROOT = Path(__file__).parents[1]
PAGES = {
    "README": "docs/index",
    "docs": "docs/course/more",
    "fkd_helpers": "docs/reference/index",
    "notebooks": "docs/course/notebooks",
    "notebooks/solutions": "docs/course/solutions",
}


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
    for node in list(doctree.findall(download_reference)):
        module = posixpath.normpath(posixpath.join(posixpath.dirname(node["refdoc"]), node["reftarget"]))
        if module.startswith("fkd_helpers/") and module.endswith(".py"):
            name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            words = {"refdomain": "py", "reftype": "mod", "reftarget": name, "refexplicit": True}
            node.replace_self(pending_xref(node.rawsource, *node.children, refdoc=node["refdoc"], **words))


def setup(app):
    app.connect("doctree-read", mend)
    return {"parallel_read_safe": True}
