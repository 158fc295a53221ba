// SPDX-License-Identifier: GPL-3.0-or-later
// why.js - the drawer behind a row: what happened, the line that decided, and the policy's walk to it (GET explain).
//
// What was recorded stands above what the policy says when asked now: a later policy may answer otherwise, and is said so.
import { useEffect, useRef, useState } from "preact/hooks";
import { device_of, Verdict, verdict_of, where_of, reason_of } from "./activity.js";
import { ago, api, copy_text, full_time, html, Icon, link, Notice, query, size, span, visible } from "./lib.js";
import { t, t_or } from "./words.js";

// --- the question that asks for the same flow again ---

const kinds = { none: "no-name", opaque: "hidden", evasive: "evasive" };

function question(row) {
	const at = row.time.replace(/\.\d+/, "");
	if (row.name && row.kind === "name") { // of what is evasive or hidden the policy does not judge the name
		return { who: device_of(row), name: row.name, proto: ["tls", "quic", "http"].includes(row.app) ? row.app : "tls", to: row.dst ?? undefined, at };
	}
	return { who: device_of(row), addr: row.dst, proto: row.proto, port: row.dport || undefined,
		kind: row.path === "other" ? undefined : kinds[row.kind], at };
}

const quoted = (word) => (/^[\w.:/@%+=-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replaceAll("'", "'\\''")}'`);
function command(q) {
	const words = q.name ? [q.who, q.name, q.proto, q.to && "to", q.to] : [q.who, q.addr, q.port ? `${q.proto}/${q.port}` : q.proto, q.kind];
	return ["durwardctl explain", ...words.filter(Boolean).map((w) => quoted(String(w))), "at", q.at].join(" ");
}

// --- parts ---

function Fact({ name, children }) {
	return html`<div><dt>${name}</dt><dd>${children}</dd></div>`;
}

function Facts({ row }) {
	const time = Date.parse(row.time);
	const ended = row.bytes_down !== null && row.bytes_down !== undefined;
	return html`<section><h3>${t("why.facts")}</h3><dl class="facts">
		<${Fact} name=${t("why.time")}>${full_time(time)} <span class="quiet">${ago(time)}</span><//>
		<${Fact} name=${t("why.device")}>${row.who ? visible(row.who) : t("row.unknown_device")}${row.mac && html` <span class="quiet">${row.mac}</span>`}<//>
		${!row.who && (row.mac ?? row.src) && html`<div class="wide-fact"><dt>${t("why.name_it")}</dt><dd><code>device NAME ${row.mac ? "mac " + row.mac : "ip " + row.src}</code></dd></div>`}
		<${Fact} name=${t("why.from")}>${row.src ?? t(row.mac || row.who ? "row.several_sites" : "row.several_devices")}<//>
		<${Fact} name=${t("why.to")}>${where_of(row)}<//>
		<${Fact} name=${t("why.name")}>${row.name ? html`<bdi class="name">${visible(row.name)}</bdi>` : t_or("kind." + row.kind, row.kind)}<//>
		${row.name && html`<${Fact} name=${t("why.read")}>${t_or("source." + row.source, row.source)}<//>`}
		${row.anomaly_text && html`<${Fact} name=${t("why.anomaly")}>${row.anomaly_text}${row.anomaly_at && html` <span class="quiet">${row.anomaly_at}</span>`}<//>`}
		<${Fact} name=${t("why.path")}>${t_or("path." + row.path, row.path)}<//>
		<${Fact} name=${t("why.data")}>${ended ? t("row.data", { up: size(row.bytes_up), down: size(row.bytes_down), time: span(row.duration_ms) })
			: html`<span class="quiet">${t("why.open")}</span>`}<//>
	</dl></section>`;
}

function Decision({ row }) {
	const rule = row.rule;
	return html`<section class=${"decision " + verdict_of(row)}>
		<p class="sentence"><${Verdict} verdict=${verdict_of(row)} />
			<span>${row.because ? t("why.because", { because: visible(row.because) }) : reason_of(row)}</span></p>
		${rule ? html`<h3>${t("why.rule")}</h3>
			<p class="line"><span class="at">${row.rule_line ?? rule.line}</span><code>${visible(rule.text.trim())}</code></p>
			${row.rule_id && html`<p class="quiet">${t("why.rule_id", { id: visible(row.rule_id) })}
				${row.rule_line && row.rule_line !== rule.line ? " " + t("why.moved", { line: String(rule.line) }) : ""}</p>`}
			${row.rule_id && !row.rule_line && html`<p class="quiet">${t("why.gone")}</p>`}
			<p class="links">${(row.rule_line || !row.rule_id) && html`<a class="button" href=${link("policy", { line: row.rule_line ?? rule.line })}>${t("why.edit")}</a>`}
				<a class="button" href=${link("activity", { rule: row.rule_id ?? rule.line })}>${t("why.filter")}</a></p>`
			: html`<p class="quiet">${t("why.default")}</p>`}
		${row.list && html`<p>${t("why.list", { name: visible(row.list.name), line: String(row.list.line) })}</p>`}
		${row.watch && html`<p>${t("why.watch", { verdict: t("verdict." + row.watch_verdict) })}</p>
			<p class="line"><span class="at">${row.watch.line}</span><code>${visible(row.watch.text.trim())}</code></p>
			${row.watch_id && html`<p class="quiet">${t("why.rule_id", { id: visible(row.watch_id) })}</p>
				<p class="links"><a class="button" href=${link("activity", { rule: row.watch_id })}>${t("why.filter_watch")}</a></p>`}`}
		${row.until && html`<p class="quiet">${t("why.until", { time: full_time(Date.parse(row.until)) })}</p>`}
	</section>`;
}

function Step({ step }) {
	return html`<li class=${"step is-" + step.step}>
		<span class="what">${t_or("step." + step.step, step.step)}</span>
		<span class="text">${step.line ? html`<a class="at" title=${step.id ?? undefined} href=${link("policy", { line: step.line })}>${t("row.line", { line: String(step.line) })}</a>` : null}
			<code>${visible(step.text.trim())}</code></span>
	</li>`;
}

function Trace({ row, asked }) {
	const [answer, set] = useState(null);
	const [bad, set_bad] = useState(null);
	useEffect(() => {
		const stop = new AbortController();
		api("GET", "explain" + query(asked), { signal: stop.signal })
			.then(({ data }) => set(Array.isArray(data) ? data[0] : data), (e) => e.name !== "AbortError" && set_bad(e.message));
		return () => stop.abort();
	}, [row.id]);
	return html`<section><h3>${t("why.trace")}</h3>
		${bad && html`<${Notice} kind="warn">${bad}<//>`}
		${!answer && !bad && html`<p class="quiet" role="status">${t("why.loading")}</p>`}
		${answer && answer.verdict !== row.verdict && html`<${Notice} kind="warn">${t("why.changed", { verdict: t("verdict." + answer.verdict) })}<//>`}
		${answer && html`<ol class="trace">${answer.trace.map((s, i) => html`<${Step} key=${i} step=${s} />`)}</ol>`}
	</section>`;
}

function Command({ text }) {
	const field = useRef(null);
	const [said, say] = useState("");
	const copy = async () => {
		say(t(await copy_text(text, field.current) ? "why.copied" : "why.copy_failed"));
	};
	return html`<section><h3 id="why-command">${t("why.command")}</h3>
		<textarea class="command" ref=${field} readonly rows="3" aria-labelledby="why-command" value=${text}></textarea>
		<p class="links"><button type="button" onClick=${copy}>${t("why.copy")}</button> <span class="quiet" role="status">${said}</span></p>
	</section>`;
}

// Bytes are known when the flow has ended, often after the row was shown: asked again.
function use_fresh(row) {
	const [fresh, set] = useState(row);
	useEffect(() => {
		let here = true;
		set(row);
		if (row.bytes_down === null || row.bytes_down === undefined) {
			api("GET", "events" + query({ after: row.id - 1, limit: 1 }))
				.then(({ data }) => here && data.events[0]?.id === row.id && set(data.events[0]), () => {});
		}
		return () => { here = false; };
	}, [row.id]);
	return fresh;
}

export function Why({ row: given, close }) {
	const row = use_fresh(given);
	const box = useRef(null);
	const asked = question(row);
	const one = (row.who ?? row.mac ?? row.src) && (row.dst ?? row.name); // else it stands for many different decisions
	useEffect(() => box.current.showModal(), []); // closing it gives the focus back to the row
	return html`<dialog class="drawer" ref=${box} aria-labelledby="why-title" onClose=${close}
		onClick=${(e) => { if (e.target === box.current || e.target.closest("a[href^='#']")) box.current.close(); }}>
		<div class="inside">
			<header><h2 id="why-title">${t("why.title")} <bdi class="name">${row.name ? visible(row.name) : where_of(row)}</bdi></h2>
				<button type="button" class="plain square" aria-label=${t("app.close")} onClick=${() => box.current.close()}><${Icon} name="close" /></button></header>
			<${Decision} row=${row} />
			${one && html`<${Trace} row=${row} asked=${asked} />`}
			<${Facts} row=${row} />
			${one && html`<${Command} text=${command(asked)} />`}
		</div>
	</dialog>`;
}
