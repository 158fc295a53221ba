// SPDX-License-Identifier: GPL-3.0-or-later
// The policy in its editor: check, apply, and an edit that somebody else made meanwhile.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, beforeEach } from "node:test";
import { ask, axe, browser_open, claim, backend_open, page_open, policy, test, until } from "./help.mjs";

let backend, browser, cookie;
before(async () => {
	[backend, browser] = await Promise.all([backend_open(), browser_open()]);
	cookie = await claim(backend);
});
beforeEach(() => backend.write(policy));

const open = async (from = backend, key = cookie, path = "#/policy") => {
	const page = await page_open(browser, from, { cookie: key, path });
	if (path.startsWith("#/policy")) await page.locator("#policy-text").waitFor();
	return page;
};
const button = (page, name) => page.getByRole("button", { name, exact: true });
const said = (page, text) => page.locator(".said").getByText(text).waitFor();
const editor = (page) => page.locator("#policy-text");

test("the file is there as written, with its revision, and nothing to apply", async () => {
	const page = await open();
	assert.equal(await editor(page).inputValue(), policy);
	assert.match(await page.locator(".heading").innerText(), /Revision \d+[^]*in force/);
	assert.ok(await button(page, "Apply").isDisabled());
	assert.equal(await page.locator(".gutter div div").count(), policy.split("\n").length);
	await page.done();
});

test("check shows every error and leads to its place", async () => {
	const page = await open();
	const text = policy.replace("for kids", "for kidz # für äöü").replace("otherwise allow", "  # ünï\n  blokc x.example\notherwise perhaps");
	await editor(page).fill(text);
	await button(page, "Check").click();
	await page.locator(".finding").first().waitFor();
	const all = await page.locator(".findings").innerText();
	for (const part of ["kidz", "did you mean 'kids'", "blokc", "perhaps"]) assert.ok(all.includes(part), `${part} in ${all}`);
	await page.locator(".said").getByText(/\d+ errors/).waitFor();
	await page.locator(".finding", { hasText: "blokc" }).click();
	const chosen = () => editor(page).evaluate((e) => e.value.slice(e.selectionStart, e.selectionEnd));
	assert.ok(await until(async () => await chosen() === "blokc"));
	await page.locator(".finding", { hasText: "kidz" }).click();
	assert.ok(await until(async () => await chosen() === "kidz"));
	await page.locator(".at-line .error", { hasText: "did you mean 'kids'" }).waitFor();
	assert.match(await page.locator(".finding").first().getAttribute("class"), /error/, "errors stand before warnings");
	assert.ok(await page.locator(".gutter .error").count() >= 3);
	assert.equal(backend.file(), policy, "a check changes nothing");
	await page.done();
});

test("a list that has shrunk keeps its old copy until the smaller one is accepted", async () => {
	const own = await backend_open(policy);
	const key = await claim(own);
	const names = (n) => writeFileSync(join(own.folder, "adult.txt"), Array.from({ length: n }, (_, i) => `n${i}.example\n`).join(""));
	const reload = async () => (await fetch(own.url + "api/v1/reload", { method: "POST", body: "{}",
		headers: { "X-Durward": "1", "Content-Type": "application/json", Cookie: `${key.name}=${key.value}` } })).json();
	names(10);
	own.write(policy.replace("fail open", "fail open\nlist adult adult.txt format domains").replace("block  games ", "block  adult games"));
	assert.ok((await reload()).ok);
	names(3);
	assert.ok((await reload()).ok);
	const page = await open(own, key);
	await page.locator(".state summary").click();
	await page.getByText("has shrunk from 10 names to 3").waitFor();
	assert.deepEqual(await axe(page), []);
	await button(page, "Use the smaller list").click();
	await button(page, "Use the smaller list").waitFor({ state: "detached" });
	const [list] = (await ask(own, key, "status")).lists;
	assert.deepEqual([list.name, list.state, list.names], ["adult", "current", 3]);
	await page.done();
});

test("the state's warnings lead to their lines", async () => {
	const page = await open(backend, cookie, "");
	await page.locator(".state summary").click();
	await page.locator(".sheet a").first().click();
	await page.locator(".finding.warning").first().waitFor();
	assert.equal(await page.locator(".state[open]").count(), 0);
	await page.done();
});

test("apply writes the file and is in force at once", async () => {
	const page = await open();
	await editor(page).fill(policy.replace("block  ads.example  ", "block  ads.example tracker.example"));
	await button(page, "Changes").click();
	assert.match(await page.locator(".diff .add").innerText(), /tracker\.example/);
	assert.equal(await page.locator(".diff .del").count(), 1);
	await button(page, "Apply").click();
	await said(page, /Revision \d+ is in force\./);
	assert.match(backend.file(), /tracker\.example/);
	assert.ok(await button(page, "Apply").isDisabled());
	await page.getByRole("link", { name: "Activity" }).click();
	await page.locator(".live.is-live").waitFor();
	await backend.flow("tracker.example");
	await page.locator(".row.block", { hasText: "tracker.example" }).waitFor();
	await page.done();
});

test("a dataplane that has not taken the policy yet is told apart", async () => {
	await backend.say({ do: "hold", on: true });
	const page = await open();
	await editor(page).fill(policy + "# held\n");
	await button(page, "Apply").click();
	await said(page, /does not use it yet/);
	await backend.say({ do: "hold", on: false });
	await page.done();
});

test("a policy with errors is not applied", async () => {
	const page = await open();
	await editor(page).fill(policy.replace("otherwise allow", "otherwise maybe"));
	await button(page, "Apply").click();
	await page.locator(".finding.error", { hasText: "maybe" }).waitFor();
	assert.equal(backend.file(), policy);
	await page.done();
});

test("an edit made meanwhile is never overwritten unseen", async () => {
	const page = await open();
	const mine = policy + "# mine\n", theirs = policy + "# theirs\n";
	await editor(page).fill(mine);
	backend.write(theirs);
	await button(page, "Apply").click();
	await page.getByText("The file has changed since you opened it.").waitFor();
	assert.equal(backend.file(), theirs);
	await button(page, "Keep my text, compare with the new file").click();
	await page.locator(".diff .del", { hasText: "# theirs" }).waitFor();
	await page.locator(".diff .add", { hasText: "# mine" }).waitFor();
	await button(page, "Apply").click();
	await said(page, /is in force/);
	assert.equal(backend.file(), mine);
	await page.done();
});

test("or the new file is loaded and one's own changes dropped", async () => {
	const page = await open();
	const theirs = policy + "# theirs again\n";
	await editor(page).fill(policy + "# mine\n");
	backend.write(theirs);
	await button(page, "Apply").click();
	await button(page, "Load the new file, drop my changes").click();
	assert.ok(await until(async () => await editor(page).inputValue() === theirs));
	await page.done();
});

test("a draft outlives a visit to another page; discard brings the file back", async () => {
	const page = await open();
	await editor(page).fill(policy + "# draft\n");
	await page.getByRole("link", { name: "Activity" }).click();
	await page.locator(".live.is-live").waitFor();
	await page.getByRole("link", { name: "Policy" }).click();
	assert.equal(await editor(page).inputValue(), policy + "# draft\n");
	await button(page, "Discard changes").click();
	assert.equal(await editor(page).inputValue(), policy);
	await page.done();
});

test("tab leaves the editor", async () => {
	const page = await open();
	await editor(page).focus();
	await page.keyboard.press("Shift+Tab");
	assert.notEqual(await page.evaluate(() => document.activeElement.id), "policy-text");
	assert.equal(await editor(page).inputValue(), policy);
	await page.done();
});

test("a line in the address is where the cursor stands", async () => {
	const page = await open(backend, cookie, "#/policy?line=10");
	assert.ok(await until(() => editor(page).evaluate((e) => e.value.slice(0, e.selectionStart).split("\n").length === 10)));
	await page.done();
});

test("where the policy is not edited here, the page shows it and offers no Apply", async () => {
	const closed = await backend_open(policy, { DURWARD_READONLY: "1" });
	const page = await open(closed, await claim(closed));
	await page.getByText("policy-edit off").waitFor();
	assert.equal(await editor(page).evaluate((e) => e.readOnly), true);
	assert.equal(await button(page, "Apply").count(), 0);
	await page.done();
});
