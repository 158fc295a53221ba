// SPDX-License-Identifier: GPL-3.0-or-later
// The live list: rows as they are decided, why they were, filters, freeze, keys, and names made by strangers.
import assert from "node:assert/strict";
import { before } from "node:test";
import { ask, browser_open, claim, desktop, backend_open, mia, page_open, phone, test, until } from "./help.mjs";

let backend, browser, cookie;
before(async () => {
	[backend, browser] = await Promise.all([backend_open(), browser_open()]);
	cookie = await claim(backend);
});

const open = async (more = {}) => {
	const page = await page_open(browser, backend, { cookie, ...more });
	await page.locator(".live.is-live").waitFor();
	return page;
};
const row = (page, text) => page.locator(".row", { hasText: text }).first();

test("a decision appears by itself, with who, where to, verdict and reason", async () => {
	const page = await open();
	await backend.flow("cdn.ads.example", mia);
	await row(page, "cdn.ads.example").waitFor();
	const text = await row(page, "cdn.ads.example").innerText();
	for (const part of ["Blocked", "mia-phone", "192.0.2.2", "Advertising", "line 10", "block ads.example", "198.51.100.2", "tcp/443", "TLS name"])
		assert.ok(text.includes(part), `${part} in ${text}`);
	await backend.flow("www.example", { src: "192.0.2.77", mac: "02:00:5e:00:53:77" });
	await row(page, "www.example").waitFor();
	assert.match(await row(page, "www.example").innerText(), /Allowed[^]*02:00:5e:00:53:77[^]*No rule applied/);
	await page.done();
});

test("a watched flow says what would have happened", async () => {
	const page = await open();
	await backend.flow("social.example");
	await row(page, "social.example").waitFor();
	assert.match(await row(page, "social.example").innerText(), /Watched[^]*would be Blocked: watch block social\.example/);
	await page.done();
});

test("a flow without a name shows its kind or port", async () => {
	const page = await open();
	await backend.flow("", { app: "none", dport: 25, dst: "203.0.113.9" });
	await backend.flow("", { kind: "opaque", dst: "2001:db8:2::2" });
	await row(page, "Encrypted name").waitFor();
	assert.match(await row(page, "TCP port 25").innerText(), /Blocked[^]*Mail goes through the relay/);
	await page.done();
});

test("hostile names are text: no element, no script, no invisible character", async () => {
	const page = await open();
	const names = ["<img src=x onerror=alert(1)>", "\"><script>alert(2)</script>", "evil\u202egpj.example", "<b>bold</b>"];
	page.on("dialog", () => page.wrong.push("a script of a name ran"));
	for (const name of names) await backend.flow(name, { app: "http", dport: 80 });
	await row(page, "<b>bold</b>").waitFor();
	const text = await page.locator("ol").innerText();
	for (const name of [names[0], names[1], "evil⟨U+202E⟩gpj.example"]) assert.ok(text.includes(name), `${name} in ${text}`);
	assert.equal(await page.locator("ol img, ol script, ol b").count(), 0);
	await row(page, names[0]).click();
	await page.getByRole("dialog").getByText(names[0]).first().waitFor();
	assert.equal(await page.locator("dialog img, dialog script").count(), 0);
	assert.match(await page.locator(".command").inputValue(), /'<img src=x onerror=alert\(1\)>'/);
	await page.done();
});

test("why: the walk to the verdict, the deciding line, and the command that asks the same", async () => {
	const page = await open();
	await backend.flow("play.example", { ...mia, app: "quic" });
	await row(page, "play.example").click();
	const drawer = page.getByRole("dialog");
	await drawer.locator(".is-decides").waitFor();
	assert.match(await drawer.locator(".is-decides").innerText(), /line 12[^]*block games/);
	assert.match(await drawer.innerText(), /because “Homework first”/);
	assert.match(await drawer.locator(".command").inputValue(),
		/^durwardctl explain mia-phone play\.example quic to 198\.51\.100\.2 at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
	await drawer.getByRole("button", { name: "Copy as command" }).click();
	await drawer.getByText("Copied").waitFor();
	await page.keyboard.press("Escape");
	await page.getByRole("dialog").waitFor({ state: "detached" });
	assert.ok(await page.evaluate(() => document.activeElement.classList.contains("row")), "the row has the focus again");
	await page.done();
});

test("why: an evasive flow is asked for as one, whatever name was read in it", async () => {
	const page = await open();
	await backend.flow("two.names.example", { ...mia, kind: "evasive" });
	await row(page, "two.names.example").click();
	const drawer = page.getByRole("dialog");
	await drawer.locator(".is-decides").waitFor();
	assert.match(await drawer.locator(".command").inputValue(),
		/^durwardctl explain mia-phone 198\.51\.100\.2 tcp\/443 evasive at /);
	assert.equal(await drawer.getByText("The policy has changed since").count(), 0);
	await page.done();
});

test("why: a later policy that answers otherwise is said so", async () => {
	const page = await open();
	await backend.flow("early.ads.example", mia);
	await row(page, "early.ads.example").waitFor();
	await page.evaluate(async () => {
		const now = await fetch("api/v1/policy"), etag = now.headers.get("ETag"), { text } = await now.json();
		window.text_before = text;
		await fetch("api/v1/policy/apply", { method: "PUT", headers: { "X-Durward": "1", "Content-Type": "application/json", "If-Match": etag },
			body: JSON.stringify({ text: text.replace("  block  ads.example", "  allow  ads.example #") }) });
	});
	await row(page, "early.ads.example").click();
	await page.getByRole("dialog").getByText("asked now for that moment, it says Allowed").waitFor();
	await page.evaluate(async () => {
		const etag = (await fetch("api/v1/policy")).headers.get("ETag");
		await fetch("api/v1/policy/apply", { method: "PUT", headers: { "X-Durward": "1", "Content-Type": "application/json", "If-Match": etag },
			body: JSON.stringify({ text: window.text_before }) });
	});
	await page.done();
});

test("filters are the gateway's work, stand in the address and survive a reload", async () => {
	const page = await open();
	await backend.flow("one.ads.example", mia);
	await backend.flow("other.example", { src: "192.0.2.40" });
	await row(page, "other.example").waitFor();
	await page.getByRole("group", { name: "Verdict" }).getByRole("button", { name: "Blocked" }).click();
	await row(page, "other.example").waitFor({ state: "detached" });
	await page.getByLabel("Filter by site").fill("ADS");
	await page.getByLabel("Filter by device").fill("mia");
	await page.waitForFunction(() => location.hash === "#/activity?verdict=block&name=ADS&who=mia");
	await page.reload();
	await page.locator(".live.is-live").waitFor();
	assert.equal(await page.getByLabel("Filter by device").inputValue(), "mia");
	await backend.flow("two.ads.example", mia);
	await row(page, "two.ads.example").waitFor();
	await backend.flow("three.ads.example", { src: "192.0.2.40" });
	await backend.flow("four.ads.example", mia);
	await row(page, "four.ads.example").waitFor();
	assert.equal(await row(page, "three.ads.example").count(), 0);
	await page.getByLabel("Filter by device").fill("nobody-of-that-name");
	await page.getByRole("alert").getByText("who=").waitFor();
	await page.done();
});

test("what a block page calls its reference is found by typing it", async () => {
	await backend.flow("asked-about.ads.example", mia);
	await backend.flow("beside-it.ads.example", mia);
	const asked = await until(async () => (await ask(backend, cookie, "events?name=asked-about.ads")).events[0]);
	const page = await open();
	await row(page, "beside-it.ads.example").waitFor();
	await page.getByLabel("Filter by site").fill(asked.reference.toLowerCase().replaceAll("-", " "));
	await row(page, "beside-it.ads.example").waitFor({ state: "detached" });
	await row(page, "asked-about.ads.example").waitFor();
	assert.match(await page.evaluate(() => location.hash), /reference=/);
	await page.getByLabel("Filter by site").fill("");
	await row(page, "beside-it.ads.example").waitFor();
	await page.done();
});

test("one click is one row with a count, whatever a browser tries; the record keeps all", async () => {
	const page = await open({ viewport: desktop });
	const click = async (more = {}) => {
		await backend.flow("click.ads.example", { ...mia, count: 4, ...more });
		await backend.flow("click.ads.example", { ...mia, src: "2001:db8:1::2", app: "quic", count: 2, ...more });
		await backend.flow("click.ads.example", { ...mia, app: "http", dport: 80, ...more });
	};
	const rows = page.locator(".row", { hasText: "click.ads.example" });
	await click({ ago: 30000 });
	await rows.filter({ hasText: "×7" }).waitFor();
	assert.equal(await rows.count(), 1);
	await click(); // half a minute later: a row of its own
	await rows.nth(1).waitFor();
	await rows.first().filter({ hasText: "×7" }).waitFor();
	await click();
	await rows.first().filter({ hasText: "×14" }).waitFor();
	await backend.flow("other.ads.example", mia);
	await backend.flow("click.ads.example", { src: "192.0.2.40" }); // another device
	await backend.flow("click-allowed.example", { ...mia, count: 3 }); // what was let through stands for itself
	await rows.nth(2).waitFor();
	await page.locator(".row", { hasText: "click-allowed.example" }).nth(2).waitFor();
	assert.equal(await rows.count(), 3);
	assert.equal(await row(page, "other.ads.example").locator(".times").count(), 0);
	const label = await rows.nth(1).locator(".times").getAttribute("aria-label");
	assert.match(label, /^14 times in /);
	assert.ok(await until(async () => (await ask(backend, cookie, "events?name=click.ads&limit=100")).events.length === 22), "the record has all");
	await rows.nth(1).click();
	await page.getByRole("dialog").getByText("click.ads.example").first().waitFor();
	await page.done();
});

test("the deciding rule is a filter", async () => {
	const page = await open();
	await backend.flow("five.ads.example", mia);
	await backend.flow("allowed.example", mia);
	await row(page, "five.ads.example").click();
	await page.getByText(/Known as [0-9a-f]{8}, wherever it stands/).waitFor();
	await page.getByRole("link", { name: "Show all it decided" }).click();
	await page.getByRole("button", { name: /Rule [0-9a-f]{8}/ }).waitFor();
	await row(page, "allowed.example").waitFor({ state: "detached" });
	await row(page, "five.ads.example").waitFor();
	await page.done();
});

test("space freezes, counts what waits, and goes live again; j, k, / move", async () => {
	const page = await open();
	await page.keyboard.press("Space");
	await page.locator(".live.is-frozen").waitFor();
	await backend.flow("while-frozen.example");
	await page.locator(".badge").waitFor();
	assert.equal(await row(page, "while-frozen.example").count(), 0);
	await page.keyboard.press("Space");
	await row(page, "while-frozen.example").waitFor();
	await page.keyboard.press("j");
	assert.ok(await page.evaluate(() => document.activeElement === document.querySelectorAll(".row")[0]));
	await page.keyboard.press("j");
	await page.keyboard.press("j");
	await page.keyboard.press("k");
	assert.ok(await page.evaluate(() => document.activeElement === document.querySelectorAll(".row")[1]));
	await page.keyboard.press("Enter");
	await page.getByRole("dialog").waitFor();
	await page.keyboard.press("Escape");
	await page.getByRole("dialog").waitFor({ state: "detached" });
	await page.keyboard.press("/");
	assert.equal(await page.evaluate(() => document.activeElement.id), "filter-name");
	await page.keyboard.type("a /jk");
	assert.equal(await page.getByLabel("Filter by site").inputValue(), "a /jk");
	await page.done();
});

test("a flood: at most 500 rows, at most ten paints a second, none lost from the end", async () => {
	const page = await open({ viewport: desktop });
	await page.evaluate(() => {
		window.paints = [performance.now()];
		new MutationObserver((list) => {
			if (list.some((m) => m.addedNodes.length)) window.paints.push(performance.now());
		}).observe(document.querySelector("ol"), { childList: true });
	});
	for (let i = 0; i < 15; i++) await backend.flow(`flood-${i}.example`, { count: 100, src: `192.0.2.${100 + i}` });
	await backend.flow("after-the-flood.example");
	await row(page, "after-the-flood.example").waitFor();
	assert.ok(await page.locator(".row").count() <= 500);
	const times = await page.evaluate(() => window.paints);
	// each paint begins 100 ms after the one before it at the least, however late the machine shows them; the first at once
	const seconds = (times.at(-1) - times[0]) / 1000;
	assert.ok(times.length > 1 && times.length - 2 <= seconds * 10 + 1, `${times.length - 1} paints in ${seconds} s`);
	await page.done();
});

test("what is beyond a device's rows is one row with their number", { timeout: 180000 }, async () => {
	const page = await open({ viewport: desktop });
	await backend.flow("busy.example", { count: 1200, src: "192.0.2.90" });
	const counted = page.locator(".row").filter({ hasText: /busy\.example.*decisions until .*, counted/ });
	await counted.first().waitFor({ timeout: 120000 }); // half a minute
	await counted.first().click();
	await page.locator("#why-title").waitFor();
	await page.done();
});

test("a hidden tab holds no stream; shown again it has missed nothing", async () => {
	const page = await open();
	const streams = async () => (await page.evaluate(async () => (await (await fetch("api/v1/status")).json()).streams));
	const hide = (hidden) => page.evaluate((h) => {
		Object.defineProperty(document, "hidden", { value: h, configurable: true });
		document.dispatchEvent(new Event("visibilitychange"));
	}, hidden);
	const before = await streams();
	await hide(true);
	await backend.flow("unseen.example");
	// the controller notices a reader that has gone when it writes
	assert.ok(await until(async () => { await backend.flow("unseen-too.example"); return await streams() < before; }), "the stream was given back");
	assert.equal(await row(page, "unseen.example").count(), 0);
	await hide(false);
	await row(page, "unseen.example").waitFor();
	await row(page, "unseen-too.example").waitFor();
	await page.done();
});

test("bytes and duration come when a flow has ended", async () => {
	const page = await open();
	await backend.flow("ended.example", { ...mia, app: "http", dport: 80, ended: true });
	await row(page, "ended.example").waitFor();
	await page.locator(".row", { hasText: "ended.example" }).filter({ hasText: "58 kB" }).filter({ hasText: "4.3 s" }).waitFor();
	await page.done();
});

test("older rows come when asked for", async () => {
	await backend.flow("older.example", { count: 150 });
	assert.ok(await until(async () => (await ask(backend, cookie, "events?name=older.example&limit=150")).events.length === 150), "all are in the record");
	const page = await open();
	const before = await page.locator(".row").count();
	await page.getByRole("button", { name: "Show older" }).click();
	await page.locator(".row").nth(before).waitFor();
	await page.done();
});

test("the state line tells when the gateway does not filter", async () => {
	await backend.say({ do: "rules", state: 3 });
	assert.ok(await until(async () => (await ask(backend, cookie, "status")).state !== "filtering"), "the controller knows");
	const page = await page_open(browser, backend, { cookie, viewport: phone });
	await page.locator(".state").getByText("Not filtering").click();
	await page.getByText("the rules are not in force").waitFor();
	await backend.say({ do: "rules", state: 1 });
	await page.done();
});
