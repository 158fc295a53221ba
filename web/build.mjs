// SPDX-License-Identifier: GPL-3.0-or-later
//
// node web/build.mjs OUT: writes the web UI. OUT/site is the folder as a browser sees it (setting webroot serves it for
// development), OUT/assets_data.c the same as a C table (src/show/assets_int.h) for the binary.
//
// No bundler: our modules are copied, the libraries' one module each is taken from node_modules (npm ci, pinned by
// package-lock.json) and put into site/vendor. A bare import ("preact") becomes a relative path, for an import map
// would be an inline script, which the page's policy forbids.
//
// Fails: exit status 1 with one line; nothing half written is left under its final name.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const budget = { whole: 120 * 1024, first: 80 * 1024 };
const known = [".html", ".js", ".css", ".svg", ".txt"]; // src/show/assets.c has their types
// bare name -> where it lies in node_modules, and its name in the site
const vendor = {
	preact: ["preact/dist/preact.mjs", "vendor/preact.js"],
	"preact/hooks": ["preact/hooks/dist/hooks.mjs", "vendor/hooks.js"],
	htm: ["htm/dist/htm.mjs", "vendor/htm.js"],
};

function files_below(folder) {
	return readdirSync(folder, { withFileTypes: true }).flatMap((e) =>
		e.isDirectory() ? files_below(join(folder, e.name)).map((f) => `${e.name}/${f}`) : [e.name]).sort();
}

function module_from(text, path) {
	const point = (whole, before, name, after) => {
		if (name.startsWith("./") || name.startsWith("../")) return whole;
		if (!vendor[name]) throw new Error(`${path} imports "${name}", which is no vendor module`);
		const to = posix.relative(posix.dirname(path), vendor[name][1]);
		return before + (to.startsWith(".") ? to : "./" + to) + after;
	};
	return text
		.replace(/((?:^|[;}\s])(?:import|export)\b[^"'`;()]*?\bfrom\s*["'])([^"']+)(["'])/g, point)
		.replace(/((?:^|[;}\s])import\s*["'])([^"']+)(["'])/g, point)
		.replace(/^\/\/# sourceMappingURL=.*$/m, "");
}

// Comments and indentation are for people who read the source: a whole-line comment and leading tabs are left out.
// Nothing cleverer: what the browser runs stays readable line by line.
function thinned(text, ext) {
	if (ext === ".js") text = text.replace(/^\s*\/\/.*\n/gm, "");
	if (ext === ".css") text = text.replace(/\/\*[^]*?\*\//g, "");
	if (ext === ".html") text = text.replace(/<!--[^]*?-->\n?/g, "");
	return text.replace(/^[\t ]+/gm, "").replace(/\n{2,}/g, "\n");
}

function collect() {
	const site = new Map();
	for (const path of files_below(join(here, "src"))) {
		const ext = extname(path);
		if (!known.includes(ext)) throw new Error(`${path}: no content type for "${ext}"`);
		const text = readFileSync(join(here, "src", path), "utf8");
		site.set(path, thinned(ext === ".js" ? module_from(text, path) : text, ext));
	}
	for (const [from, to] of Object.values(vendor))
		site.set(to, module_from(readFileSync(join(here, "node_modules", from), "utf8"), to));
	site.set("vendor/licences.txt", licences());
	return site;
}

function licences() {
	return ["preact", "htm"].map((name) => {
		const about = JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8"));
		const words = readFileSync(join(here, "node_modules", name, "LICENSE"), "utf8");
		return `${name} ${about.version} (${about.license})\n\n${words}`;
	}).join("\n\n");
}

function rows_of(site) {
	return [...site].map(([name, text]) => {
		const plain = Buffer.from(text);
		const digest = createHash("sha256").update(plain).digest("hex");
		return { name, digest, plain, gz: gzipSync(plain, { level: 9 }) };
	}).sort((a, b) => (a.name < b.name ? -1 : 1));
}

// what the page loads before anybody clicks: index.html and what it names
function first_page(rows) {
	const index = rows.find((r) => r.name === "index.html");
	return rows.filter((r) => r === index || index.plain.includes(`"${r.name}"`));
}

function check_budget(rows) {
	const sum = (list) => list.reduce((n, r) => n + r.gz.length, 0);
	const first = first_page(rows), whole = sum(rows);
	if (whole > budget.whole) throw new Error(`the UI is ${whole} bytes gzipped; the limit is ${budget.whole}`);
	if (sum(first) > budget.first) throw new Error(`the first page is ${sum(first)} bytes; the limit is ${budget.first}`);
	return `web: ${rows.length} files, ${whole} bytes gzipped; first page ${first.length} requests, ${sum(first)} bytes`;
}

function bytes(name, data) {
	const lines = [];
	for (let i = 0; i < data.length; i += 24) lines.push("\t" + [...data.subarray(i, i + 24)].join(",") + ",");
	return `static const unsigned char ${name}[] = {\n${lines.join("\n")}\n};\n`;
}

function table(rows) {
	const head = "/* SPDX-License-Identifier: GPL-3.0-or-later\n * Written by web/build.mjs; not to be edited. */\n"
		+ "#include \"assets_int.h\"\n\n#define PART(a) (const char *)a, (const char *)(a + sizeof a)\n\n";
	const data = rows.map((r, i) => bytes(`plain_${i}`, r.plain) + bytes(`gz_${i}`, r.gz)).join("\n");
	const list = rows.map((r, i) => `\t{"/${r.name}", "${r.digest}", PART(plain_${i}), PART(gz_${i})},\n`).join("");
	return `${head}${data}\nconst struct asset show_assets[] = {\n${list}};\n`
		+ `const size_t show_n_assets = ${rows.length};\n`;
}

function write(out, site, rows) {
	const fresh = join(out, "site.new"), old = join(out, "site");
	rmSync(fresh, { recursive: true, force: true });
	for (const [name, text] of site) {
		mkdirSync(dirname(join(fresh, name)), { recursive: true });
		writeFileSync(join(fresh, name), text);
	}
	rmSync(old, { recursive: true, force: true });
	renameSync(fresh, old);
	writeFileSync(join(out, "assets_data.c.new"), table(rows));
	renameSync(join(out, "assets_data.c.new"), join(out, "assets_data.c"));
}

try {
	const out = process.argv[2];
	if (!out) throw new Error("usage: node web/build.mjs OUT");
	const site = collect(), rows = rows_of(site);
	const words = check_budget(rows);
	mkdirSync(out, { recursive: true });
	write(out, site, rows);
	console.log("  " + words);
} catch (e) {
	console.error(`web/build.mjs: ${e.message}`);
	process.exit(1);
}
