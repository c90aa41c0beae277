"""The site: `make site` builds it into build/site. Sphinx starts from the repository's root, so that a link means the
same here, on GitHub and in Jupyter."""

import re
from functools import partial

import nbformat
from docutils import nodes
from latex2mathml.converter import convert

project = html_title = "Facial keypoints, hands on"
root_doc = "docs/index"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "sphinx_copybutton"]
include_patterns = [
    "docs/**.md", "docs/**.rst", "notebooks/[0-9]*.ipynb", "notebooks/solutions/[0-9]*.ipynb", "data/README.md",
    "CONTRIBUTING.md", "fkd_helpers/weights/*.md", "fkd_helpers/assets/sprites/*.md",
]  # fmt: skip
exclude_patterns = [".*", "build", "runs", "tests", "benchmarks", "recordings", "data/[!R]*", "docs/_*", "**/.*"]
templates_path = ["docs/_templates"]  # autosummary looks from the repository's root

nb_execution_mode = "off"  # notebooks are shown as they were stored
nb_ipywidgets_js = {}  # else two scripts from other hosts on every page
myst_enable_extensions = ["colon_fence", "dollarmath", "html_image"]
myst_heading_anchors = 3
smartquotes = False  # shapes such as (..., 4) stay as they are
default_role = "literal"  # docstrings put names between single backticks
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
add_module_names = False

html_logo = html_favicon = "_static/logo.svg"
html_use_index = html_domain_indices = False  # the search finds names too
html_context = {"default_mode": "auto"}
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "logo": {"text": project}, "navbar_align": "left", "navbar_end": ["theme-switcher"], "footer_start": [],
    "header_links_before_dropdown": 6, "footer_end": [], "back_to_top_button": False,
    "pygments_light_style": "a11y-high-contrast-light", "pygments_dark_style": "a11y-high-contrast-dark",
}  # fmt: skip
html_sidebars = {"docs/index": []}
html_static_path, html_extra_path, html_css_files = ["_static"], ["_root"], ["site.css"]
html_math_renderer = "mathml"  # needs no script of another host
html_copy_source = html_show_sourcelink = False


def with_alt_texts(app, name, source):
    """Put alt texts, which JupyterLab keeps with the outputs, where myst-nb looks; widgets become notes."""
    if not source[0].startswith("{"):
        return
    notebook = nbformat.reads(source[0], as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                note = "Here a widget answers your mouse when you run the notebook; this page cannot."
                output.data = {"text/html": f'<p class="widget-note">{note}</p>'}
            for kind, metadata in output.get("metadata", {}).items():
                if kind.startswith("image/") and "alt" in metadata:
                    cell.metadata["mystnb"] = {"image": {"alt": metadata["alt"]}}
    source[0] = nbformat.writes(notebook)


def formula(translator, node, **options):
    found = convert(node.astext(), **options)
    translator.body.append(f'<div class="formula" tabindex="0">{found}</div>' if options else found)
    raise nodes.SkipNode


def with_pictures(app, doctree):
    """Find the pictures of the README's table, which the first page includes from the folder above."""
    for node in doctree.findall(nodes.image):
        node["uri"] = re.sub(r"^images/", "/images/", node["uri"])


def setup(app):
    app.add_html_math_renderer("mathml", (formula, None), (partial(formula, display="block"), None))
    app.connect("source-read", with_alt_texts)
    app.connect("doctree-read", with_pictures, priority=400)
