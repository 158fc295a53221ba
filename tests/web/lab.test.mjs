// SPDX-License-Identifier: GPL-3.0-or-later
// The whole of it: real programs behind a real gateway (tests/lab), and what a browser shows of them.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { promisify } from "node:util";
import { browser_open, page_open, password, patience, root, test, until } from "./help.mjs";

const run = promisify(execFile);
const run_of = process.env.DURWARD_RUN; // tests/check: what it takes down should this hang
const prefix = `${run_of ? `${run_of}-` : ""}web${process.pid}`, state = `/run/durward-lab/${prefix}`;
const env = { ...process.env, LAB_PREFIX: prefix, LAB_STATE: state, LAB_WEB_PORT: "0" };
const lab = (...args) => run(join(root, "tests/lab/lab"), args, { env, timeout: 15 * patience });
const from = (space, ...args) => lab("exec", space, ...args).catch((e) => e);
const read = (name) => readFileSync(join(state, name), "utf8").trim();
const skip = process.getuid() !== 0 && "needs root: network namespaces";

let browser, gateway, cookies;
before(async () => {
	if (skip) return;
	await lab("up");
	gateway = { url: `http://127.0.0.1:${read("web-port")}/` };
	browser = await browser_open();
});
after(async () => { if (!skip) await lab("down"); });

const row = (page, ...texts) => texts.reduce((rows, hasText) => rows.filter({ hasText }), page.locator(".row")).first();
// a name's first certificate may be "not yet valid" for the first few milliseconds (labkit.py says why)
const curl = async (space, ...args) => {
	const ask = () => from(space, "curl", "-sS", "-m", "30", "-o", "/dev/null", "-w", "%{http_code}", ...args);
	const first = await ask();
	return (/not yet valid/.test(first.stderr) ? await ask() : first).stdout;
};

test("the token of the console opens a fresh gateway", { skip }, async () => {
	const page = await page_open(browser, gateway);
	await page.getByLabel("One-time token").fill(read("var/setup-token"));
	await page.getByLabel("New password", { exact: true }).fill(password);
	await page.getByLabel("The same password again", { exact: true }).fill(password);
	await page.keyboard.press("Enter");
	await page.locator(".live.is-live").waitFor();
	cookies = await page.context().cookies();
	assert.ok(cookies[0].httpOnly && cookies[0].sameSite === "Strict");
	assert.match(await page.locator(".state").innerText(), /^Filtering/);
	await page.done();
});

test("traffic of the clients appears as it happens, with names, verdicts and reasons", { skip }, async () => {
	const page = await page_open(browser, gateway, { cookie: cookies[0] });
	await page.locator(".live.is-live").waitFor();
	assert.equal(await curl("client", "-4", "http://open.example/"), "200");
	await row(page, "open.example", "HTTP host", "Allowed", "client").waitFor();
	assert.equal(await curl("client", "-6", "https://www.blocked.example/"), "000");
	await row(page, "www.blocked.example", "TLS name", "Blocked", "The lab blocks this site", "2001:db8:1::2").waitFor();
	assert.equal(await curl("client2", "-4", "http://blocked.example/"), "403");
	await row(page, "HTTP host", "Blocked", "client2", "192.0.2.3").waitFor();
	await from("client", "timeout", "20", "gtlsclient", "-q", "--exit-on-all-streams-close", "--timeout", "15s", "quic.example", "443", "https://quic.example/x");
	await row(page, "quic.example", "QUIC name", "Allowed", "udp/443").waitFor();
	await page.done();
});

test("why a real flow was blocked", { skip }, async () => {
	const page = await page_open(browser, gateway, { cookie: cookies[0] });
	await row(page, "www.blocked.example").click();
	await page.locator(".is-decides", { hasText: "block blocked.example" }).waitFor();
	assert.equal(await page.locator("dialog .notice").count(), 0, "the policy says now what was decided then");
	await page.done();
});

test("a policy edited in the browser holds for the next connection", { skip }, async () => {
	const page = await page_open(browser, gateway, { cookie: cookies[0], path: "#/policy" });
	const editor = page.locator("#policy-text");
	await editor.waitFor();
	assert.equal(await curl("client", "-4", "https://later.example/"), "200");
	await editor.fill((await editor.inputValue()).replace("otherwise allow", "  block later.example\notherwise allow"));
	await page.getByRole("button", { name: "Apply", exact: true }).click();
	await page.locator(".said").getByText(/Revision \d+ is in force\./).waitFor();
	assert.equal(await curl("client", "-4", "https://later.example/"), "000");
	assert.match(read("etc/policy"), /block later\.example/);
	await page.done();
});

test("a killed controller is back, the session holds, and the list goes on", { skip }, async () => {
	const page = await page_open(browser, gateway, { cookie: cookies[0] });
	await page.locator(".live.is-live").waitFor();
	const pid = await page.evaluate(async () => (await (await fetch("api/v1/status")).json()).controller.pid);
	process.kill(pid, "SIGKILL");
	assert.equal(await curl("client", "-4", "http://meanwhile.example/"), "200");
	assert.ok(await until(async () => await page.locator(".live.is-live").count() === 1
		&& await curl("client", "-4", "http://afterwards.example/") === "200"
		&& await row(page, "afterwards.example").count() === 1));
	assert.deepEqual(await page.evaluate(() => window.violations), []);
	await page.context().close();
});
