"""A Chromium without a window, and what it knows of a page: names that a screen reader says, contrasts, requests."""

import base64
import json
import os
import pathlib
import urllib.parse

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

# Before any script of the page's own: what the Content-Security-Policy refused.
WATCH = """
window.refused = [];
addEventListener("securitypolicyviolation",
	event => window.refused.push(event.violatedDirective + " " + event.blockedURI));
"""

# What WCAG 2.2 AA wants and a program can see. Each line is one fault.
LOOK = r"""
const faults = [];
const say = (what, element) => faults.push(what + ": " + element.outerHTML.slice(0, 120));
const isSeen = element => element.checkVisibility && element.checkVisibility() && element.getClientRects().length > 0;
if (!document.documentElement.lang) faults.push("no language");
if (!document.title.trim()) faults.push("no title");
for (const [selector, count] of [["main", 1], ["h1", 1], ["body > header", 1], ["body > footer", 1]])
	if (document.querySelectorAll(selector).length !== count) faults.push("not " + count + " of " + selector);
const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) faults.push("two have the id " + id);
const landmarks = [...document.querySelectorAll("section[aria-labelledby],nav,[role=region],[role=search]")];
const names = landmarks.map(element => element.tagName + " " + element.getAttribute("aria-labelledby"));
for (const name of new Set(names.filter((name, at) => names.indexOf(name) !== at)))
	faults.push("two landmarks of the name " + name);
for (const region of document.querySelectorAll("[role=region][aria-labelledby]"))
	if (document.querySelector(`section[aria-labelledby="${region.getAttribute("aria-labelledby")}"]`))
		say("a landmark of its section's name", region);
let level = 0;
for (const heading of document.querySelectorAll("h1,h2,h3,h4")) {
	if (Number(heading.tagName[1]) > level + 1) say("a heading skips a level", heading);
	level = Number(heading.tagName[1]);
}
for (const attribute of ["aria-labelledby", "aria-describedby", "for", "list"])
	for (const element of document.querySelectorAll("[" + attribute + "]"))
		for (const id of element.getAttribute(attribute).split(" "))
			if (!document.getElementById(id)) say("nothing has the id " + id, element);
for (const table of document.querySelectorAll("table"))
	if (!table.querySelector("th[scope=col]")) say("a table without heads", table);
for (const element of document.querySelectorAll("button,input:not([type=hidden]),select,summary")) {
	const box = element.getBoundingClientRect();
	if (isSeen(element) && (box.width < 24 || box.height < 24)) say("too small to be hit", element);
}
for (const element of document.querySelectorAll("*"))
	if (element.scrollWidth > element.clientWidth + 1 && getComputedStyle(element).overflowX === "auto" &&
	    !element.matches("[tabindex]")) say("scrolls, and no key reaches it", element);
if (document.documentElement.scrollWidth > document.documentElement.clientWidth)
	faults.push("wider than the window: " + document.documentElement.scrollWidth);

const parse = text => (text.match(/[\d.]+/g) || []).map(Number);
const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
const whole = text => { const c = parse(text); return c.length === 3 ? [...c, 1] : c; };
function paperOf(element) {
	const layers = [];
	for (let at = element; at; at = at.parentElement) layers.push(whole(getComputedStyle(at).backgroundColor));
	return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
}
const light = color => {
	const [r, g, b] = color.map(c => c / 255)
		.map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
	return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
for (const element of document.querySelectorAll("body *")) {
	const hasText = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
	if (!isSeen(element) || !(hasText || element.matches("input,select"))) continue;
	const style = getComputedStyle(element), paper = paperOf(element);
	const ratio = contrast(over(whole(style.color), paper), paper);
	const isLarge = parseFloat(style.fontSize) >= 24;
	if (ratio < (isLarge ? 3 : 4.5)) say("contrast " + ratio.toFixed(2), element);
}
return faults;
"""

# What axe-core finds: a line for each element that breaks a rule, the rules that it cannot decide, and how many held.
AXE = """
const done = arguments[arguments.length - 1];
const broken = rule => rule.nodes.map(node => `axe: ${rule.id}: ${node.failureSummary}: ${node.html}`);
axe.run(document, {preload: false})
	.then(found => done([
		found.violations.flatMap(broken), found.incomplete.map(rule => rule.id), found.passes.length]))
	.catch(fault => done([["axe: " + fault], [], 0]));
"""

NAMED = {"button", "link", "textbox", "combobox", "spinbutton", "searchbox", "progressbar", "meter", "navigation",
         "region", "heading", "checkbox", "DisclosureTriangle"}


class Browser:
    def __init__(self, folder):
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                         "--disable-background-networking", "--disable-component-update", "--no-first-run",
                         "--hide-scrollbars",
                         "--force-device-scale-factor=1", "--lang=en", f"--user-data-dir={folder}"):
            options.add_argument(argument)
        options.accept_insecure_certs = True
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        self.tell("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        self.axe = pathlib.Path(os.environ["SUBGATE_AXE"]).read_text() if "SUBGATE_AXE" in os.environ else None

    def tell(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def quit(self):
        self.driver.quit()

    def forget(self):
        """Whoever was logged in."""
        self.tell("Network.clearBrowserCookies")

    def speak(self, language):
        self.tell("Network.enable")
        self.tell("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})

    def run_scripts(self, wanted):
        self.tell("Emulation.setScriptExecutionDisabled", value=not wanted)

    def be(self, width, scheme):
        """So wide, light or dark."""
        self.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                  mobile=False)
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def draw(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        shot = self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def faults(self):
        """What somebody could not see, reach or hear."""
        nodes = self.tell("Accessibility.getFullAXTree")["nodes"]
        nameless = [f"a {role} without a name" for role in map(self._role_of, nodes) if role]
        return self.driver.execute_script(LOOK) + nameless + (self._ask_axe() if self.axe else [])

    def _ask_axe(self):
        self.driver.execute_script(self.axe)
        broken, undecided, held = self.driver.execute_async_script(AXE)
        print(f"axe: {self.driver.current_url}: {held} rules held, {len(broken)} elements break one; "
              f"not decided: {', '.join(undecided) or 'none'}")
        return broken

    @staticmethod
    def _role_of(node):
        role = node.get("role", {}).get("value")
        name = node.get("name", {}).get("value", "").strip()
        return role if role in NAMED and not name and not node.get("ignored") else None

    def refused(self):
        """What the page's policy kept from being done, and what the browser's log has of errors."""
        log = [entry["message"] for entry in self.driver.get_log("browser")]
        return self.driver.execute_script("return window.refused") + log

    def requests(self):
        """Whom it has asked for what since the last call of this or of hosts()."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [urllib.parse.urlsplit(url) for url in urls if not url.startswith(("data:", "chrome"))]

    def hosts(self):
        return {url.netloc for url in self.requests()}
