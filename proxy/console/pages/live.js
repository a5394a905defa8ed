"use strict";
// Live values, and times in the reader's own zone. Everything else works without.

function pad(number) {
	return String(number).padStart(2, "0");
}

function showLocalTimes(root) {
	for (const element of root.querySelectorAll("time[datetime]")) {
		const at = new Date(element.dateTime);
		if (Number.isNaN(at.getTime()) || !element.textContent.endsWith(" UTC")) {
			continue;
		}
		element.title = element.textContent;
		element.textContent = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())} ` +
			`${pad(at.getHours())}:${pad(at.getMinutes())}`;
	}
}

// A page that nobody looks at asks for nothing, so that its session can end.
const ATTENTION_MS = 15 * 60 * 1000;
let lastAttention = Date.now();
for (const name of ["pointermove", "keydown", "scroll", "touchstart"]) {
	addEventListener(name, () => { lastAttention = Date.now(); }, { passive: true });
}

async function refresh(live) {
	if (document.hidden || Date.now() - lastAttention > ATTENTION_MS || live.contains(document.activeElement)) {
		return;
	}
	const answer = await fetch(location.href, { redirect: "error" });
	const text = await answer.text();
	const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("live");
	if (answer.ok && fresh) {
		showLocalTimes(fresh);
		live.replaceChildren(...fresh.childNodes);
	}
}

showLocalTimes(document);
const live = document.getElementById("live");
if (live) {
	setInterval(() => refresh(live).catch(() => {}), 1000 * Number(live.dataset.seconds));
}
