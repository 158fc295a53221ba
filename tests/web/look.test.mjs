// SPDX-License-Identifier: GPL-3.0-or-later
// What must hold on every page: axe finds nothing in light and dark, nothing scrolls sideways at 320 px, what is pressed
// is 44 px high, the page is small, its policy is strict, and its words are all there.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { before } from "node:test";
import { gzipSync } from "node:zlib";
import { axe, browser_open, claim, desktop, backend_open, mia, page_open, phone, policy, root, test } from "./help.mjs";

const narrow = { width: 320, height: 640 };
let backend, browser, cookie;
before(async () => {
	[backend, browser] = await Promise.all([backend_open(), browser_open()]);
	cookie = await claim(backend);
	await backend.flow("www.example", { ...mia, ended: true, app: "http", dport: 80 });
	await backend.flow("cdn.ads.example", mia);
	await backend.flow("social.example");
	await backend.flow("a-very-long-label-that-never-ends-and-has-no-place-to-break".repeat(3), { src: "2001:db8:1:2:3:4:5:6" });
	await backend.flow("", { kind: "opaque" });
	await backend.flow("", { app: "none", dport: 25 });
});

const scenes = {
	login: async (how) => {
		const page = await page_open(browser, backend, how);
		await page.locator("#password").fill("wrong");
		await page.keyboard.press("Enter");
		await page.getByRole("alert").waitFor();
		return page;
	},
	setup: async (how) => {
		const page = await page_open(browser, backend, how);
		await page.getByRole("button", { name: "I have a one-time token" }).click();
		await page.locator("#token").waitFor();
		return page;
	},
	activity: async (how) => {
		const page = await page_open(browser, backend, { cookie, ...how });
		await page.locator(".row").first().waitFor();
		return page;
	},
	state: async (how) => {
		const page = await scenes.activity(how);
		await page.locator(".state summary").click();
		return page;
	},
	why: async (how) => {
		const page = await scenes.activity(how);
		await page.locator(".row.block").first().click();
		await page.locator(".is-decides").waitFor();
		return page;
	},
	policy: async (how) => {
		const page = await page_open(browser, backend, { cookie, path: "#/policy", ...how });
		await page.locator("#policy-text").fill(policy.replace("for kids", "for kidz"));
		await page.getByRole("button", { name: "Check" }).click();
		await page.locator(".finding").first().waitFor();
		await page.getByRole("button", { name: "Changes", exact: true }).click();
		await page.locator(".help summary").click();
		return page;
	},
};

async function small_targets(page) {
	return page.evaluate(() => [...document.querySelectorAll("button, a.button, a.nav, input, summary")]
		.filter((e) => !e.closest("dialog:not([open])") && e.checkVisibility())
		.map((e) => [e.outerHTML.slice(0, 80), Math.round(e.getBoundingClientRect().height)]).filter(([, high]) => high < 44));
}

for (const [name, scene] of Object.entries(scenes)) {
	for (const [viewport, scheme] of [[desktop, "light"], [phone, "dark"]]) {
		test(`${name}, ${scheme}, ${viewport.width} px: axe finds nothing`, async () => {
			const page = await scene({ viewport, scheme });
			assert.deepEqual(await axe(page), []);
			assert.deepEqual(await small_targets(page), []);
			await page.done();
		});
	}
	test(`${name} at 320 px: nothing scrolls sideways`, async () => {
		const page = await scene({ viewport: narrow });
		assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
		await page.done();
	});
}

test("the colours can be chosen and stay chosen", async () => {
	const page = await scenes.activity({ scheme: "light" });
	const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	const light = await paper();
	const choose = page.getByRole("button", { name: /^Colours/ });
	await choose.click();
	await choose.click();
	assert.notEqual(await paper(), light);
	assert.deepEqual(await axe(page), []);
	await page.reload();
	await page.locator(".row").first().waitFor();
	assert.notEqual(await paper(), light);
	await page.done();
});

test("the first page is at most 12 requests and 80 KiB, the whole UI 120 KiB gzipped", async () => {
	const page = await scenes.activity({});
	await page.locator(".live.is-live").waitFor();
	const asked = page.requests.filter((r) => !r.url().startsWith("data:"));
	assert.ok(asked.length <= 12, asked.map((r) => r.url()).join("\n"));
	let bytes = 0;
	for (const r of asked.filter((q) => !q.url().includes("/api/"))) {
		const answer = await r.response();
		assert.equal((await answer.allHeaders())["content-encoding"], "gzip", r.url());
		bytes += gzipSync(await answer.body(), { level: 9 }).length;
	}
	assert.ok(bytes > 0 && bytes <= 80 * 1024, `${bytes} bytes`);
	const whole = (folder) => readdirSync(folder).reduce((n, f) => {
		const path = join(folder, f);
		return n + (statSync(path).isDirectory() ? whole(path) : gzipSync(readFileSync(path), { level: 9 }).length);
	}, 0);
	assert.ok(whole(join(root, "build/web/site")) <= 120 * 1024);
	await page.done();
});

test("the page's policy is strict, and a second visit costs no bytes of it", async () => {
	const answer = await fetch(backend.url);
	const says = answer.headers.get("content-security-policy");
	for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'",
		"require-trusted-types-for 'script'"]) assert.ok(says.includes(part), `${part} in ${says}`);
	assert.ok(!/unsafe|\*/.test(says), says);
	const again = await fetch(backend.url, { headers: { "If-None-Match": answer.headers.get("etag") } });
	assert.equal(again.status, 304);
});

test("an inline script or a string made into HTML does not get through", async () => {
	const page = await scenes.activity({});
	const got = await page.evaluate(() => {
		const box = document.createElement("div");
		document.body.append(box);
		try { box.innerHTML = "<img src=x>"; return "made"; } catch (e) { return e.name; }
	});
	assert.equal(got, "TypeError");
	assert.equal((await page.evaluate(() => window.violations)).length > 0, true);
	await page.context().close();
});

test("every word that the code asks for is in the table, and no other", () => {
	const folder = join(root, "web/src");
	const code = readdirSync(folder).filter((f) => f.endsWith(".js") && f !== "words.js").map((f) => readFileSync(join(folder, f), "utf8")).join("\n");
	const table = [...readFileSync(join(folder, "words.js"), "utf8").matchAll(/^\t"([\w.-]+)":/gm)].map((m) => m[1]);
	const asked = new Set([...code.matchAll(/["']((?:app|nav|state|error|setup|login|verdict|activity|col|row|site|kind|source|by|why|path|step|policy|diff)\.[\w.-]+)["']/g)].map((m) => m[1]));
	const built = [...code.matchAll(/["']((?:[a-z]+\.)+)["']\s*\+/g)].map((m) => m[1]);
	const known = new Set(table);
	assert.deepEqual([...asked].filter((k) => !known.has(k) && !built.includes(k)), []);
	assert.deepEqual(table.filter((k) => !asked.has(k) && !built.some((b) => k.startsWith(b)) && !code.includes(`t("${k}"`)), []);
});
