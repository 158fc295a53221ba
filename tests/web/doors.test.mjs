// SPDX-License-Identifier: GPL-3.0-or-later
// Setup and login, as a person meets them.
import assert from "node:assert/strict";
import { before } from "node:test";
import { browser_open, backend_open, page_open, password, phone, test } from "./help.mjs";

let backend, browser;
before(async () => { [backend, browser] = await Promise.all([backend_open(), browser_open()]); });

const alert = (page, hasText) => page.getByRole("alert").filter({ hasText }).waitFor();

test("a new gateway asks for the token and a password twice", async () => {
	const page = await page_open(browser, backend, { viewport: phone });
	await page.getByRole("heading", { name: "Welcome to Durward" }).waitFor();
	assert.match(await page.textContent("main"), /durwardctl setup/);
	const fill = async (token, one, two) => {
		await page.getByLabel("One-time token").fill(token);
		await page.getByLabel("New password", { exact: true }).fill(one);
		await page.getByLabel("The same password again", { exact: true }).fill(two);
		await page.getByRole("button", { name: "Set the password" }).click();
	};
	await fill(backend.token(), password, password + "x");
	await alert(page, "differ");
	await fill(backend.token(), "short", "short");
	await alert(page, "too short");
	await fill("not-the-token", password, password);
	await page.getByText("not the right password or token").waitFor();
	await fill(backend.token(), password, password);
	await page.getByRole("link", { name: "Activity" }).waitFor();
	await page.getByText("Nothing has been decided yet.").waitFor();
	await page.done();
});

test("who is not signed in sees the login and nothing else", async () => {
	const page = await page_open(browser, backend, { path: "#/policy" });
	await page.getByRole("heading", { name: "Sign in" }).waitFor();
	assert.match(await page.textContent("main"), /durwardctl passwd/);
	assert.equal(await page.locator("#policy-text").count(), 0);
	await page.done();
});

test("a wrong password is said so, the right one opens the page that was asked for", async () => {
	const page = await page_open(browser, backend, { path: "#/policy" });
	await page.getByLabel("Password", { exact: true }).fill("not this one");
	await page.keyboard.press("Enter");
	await page.getByText("That is not the password.").waitFor();
	await page.getByLabel("Password", { exact: true }).fill(password);
	await page.keyboard.press("Enter");
	await page.locator("#policy-text").waitFor();
	await page.done();
});

test("the password can be looked at while it is typed", async () => {
	const page = await page_open(browser, backend);
	const field = page.locator("#password");
	await field.fill(password);
	assert.equal(await field.getAttribute("type"), "password");
	await page.getByRole("button", { name: "Show: Password" }).click();
	assert.equal(await field.getAttribute("type"), "text");
	await page.done();
});

test("signing out ends the session, also for what is already open", async () => {
	const page = await page_open(browser, backend);
	await page.getByLabel("Password", { exact: true }).fill(password);
	await page.keyboard.press("Enter");
	await page.getByRole("button", { name: "Sign out" }).click();
	await page.getByRole("heading", { name: "Sign in" }).waitFor();
	await page.reload();
	await page.getByRole("heading", { name: "Sign in" }).waitFor();
	assert.equal(await page.evaluate(async () => (await fetch("api/v1/events")).status), 401);
	await page.done();
});

test("a session that ended elsewhere leads back to the door", async () => {
	const page = await page_open(browser, backend);
	await page.getByLabel("Password", { exact: true }).fill(password);
	await page.keyboard.press("Enter");
	await page.getByRole("link", { name: "Policy" }).waitFor();
	await page.context().clearCookies();
	// the page may notice by itself (its live stream), before any click: going to another page only makes it ask at once
	await page.evaluate(() => { location.hash = "#/policy"; });
	await page.getByText("You have been signed out.").waitFor();
	await page.done();
});
