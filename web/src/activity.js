// SPDX-License-Identifier: GPL-3.0-or-later
// activity.js - the live list of decisions.
//
//   GET events (the newest 100)  ->  GET stream from the newest id on  ->  rows, newest first, at most ROWS of them
//
// One EventSource, closed while the tab is hidden and resumed from the last id. What arrives is put on the page at most
// ten times a second, and not at all while frozen (it waits, counted). Filters live in the address bar and are carried
// out by the gateway, for the record and the stream alike.
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ago, api, clock_time, day_name, full_time, html, Icon, Notice, place_set, query, same_day, size, span, visible } from "./lib.js";
import { t, t_or } from "./words.js";

const ROWS = 500, PAGE = 100, PAINT_MS = 100;
const SETTLE_MS = 10000, SETTLE_LATE_MS = 150000; // a connection is counted when the kernel forgets it: up to two minutes

// --- rows ---

// What is shown is the verdict; a row that a watch line would have decided otherwise is shown as watched.
export const verdict_of = (r) => (r.watch && r.watch_verdict !== r.verdict ? "watch" : r.verdict);

export function Verdict({ verdict }) {
	return html`<span class=${"verdict " + verdict}><${Icon} name=${verdict} />${t("verdict." + verdict)}</span>`;
}

// a row may stand for many decisions (count): what differs among them is null
export const where_of = (r) => `${r.dst ?? t("row.several_sites")} ${r.dport ? `${r.proto}/${r.dport}` : r.proto}`;
export const device_of = (r) => r.who ?? r.mac ?? r.src ?? t("row.several_devices");
export function reason_of(r) {
	if (r.because) return visible(r.because);
	if (r.anomaly_text && r.verdict === "block" && r.by === "setting") return r.anomaly_text;
	if (r.list) return t("row.list", { name: visible(r.list.name), line: String(r.list.line) });
	return t_or("by." + r.by, r.by);
}

const port_of = (r) => (r.dport ? t("site.port", { proto: r.proto.toUpperCase(), port: String(r.dport) }) : r.proto.toUpperCase());

function Site({ row }) {
	if (row.count > 1) return html`<${One} row=${row} /><span class="sub">${t("row.count", { n: row.count, time: clock_time(Date.parse(row.last)) })}</span>`;
	return html`<${One} row=${row} />`;
}

function One({ row }) {
	if (row.name) return html`<bdi class="name">${visible(row.name)}</bdi><span class="sub">${t_or("source." + row.source, row.source)}</span>`;
	return html`<span class="unnamed">${row.kind === "not-proto" || row.kind === "pending"
		? port_of(row) : t_or("kind." + row.kind, row.kind)}</span>
		<span class="sub">${row.anomaly_text ?? t("source.none")}</span>`;
}

function Reason({ row }) {
	const lines = [];
	if (row.rule) lines.push(html`<span class="sub rule"><span class="at">${t("row.line", { line: String(row.rule.line) })}</span> <code>${visible(row.rule.text.trim())}</code></span>`);
	if (row.list && row.because) lines.push(html`<span class="sub">${t("row.list", { name: visible(row.list.name), line: String(row.list.line) })}</span>`);
	if (row.watch) lines.push(html`<span class="sub">${t("row.would", { verdict: t("verdict." + row.watch_verdict) })}: <code>${visible(row.watch.text.trim())}</code></span>`);
	if (row.tcp_instead) lines.push(html`<span class="sub">${t("row.tcp_instead")}</span>`);
	return html`<span class="because">${reason_of(row)}</span>${lines}`;
}

function Data({ row }) {
	if (row.bytes_down === null || row.bytes_down === undefined) return null;
	const words = t("row.data", { up: size(row.bytes_up), down: size(row.bytes_down), time: span(row.duration_ms) });
	return html`<span title=${words}>${size(row.bytes_up + row.bytes_down)}</span><span class="sub">${span(row.duration_ms)}</span>`;
}

function Times({ times, first, last }) {
	if (times < 2) return null;
	const words = t("row.times", { n: times, time: span(last - first) });
	return html`<span class="times" role="img" aria-label=${words} title=${words}>×${times}</span>`;
}

function Row({ row, times, first, last, open }) {
	const time = Date.parse(row.time), device = device_of(row);
	return html`<li><button type="button" class=${"row " + verdict_of(row)} aria-haspopup="dialog" onClick=${() => open(row)}>
		<span class="c-time"><time datetime=${row.time} title=${`${full_time(time)} · ${ago(time)}`}>${clock_time(time)}</time>
			${!same_day(time, Date.now()) && html`<span class="sub">${day_name(time)}</span>`}</span>
		<span class="c-verdict"><${Verdict} verdict=${verdict_of(row)} /><${Times} times=${times} first=${first} last=${last} /></span>
		<span class="c-device"><bdi>${visible(device)}</bdi>${!row.who && html`<span class="sub stranger">${t("row.unknown_device")}</span>`}
			${row.src && device !== row.src && html`<span class="sub">${row.src}</span>`}</span>
		<span class="c-site"><${Site} row=${row} /></span>
		<span class="c-reason"><${Reason} row=${row} /></span>
		<span class="c-where">${row.dst ?? t("row.several_sites")}<span class="sub">${row.dport ? `${row.proto}/${row.dport}` : row.proto}</span></span>
		<span class="c-bytes"><${Data} row=${row} /></span>
	</button></li>`;
}

// --- one click, one row ---

// A browser that is refused tries again by itself: 4 to 11 connections a click, over IPv4, IPv6, TLS, QUIC and plain HTTP,
// and an open error page asks again after 1, 5, 30 and 60 seconds. Refusals of the same device, name and rule that follow each
// other closely are one row with their number; the record, and every count, keeps all.
const GAP_MS = 10000, MOST_MS = 60000;

const key_of = (r) => r.verdict === "block" && !(r.count > 1) && JSON.stringify([
	r.who ?? r.mac ?? r.src, r.name ?? [r.dst, r.proto, r.dport], r.rule_id ?? r.rule?.line ?? r.by, r.revision, r.watch?.line ?? 0]);

// rows: newest first. Folded ones, too: { id, row, times, first, last }; id is the oldest's, so that it stays when more join.
function fold(rows) {
	const open = new Map(), out = [];
	for (let i = rows.length - 1; i >= 0; i--) {
		const row = rows[i], key = key_of(row), time = Date.parse(row.time);
		const with_it = key && open.get(key);
		if (with_it && time - with_it.last <= GAP_MS && time - with_it.first <= MOST_MS) {
			Object.assign(with_it, { row, times: with_it.times + 1, last: Math.max(time, with_it.last) });
			continue;
		}
		out.push({ id: row.id, row, times: 1, first: time, last: time });
		if (key) open.set(key, out[out.length - 1]);
	}
	return out.sort((a, b) => b.row.id - a.row.id);
}

// --- the feed: everything between the gateway and the rows ---

const newest_first = (list) => [...new Map(list.map((r) => [r.id, r])).values()].sort((a, b) => b.id - a.id);

class Feed {
	constructor(filter, changed) {
		this.filter = filter;
		this.changed = changed;
		this.rows = [];
		this.waiting = []; // arrived, not painted
		this.last = 0;
		this.state = "connecting";
		this.more = false;
		this.frozen = false;
		this.full = false; // rows beyond ROWS were left out
		this.stop_fetch = new AbortController();
		this.seen = () => (document.hidden ? this.disconnect() : this.begin());
		document.addEventListener("visibilitychange", this.seen);
		this.begin();
	}

	async fetch(more) {
		const { data } = await api("GET", "events" + query({ ...this.filter, limit: PAGE, ...more }), { signal: this.stop_fetch.signal });
		return data;
	}

	async begin() {
		if (document.hidden || this.source || this.closed) return;
		await this.first_page();
		if (this.loaded && !document.hidden && !this.source && !this.closed) this.connect();
	}

	// The stream then begins at the newest row of this page, so that nothing falls between the two: a row is in the
	// gateway's memory before it is in its database.
	async first_page() {
		if (this.loaded || this.loading) return;
		this.loading = true;
		try {
			const data = await this.fetch({});
			this.loaded = true;
			this.more = data.next !== null;
			this.problem = null;
			this.rows = data.events;
			this.last = data.events[0]?.id ?? 0;
			this.changed();
		} catch (e) {
			if (e.name === "AbortError" || this.closed) return;
			this.problem = e.status === 401 ? null : e;
			this.set("away");
			if (e.status === 0 || e.status >= 500) this.retry = setTimeout(() => this.begin(), 3000);
		} finally {
			this.loading = false;
		}
	}

	connect() {
		const at = query({ topics: "events", ...this.filter, last_event_id: this.last });
		const source = new EventSource("api/v1/stream" + at);
		this.source = source;
		// what the memory no longer holds as the first stream begins, the first page has asked the database for
		let known = !this.connected;
		this.connected = true;
		source.addEventListener("hello", (e) => this.hello(JSON.parse(e.data)));
		source.addEventListener("events", (e) => { known = false; this.take(JSON.parse(e.data)); });
		source.addEventListener("lagged", (e) => known || this.lagged(JSON.parse(e.data)));
		source.onopen = () => { this.problem = null; this.set("live"); };
		source.onerror = () => this.error();
	}

	hello({ id, revision }) {
		this.last = Math.max(this.last, id);
		this.revision = revision;
	}

	// the browser tries again by itself unless the answer was an error (readyState CLOSED)
	error() {
		this.set("away");
		if (this.source?.readyState !== EventSource.CLOSED || this.closed) return;
		this.disconnect();
		this.retry = setTimeout(() => {
			api("GET", "status").then(() => this.begin(), (e) => { if (e.status !== 401) this.error_again(); });
		}, 3000);
	}
	error_again() {
		if (!this.closed) this.retry = setTimeout(() => this.begin(), 3000);
	}

	async lagged({ from, to }) {
		this.missed = true;
		try {
			const data = await this.fetch({ before: to + 1, limit: ROWS });
			this.take(data.events.filter((r) => r.id >= from));
		} catch { /* the rows that came stay */ }
	}

	take(rows) {
		if (rows.length === 0) return;
		this.last = Math.max(this.last, ...rows.map((r) => r.id));
		this.waiting.push(...rows);
		if (this.waiting.length > 2 * ROWS) {
			this.waiting = newest_first(this.waiting).slice(0, ROWS);
			this.full = true;
		}
		this.paint_soon();
		if (this.settle && !this.settle_late) return;
		clearTimeout(this.settle);
		this.settle_after(SETTLE_MS, false);
	}

	// Bytes and duration are known when a flow ends, after its row was sent. Asked for some seconds after rows came, and once
	// more later; a quiet page asks for nothing.
	settle_after(ms, late) {
		this.settle_late = late;
		this.settle = setTimeout(() => this.settled(late), ms);
	}
	async settled(late) {
		if (late) this.settle = null;
		else this.settle_after(SETTLE_LATE_MS, true);
		if (document.hidden || this.closed) return;
		const open = new Map(this.rows.filter((r) => r.duration_ms === null).map((r) => [r.id, r]));
		const { events } = await this.fetch({}).catch(() => ({ events: [] }));
		const ended = events.filter((r) => r.duration_ms !== null && open.has(r.id));
		if (ended.length === 0) return;
		this.rows = newest_first([...this.rows, ...ended]);
		this.changed();
	}

	paint_soon() {
		if (this.timer || this.closed) return;
		const wait = Math.max(0, (this.painted ?? 0) + PAINT_MS - performance.now());
		this.timer = setTimeout(() => { this.timer = null; this.paint(); }, wait);
	}

	paint() {
		this.painted = performance.now();
		if (!this.frozen && this.waiting.length > 0) {
			const all = newest_first([...this.rows, ...this.waiting]);
			if (all.length > ROWS) { this.full = true; this.more = true; }
			this.rows = all.slice(0, ROWS);
			this.waiting = [];
		}
		this.changed();
	}

	set(state) {
		if (this.state === state && state === "live") return;
		this.state = state;
		this.paint_soon();
	}

	freeze(on) {
		this.frozen = on;
		this.paint();
	}

	async older() {
		const last = this.rows[this.rows.length - 1];
		const data = await this.fetch({ before: last?.id });
		this.more = data.next !== null;
		this.rows = newest_first([...this.rows, ...data.events]).slice(0, ROWS);
		this.full = this.rows.length === ROWS;
		this.changed();
	}

	disconnect() {
		this.source?.close();
		this.source = null;
		clearTimeout(this.retry);
	}

	close() {
		this.closed = true;
		this.stop_fetch.abort();
		clearTimeout(this.timer);
		clearTimeout(this.settle);
		document.removeEventListener("visibilitychange", this.seen);
		this.disconnect();
	}
}

function use_feed(filter) {
	const [, repaint] = useState(0);
	const feed = useRef(null);
	const key = JSON.stringify(filter);
	useEffect(() => {
		const frozen = feed.current?.frozen ?? false;
		feed.current = new Feed(filter, () => repaint((n) => n + 1));
		feed.current.frozen = frozen;
		repaint((n) => n + 1);
		return () => feed.current.close();
	}, [key]);
	return feed.current;
}

// --- filters ---

const keys = ["verdict", "name", "who", "rule", "reference"];
// what a block page calls its reference, as people type it (model/reference.h)
const is_reference = (text) => /^[0-9a-tv-z]{4}[- ][0-9a-tv-z]{4}[- ][0-9a-tv-z]{4}$/i.test(text);
const only_filters = (args) => Object.fromEntries(keys.filter((k) => args[k]).map((k) => [k, args[k]]));

// The text under the hand is at once in the field and, a moment after the last key, in the filter.
function TextFilter({ id, hint, value, set, list, field }) {
	const [text, set_text] = useState(value ?? "");
	const wait = useRef(null), own = useRef(value ?? "");
	// what comes back of one's own typing must not undo what was typed meanwhile, a blank at the end among it
	useEffect(() => { if ((value ?? "") !== own.current) set_text(own.current = value ?? ""); }, [value]);
	useEffect(() => () => clearTimeout(wait.current), []);
	const now = (v) => { clearTimeout(wait.current); set(own.current = v.trim()); };
	return html`<input id=${id} ref=${field} type="search" value=${text} placeholder=${hint} aria-label=${hint} list=${list}
		autocomplete="off" autocapitalize="none" spellcheck=${false}
		onInput=${(e) => {
			const v = e.target.value;
			set_text(v);
			clearTimeout(wait.current);
			wait.current = setTimeout(() => now(v), 300);
		}}
		onKeyDown=${(e) => {
			if (e.key === "Enter") now(e.target.value);
			if (e.key === "Escape") e.target.value ? (set_text(""), now("")) : e.target.blur();
		}} />`;
}

function DeviceFilter({ value, set }) {
	const [names, set_names] = useState(null);
	const load = () => {
		if (names) return;
		set_names([]);
		api("GET", "devices").then(({ data }) => set_names(data.devices.map((d) => d.name ?? d.mac ?? d.addr)), () => set_names(null));
	};
	return html`<div onFocusIn=${load} class="who-filter">
		<${TextFilter} id="filter-who" hint=${t("activity.who.hint")} value=${value} set=${set} list="devices" />
		<datalist id="devices">${[...new Set(names ?? [])].map((n) => html`<option key=${n} value=${n} />`)}</datalist>
	</div>`;
}

function Verdicts({ value, set }) {
	const choices = [["", "activity.any"], ["allow", "verdict.allow"], ["block", "verdict.block"], ["watch", "verdict.watch"]];
	return html`<div class="choice" role="group" aria-label=${t("col.verdict")}>
		${choices.map(([v, key]) => html`<button type="button" key=${v} aria-pressed=${(value ?? "") === v ? "true" : "false"}
			class=${v} onClick=${() => set(v)}>${v && html`<${Icon} name=${v} />`}<span>${t(key)}</span></button>`)}
	</div>`;
}

// --- the page ---

function LiveButton({ feed, freeze }) {
	const waiting = feed.waiting.length;
	const words = feed.frozen ? t("activity.frozen") : t({ live: "activity.live", away: "activity.away" }[feed.state] ?? "activity.connecting");
	return html`<div class="live-box">
		<span class=${"live is-" + (feed.frozen ? "frozen" : feed.state)}><span class="dot"></span>${words}</span>
		<button type="button" class=${feed.frozen ? "main" : ""} onClick=${() => freeze(!feed.frozen)} aria-keyshortcuts="Space">
			<${Icon} name=${feed.frozen ? "play" : "pause"} />
			<span>${t(feed.frozen ? "activity.resume" : "activity.freeze")}</span>
			${feed.frozen && waiting > 0 && html`<span class="badge" aria-label=${t("activity.waiting", { n: waiting })}>${waiting > ROWS ? ROWS + "+" : waiting}</span>`}
		</button>
	</div>`;
}

// Said aloud at most every few seconds: a screen reader is told counts, not each row.
function Counts({ feed }) {
	const words = feed.frozen && feed.waiting.length > 0 ? t("activity.waiting", { n: feed.waiting.length })
		: t("activity.count", { n: feed.rows.length });
	const [said, say] = useState(words);
	const latest = useRef(words);
	latest.current = words;
	useEffect(() => {
		const timer = setInterval(() => say(latest.current), 5000);
		return () => clearInterval(timer);
	}, []);
	return html`<p class="hidden" role="status" aria-live="polite">${said}</p>`;
}

function Empty({ filtered, clear }) {
	if (filtered) {
		return html`<div class="empty"><p>${t("activity.none")}</p>
			<button type="button" onClick=${clear}>${t("activity.clear")}</button></div>`;
	}
	return html`<div class="empty"><${Icon} name="activity" /><p>${t("activity.empty")}</p>
		<p class="quiet">${t("activity.empty.help")}</p></div>`;
}

function Foot({ feed, busy, older }) {
	if (feed.rows.length === 0) return null;
	return html`<p class="foot quiet">
		<span>${t("activity.count", { n: feed.rows.length })}</span>
		${feed.full ? html`<span>${t("activity.hidden", { n: ROWS })}</span>`
			: feed.more ? html`<button type="button" disabled=${busy} onClick=${older}>${t("activity.older")}</button>`
				: html`<span>${t("activity.end")}</span>`}
		<span class="keys">${t("activity.keys")}</span>
	</p>`;
}

const typing = (e) => e.target.closest("input, textarea, select, [contenteditable]");

// "/" focuses the filter, space freezes (where it does not press a button), j and k move along the rows
function use_keys({ list, field, toggle }) {
	useEffect(() => {
		const move = (step) => {
			const rows = [...list.current.querySelectorAll("button.row")];
			const here = rows.indexOf(document.activeElement);
			rows[Math.min(rows.length - 1, Math.max(0, here + step))]?.focus();
		};
		const key = (e) => {
			if (e.ctrlKey || e.metaKey || e.altKey || typing(e) || document.querySelector("dialog[open]")) return;
			if (e.key === "/") field.current.focus();
			else if (e.key === " " && (!e.target.closest("button, a, summary") || e.target.closest("button.row"))) toggle();
			else if (e.key === "j") move(1);
			else if (e.key === "k") move(-1);
			else return;
			e.preventDefault();
		};
		// a focused row is a button, which space would press on key up
		const up = (e) => { if (e.key === " " && e.target.closest?.("button.row")) e.preventDefault(); };
		addEventListener("keydown", key);
		addEventListener("keyup", up);
		return () => { removeEventListener("keydown", key); removeEventListener("keyup", up); };
	}, [toggle]);
}

function use_filter(args) {
	const [filter, set_filter] = useState(only_filters(args));
	useEffect(() => { set_filter(only_filters(args)); }, [JSON.stringify(only_filters(args))]);
	const set = useCallback((more) => set_filter((f) => {
		const next = only_filters({ ...f, ...more });
		place_set("activity", next);
		return next;
	}), []);
	return [filter, set];
}

// a line as it was recorded, or a rule's id; up to seven digits are a line (durward-api(7))
const rule_words = (rule) => /^\d{1,7}$/.test(rule) ? t("activity.rule", { line: rule }) : t("activity.rule_id", { id: visible(rule) });

function Filters({ filter, set, feed, freeze, field }) {
	return html`<div class="bar" role="search" aria-label=${t("activity.filter")}>
		<${Verdicts} value=${filter.verdict} set=${(verdict) => set({ verdict })} />
		<${TextFilter} id="filter-name" hint=${t("activity.name.hint")} value=${filter.reference ?? filter.name}
			set=${(text) => set(is_reference(text) ? { reference: text, name: "" } : { reference: "", name: text })} field=${field} />
		<${DeviceFilter} value=${filter.who} set=${(who) => set({ who })} />
		${filter.rule && html`<button type="button" class="chip" onClick=${() => set({ rule: "" })}
			aria-label=${`${rule_words(filter.rule)}: ${t("activity.clear")}`}>${rule_words(filter.rule)}<${Icon} name="close" /></button>`}
		<${LiveButton} feed=${feed} freeze=${freeze} />
	</div>`;
}

function Rows({ feed, list, open }) {
	const folded = useMemo(() => fold(feed.rows), [feed.rows]);
	const heads = ["time", "verdict", "device", "site", "reason", "where", "bytes"];
	return html`<div class="rows">
		<div class="heads" aria-hidden="true">${heads.map((c) => html`<span key=${c} class=${"c-" + c}>${t("col." + c)}</span>`)}</div>
		<ol ref=${list} aria-label=${t("activity.title")}>${folded.map((f) => html`<${Memo} key=${f.id} ...${f} open=${open} />`)}</ol>
	</div>`;
}

// a row is drawn once; the day may turn under it, the next visit says so
function Memo({ row, times, first, last, open }) {
	return useMemo(() => html`<${Row} row=${row} times=${times} first=${first} last=${last} open=${open} />`, [row, times]);
}

function use_drawer() {
	const [drawer, set] = useState(null);
	const [module, set_module] = useState(null);
	const open = useCallback((row) => {
		set(row);
		import("./why.js").then((m) => set_module(() => m.Why));
	}, []);
	return { drawer, Why: drawer && module, open, close: () => set(null) };
}

const silent = { rows: [], waiting: [], state: "connecting" };

export function Activity({ args, refresh, status }) {
	const [filter, set] = use_filter(args);
	const feed = use_feed(filter) ?? silent;
	const list = useRef(null), field = useRef(null);
	const [busy, set_busy] = useState(false);
	const { drawer, Why, open, close } = use_drawer();
	const freeze = useCallback((on) => feed.freeze?.(on), [feed]);
	const toggle = useCallback(() => feed.freeze?.(!feed.frozen), [feed]);
	use_keys({ list, field, toggle });
	useEffect(() => {
		if (feed.state === "away" || (feed.revision !== undefined && feed.revision !== status?.policy?.revision)) refresh();
	}, [feed.revision, feed.state]);
	const older = async () => {
		set_busy(true);
		await feed.older().catch(() => {});
		set_busy(false);
	};
	const filtered = Object.keys(filter).length > 0;
	const clear = () => set({ verdict: "", name: "", who: "", rule: "", reference: "" });
	return html`<div class="page activity">
		<h1 class="hidden">${t("activity.title")}</h1>
		<${Filters} filter=${filter} set=${set} feed=${feed} freeze=${freeze} field=${field} />
		${feed.problem && html`<${Notice} kind="bad">${feed.problem.message}<//>`}
		${feed.missed && html`<${Notice}>${t("activity.lagged")}<//>`}
		<${Counts} feed=${feed} />
		<${Rows} feed=${feed} list=${list} open=${open} />
		${feed.loaded && feed.rows.length === 0 && html`<${Empty} filtered=${filtered} clear=${clear} />`}
		<${Foot} feed=${feed} busy=${busy} older=${older} />
		${Why && html`<${Why} row=${drawer} close=${close} />`}
	</div>`;
}
