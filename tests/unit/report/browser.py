# SPDX-License-Identifier: GPL-3.0-or-later
"""Headless chromium, driven through its DevTools protocol over a pipe: real clicks and keys."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Self

SECONDS = 60.0


def found() -> str | None:
    """Path of the browser."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """A browser with one page.

    It reads commands from descriptor 3 and answers on 4 (``--remote-debugging-pipe``), each a JSON
    text that ends in a zero byte, so that no library for web sockets is needed.
    """

    def __init__(self, profile: Path) -> None:
        browser = found()
        assert browser is not None
        commands, self._in = os.pipe()
        self._out, answers = os.pipe()
        options = (
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *("--remote-debugging-pipe", "--hide-scrollbars", f"--user-data-dir={profile}"),
        )
        # the shell moves the pipes to where the browser looks for them
        shell = f'exec "$0" "$@" 3<&{commands} 4>&{answers}'
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", shell, browser, *options, "about:blank"],
            pass_fds=(commands, answers),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands)
        os.close(answers)
        self._rest = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []
        self._session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=SECONDS)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; events on the way are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]
            self.events.append(answer)

    def open(self, page: Path, width: int = 1200, height: int = 900) -> None:
        """Load a file in a window of a size [CSS pixels] and wait until it has loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 500,
        )  # fmt: skip
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def go(self, fragment: str) -> None:
        """Follow a link within the page, as a reader does; an empty one closes all sections."""
        if not fragment:
            self.evaluate(
                "document.querySelectorAll('details').forEach((d) => { d.open = false; })"
            )
            return
        step = "(done) => requestAnimationFrame(() => setTimeout(done, 0))"
        self.evaluate(f"location.hash = {fragment!r}; new Promise({step})", wait=True)

    def evaluate(self, expression: str, wait: bool = False) -> Any:
        """Value of a JavaScript expression, or of the promise that it is."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=wait
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, x: float, y: float) -> None:
        """Press and release the mouse at a point of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press and release a key."""
        # Enter also writes, which is what presses a button
        more = {"text": "\r", "windowsVirtualKeyCode": 13} if key == "Enter" else {}
        for kind in ("keyDown" if more else "rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, **more)

    def problems(self) -> list[Any]:
        """What the page wrote to the console, and what it asked the network for."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [
            event["params"]
            for event in self.events
            if event["method"] in kinds
            or (
                event["method"] == "Network.requestWillBeSent"
                and not event["params"]["request"]["url"].startswith(("file:", "data:"))
            )
        ]

    def screenshot(self, output: Path, whole: bool = True) -> None:
        """Picture of the page."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        output.write_bytes(base64.b64decode(answer["data"]))

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._out], [], [], deadline - time.monotonic())
            part = os.read(self._out, 2**20) if ready else b""
            assert part, "the browser does not answer"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)
