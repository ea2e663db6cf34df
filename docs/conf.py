"""How Sphinx builds these pages: `make docs`."""

from __future__ import annotations

project = "ConvAtlas"
author = "the ConvAtlas authors"

extensions = ["myst_parser", "sphinx.ext.mathjax"]
exclude_patterns = ["_build"]

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "ConvAtlas"
