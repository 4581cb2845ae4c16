"""Goes through every page of the dashboard in a browser, and saves pictures: 1440 and 390 pixels, light and dark.

dashboard_browser.py FOLDER [SECONDS]    begins SECONDS after the demo's first sale (20)

It starts ``umbel demo --dashboard`` and drives Chromium (Debian's package, or CHROMIUM) by playwright (``pip install playwright``). Exit code 1: a page has said
something on the console, opened a dialog, is wider than the screen, or does not do what a person does there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

PAGES = {
    "overview": "/", "tasks": "/tasks", "queues": "/queues", "queue": "/queues/celery", "workers": "/workers", "worker": "/workers/shop@demo",
    "schedules": "/schedules", "schedule": "/schedules/clean-baskets", "scheduled": "/scheduled", "dead": "/dead", "health": "/health",
    "settings": "/settings", "audit": "/audit", "send": "/send",
}  # fmt: skip
#: Pages that are taken whole, not only what fits on the screen.
WHOLE = {"overview", "task", "worker", "schedule"}


def main(folder: Path, seconds: float) -> int:
    """Do all of it; returns the exit code."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("playwright is not installed: pip install playwright")
        return 2
    if browser is None:
        print("There is no Chromium: apt-get install chromium, or name it in CHROMIUM")
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    demo = subprocess.Popen(
        [sys.executable, "-m", "umbel", "demo", "--dashboard", "-c", "4"], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    faults: list[str] = []
    try:
        assert demo.stdout is not None
        base = next(found[0] for line in demo.stdout if (found := re.search(r"http://\S+", line))).rstrip("/")
        pages = {**PAGES, **tasks_of(base)}
        time.sleep(seconds)
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            for theme in ("light", "dark"):
                for width in (1440, 390):
                    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
                    page = heard(context.new_page(), faults)
                    for name, path in pages.items():
                        page.goto(base + path)
                        page.wait_for_timeout(700)
                        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                            faults.append(f"{name} is wider than {width} pixels")
                        page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=width == 1440 and name in WHOLE)
                    context.close()
            act(heard(chromium.new_page(), faults), base, faults)
            chromium.close()
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)
    print("\n".join(faults) or f"{len(pages)} pages, each four times, are in {folder}")
    return 1 if faults else 0


def tasks_of(base: str) -> dict[str, str]:
    """Wait for a task that has failed and a workflow that has ended; returns their pages."""
    found: dict[str, str] = {}
    for name, search, path in (
        ("task", "state=FAILURE&name=shop.pay", "/tasks/"),
        ("workflow", "state=SUCCESS&name=shop.ship", "/workflows/"),
    ):
        while name not in found:
            with urllib.request.urlopen(f"{base}/api/v1/tasks?{search}", timeout=60) as answer:
                tasks = json.load(answer)["tasks"]
            if tasks:
                found[name] = path + tasks[0]["id"]
            time.sleep(0.5)
    return found


def heard(page: Any, faults: list[str]) -> Any:
    """Have a page tell what it should not say."""
    page.on("console", lambda said: faults.append(f"{page.url}: {said.text}") if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
    page.on("dialog", lambda dialog: (faults.append(f"{page.url}: a dialog: {dialog.message}"), dialog.dismiss()))
    return page


def act(page: Any, base: str, faults: list[str]) -> None:
    """Do what a person does: look on, choose, type, act."""
    page.goto(f"{base}/tasks")
    page.wait_for_selector(".pulse.on")
    row = "document.querySelector('tbody tr .main code')?.innerText"
    page.wait_for_function(f"before => {row} !== before", arg=page.evaluate(row), timeout=30_000)  # by itself
    page.check("tbody tr:first-child input")
    page.wait_for_timeout(2_500)
    if page.inner_text("[data-chosen-count]") != "1 chosen":
        faults.append("a tick does not outlast that the page looks again")
    page.goto(f"{base}/queues/celery")
    page.click("summary:has-text('Purge')")
    page.fill("input[name=typed]", "celer")
    page.wait_for_timeout(2_500)
    if page.locator("details.ask[open]").count() != 1 or page.locator("details.ask[open] .sheet-foot button").is_enabled():
        faults.append("a sheet does not stay open, or may be sent before its name is typed")
    page.keyboard.press("Escape")
    for button in ("Pause", "Resume"):
        page.click(f".acts button:has-text('{button}')")
        page.wait_for_selector("[data-note]", timeout=30_000)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2]) if sys.argv[2:] else 20.0))
