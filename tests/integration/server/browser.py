"""Debian's Chromium, headless, with an empty profile and with loopback as its only network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--no-proxy-server",
)
WIDE, NARROW, TELEPHONE = (1200, 900), (320, 1100), (360, 740)
"""An XO's screen, the narrowest that there is, and a usual telephone's."""


@contextmanager
def chromium() -> Iterator[Chrome]:
    with tempfile.TemporaryDirectory(prefix="sugar-server-chromium-") as profile:
        options = ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = Chrome(options, ChromeService("/usr/bin/chromedriver"))
        try:
            driver.set_page_load_timeout(20)
            yield driver
        finally:
            driver.quit()


def fresh(driver: Chrome, language: str = "en", script: bool = True, dark: bool = False) -> None:
    """As a browser just started: no cookies, that language."""
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    agent = {"userAgent": "Test", "acceptLanguage": language}
    driver.execute_cdp_cmd("Emulation.setUserAgentOverride", agent)
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not script})
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    resize(driver, WIDE)
    driver.get_log("browser")


def resize(driver: Chrome, size: tuple[int, int]) -> None:
    metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def log_in(driver: Chrome, url: str, password: str) -> None:
    driver.get(url + "/login")
    driver.find_element(By.ID, "password").send_keys(password)
    driver.find_element(By.CSS_SELECTOR, "main button").click()
    # The hash takes its time, and a click does not wait for long.
    WebDriverWait(driver, 20).until(lambda _: driver.current_url == url + "/laptops")


def follow(driver: Chrome, element: WebElement) -> None:
    """Clicks, and waits for the page to which that leads."""
    with leaving(driver):
        element.click()


@contextmanager
def leaving(driver: Chrome) -> Iterator[None]:
    """Waits, after what the block does, for another page."""
    before = driver.find_element(By.TAG_NAME, "html")
    yield
    # While the pages change, Chromium's inspector may find the old one neither there nor gone: it is asked again.
    WebDriverWait(driver, 30, ignored_exceptions=[WebDriverException]).until(staleness_of(before))


def text(driver: Chrome, selector: str = "main") -> str:
    return driver.find_element(By.CSS_SELECTOR, selector).text
