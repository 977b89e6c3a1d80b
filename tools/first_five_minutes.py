"""What a newcomer waits for, from `git clone` to the first answer on the page, and where the time goes.

It walks the documented way, in an empty folder: `git clone`, then `make serve`, then the page in a real browser that
reaches nothing but this machine. Run it with the tests' environment, which has Playwright: `make first-five-minutes`.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Error, Route, sync_playwright

_ROOT = Path(__file__).resolve().parents[1]
_START_S, _PAGE_MS = 1800.0, 30_000
_CHROMIUM = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default=str(_ROOT), help="what is cloned")
    parser.add_argument("--python", default=sys.executable, help="with which the environment is made")
    parser.add_argument("--title", default="registered nurse", help="what is typed on the page")
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser")
    return parser


def _served(clone: Path, python: str, log: Path) -> subprocess.Popen[bytes]:
    """`make serve`, as a group of processes that can be ended together."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("JOBMAJOR_", "MAKE", "VIRTUAL_ENV"))
    }
    words = ["make", "serve", "ARGS=--port 0", f"PYTHON={python}"]
    with log.open("wb") as file:
        return subprocess.Popen(words, cwd=clone, stdout=file, stderr=file, env=kept, start_new_session=True)


def _url(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end:
        for line in log.read_text("utf-8", "replace").splitlines():
            if line.startswith("{") and line.endswith("}") and '"url"' in line:
                found: str = json.loads(line)["url"]
                return found
        time.sleep(0.02)
    raise ChildProcessError(f"`make serve` did not get to listen:\n{log.read_text('utf-8', 'replace')[-2000:]}")


def _first_answer(url: str, title: str, chromium: str) -> list[str]:
    """Types a title and waits for a code; which hosts the page asked for beside its own."""
    outside: list[str] = []

    def only_here(route: Route) -> None:
        host = urlsplit(route.request.url).hostname or ""
        if host == "127.0.0.1":
            route.continue_()
        else:
            outside.append(host)
            route.abort()

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=[*_CHROMIUM])
        page = browser.new_page()
        page.route("**/*", only_here)
        page.goto(url, timeout=_PAGE_MS)
        page.fill("#title", title, timeout=_PAGE_MS)
        page.wait_for_selector('[data-level="major"] .code', timeout=_PAGE_MS)
        browser.close()
    return outside


def _moments(clone: Path) -> dict[str, float]:
    """When what `make serve` makes was there, in its order, as the files say."""
    models = [path.stat().st_mtime for path in (clone / ".jobmajor" / "models").glob("*/manifest.json")]
    return {
        "environment": (clone / ".venv" / "bin" / "activate").stat().st_mtime,
        "install": (clone / ".venv" / "serve.stamp").stat().st_mtime,
        "model": max(models),
    }


def _walked(wanted: argparse.Namespace, root: Path, moments: dict[str, float]) -> None:
    """The whole way; when each part of it was done is put into `moments`."""
    clone, log = root / "jobmajor", root / "log"
    moments[""] = time.time()
    subprocess.run(["git", "clone", "--quiet", wanted.source, str(clone)], check=True)  # noqa: S607 - a newcomer's git
    moments["clone"] = time.time()
    process = _served(clone, wanted.python, log)
    try:
        url = _url(process, log)
        ready = time.time()
        moments |= {**_moments(clone), "service": ready}
        outside = _first_answer(url, wanted.title, wanted.chromium)
        moments["page"] = time.time()
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
    if outside:
        raise ConnectionError(f"the page asked other hosts: {', '.join(sorted({*outside}))}")


def main() -> int:
    """Walk, and print where the time went; 1 where the way ends before an answer."""
    wanted, moments, status = _parser().parse_args(), dict[str, float](), 0
    with tempfile.TemporaryDirectory() as name:
        try:
            _walked(wanted, Path(name), moments)
        except (ChildProcessError, ConnectionError, Error) as error:
            sys.stderr.write(f"no answer: {error}\n")
            status = 1
    parts = {after: moments[after] - moments[before] for before, after in pairwise(moments)}
    for part, seconds in [*parts.items(), ("all", sum(parts.values()))]:
        sys.stdout.write(f"{part:12}{seconds:8.1f} s {100 * seconds / max(sum(parts.values()), 1e-9):5.0f} %\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
