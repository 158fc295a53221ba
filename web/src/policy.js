// SPDX-License-Identifier: GPL-3.0-or-later
// policy.js - the policy file in an editor: Check shows every error at its place, Changes what is new, Apply writes it.
//
// Apply carries the ETag of the file as it was read (If-Match). 412: somebody changed the file meanwhile; the text here is
// kept and may be compared with the new file, or dropped for it.
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { diff, folded } from "./diff.js";
import { api, html, Notice } from "./lib.js";
import { t } from "./words.js";

// the draft outlives a visit to another page of this tab
let kept = null;

// --- places: the gateway counts lines from 1 and columns in bytes, the browser counts UTF-16 units ---

function line_start(text, line) {
	let at = 0;
	for (let n = 1; n < line; n++) {
		const next = text.indexOf("\n", at);
		if (next < 0) return text.length;
		at = next + 1;
	}
	return at;
}
function units(text, bytes) {
	const decoder = new TextDecoder();
	return decoder.decode(new TextEncoder().encode(text).subarray(0, Math.max(0, bytes))).length;
}
function range_of(text, f) {
	const start = line_start(text, f.line), end = text.indexOf("\n", start);
	const line = text.slice(start, end < 0 ? undefined : end);
	const from = units(line, f.column - 1);
	const to = f.length ? from + units(line.slice(from), f.length) : line.length;
	return [start + from, start + Math.max(from, to)];
}

// --- the editor: a textarea, its line numbers, and marks behind the text ---

function Gutter({ lines, marks, shift }) {
	return html`<div class="gutter" aria-hidden="true"><div ref=${shift}>
		${Array.from({ length: lines }, (_, i) => html`<div key=${i} class=${marks.get(i + 1) ?? ""}>${i + 1}</div>`)}
	</div></div>`;
}

// What was found on the line that the caret stands on
function AtLine({ findings }) {
	return html`<div class="at-line" role="status">${findings.map((f, i) => html`<p key=${i} class=${f.level}>${f.text}</p>`)}</div>`;
}

function Editor({ text, set, readonly, findings, jump }) {
	const area = useRef(null), numbers = useRef(null), back = useRef(null);
	const [here, set_here] = useState(0);
	const look = () => set_here(area.current.value.slice(0, area.current.selectionStart).split("\n").length);
	const lines = useMemo(() => text.split("\n").length, [text]);
	const marks = useMemo(() => {
		const m = new Map();
		for (const f of findings) if (m.get(f.line) !== "error") m.set(f.line, f.level);
		return m;
	}, [findings]);
	const scroll = () => {
		const y = `translateY(${-area.current.scrollTop}px)`;
		numbers.current.style.transform = y;
		back.current.style.transform = y;
	};
	useEffect(() => {
		if (!jump) return;
		const [from, to] = range_of(area.current.value, jump);
		const high = parseFloat(getComputedStyle(area.current).lineHeight);
		area.current.focus({ preventScroll: true });
		area.current.setSelectionRange(from, to);
		look();
		area.current.scrollTop = Math.max(0, (jump.line - 4) * high);
		scroll();
		area.current.scrollIntoView({ block: "nearest" });
	}, [jump]);
	useEffect(scroll, [text]);
	return html`<div class="editor">
		<${Gutter} lines=${lines} marks=${marks} shift=${numbers} />
		<div class="text">
			<div class="marks" aria-hidden="true"><div ref=${back}>
				${[...marks].map(([line, level]) => html`<div key=${line} class=${"mark " + level} style=${{ "--line": String(line - 1) }}></div>`)}
			</div></div>
			<textarea id="policy-text" ref=${area} value=${text} readonly=${readonly} wrap="off" spellcheck=${false} autocapitalize="none"
				autocomplete="off" aria-label=${t("policy.editor")} aria-invalid=${findings.some((f) => f.level === "error") ? "true" : "false"}
				onInput=${(e) => set(e.target.value)} onScroll=${scroll} onSelect=${look} onKeyUp=${look} onClick=${look}></textarea>
			<${AtLine} findings=${findings.filter((f) => f.line === here)} />
		</div>
	</div>`;
}

// --- findings ---

function Findings({ findings, go }) {
	if (findings.length === 0) return null;
	return html`<ol class="findings" aria-label=${t("policy.findings")}>${findings.map((f, i) => html`<li key=${i}>
		<button type="button" class=${"finding " + f.level} onClick=${() => go({ ...f, line: Math.max(1, f.line), column: Math.max(1, f.column) })}>
			<span class="kind">${t("policy." + f.level)}</span>
			<span class="at">${f.line ? t("policy.at", { line: String(f.line), column: String(f.column) }) : t("policy.whole")}</span>
			<span class="says">${f.text}</span>
		</button></li>`)}</ol>`;
}

// --- changes ---

function Changes({ before, after }) {
	const edits = useMemo(() => folded(diff(before, after)), [before, after]);
	const count = (kind) => edits.filter((e) => e.kind === kind).length;
	const added = count("add"), removed = count("del");
	if (added + removed === 0) return html`<p class="quiet">${t("policy.diff.none")}</p>`;
	return html`<section class="changes" aria-label=${t("policy.diff")}>
		<h2>${t("policy.diff")} <span class="quiet">${t("policy.diff.added", { n: added })}, ${t("policy.diff.removed", { n: removed })}</span></h2>
		<div class="diff" tabindex="0" role="group" aria-label=${t("policy.diff")}>${edits.map((e, i) => html`<div key=${i} class=${e.kind}>
			<span class="at">${e.kind === "gap" ? "" : e.line}</span><span class="sign" aria-hidden="true">${{ add: "+", del: "−" }[e.kind] ?? ""}</span>
			${t_sign(e.kind)}<code>${e.text}</code></div>`)}</div>
	</section>`;
}
const t_sign = (kind) => (kind === "add" || kind === "del" ? html`<span class="hidden">${t("diff." + kind)} </span>` : null);

// --- for who writes one for the first time ---

const examples = [
	["device", "device phone mac a4:83:e7:10:22:31"],
	["person", "person mia owns phone"],
	["group", "group kids mia"],
	["app", "app games game.example play.example"],
	["hours", "hours bedtime sun-thu 20:30-07:00, fri-sat 22:00-08:00"],
	["for", "for kids"],
	["block", "  block games because \"Homework first\""],
	["bedtime", "  block everything hours bedtime"],
	["watch", "  watch block social.example"],
];
function Help() {
	return html`<details class="help"><summary>${t("policy.help")}</summary>
		<p>${t("policy.help.intro")}</p>
		<dl>${examples.map(([key, line]) => html`<div key=${key}><dt><code>${line}</code></dt><dd>${t("policy.help." + key)}</dd></div>`)}</dl>
		<p class="quiet">${t("policy.help.more")}</p></details>`;
}

// --- the page's work ---

function use_file() {
	const [file, set_file] = useState(kept?.file ?? null); // {text, etag, revision, ...} as last read
	const [text, set_text] = useState(kept?.text ?? "");
	const [bad, set_bad] = useState(null);
	const read = useCallback(async (keep_text) => {
		try {
			const { data, etag } = await api("GET", "policy");
			set_file({ ...data, etag });
			if (!keep_text) set_text(data.text);
			set_bad(null);
			return { ...data, etag };
		} catch (e) {
			set_bad(e.message);
			return null;
		}
	}, []);
	useEffect(() => { read(kept !== null); }, []);
	const edited = file !== null && text !== file.text;
	// before the next paint: a link may be followed right after the last key
	useLayoutEffect(() => { kept = edited ? { file, text } : null; }, [edited, file, text]);
	return { file, text, set_text, read, bad, edited };
}

// What the last check or apply said: {kind: good|bad|warn|info, words} and its findings
function use_work({ file, text, read, refresh }) {
	const [busy, set_busy] = useState("");
	const [said, say] = useState(null);
	const [findings, set_findings] = useState([]);
	const [stale, set_stale] = useState(false);
	// errors first: they are what keeps the policy from being put in force
	const keep = (all = []) => set_findings([...all].sort((a, b) => (a.level === "error" ? 0 : 1) - (b.level === "error" ? 0 : 1)));
	const tell = (data) => {
		keep(data.findings);
		say(data.errors ? { kind: "bad", words: t("policy.bad", { n: data.errors }) }
			: { kind: "good", words: data.warnings ? t("policy.good.warnings", { n: data.warnings }) : t("policy.good") });
	};
	const doing = (what, work) => async () => {
		set_busy(what);
		try {
			await work();
		} catch (e) {
			if (e.status === 422 && e.body?.findings) tell(e.body);
			else if (e.status === 412) set_stale(true);
			else say({ kind: "bad", words: e.message });
		}
		set_busy("");
	};
	const check = doing("check", async () => tell((await api("POST", "policy/check", { body: { text } })).data));
	const apply = doing("apply", async () => {
		const { data } = await api("PUT", "policy/apply", { body: { text }, etag: file.etag });
		keep(data.findings);
		const values = { n: String(data.revision) };
		await read(true);
		await refresh();
		say(data.taken ? { kind: "good", words: t("policy.taken", values) } : { kind: "warn", words: t("policy.slow", values) });
	});
	return { busy, said, say, findings, set_findings, stale, set_stale, check, apply };
}

function Stale({ reload, keep }) {
	return html`<div class="notice warn" role="alert"><div>
		<p><strong>${t("policy.stale")}</strong></p><p>${t("policy.stale.help")}</p>
		<p class="links"><button type="button" onClick=${keep}>${t("policy.stale.keep")}</button>
			<button type="button" onClick=${reload}>${t("policy.stale.reload")}</button></p>
	</div></div>`;
}

function Heading({ file, edited, lines }) {
	const state = edited ? "edited" : !file.exists ? "missing" : file.in_force ? "in_force" : "not_in_force";
	return html`<div class="heading"><h1>${t("policy.title")}</h1>
		<p><span class="chip flat">${t("policy.revision", { n: String(file.revision) })}${file.kept === false && ` (${t("policy.not_kept")})`}</span>
			<span class=${"chip flat " + state}>${t("policy.state." + state)}</span>
			<span class="quiet"><code>${file.file}</code> · ${t("policy.lines", { n: lines })}</span></p></div>`;
}

function Buttons({ file, work, edited, changes, set_changes, discard }) {
	const busy = work.busy !== "";
	return html`<div class="bar">
		<button type="button" disabled=${busy} onClick=${work.check}>${t(work.busy === "check" ? "policy.checking" : "policy.check")}</button>
		${file.edit && html`<button type="button" class="main" disabled=${busy || !edited} onClick=${work.apply}>${t(work.busy === "apply" ? "policy.applying" : "policy.apply")}</button>`}
		${edited && html`<button type="button" class="plain" aria-expanded=${changes ? "true" : "false"} onClick=${() => set_changes(!changes)}>${t(changes ? "policy.hide_changes" : "policy.changes")}</button>
			<button type="button" class="plain" disabled=${busy} onClick=${discard}>${t("policy.discard")}</button>`}
	</div>`;
}

function use_leave_warning(edited) {
	useEffect(() => {
		if (!edited) return;
		const ask = (e) => { e.preventDefault(); e.returnValue = t("policy.leave"); };
		addEventListener("beforeunload", ask);
		return () => removeEventListener("beforeunload", ask);
	}, [edited]);
}

export function Policy({ args, refresh }) {
	const { file, text, set_text, read, bad, edited } = use_file();
	const work = use_work({ file, text, read, refresh });
	const [changes, set_changes] = useState(false);
	const [jump, set_jump] = useState(null);
	use_leave_warning(edited);
	useEffect(() => {
		if (file && Number(args.line) > 0) set_jump({ line: Number(args.line), column: 1 });
	}, [args.line, file === null]);
	useEffect(() => { if (file && args.check) work.check(); }, [args.check, file === null]);
	if (bad && !file) return html`<div class="page"><${Notice} kind="bad">${bad}<//></div>`;
	if (!file) return html`<p class="quiet pad" role="status">${t("policy.loading")}</p>`;
	const edit = (v) => { set_text(v); work.say(null); };
	const discard = () => { set_text(file.text); set_changes(false); work.say(null); work.set_findings([]); };
	const reload = async () => { work.set_stale(false); work.set_findings([]); work.say(null); set_changes(false); await read(false); };
	const keep = async () => { work.set_stale(false); await read(true); set_changes(true); work.say({ kind: "info", words: t("policy.kept") }); };
	return html`<div class="page policy">
		<${Heading} file=${file} edited=${edited} lines=${text.replace(/\n$/, "").split("\n").length} />
		${!file.edit && html`<${Notice}>${t("policy.readonly", { file: file.file })}<//>`}
		${work.stale ? html`<${Stale} reload=${reload} keep=${keep} />`
			: html`<${Buttons} file=${file} work=${work} edited=${edited} changes=${changes} set_changes=${set_changes} discard=${discard} />`}
		<div role="status" class="said">${work.said && html`<${Notice} kind=${work.said.kind}>${work.said.words}<//>`}</div>
		<${Findings} findings=${work.findings} go=${(f) => set_jump({ ...f })} />
		${changes && edited && html`<${Changes} before=${file.text} after=${text} />`}
		<${Editor} text=${text} set=${edit} readonly=${!file.edit} findings=${work.findings} jump=${jump} />
		<${Help} />
	</div>`;
}
