"""The console's login at a real OpenID provider, in a real Chromium."""

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from e2e.test_console_login import ANNA, ROLES
from harness.browser import Browser
from harness.console import Console
from harness.glewlwyd_server import Glewlwyd
from harness.process import wait_until
from harness.subgate import relay_section

pytestmark = [pytest.mark.seconds(60), pytest.mark.xdist_group("browser")]

CONSOLE_ID, CONSOLE_SECRET = "subgate-console", "console-Secret-77aa01"
PASSWORD = "Provider-Password-77"


@pytest.fixture
def provider(start, upstream, authority, tmp_path):
    """A provider that the console's people log in at, and that console and its Subgate."""
    console = Console(authority, ROLES)
    provider = Glewlwyd(tmp_path / "glewlwyd", authority, CONSOLE_ID, CONSOLE_SECRET,
                        f"{console.url}/login/callback").start()
    subgate = start(relay_section(upstream) + f"""
console {{ address = {{"127.0.0.1:{console.port}"}}  {ROLES}  login = {{"oidc"}}  url = "{console.url}" }}
oidc {{ issuer = "{provider.issuer}"  client_id = "{CONSOLE_ID}"  client_secret_file = "secrets/console"
  ca_file = "{authority.ca}"  timeout = "20s" }}
""", more_secrets={"console": CONSOLE_SECRET})
    yield provider, console, subgate
    provider.stop()


@pytest.fixture
def browser(tmp_path):
    browser = Browser(tmp_path / "chromium")
    yield browser
    browser.quit()


def log_in(browser, console, user):
    """Up to where the provider sends the browser back."""
    driver = browser.driver
    driver.get(f"{console.url}/login")
    driver.find_element(By.CSS_SELECTOR, "a[href='/login/oidc']").click()
    wait_until(lambda: driver.find_elements(By.ID, "username"), lambda: driver.page_source)
    driver.find_element(By.ID, "username").send_keys(user)
    driver.find_element(By.ID, "password").send_keys(PASSWORD + Keys.ENTER)
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, ".btn-success"), lambda: driver.page_source)
    driver.find_element(By.CSS_SELECTOR, ".btn-success").click()  # "Continue"
    wait_until(lambda: driver.current_url.startswith(console.url), lambda: driver.current_url + driver.page_source)


def test_whoever_logs_in_there_is_in_here(provider, browser):
    provider, console, subgate = provider
    provider.add_user("anna", ANNA, PASSWORD)
    log_in(browser, console, "anna")
    wait_until(lambda: ANNA in browser.driver.page_source, lambda: browser.driver.page_source)
    browser.driver.get(f"{console.url}/now")
    assert "Everything runs" in browser.driver.page_source


def test_an_address_that_the_provider_did_not_verify_is_nobody(provider, browser):
    provider, console, subgate = provider
    provider.add_user("mallory", ANNA, PASSWORD, is_verified=False)
    log_in(browser, console, "mallory")
    assert ANNA not in browser.driver.page_source
    assert subgate.wait_for_audit("auth.failure")[-1]["reason"] == "token whose e-mail address is not verified"
