# SPDX-License-Identifier: GPL-3.0-or-later
"""How Sphinx makes one site of these pages and of the docstrings; `make site` runs it."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VERSION = r'^__version__ = "([^"]+)"'

project = "polarstem"
author = "The polarstem developers"
version = release = re.findall(VERSION, (ROOT / "polarstem/__init__.py").read_text(), re.M)[0]
language = "en"

extensions = ["myst_parser", "sphinx.ext.napoleon", "autoapi.extension", "sphinx_copybutton"]
exclude_patterns = ["conf.py", "requirements.txt"]
html_theme = "furo"
html_title = "polarstem"
html_show_sphinx = False
html_show_copyright = False
highlight_language = "none"
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

# Headings of up to this depth can be linked to, as GitHub does.
myst_heading_anchors = 4
suppress_warnings = [
    "autoapi.python_import_resolution",  # of modules that are not in the reference
    "ref.python",  # `path : path` names a parameter, no class
]

# What is meant to be imported by others; the rest of the package is for those who change it. The
# sources are read for it, and nothing of the package is imported.
PUBLIC = (
    "__init__.py",
    "structures/crystals.py",
    "structures/variants.py",
    "structures/recipes.py",
    "structures/build.py",
    "simulate/scattering_matrix/matrix.py",
    "simulate/scattering_matrix/measure.py",
    "simulate/scattering_matrix/propagate.py",
    "simulate/scattering_matrix/thermal_matrices.py",
    "scans/files/readers.py",
    "scans/inspection.py",
    "data/patterns.py",
    "models/base.py",
    "models/registry.py",
    "models/calibration.py",
    "maps/mapper.py",
    "maps/withheld.py",
    "report/figures/maps.py",
)
PACKAGES = {str(parent / "__init__.py") for name in PUBLIC for parent in Path(name).parents}
SOURCES = {str(path.relative_to(ROOT / "polarstem")) for path in (ROOT / "polarstem").rglob("*.py")}

autoapi_dirs = [str(ROOT / "polarstem")]
autoapi_ignore = [f"*/polarstem/{name}" for name in sorted(SOURCES - PACKAGES - set(PUBLIC))]
autoapi_root = "api"
autoapi_add_toctree_entry = False
autoapi_options = ["members", "show-inheritance", "show-module-summary"]
autoapi_own_page_level = "module"
napoleon_google_docstring = False

# Pages that stand elsewhere in the repository; here they have a page that names them.
ELSEWHERE = {
    "changelog": "CHANGELOG.md",
    "clusters": "profiles/README.md",
    "contributing": "CONTRIBUTING.md",
}
DOCS = ROOT / "docs"


def moved(text: str, folder: Path) -> str:
    """Markdown of another folder with links that are right in this one, and lead to pages of it."""

    def link(match: re.Match[str]) -> str:
        target, hash_, anchor = match[1].partition("#")
        if not target or re.match(r"\w+:", target):
            return match[0]
        path = Path(os.path.normpath(folder / target))
        pages = {ROOT / name: DOCS / f"{page}.md" for page, name in ELSEWHERE.items()}
        pages[ROOT / "README.md"] = DOCS / "index.md"
        return f"]({os.path.relpath(pages.get(path, path), DOCS)}{hash_}{anchor})"

    return re.sub(r"\]\(([^)\s]+)\)", link, text)


def take_from_elsewhere(app: object, page: str, source: list[str]) -> None:
    """Give Sphinx the page that another one names."""
    path = ROOT / ELSEWHERE[page] if page in ELSEWHERE else DOCS / page
    if page in ELSEWHERE:
        source[0] = path.read_text(encoding="utf-8")
    diagram = re.compile(r"^```mermaid\n.*?^```\n", re.M | re.S)
    source[0] = diagram.sub("The diagram of the rules is drawn on GitHub.\n", source[0])
    if not page.startswith("api/"):
        source[0] = moved(source[0], path.parent)


def setup(app: object) -> None:
    """Called by Sphinx."""
    app.connect("source-read", take_from_elsewhere)
