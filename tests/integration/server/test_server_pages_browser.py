"""The pages in a real Chromium: with the keyboard alone, without script, on an XO's screen and on a telephone's."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import urllib.request
from pathlib import Path

import axe_core_python
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.bundles import activity

from .browser import NARROW, TELEPHONE, WIDE, chromium, follow, fresh, leaving, log_in, resize, text
from .conftest import new_server
from .laptop import made_up_key, register

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text()
NICKS = (
    "Ñusta",
    "<script>document.title='broken'</script>",
    "\u202eabc\u202d",
    "علي",
    "名前",
    "A" * 200,
    "",
    '" onmouseover="document.title=1',
)
ROOMS = Path(__file__).with_name("rooms.py")


@pytest.fixture(scope="module")
def driver():
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def school():
    """A daemon with all rooms, laptops of all kinds of names, and one that waits for approval."""
    with new_server() as server:
        server.configure(
            "[server]\nfqdn = school.example.pe\ntitle = Escuela Ñandú & 1\n[registration]\nknown_serial = hold\n"
            f"laptops = /etc/sugar-server/laptops.csv\n[library]\nfolder = {server.state}/library\n"
        )
        shelf = server.state / "library"
        shelf.mkdir()
        for version in ("1", "2"):
            activity(shelf / f"Paint-{version}.xo", version=version, name="رسم", info="summary = Draws <b>things\n")
        (shelf / "broken.xo").write_bytes(b"PK")
        (shelf / "s.info").write_text("[org.example.Paint]\noptional = yes\n")
        server.configure("serial,group\nSHC0070000A,3a\nSHC0070000B,3b\n", "laptops.csv")
        python, _, _, *words = server.argv("serve", "--root", str(server.root))
        server.start([python, str(ROOMS), *words, "--listen", f"127.0.0.1:{server.address[1]}"])
        for number, nick in enumerate(NICKS):
            register(server.url, f"SHC0070000{number + 10:X}", nick, "", made_up_key())
        register(server.url, "SHC0070000A", "Ladrón", "", made_up_key())
        server.password = server.command("password").stdout.strip()
        yield server
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def page(driver, school):
    """A fresh browser; what it complains of fails the test."""
    fresh(driver)
    yield driver
    complaints = [entry for entry in driver.get_log("browser") if "favicon" not in entry["message"]]
    assert complaints == []


def links(page, prefix):
    found = (one.get_attribute("href") for one in page.find_elements(By.CSS_SELECTOR, "main a"))
    return sorted({address for address in found if address.split("/", 3)[3].startswith(prefix)})


def all_pages(page, school):
    """The address of one page of each kind, for who is logged in."""
    page.get(school.url + "/laptops")
    child = next(
        address for address in links(page, "laptops/") if (page.get(address), links(page, "laptops/"))[1][2:]
    )
    snapshot = next(address for address in (page.get(child), links(page, "laptops/"))[1] if "_" in address)
    own = ["/", "/laptops", "/laptops?q=nobody", "/server", "/statistics", "/activities/", "/login"]
    own.append("/laptops/nothing")
    return [*(school.url + path for path in own), child, child + "/forget", child + "/adopt", snapshot]


@pytest.mark.parametrize(("logged_in", "dark"), [(False, True), (True, False)], ids=["anyone-dark", "teacher-light"])
def test_every_page_is_accessible_and_fits(page, school, logged_in, dark, tmp_path_factory):
    log_in(page, school.url, school.password)
    addresses = all_pages(page, school)
    if not logged_in:
        addresses = [address for address in addresses if "/adopt" not in address and "/forget" not in address][:-1]
    fresh(page, dark=dark)
    if logged_in:
        log_in(page, school.url, school.password)
    shots = tmp_path_factory.mktemp("screenshots")
    for number, address in enumerate(addresses):
        page.get(address)
        assert page.execute_script("return document.compatMode") == "CSS1Compat"
        for size in (WIDE, NARROW):
            resize(page, size)
            page.save_screenshot(str(shots / f"{number:02}-{size[0]}.png"))
            overflow = page.execute_script("return document.documentElement.scrollWidth - innerWidth")
            assert overflow <= 0, (address, size)
        page.execute_script(AXE)
        found = page.execute_async_script("axe.run().then(r => arguments[arguments.length-1](r.violations))")
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == [], address
        resize(page, WIDE)
        fetched = page.execute_script("return document.querySelectorAll('script,link,img,iframe,object').length")
        assert fetched == 0
    # Not found is an answer, too: the browser notes it, and nothing else.
    notes = [entry["message"] for entry in page.get_log("browser") if "favicon" not in entry["message"]]
    assert [note for note in notes if "404" not in note] == []


@pytest.mark.parametrize(("language", "word"), [("es-PE", "Laptops registradas"), ("fr", "Portables enregistrés")])
def test_languages(page, school, language, word):
    fresh(page, language=language)
    page.get(school.url + "/server")
    assert word in text(page)
    assert page.find_element(By.TAG_NAME, "html").get_attribute("lang") == language[:2]
    follow(page, page.find_element(By.LINK_TEXT, "English"))
    assert "Registered laptops" in text(page)
    page.get(school.url + "/server")
    assert "Registered laptops" in text(page)


def test_from_right_to_left(page, school, tmp_path_factory):
    """There is no such language yet: the page is turned around, and everything has to be where it is mirrored."""
    log_in(page, school.url, school.password)
    shots = tmp_path_factory.mktemp("screenshots-rtl")
    for number, address in enumerate(all_pages(page, school)):
        page.get(address)
        for size in (WIDE, NARROW):
            resize(page, size)
            edge = "const main = document.querySelector('main').getBoundingClientRect();"
            heading = "const range = document.createRange(); range.selectNodeContents(document.querySelector('h1'));"
            page.execute_script("document.documentElement.dir = 'rtl'")
            right = page.execute_script(
                f"{edge}{heading} return main.right - Math.max(...[...range.getClientRects()].map(r => r.right))"
            )
            page.save_screenshot(str(shots / f"{number:02}-{size[0]}.png"))
            assert page.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
            assert right == pytest.approx(16, abs=2), address  # the margin of main
    page.get_log("browser")


def test_names_break_nothing(page, school):
    page.get(school.url + "/laptops")
    names = [cell.text for cell in page.find_elements(By.CSS_SELECTOR, "tbody th")]
    assert len(names) == len(NICKS)
    assert {"Ñusta", "علي", "名前", "<script>document.title='broken'</script>", "(no name)"} <= set(names)
    assert "\ufffdabc\ufffd" in names
    assert page.title == "Laptops – Escuela Ñandú & 1"
    isolated = page.execute_script(
        "return [...document.querySelectorAll('tbody th bdi')].map(one => getComputedStyle(one).unicodeBidi)"
    )
    assert set(isolated) == {"isolate"}


def tab_to(page, wanted, most=40):
    """Presses the tabulator until the element that has the focus shows the text."""
    for _ in range(most):
        ActionChains(page).send_keys(Keys.TAB).perform()
        focused = page.switch_to.active_element
        if wanted in (focused.text, focused.get_attribute("id")):
            outline = focused.value_of_css_property("outline-style")
            assert outline != "none", wanted
            return focused
    raise AssertionError(f"the keyboard does not reach {wanted}")


def press(page, key=Keys.ENTER):
    """Presses a key, or several, and waits for the page to which the last one leads."""
    with leaving(page):
        ActionChains(page).send_keys(key).perform()


def test_with_the_keyboard_alone(page, school):
    page.get(school.url + "/")
    ActionChains(page).send_keys(Keys.TAB).perform()
    assert page.switch_to.active_element.text == "Skip to the content"
    assert page.switch_to.active_element.location["y"] >= 0
    tab_to(page, "Log in")
    press(page)
    tab_to(page, "password")
    press(page, school.password + Keys.ENTER)
    assert page.current_url == school.url + "/laptops"
    tab_to(page, "Ladrón")
    press(page)
    tab_to(page, "Refuse this laptop")
    press(page)
    tab_to(page, "Do not change anything")
    press(page)
    tab_to(page, "Log out")
    press(page)
    assert "You are logged out." in text(page)


def test_all_of_it_without_script(page, school):
    fresh(page, script=False)
    page.get(school.url + "/laptops")
    follow(page, page.find_element(By.LINK_TEXT, "Ñusta"))
    follow(page, page.find_element(By.LINK_TEXT, "Log in"))
    log_in(page, school.url, school.password)
    page.find_element(By.ID, "q").send_keys("nusta 3A")
    follow(page, page.find_element(By.CSS_SELECTOR, "main button"))
    assert text(page, "main > p") == "1 laptop"
    follow(page, page.find_element(By.LINK_TEXT, "Ñusta"))
    assert "SHC0070000A" in text(page)
    assert "document.title" not in page.title
    follow(page, page.find_element(By.XPATH, "//button[text()='Log out']"))
    assert "You are logged out." in text(page)
    page.back()
    page.refresh()
    assert "SHC0070000A" not in text(page)


def test_the_whole_life_of_a_laptop(page, school):
    """Held, approved, given the backups of another one, and forgotten, by clicks."""
    register(school.url, "SHC0070000B", "Nueva", "", made_up_key())
    log_in(page, school.url, school.password)
    follow(page, page.find_element(By.LINK_TEXT, "Nueva"))
    follow(page, page.find_element(By.XPATH, "//button[text()='Approve']"))
    assert "Approved." in text(page, "[role=status]")
    assert "Nueva" in [cell.text for cell in page.find_elements(By.CSS_SELECTOR, "tbody th")]
    old = next(
        address
        for address in links(page, "laptops/")
        if (page.get(address), page.find_elements(By.LINK_TEXT, "Give these backups to a new laptop"))[1]
        and "Nueva" not in text(page, "h1")
    )
    page.get(old)
    follow(page, page.find_element(By.LINK_TEXT, "Give these backups to a new laptop"))
    page.find_element(By.ID, "q").send_keys("nueva")
    follow(page, page.find_element(By.CSS_SELECTOR, "main form[role=search] button"))
    page.find_element(By.CSS_SELECTOR, "main label.pick").click()
    follow(page, page.find_element(By.XPATH, "//button[text()='Give it the backups']"))
    assert "The new laptop is being given the backups." in text(page, "[role=status]")
    assert text(page, "h1") == "Nueva"
    follow(page, page.find_element(By.LINK_TEXT, "Forget this registration"))
    follow(page, page.find_element(By.XPATH, "//button[text()='Forget']"))
    assert "The registration is forgotten." in text(page, "[role=status]")
    assert not page.find_elements(By.LINK_TEXT, "Nueva")
    with sqlite3.connect(school.database) as database:
        assert not database.execute("SELECT * FROM registrations WHERE nick = 'Nueva'").fetchall()


def test_another_site_cannot_send_our_forms(page, school, tmp_path):
    """A page elsewhere posts our form, as soon as it is shown, from a browser in which the teacher is logged in."""
    log_in(page, school.url, school.password)
    page.get(next(iter(links(page, "laptops/"))) + "/forget")
    address = page.find_element(By.CSS_SELECTOR, "main form").get_attribute("action")
    token = page.find_element(By.NAME, "token").get_attribute("value")
    evil = tmp_path / "evil.html"
    evil.write_text(
        f'<form method="post" action="{address}"><input name="token" value="{token}"></form>'
        "<script>document.forms[0].submit()</script>"
    )
    page.get(evil.as_uri())
    WebDriverWait(page, 10).until(lambda _: page.current_url.startswith(school.url))
    assert "Not done" in text(page)
    assert len(school.registrations()) >= len(NICKS)
    page.get(school.url + "/laptops")
    assert page.find_elements(By.XPATH, "//button[text()='Log out']")
    page.get_log("browser")


def test_no_page_is_framed(page, school, tmp_path):
    frame = tmp_path / "frame.html"
    frame.write_text(f'<iframe src="{school.url}/login"></iframe>')
    page.get(frame.as_uri())
    page.switch_to.frame(0)
    assert not page.find_elements(By.ID, "password")
    page.switch_to.default_content()
    page.get_log("browser")


def assert_legible(driver):
    """All texts of all plots are as large as small print, within the plot, and on no other text or bar."""
    found = driver.execute_script(
        """const box = one => { const r = one.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]; };
        return [...document.querySelectorAll('main svg')].map(svg => ({
            frame: box(svg), texts: [...svg.querySelectorAll('text')].map(one => ({box: box(one),
            size: parseFloat(getComputedStyle(one).fontSize) * one.getScreenCTM().a, words: one.textContent})),
            rects: [...svg.querySelectorAll('rect')].map(box)}))"""
    )
    assert len(found) == 3
    for plot in found:
        left, top, right, bottom = plot["frame"]
        for number, one in enumerate(plot["texts"]):
            x1, y1, x2, y2 = one["box"]
            assert one["size"] >= 12, one
            assert left - 1 <= x1 and top - 1 <= y1 and x2 <= right + 1 and y2 <= bottom + 1, (one, plot["frame"])
            others = [other["box"] for other in plot["texts"][:number]] + plot["rects"]
            for a1, b1, a2, b2 in others:
                overlap = min(x2, a2) - max(x1, a1) > 1 and min(y2, b2) - max(y1, b1) > 4 and b2 > b1 and a2 > a1
                assert not overlap, (one, (a1, b1, a2, b2))


def test_what_laptops_report_is_drawn(driver, tmp_path_factory):
    """The daemon's own rooms: statistics that came over HTTP, under the policy that lets no foreign style in."""
    shots = tmp_path_factory.mktemp("screenshots-statistics")
    today = int(time.time()) // 86400 * 86400
    with new_server() as server:
        server.start()
        keys = [made_up_key(), made_up_key()]
        for number, key in enumerate(keys):
            register(server.url, f"SHC0070000{number}", "Ñusta", "", key)
        for key, days in zip(keys, (3, 1), strict=True):
            guid = hashlib.sha1(key.encode()).hexdigest()
            for name, hours in (("org.laptop.AbiWordActivity", 2), ("org.laptop.Paint", 1)):
                values = [[today - 86400 * day, {"uptime": 3600 * hours}] for day in reversed(range(days))]
                body = json.dumps({"name": f"activity.{name}", "values": values}).encode()
                urllib.request.urlopen(f"{server.url}/user/{guid}?cmd=stats-upload", body, timeout=10).close()
        fresh(driver, dark=True)
        driver.get(server.url + "/statistics")
        # 3 days of one laptop and 1 of another, 3 hours each.
        assert "12 hours in the last 30 days." in text(driver)
        assert "Used most: AbiWord, Paint." in text(driver)
        yesterday = time.strftime("%Y-%m-%d", time.gmtime(today - 1))
        assert f"At most 2 laptops in a day: {yesterday}." in text(driver)
        plots = driver.find_elements(By.CSS_SELECTOR, "main svg")
        drawn = "return [...arguments[0].querySelectorAll('rect')].map(one => one.getBoundingClientRect())"
        laptops, _, activities = [
            [(one["width"], one["height"]) for one in driver.execute_script(drawn, plot)] for plot in plots
        ]
        assert [height > 0 for _, height in laptops] == [False] * 26 + [True] * 3 + [False]
        assert laptops[28][1] == pytest.approx(2 * laptops[27][1], rel=0.05)
        assert activities[0][0] == pytest.approx(2 * activities[1][0], rel=0.05)
        driver.execute_script(AXE)
        assert driver.execute_async_script("axe.run().then(r => arguments[arguments.length-1](r.violations))") == []
        for size in (WIDE, NARROW, TELEPHONE):
            resize(driver, size)
            driver.save_screenshot(str(shots / f"{size[0]}.png"))
            assert driver.execute_script("return document.documentElement.scrollWidth - innerWidth") <= 0
            assert_legible(driver)
        fresh(driver, language="es")
        driver.get(server.url + "/statistics")
        assert "Las más usadas: AbiWord" in text(driver)
        driver.get(server.url + "/server")
        assert "Registro" in text(driver, "main table")
        assert "este servidor no intercambia nada con otros" in text(driver)
        complaints = [entry for entry in driver.get_log("browser") if "favicon" not in entry["message"]]
        assert complaints == []
        assert "Traceback" not in server.log.read_text()
