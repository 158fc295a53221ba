// SPDX-License-Identifier: GPL-3.0-or-later
// lib.js - what every page uses: templates, the API, times and sizes, icons, the address bar.
//
// Text reaches the page only as Preact text nodes and attributes; nothing here or elsewhere makes HTML from a string.
// Host names, device names and policy lines come from strangers.
import { h } from "preact";
import htm from "htm";
import { locale, t } from "./words.js";

export const html = htm.bind(h);

// --- the API: relative addresses, JSON, problems as Problem ---

export class Problem extends Error {
	constructor(status, body) {
		super(body?.detail || body?.title || t("error.unknown", { status: String(status) }));
		this.status = status;
		this.body = body;
	}
}

let on_signed_out = () => {};
export function when_signed_out(f) { on_signed_out = f; }

export async function api(method, path, { body, etag, signal, quiet } = {}) {
	const headers = { Accept: "application/json" };
	if (method !== "GET") headers["X-Durward"] = "1";
	if (method !== "GET" && method !== "DELETE") headers["Content-Type"] = "application/json";
	if (etag) headers["If-Match"] = etag;
	let answer;
	try {
		answer = await fetch("api/v1/" + path, {
			method, headers, signal, credentials: "same-origin", cache: "no-store",
			body: body === undefined ? undefined : JSON.stringify(body),
		});
	} catch (e) {
		if (e.name === "AbortError") throw e;
		throw new Problem(0, { detail: t("error.network") });
	}
	const text = await answer.text();
	let data = null;
	try { data = text ? JSON.parse(text) : null; } catch { data = { detail: text.slice(0, 300) }; }
	if (answer.status === 401 && !quiet) on_signed_out();
	if (!answer.ok) throw new Problem(answer.status, data);
	return { data, etag: answer.headers.get("ETag") };
}

export function query(values) {
	const q = new URLSearchParams();
	for (const [k, v] of Object.entries(values)) if (v !== undefined && v !== null && v !== "") q.set(k, v);
	const text = q.toString();
	return text ? "?" + text : "";
}

// --- the address bar: #/page?filters; the page is state that can be sent and bookmarked ---

export function place() {
	const [path, q] = location.hash.replace(/^#\/?/, "").split("?");
	return { page: path || "activity", args: Object.fromEntries(new URLSearchParams(q ?? "")) };
}
export const link = (page, args = {}) => `#/${page}${query(args)}`;
export function place_set(page, args) {
	const to = link(page, args);
	if (to !== location.hash) history.replaceState(null, "", to);
}

// --- times and sizes, in the reader's zone and manner ---

const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "long" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });

export const clock_time = (ms) => clock.format(ms);
export const same_day = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();
export const day_name = (ms) => day.format(ms);
export const full_time = (ms) => full.format(ms);
export function ago(ms, now = Date.now()) {
	const s = Math.round((ms - now) / 1000), a = Math.abs(s);
	if (a < 60) return relative.format(s, "second");
	if (a < 3600) return relative.format(Math.round(s / 60), "minute");
	if (a < 86400) return relative.format(Math.round(s / 3600), "hour");
	return relative.format(Math.round(s / 86400), "day");
}
export function size(n) {
	const units = ["B", "kB", "MB", "GB", "TB"];
	let i = 0;
	while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
	return `${n < 10 && i > 0 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}
export function span(ms) {
	if (ms < 1000) return `${ms} ms`;
	if (ms < 60000) return `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
	if (ms < 3600000) return `${Math.floor(ms / 60000)} min ${Math.round(ms / 1000) % 60} s`;
	return `${Math.floor(ms / 3600000)} h ${Math.round(ms / 60000) % 60} min`;
}

// A name may hold characters that cannot be seen or that turn the line around (bidi controls): shown as U+XXXX.
export function visible(text) {
	return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u115f\u3164\ufeff\ufffc]/gu,
		(c) => `⟨U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

// --- pieces ---

const shapes = {
	allow: "M5 12.5l4.5 4.5L19 7.5",
	block: "M6.3 6.3l11.4 11.4M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17z",
	watch: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.2a2.8 2.8 0 100 5.6 2.8 2.8 0 000-5.6z",
	wait: "M12 7v5l3.5 2M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17z",
	shield: "M12 2.5L4.5 5.6v5.8c0 4.6 3.1 8.4 7.5 10.1 4.4-1.7 7.5-5.5 7.5-10.1V5.6zM8.5 12l2.6 2.6 4.6-5",
	activity: "M3 12h4l2.5-6.5 4.5 13 2.5-6.5H21",
	policy: "M6 3.5h9l4 4v13H6zM14.5 3.5v4.5H19M9 12.5h7M9 16h5",
	warn: "M12 4L2.8 19.5h18.4zM12 10v4.5M12 17.2v.1",
	close: "M6 6l12 12M18 6L6 18",
	pause: "M8.5 5.5v13M15.5 5.5v13",
	play: "M8 5.5v13l10-6.5z",
	theme: "M12 3.5a8.5 8.5 0 100 17zM12 3.5a8.5 8.5 0 010 17",
	out: "M14.5 4.5H6v15h8.5M11 12h9.5M17 8.5l3.5 3.5-3.5 3.5",
	code: "M8.5 7.5L4 12l4.5 4.5M15.5 7.5L20 12l-4.5 4.5",
};
export function Icon({ name }) {
	return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${shapes[name]} /></svg>`;
}

export function Notice({ kind = "info", children }) {
	return html`<div class=${"notice " + kind} role=${kind === "bad" ? "alert" : "status"}>
		<${Icon} name=${kind === "good" ? "allow" : kind === "info" ? "wait" : "warn"} /><div>${children}</div>
	</div>`;
}

export async function copy_text(text, field) {
	// navigator.clipboard exists only on https and localhost; a home gateway is often neither
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch { /* the old way below */ }
	field?.focus();
	field?.select();
	try { return document.execCommand("copy"); } catch { return false; }
}
