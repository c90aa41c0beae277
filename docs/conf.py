"""The site: `make site` builds it into build/site. Sphinx starts from the repository's root, so that a link means the
same here, on GitHub and in Jupyter."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = html_title = "Facial keypoints, hands on"
root_doc = "docs/index"
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
html_math_renderer = "mathml"
html_copy_source = html_show_sourcelink = False
