"""The site: `make site` builds it into build/site. Sphinx starts from the repository's root, so that a link means the
same here, on GitHub and in Jupyter."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "Facial keypoints, hands on"
author = copyright = "the authors of the course"
root_doc = "docs/index"
language = "en"
extensions = [
    "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton",
    "course_cards", "docstrings", "mathml", "modules", "repository_links",
]  # fmt: skip
include_patterns = [
    "docs/**.md", "notebooks/[0-9]*.ipynb", "notebooks/solutions/[0-9]*.ipynb", "data/README.md", "CONTRIBUTING.md",
    "fkd_helpers/weights/*.md", "fkd_helpers/assets/sprites/*.md",
]  # fmt: skip
exclude_patterns = [".*", "build", "runs", "tests", "benchmarks", "recordings", "data/[!R]*", "**/.*"]

# Notebooks are shown as they were stored; the reader keeps the alt text of their pictures.
nb_execution_mode = "off"
nb_custom_formats = {".ipynb": "notebook_reader.read"}
nb_ipywidgets_js = {}  # else two scripts from other hosts on every page
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "dollarmath"]
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
    "logo": {"text": project},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "back_to_top_button": False,
}
html_sidebars = {"docs/index": []}
html_static_path = ["_static"]
html_extra_path = ["_root"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
