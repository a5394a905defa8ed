"""The console in a real Chromium: every page in every role, its looks, keys and names, with JavaScript and without."""

import os
import pathlib
import time
import types

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from e2e.test_authorize import unauthorized  # noqa: F401
from e2e.test_console_login import ANNA, BEN, CLEO, DAN, ROLES, console_password
from e2e.test_tokens import begin, endpoint, relay  # noqa: F401
from harness.browser import Browser
from harness.certificates import Authority
from harness.client import login, message
from harness.console import Console
from harness.event_stream import EVENTS, EventStream
from harness.process import wait_until
from harness.subgate import Subgate, relay_section
from harness.upstream import Upstream

pytestmark = [pytest.mark.seconds(60), pytest.mark.xdist_group("browser")]

SHOTS = pathlib.Path(os.environ.get("BUILD", "build")) / "screenshots"
RELAY = "content"  # an id of every page
LABEL = "<b>Phone</b> \"of\" Anna's"
STAFF = ["now", "people", f"person?user={DAN}", "mail", "relays", "alerts"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.quit()


class World:
    """A Subgate with something to see, and a password of each role's."""

    def __init__(self, folder):
        self.authority = Authority(folder / "tls")
        self.upstream = Upstream(self.authority).start()
        self.console = Console(self.authority, ROLES)
        self.subgate = Subgate(folder / "subgate", self.authority,
                               relay_section(self.upstream, RELAY) + self.console.section +
                               'client_settings { imap = "imap.example.com:993" }\n',
                               {"upstream": Upstream.PASSWORD})
        self.subgate.start()
        self.passwords = {user: console_password(self.subgate, user) for user in (ANNA, BEN, CLEO, DAN)}
        for user, label in ((DAN, LABEL), (ANNA, "Thunderbird")):
            with login(self.subgate, user, self.subgate.create_app_password(user, label, "--expires", "20d")) as client:
                for _ in range(3):
                    client.sendmail(user, ["bob@example.net"], message(user))

    def url(self, path):
        return f"https://127.0.0.1:{self.console.port}/{path}"

    def stop(self):
        self.subgate.stop()
        self.upstream.stop()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.stop()


def log_in(browser, world, user):
    browser.forget()
    driver = browser.driver
    driver.get(world.url("login"))
    driver.find_element(By.NAME, "user").send_keys(user)
    driver.find_element(By.NAME, "password").send_keys(world.passwords[user] + Keys.ENTER)
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "form[action='/logout']"), lambda: driver.page_source)


def look(browser, name):
    """What is wrong with the page, as it is and in the dark, on a desk and on a phone; and a picture of each."""
    faults = []
    for width in (1280, 390):
        for scheme in ("light", "dark"):
            browser.be(width, scheme)
            faults += [f"{name}, {width} wide, {scheme}: {fault}" for fault in browser.faults()]
            browser.draw(SHOTS / f"{name}-{width}-{scheme}.png")
    browser.be(1280, "light")
    return faults + [f"{name}: {fault}" for fault in browser.refused()]


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize("user, role", [(DAN, "user"), (CLEO, "auditor"), (BEN, "operator"), (ANNA, "admin")])
def test_every_page_can_be_seen_reached_and_heard(browser, world, user, role, language):
    browser.speak(language)
    faults = []
    log_in(browser, world, user)
    for path in ["me"] + (STAFF if role != "user" else []):
        browser.driver.get(world.url(path))
        assert "404" not in browser.driver.title
        name = path.partition("?")[0]
        if role == "admin" or name == "me":
            faults += look(browser, f"{name}-{role}-{language}")
        else:
            faults += [f"{name}, {role}: {fault}" for fault in browser.faults() + browser.refused()]
    if role == "admin":
        browser.driver.get(world.url("mail?result=sent"))
        browser.driver.find_element(By.CSS_SELECTOR, "td a[href^='/message']").click()
        faults += look(browser, f"message-admin-{language}")
    browser.speak("en")
    assert not faults, "\n".join(faults)
    assert browser.hosts() == {f"127.0.0.1:{world.console.port}"}


def test_the_login_the_new_password_and_faults_too(browser, world):
    browser.speak("vi")
    browser.forget()
    driver = browser.driver
    driver.get(world.url("login"))
    faults = look(browser, "login")
    log_in(browser, world, DAN)
    driver.find_element(By.NAME, "label").send_keys("Điện thoại")
    driver.find_element(By.CSS_SELECTOR, "form[action='/me/create'] button").click()
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, ".password"), lambda: driver.page_source)
    faults += look(browser, "made")
    driver.get(world.url("relays"))  # not theirs
    faults += [fault for fault in look(browser, "missing") if "404 (Not Found)" not in fault]
    browser.speak("en")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("flow", [{"device_url": "device"}, {"authorize_url": "consent"}], ids=["device", "page"])
def test_a_consent_under_way_too(browser, unauthorized, authority, relay, flow):  # noqa: F811
    console = Console(authority, ROLES)
    subgate, _ = unauthorized(console.section, **flow)
    there = types.SimpleNamespace(url=lambda path: f"{console.url}/{path}",
                                  passwords={ANNA: console_password(subgate, ANNA)})
    log_in(browser, there, ANNA)
    driver = browser.driver
    driver.get(there.url("relays"))
    driver.find_element(By.CSS_SELECTOR, "form[action='/relays/authorize'] button").click()
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "form[action='/relays/consent']"),
               lambda: driver.page_source)
    faults = look(browser, f"consent-{next(iter(flow))}")
    assert not faults, "\n".join(faults)


def focused(driver):
    return driver.switch_to.active_element


def press(driver, *keys):
    for key in keys:
        focused(driver).send_keys(key)


def tab_to(driver, text):
    for _ in range(40):
        press(driver, Keys.TAB)
        if text in (focused(driver).text or focused(driver).get_attribute("name")):
            return
    raise AssertionError(f"no key leads to {text}")


def test_the_keyboard_is_enough(browser, world):
    browser.forget()
    driver = browser.driver
    driver.get(world.url("login"))
    press(driver, Keys.TAB)
    assert focused(driver).get_attribute("class") == "skip"
    press(driver, Keys.ENTER)
    tab_to(driver, "user")
    press(driver, DAN, Keys.TAB, world.passwords[DAN], Keys.TAB, Keys.ENTER)
    wait_until(lambda: driver.find_elements(By.NAME, "label"), lambda: driver.page_source)
    tab_to(driver, "label")
    press(driver, "By keyboard")
    tab_to(driver, "Make it")
    press(driver, Keys.ENTER)
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, ".password"), lambda: driver.page_source)
    tab_to(driver, "Log out")
    press(driver, Keys.ENTER)
    wait_until(lambda: driver.find_elements(By.NAME, "password"), lambda: driver.page_source)


def test_everything_works_without_javascript(browser, world):
    browser.run_scripts(False)
    try:
        log_in(browser, world, ANNA)
        driver = browser.driver
        driver.get(world.url("relays"))
        driver.find_element(By.CSS_SELECTOR, "summary").click()
        driver.find_element(By.CSS_SELECTOR, "form[action='/relays/test'] button").click()
        wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "pre"), lambda: driver.page_source)
        assert "EHLO" in driver.find_element(By.CSS_SELECTOR, "pre").text
        driver.get(world.url(f"person?user={DAN}"))
        driver.find_element(By.NAME, "messages").send_keys("77")
        driver.find_element(By.CSS_SELECTOR, "form[action='/person/quota'] button").click()
        wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "[role=status]"), lambda: driver.page_source)
        assert "of 77 messages" in driver.page_source
        assert " UTC" in driver.find_element(By.CSS_SELECTOR, "time").text
    finally:
        browser.run_scripts(True)


def text_of(browser, selector):
    """In one step, as the page may put another element in the place of one that was found."""
    return browser.driver.execute_script("return document.querySelector(arguments[0]).innerText", selector)


def live_text(browser):
    return text_of(browser, "#live")


def watch_a_pause(browser, world):
    """What was asked for meanwhile, by its path."""
    browser.driver.get(world.url("now"))
    assert "Everything runs" in live_text(browser)
    wait_until(lambda: "/now" in [url.path for url in browser.requests()], "the page to be asked for")
    world.subgate.ctl("relay", "pause", RELAY)
    wait_until(lambda: "is paused" in live_text(browser), "the page to show the pause by itself")
    browser.draw(SHOTS / "now-paused.png")
    world.subgate.ctl("relay", "resume", RELAY)
    wait_until(lambda: "Everything runs" in live_text(browser), "the page to show its end")
    return [url.path for url in browser.requests()]


def test_the_first_page_follows_what_happens_by_one_stream(browser, world):
    log_in(browser, world, ANNA)
    asked = watch_a_pause(browser, world)
    assert "/now" not in asked and asked.count(EVENTS) <= 1
    with login(world.subgate, ANNA, world.subgate.create_app_password(ANNA)) as client:
        client.sendmail(ANNA, ["bob@example.net"], message(ANNA))
        figure = "section[aria-labelledby=figures] dd"  # the first one: programs that are logged in
        wait_until(lambda: text_of(browser, figure) == "1", lambda: live_text(browser))
    assert browser.requests() == []
    # Times are those of the reader's zone there, too.
    assert not browser.driver.execute_script(
        "return [...document.querySelectorAll('#live time')].some(time => time.textContent.endsWith(' UTC'))")
    assert browser.refused() == []
    assert look(browser, "now-followed") == []


def test_the_first_page_asks_where_there_is_no_place_for_a_stream(browser, world):
    log_in(browser, world, BEN)
    cookie = browser.driver.get_cookie("__Host-subgate")["value"]
    browser.driver.get(world.url("me"))  # whoever leaves the page leaves a place
    streams = []

    def open_one():
        stream = EventStream(world.console, f"__Host-subgate={cookie}")
        streams.extend([stream] if stream.status == 200 else [])
        time.sleep(0.2)  # a person may ask so much a second, and the page will
        return len(streams) == 4

    try:
        wait_until(open_one, "four streams")
        asked = watch_a_pause(browser, world)
        assert asked.count("/now") > 1
    finally:
        for stream in streams:
            stream.close()
    browser.refused()  # that the stream was refused is no fault here
