"""A headless Chromium, driven through a pipe by its DevTools protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["CHROMIUM", "Browser"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

# Chromium reads commands from file 3 and writes what happens to file 4.
_LAUNCH = 'exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>/dev/null'


class Browser:
    """One page of a browser that is started for it.

    Parameters
    ----------
    profile : Path
        An empty folder.
    """

    def __init__(self, profile: Path) -> None:
        options = [
            "--headless",
            "--no-sandbox",  # which root has not
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        self._process = subprocess.Popen(
            ["sh", "-c", _LAUNCH, str(CHROMIUM), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._out, self._in = self._process.stdin, self._process.stdout
        self._n_sent = 0
        self._pending = b""
        self._session: str | None = None
        #: Errors, console messages and requests of the page.
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._loaded = False
        page = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the answer to a command."""
        self._n_sent += 1
        message = {"id": self._n_sent, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while (answer := self._next()).get("id") != self._n_sent:
            self._note(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            piece = self._in.read1(2**20)  # type: ignore[attr-defined]
            if not piece:
                raise RuntimeError("Chromium has ended.")
            self._pending += piece
        message, _, self._pending = self._pending.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, params = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(params["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.errors.append(json.dumps(params["args"]))
        elif method == "Log.entryAdded":
            self.errors.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True

    def open(self, path: Path) -> None:
        """Show a file, and wait until it is there."""
        self.errors.clear()
        self.requests.clear()
        self._loaded = False
        self.send("Page.navigate", url=path.as_uri())
        while not self._loaded:
            self._note(self._next())
        self.frame()

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, or what it promises."""
        settings = {"returnByValue": True, "awaitPromise": True}
        found = self.send("Runtime.evaluate", expression=expression, **settings)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def frame(self) -> None:
        """Wait until what has changed is drawn."""
        wait = (
            "new Promise((f) => requestAnimationFrame(() => requestAnimationFrame(f)))"
        )
        self.evaluate(wait)

    def press(self, key: str) -> None:
        """Press a key, "End" or "Home"."""
        code = {"End": 35, "Home": 36}[key]
        for kind in ("rawKeyDown", "keyUp"):
            settings = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            self.send("Input.dispatchKeyEvent", type=kind, **settings)
        self.frame()

    def look(self, width: int, height: int, scheme: str = "light") -> None:
        """Take the size of a window, and a colour scheme."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.frame()

    def picture(self, selector: str) -> bytes:
        """Return how an element looks, as PNG."""
        box = self.evaluate(
            f"(({{x, y, width, height}}) => ({{x, y, width, height}}))"
            f"(document.querySelector('{selector}').getBoundingClientRect())"
        )
        found = self.send("Page.captureScreenshot", clip={**box, "scale": 1})
        return base64.b64decode(found["data"])

    def close(self) -> None:
        """End the browser."""
        self._session = None
        self.send("Browser.close")
        self._process.wait(timeout=20)
        self._out.close()
        self._in.close()
