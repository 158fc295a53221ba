// SPDX-License-Identifier: GPL-3.0-or-later
// app.js - the frame: who may come in, which page is shown, the state line.
//
//   GET status answers 401 -> GET setup -> Setup or Login (enter.js)      else the page of the address bar
//
// Pages that are not shown first are loaded when asked for. A page is remounted when its name changes, not its filters.
import { render } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Activity } from "./activity.js";
import { ago, api, html, Icon, link, Notice, place, full_time, when_signed_out } from "./lib.js";
import { t } from "./words.js";

const later = { policy: () => import("./policy.js"), enter: () => import("./enter.js") };

function use_module(name) {
	const [module, set] = useState(null);
	useEffect(() => {
		let here = true;
		if (name) later[name]().then((m) => here && set(() => m), () => location.reload());
		return () => { here = false; };
	}, [name]);
	return module;
}

// --- colours: as the system until chosen; the choice stays in this browser ---

const themes = ["auto", "light", "dark"];
function theme_read() {
	try { return themes.includes(localStorage.theme) ? localStorage.theme : "auto"; } catch { return "auto"; }
}
function theme_set(which) {
	document.documentElement.dataset.theme = which;
	try { localStorage.theme = which; } catch { /* private window */ }
}
theme_set(theme_read());

function Theme() {
	const [which, set] = useState(theme_read());
	const next = () => {
		const n = themes[(themes.indexOf(which) + 1) % themes.length];
		theme_set(n);
		set(n);
	};
	const label = t("app.theme", { which: t("app.theme." + which) });
	return html`<button class="plain square" type="button" onClick=${next} title=${label} aria-label=${label}>
		<${Icon} name="theme" /></button>`;
}

// --- the state sentence ---

// [what is wrong, where more is told]. A list that waits for a word has its own place on the sheet.
function problems_of(s) {
	const asked = (s.lists ?? []).filter((l) => l.may_accept).map((l) => `list '${l.name}':`);
	const list = (s.problems ?? []).filter((p) => !asked.some((a) => p.startsWith(a))).map((p) => [p]);
	const add = (key, n, at) => n > 0 && list.push([t(key, { n }), at]);
	add("state.file_errors", s.policy?.file_errors, link("policy", { check: 1 }));
	add("state.file_warnings", s.policy?.file_warnings, link("policy", { check: 1 }));
	add("state.lost_events", s.events?.lost);
	return list;
}

// A list whose file has shrunk keeps its last good copy until somebody says that the smaller one is meant.
function AcceptList({ list, refresh }) {
	const [busy, set_busy] = useState(false);
	const [bad, set_bad] = useState(null);
	const accept = async () => {
		set_busy(true);
		try {
			await api("POST", "reload", { body: { accept_lists: [list.name] } });
			await refresh();
		} catch (e) {
			set_bad(e.message);
		}
		set_busy(false);
	};
	return html`<div class="accept"><p>${t("lists.shrunk", { name: list.name })}</p>
		<p class="quiet">${list.failure}</p>
		<button type="button" disabled=${busy} onClick=${accept}>${t("lists.accept")}</button>
		${bad && html`<${Notice} kind="bad">${bad}<//>`}</div>`;
}

function StateLine({ status, lost, refresh }) {
	if (!status || lost) {
		return html`<p class=${"state " + (lost ? "bad" : "wait")} role="status"><span class="dot"></span>
			${t(lost ? "state.lost" : "state.unknown")}</p>`;
	}
	const problems = problems_of(status), lists = (status.lists ?? []).filter((l) => l.may_accept);
	const n = problems.length + lists.length;
	const kind = status.state === "filtering" ? (n ? "warn" : "good") : status.state === "starting" ? "warn" : "bad";
	const shut = (e) => { e.target.closest("details").open = false; };
	const since = status.policy?.loaded && Date.parse(status.policy.loaded);
	return html`<details class=${"state " + kind}>
		<summary><span class="dot"></span><span role="status">${t("state." + status.state)}${n > 0
			&& html`<span class="count"> · ${t("state.warnings", { n })}</span>`}</span></summary>
		<div class="sheet">
			${lists.map((l) => html`<${AcceptList} key=${l.name} list=${l} refresh=${refresh} />`)}
			${problems.length > 0 && html`<ul>${problems.map(([words, at]) => html`<li key=${words}>${at ? html`<a href=${at} onClick=${shut}>${words}</a>` : words}</li>`)}</ul>`}
			${n === 0 && html`<p>${t("state.none")}</p>`}
			${since && html`<p class="quiet" title=${full_time(since)}>${t("state.since", {
				revision: String(status.policy.revision), time: ago(since) })}</p>`}
		</div>
	</details>`;
}

// --- the frame ---

function NavLink({ page, here }) {
	return html`<a class="nav" href=${link(page)} aria-current=${page === here ? "page" : undefined}>
		<${Icon} name=${page} /><span>${t("nav." + page)}</span></a>`;
}

function Frame({ page, status, lost, refresh, sign_out, children }) {
	return html`
		<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById("main").focus(); }}>${t("app.skip")}</a>
		<header class="top">
			<div class="brand"><${Icon} name="shield" /><span>Durward</span></div>
			<nav aria-label=${t("nav.label")}><${NavLink} page="activity" here=${page} /><${NavLink} page="policy" here=${page} /></nav>
			<${StateLine} status=${status} lost=${lost} refresh=${refresh} />
			<div class="tools">
				<a class="button plain api" href="api/openapi.json"><${Icon} name="code" /><span>${t("app.api")}</span></a>
				<${Theme} />
				<button class="plain" type="button" onClick=${sign_out} aria-label=${t("app.signout")}><${Icon} name="out" />
					<span>${t("app.signout")}</span></button>
			</div>
		</header>
		<main id="main" tabindex="-1">${children}</main>`;
}

function Page({ at, refresh, status }) {
	const policy = use_module(at.page === "policy" ? "policy" : null);
	if (at.page !== "policy") return html`<${Activity} args=${at.args} refresh=${refresh} status=${status} />`;
	if (!policy) return html`<p class="quiet pad" role="status">${t("app.loading")}</p>`;
	return html`<${policy.Policy} args=${at.args} refresh=${refresh} />`;
}

function use_place() {
	const [at, set] = useState(place());
	useEffect(() => {
		const moved = () => set(place());
		addEventListener("hashchange", moved);
		return () => removeEventListener("hashchange", moved);
	}, []);
	return at;
}

// door: null not known yet, "in", "login", "setup"
function use_door() {
	const [door, set_door] = useState(null);
	const [status, set_status] = useState(null);
	const [failure, set_failure] = useState(null);
	const was_in = useRef(false);
	const refresh = useCallback(async () => {
		try {
			const { data } = await api("GET", "status", { quiet: true });
			set_status(data);
			set_failure(null);
			set_door("in");
			was_in.current = true;
			return data;
		} catch (e) {
			if (e.status === 401) {
				const { data } = await api("GET", "setup").catch(() => ({ data: { password_set: true } }));
				set_door(data.password_set ? "login" : "setup");
			} else {
				set_failure(e);
			}
			return null;
		}
	}, []);
	return { door, set_door, status, failure, refresh, was_in };
}

function App() {
	const { door, set_door, status, failure, refresh, was_in } = use_door();
	const at = use_place();
	const enter = use_module(door === "login" || door === "setup" ? "enter" : null);
	useEffect(() => {
		when_signed_out(() => set_door((d) => (d === "in" ? "login" : d)));
		refresh();
		const seen = () => !document.hidden && refresh();
		document.addEventListener("visibilitychange", seen);
		return () => document.removeEventListener("visibilitychange", seen);
	}, []);
	useEffect(() => {
		document.title = door === "in" ? `${t(at.page === "policy" ? "policy.title" : "activity.title")} · Durward` : "Durward";
	}, [door, at.page]);
	const sign_out = async () => {
		await api("DELETE", "session", { quiet: true }).catch(() => {});
		was_in.current = false;
		set_door("login");
	};
	if (door === "in") {
		return html`<${Frame} page=${at.page === "policy" ? "policy" : "activity"} status=${status} lost=${!!failure} refresh=${refresh} sign_out=${sign_out}>
			<${Page} at=${at} refresh=${refresh} status=${status} />
		<//>`;
	}
	if (door && enter) {
		return html`<${enter.Enter} door=${door} set_door=${set_door} expired=${was_in.current} entered=${refresh} />`;
	}
	return html`<main class="enter">${failure ? html`<${Notice} kind="bad">${failure.message}<//>`
		: html`<p class="quiet" role="status">${t("app.loading")}</p>`}</main>`;
}

render(html`<${App} />`, document.getElementById("app"));
