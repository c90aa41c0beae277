"""The site: `make site` builds it into build/site. Sphinx starts from the repository's root, so that a link means the
same here, on GitHub and in Jupyter."""

import re
import sys
from pathlib import Path

from docutils import nodes

sys.path.insert(0, str(Path(__file__).parent))

project = "Facial keypoints, hands on"
author = copyright = "the authors of the course"
root_doc = "docs/index"
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx_copybutton",
              "site_pages"]  # fmt: skip
include_patterns = [
    "docs/**.md", "docs/**.rst", "notebooks/[0-9]*.ipynb", "notebooks/solutions/[0-9]*.ipynb", "data/README.md",
    "CONTRIBUTING.md", "fkd_helpers/weights/*.md", "fkd_helpers/assets/sprites/*.md",
]  # fmt: skip
exclude_patterns = [".*", "build", "runs", "tests", "benchmarks", "recordings", "data/[!R]*", "docs/_*", "**/.*"]
templates_path = ["docs/_templates"]  # autosummary looks from the repository's root

nb_execution_mode = "off"  # notebooks are shown as they were stored
nb_custom_formats = {".ipynb": "site_pages.notebook"}
nb_ipywidgets_js = {}  # else two scripts from other hosts on every page
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 3

smartquotes = False  # shapes such as (..., 4) stay as they are
default_role = "literal"  # docstrings put names between single backticks
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
add_module_names = False

html_title = project
html_logo = html_favicon = "_static/logo.svg"
html_use_index = html_domain_indices = False  # the search finds names too
html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "logo": {"text": project}, "navbar_align": "left", "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6, "navigation_with_keys": False, "footer_start": [], "footer_end": [],
    "secondary_sidebar_items": ["page-toc"], "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark", "back_to_top_button": False,
}  # fmt: skip
html_sidebars = {"docs/index": []}
html_static_path = ["_static"]
html_extra_path = ["_root"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False


def _escaped(sign):
    return sign[0] if sign[0].startswith("`") else "\\" + sign[0]


def as_rst(app, what, name, obj, options, lines):
    """Turn the "name: meaning" lines of a docstring into a list, and escape what only reStructuredText would read."""
    doctest = item = False
    for number, line in enumerate(lines):
        doctest = line.startswith(">>>") or (doctest and bool(line))
        if not doctest and not line.startswith("    "):
            line = re.sub(r"`[^`]*`|[*|\\]|(?<=\w)_(?!\w)", _escaped, line)
            line, found = re.subn(r"^([a-z_][\w, \\]*): (?=\S)", r":\1: ", line)
            item = bool(line) and (item or bool(found))
            lines[number] = line if found or not item else "    " + line


def with_pictures(app, doctree):
    """Find the pictures of the README's table, which the first page includes from the folder above."""
    for node in doctree.findall(nodes.image):
        node["uri"] = re.sub(r"^images/", "/images/", node["uri"])


def setup(app):
    app.connect("autodoc-process-docstring", as_rst, priority=400)
    app.connect("doctree-read", with_pictures, priority=400)
