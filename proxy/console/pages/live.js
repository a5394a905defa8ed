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

// A page that nobody looks at follows nothing and asks for nothing, so that its session can end.
const ATTENTION_MS = 15 * 60 * 1000;
// After a stream was refused: there was no place for it, say.
const REFUSED_MS = 60 * 1000;
let lastAttention = Date.now();
for (const name of ["pointermove", "keydown", "scroll", "touchstart"]) {
	addEventListener(name, () => { lastAttention = Date.now(); }, { passive: true });
}

// Keeps a part of the page as it would be if it were loaded now: by a stream of events, or else by asking.
class Live {
	constructor(part) {
		this.part = part;
		this.stream = null;
		this.refusedUntil = 0;
		this.fresh = null; // what is not shown yet, as somebody's keys are at the part
	}

	show() {
		if (this.fresh && !this.part.contains(document.activeElement)) {
			showLocalTimes(this.fresh);
			this.part.replaceChildren(...this.fresh.childNodes);
			this.fresh = null;
		}
	}

	take(text) {
		this.fresh = new DOMParser().parseFromString(text, "text/html").body;
		this.show();
	}

	async ask() {
		const answer = await fetch(location.href, { redirect: "error" });
		const page = new DOMParser().parseFromString(await answer.text(), "text/html");
		const fresh = page.getElementById("live");
		if (answer.ok && fresh && !this.stream) {
			this.fresh = fresh;
			this.show();
		}
	}

	// The browser opens it again by itself when it ends, unless it is refused.
	follow() {
		const stream = new EventSource(this.part.dataset.stream);
		stream.addEventListener("message", event => this.take(event.data));
		stream.addEventListener("error", () => {
			if (stream.readyState === EventSource.CLOSED && stream === this.stream) {
				this.stream = null;
				this.refusedUntil = Date.now() + REFUSED_MS;
				this.ask().catch(() => {});
			}
		});
		this.stream = stream;
	}

	look() {
		this.show();
		if (document.hidden || Date.now() - lastAttention > ATTENTION_MS) {
			this.stream?.close();
			this.stream = null;
		} else if (!this.stream && this.part.dataset.stream && Date.now() >= this.refusedUntil) {
			this.follow();
		} else if (!this.stream) {
			this.ask().catch(() => {});
		}
	}
}

showLocalTimes(document);
const part = document.getElementById("live");
if (part) {
	const live = new Live(part);
	live.look();
	setInterval(() => live.look(), 1000 * Number(part.dataset.seconds));
	addEventListener("visibilitychange", () => live.look());
}
