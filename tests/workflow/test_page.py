# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTML report in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from polarstem.report import FIGURES

pytestmark = pytest.mark.slow

# What the page looks like from inside, written where --dump-dom shows it.
PROBE = """<script>
addEventListener("load", () => {
  for (const section of document.querySelectorAll("details")) section.open = true;
  const images = [...document.images].map(i => [i.alt, i.naturalWidth, i.clientWidth]);
  const text = document.createElement("pre");
  text.id = "probe";
  text.textContent = JSON.stringify({
    images, width: document.documentElement.scrollWidth, window: innerWidth,
    tables: document.querySelectorAll("table").length,
  });
  document.body.append(text);
});
</script>"""


def open_page(page: Path, profile: Path, *options: str) -> tuple[str, str]:
    """DOM and console of a page in headless chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    assert browser is not None
    done = subprocess.run(
        [
            browser,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--enable-logging=stderr", "--v=0", "--virtual-time-budget=5000"),
            f"--user-data-dir={profile}",
            *options,
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, done.stderr


def console_problems(log: str) -> list[str]:
    """Errors and warnings of the page itself; those of the browser's own parts left out."""
    return [line for line in log.splitlines() if re.search(r"\bCONSOLE\b", line)]


@pytest.fixture
def _browser(unavailable: Callable[[str], NoReturn]) -> None:
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        unavailable("chromium is not installed; apt-get install chromium")


@pytest.mark.usefixtures("_browser")
def test_page_shows_every_figure(tiny: SimpleNamespace, tmp_path: Path) -> None:
    text = (tiny.folder / "results" / "report.html").read_text(encoding="utf-8")
    page = tmp_path / "report.html"
    page.write_text(text.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    dom, log = open_page(page, tmp_path / "profile", "--window-size=1200,900")
    assert console_problems(log) == []
    found = re.search(r'<pre id="probe">(.*?)</pre>', dom, re.DOTALL)
    assert found, "the page's own scripts stopped the probe"
    seen = json.loads(found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
    # all maps, the first, the ladder of reality; displacements are not fitted here
    assert len(seen["images"]) == len(FIGURES) - 1 + 3
    for alt, natural, shown in seen["images"]:
        assert alt, "every figure needs a text"
        assert natural > 100, alt
        assert shown > 100, alt
    assert seen["tables"] >= 2
    assert seen["width"] <= seen["window"] + 1, "the page is wider than the window"


@pytest.mark.usefixtures("_browser")
def test_probe_notices_a_broken_page(tmp_path: Path) -> None:
    page = tmp_path / "broken.html"
    image = '<img alt="x" src="data:image/png;base64,AAAA">'
    page.write_text(f"<body>{image}<script>missing()</script>{PROBE}</body>", encoding="utf-8")
    dom, log = open_page(page, tmp_path / "profile")
    assert console_problems(log)
    assert '[["x",0,' in dom


def test_page_needs_no_network(tiny: SimpleNamespace) -> None:
    text = (tiny.folder / "results" / "report.html").read_text(encoding="utf-8")
    loaded = re.findall(
        r"""(?:src|href)\s*=\s*["']?(https?:|//)[^"'>]*\.(?:js|css|png|woff2?)""", text
    )
    loaded += re.findall(r"@import|url\(\s*[\"']?https?:", text)
    assert not loaded
