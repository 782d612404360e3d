"""A real Chromium in front of the running gateway."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.live import Live, serve
from tests.services import require_program

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def live(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """The gateway, admin and data plane; nobody has a token yet."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright keeps an event loop in this thread
    with serve("") as running:
        yield running


@pytest.fixture
def page(live: Live) -> Iterator[Page]:
    """A tab of 1280 x 800 that asks nobody but the gateway, and whose console stays quiet."""
    chromium = require_program("chromium")
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        tab = browser.new_context(viewport={"width": 1280, "height": 800}, base_url=live.origin).new_page()
        tab.set_default_timeout(15_000)
        tab.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        tab.on("pageerror", lambda problem: complaints.append(str(problem)))
        tab.on("request", lambda asked: complaints.append(asked.url) if is_foreign(asked.url, live) else None)
        yield tab
        browser.close()
    assert complaints == []


def is_foreign(url: str, live: Live) -> bool:
    """Tell whether a request leaves the gateway."""
    return not url.startswith((live.origin, "data:"))
