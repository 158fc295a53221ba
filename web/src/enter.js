// SPDX-License-Identifier: GPL-3.0-or-later
// enter.js - the two doors: Setup (one-time token and a first password) and Login.
import { useEffect, useRef, useState } from "preact/hooks";
import { api, html, Icon, Notice } from "./lib.js";
import { t } from "./words.js";

function Field({ id, label, type, value, set, auto, help, focus }) {
	const field = useRef(null);
	const [shown, show] = useState(false);
	useEffect(() => { if (focus) field.current.focus(); }, []);
	return html`<div class="field">
		<label for=${id}>${label}</label>
		<div class="with-button">
			<input id=${id} ref=${field} type=${shown ? "text" : type} value=${value} autocomplete=${auto} autocapitalize="none"
				spellcheck=${false} aria-describedby=${help ? id + "-help" : undefined} onInput=${(e) => set(e.target.value)} />
			${type === "password" && html`<button type="button" class="plain" aria-pressed=${shown ? "true" : "false"}
				aria-label=${`${t("login.show")}: ${label}`} onClick=${() => show(!shown)}>${t(shown ? "login.hide" : "login.show")}</button>`}
		</div>
		${help && html`<p class="quiet" id=${id + "-help"}>${help}</p>`}
	</div>`;
}

// One form's life: busy while it is sent, the error under it, and entered() when the gateway says yes.
function use_form(entered, send) {
	const [busy, set_busy] = useState(false);
	const [bad, set_bad] = useState(null);
	const submit = async (e) => {
		e.preventDefault();
		if (busy) return;
		set_busy(true);
		set_bad(null);
		try {
			const wrong = await send();
			if (wrong) set_bad(wrong);
			else await entered();
		} catch (problem) {
			set_bad(problem.message);
		}
		set_busy(false);
	};
	return { busy, bad, submit };
}

function Login({ entered, expired, set_door }) {
	const [password, set_password] = useState("");
	const { busy, bad, submit } = use_form(entered, async () => {
		if (!password) return t("login.empty");
		await api("POST", "session", { body: { password }, quiet: true }).catch((e) => {
			if (e.status === 403) e.message = t("login.wrong");
			throw e;
		});
	});
	return html`<form onSubmit=${submit} novalidate>
		<h1>${t("login.title")}</h1>
		<p class="quiet">${t("login.intro")}</p>
		${expired && !bad && html`<${Notice}>${t("login.expired")}<//>`}
		<${Field} id="password" label=${t("login.password")} type="password" value=${password} set=${set_password}
			auto="current-password" focus=${true} />
		${bad && html`<${Notice} kind="bad">${bad}<//>`}
		<button class="main wide" disabled=${busy}>${t("login.go")}</button>
		<p class="quiet">${t("login.forgot")} <code>durwardctl passwd</code></p>
		<button class="link" type="button" onClick=${() => set_door("setup")}>${t("login.token")}</button>
	</form>`;
}

function Setup({ entered, set_door }) {
	const [token, set_token] = useState("");
	const [password, set_password] = useState("");
	const [again, set_again] = useState("");
	const { busy, bad, submit } = use_form(entered, async () => {
		if (!token.trim()) return t("setup.no_token");
		if (new TextEncoder().encode(password).length < 8) return t("setup.short");
		if (password !== again) return t("setup.differ");
		await api("POST", "setup/claim", { body: { token: token.trim(), password }, quiet: true });
	});
	return html`<form onSubmit=${submit} novalidate>
		<h1>${t("setup.title")}</h1>
		<p class="quiet">${t("setup.intro")}</p>
		<${Field} id="token" label=${t("setup.token")} type="text" value=${token} set=${set_token} auto="off" focus=${true}
			help=${html`${t("setup.token.help")} <code>durwardctl setup</code>`} />
		<${Field} id="password" label=${t("setup.password")} type="password" value=${password} set=${set_password}
			auto="new-password" help=${t("setup.password.help")} />
		<${Field} id="again" label=${t("setup.again")} type="password" value=${again} set=${set_again} auto="new-password" />
		${bad && html`<${Notice} kind="bad">${bad}<//>`}
		<button class="main wide" disabled=${busy}>${t("setup.go")}</button>
		<button class="link" type="button" onClick=${() => set_door("login")}>${t("setup.instead")}</button>
	</form>`;
}

export function Enter({ door, set_door, expired, entered }) {
	return html`<main class="enter" id="main">
		<div class="brand"><${Icon} name="shield" /><span>Durward</span></div>
		${door === "setup" ? html`<${Setup} entered=${entered} set_door=${set_door} />`
			: html`<${Login} entered=${entered} expired=${expired} set_door=${set_door} />`}
	</main>`;
}
