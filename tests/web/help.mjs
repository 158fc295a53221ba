// SPDX-License-Identifier: GPL-3.0-or-later
// help.mjs - what every browser test uses: a real controller (backend.c), Chromium, and an ear for broken page policies.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test as node_test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "../../web/node_modules/playwright-core/index.mjs";

const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, "../..");
const backend_bin = process.env.DURWARD_BACKEND ?? join(root, "build/current/tests/web/backend");
const axe_source = readFileSync(join(root, "web/node_modules/axe-core/axe.min.js"), "utf8");
export const password = "correct horse battery";

export const phone = { width: 390, height: 844 };
export const desktop = { width: 1280, height: 800 };

export const policy = `timezone Europe/Berlin
device  mia-phone  mac 02:00:5e:00:53:02
device  printer    ip 192.0.2.40
person  mia        owns mia-phone
group   kids       mia
app     games      game.example play.example
fail open

for everyone
  block  ads.example            because "Advertising"
for kids
  block  games                  because "Homework first"
for everyone
  watch  block social.example
  block  port tcp/25            because "Mail goes through the relay"
otherwise allow
`;

// How long a wait may last that ends as soon as what is waited for is there: a machine under load takes its time, and a
// wait that is over early costs nothing. A test that hangs is ended by a limit of its own, so that the report names it.
export const patience = 60000;
export const test = (name, ...rest) => {
	const [options, body] = rest.length > 1 ? rest : [{}, rest[0]];
	return node_test(name, { timeout: 15 * patience, ...options }, body);
};

export const mia = { src: "192.0.2.2", mac: "02:00:5e:00:53:02" };

// A test that fails leaves things open; the file's end closes them, or node would wait for ever.
const opened = [];
after(async () => { for (const thing of opened.reverse()) await thing.close().catch(() => {}); });

// --- the controller ---

export async function backend_open(text = policy, env = {}) {
	const folder = mkdtempSync(join(tmpdir(), "durward-web-"));
	writeFileSync(join(folder, "policy"), text);
	const child = spawn(backend_bin, [folder], { stdio: ["pipe", "pipe", "inherit"], env: { ...process.env, ...env } });
	const lines = [], waiting = [];
	let rest = "", ended = false;
	child.stdout.on("data", (d) => {
		rest += d;
		for (let at; (at = rest.indexOf("\n")) >= 0; rest = rest.slice(at + 1))
			waiting.length ? waiting.shift()(JSON.parse(rest.slice(0, at))) : lines.push(JSON.parse(rest.slice(0, at)));
	});
	const gone = new Promise((done) => child.on("exit", () => { ended = true; done(); }));
	const line = () => (lines.length ? Promise.resolve(lines.shift())
		: Promise.race([new Promise((done) => waiting.push(done)), gone.then(() => assert.fail("the backend has ended"))]));
	const { port } = await line();
	const backend = {
		folder, port, url: `http://127.0.0.1:${port}/`,
		token: () => readFileSync(join(folder, "setup-token"), "utf8").trim(),
		file: () => readFileSync(join(folder, "policy"), "utf8"),
		write: (t) => writeFileSync(join(folder, "policy"), t),
		async say(what) { child.stdin.write(JSON.stringify(what) + "\n"); return line(); },
		flow(name, more = {}) { return this.say({ do: "flow", name, ...more }); },
		async close() {
			child.stdin.end();
			if (!ended) await gone;
			rmSync(folder, { recursive: true, force: true });
		},
	};
	opened.push(backend);
	return backend;
}

// a password and the cookie of a session, without a browser
export async function claim(backend) {
	const answer = await fetch(backend.url + "api/v1/setup/claim", {
		method: "POST", headers: { "X-Durward": "1", "Content-Type": "application/json" },
		body: JSON.stringify({ token: backend.token(), password }),
	});
	assert.equal(answer.status, 204, await answer.text());
	const [name, value] = answer.headers.get("set-cookie").split(";")[0].split("=");
	return { name, value, url: backend.url };
}

// what the API says at that path, asked without a browser
export async function ask(backend, cookie, path) {
	return (await fetch(`${backend.url}api/v1/${path}`, { headers: { Cookie: `${cookie.name}=${cookie.value}` } })).json();
}

// --- the browser ---

export async function browser_open() {
	const browser = await chromium.launch({
		executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true,
		timeout: 2 * patience, // the first start on a machine reads 300 MB
		args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run",
			"--disable-gpu", "--disable-dev-shm-usage"],
	});
	opened.push(browser);
	return browser;
}

// A page that remembers everything it did wrong: broken policies, errors, requests to elsewhere.
export async function page_open(browser, backend, { cookie, viewport = desktop, scheme = "light", path = "" } = {}) {
	const context = await browser.newContext({ viewport, colorScheme: scheme, locale: "en-GB", timezoneId: "Europe/Berlin", reducedMotion: "reduce" });
	if (cookie) await context.addCookies([cookie]);
	const page = await context.newPage();
	page.setDefaultTimeout(patience);
	const wrong = [], requests = [];
	page.on("pageerror", (e) => wrong.push(`error: ${e.message}`));
	page.on("console", (m) => {
		// a refused request is the test's own doing; Chromium writes it to the console all the same
		if (["error", "warning"].includes(m.type()) && !m.text().startsWith("Failed to load resource")) wrong.push(`console: ${m.text()}`);
	});
	page.on("request", (r) => {
		requests.push(r);
		if (!r.url().startsWith(backend.url) && !r.url().startsWith("data:")) wrong.push(`request to ${r.url()}`);
	});
	await page.addInitScript(() => {
		window.violations = [];
		addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
	});
	await page.goto(backend.url + path);
	return Object.assign(page, { wrong, requests,
		async clean() {
			assert.deepEqual(await page.evaluate(() => window.violations), []);
			assert.deepEqual(wrong, []);
		},
		async done() { await this.clean(); await context.close(); } });
}

// axe's source runs by the debugger, which the page's policy does not bind
export async function axe(page, tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]) {
	await page.evaluate(axe_source);
	const found = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values } }), tags);
	return found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ") + " — " + n.failureSummary).join(" | ")}`);
}

export async function until(what, ms = patience) {
	const end = performance.now() + ms;
	for (;;) {
		const got = await what();
		if (got || performance.now() > end) return got;
		await new Promise((done) => setTimeout(done, 50));
	}
}
