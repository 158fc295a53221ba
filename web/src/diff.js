// SPDX-License-Identifier: GPL-3.0-or-later
// diff.js - two texts line by line: [{kind: "same" | "add" | "del", line, text}], line counted in the text it stands in.
//
// Longest common subsequence by table, after the common head and tail are taken off; beyond CELLS what is left counts
// as replaced, which is true if not minimal. Pure.
const CELLS = 4e6;

function middle(a, b) {
	const w = b.length + 1, long = new Uint32Array((a.length + 1) * w), out = [];
	for (let i = a.length - 1; i >= 0; i--)
		for (let j = b.length - 1; j >= 0; j--)
			long[i * w + j] = a[i] === b[j] ? long[(i + 1) * w + j + 1] + 1 : Math.max(long[(i + 1) * w + j], long[i * w + j + 1]);
	let i = 0, j = 0;
	while (i < a.length || j < b.length) {
		if (i < a.length && j < b.length && a[i] === b[j]) { out.push(["same", i++, j++]); }
		else if (i < a.length && (j === b.length || long[(i + 1) * w + j] >= long[i * w + j + 1])) out.push(["del", i++, j]);
		else out.push(["add", i, j++]);
	}
	return out;
}

export function diff(before, after) {
	const a = before.split("\n"), b = after.split("\n");
	let head = 0, tail = 0;
	while (head < a.length && head < b.length && a[head] === b[head]) head++;
	while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
	const x = a.slice(head, a.length - tail), y = b.slice(head, b.length - tail);
	const edits = (x.length + 1) * (y.length + 1) <= CELLS ? middle(x, y)
		: [...x.map((_, i) => ["del", i, 0]), ...y.map((_, j) => ["add", x.length, j])];
	return [
		...b.slice(0, head).map((text, j) => ({ kind: "same", line: j + 1, text })),
		...edits.map(([kind, i, j]) => kind === "del" ? { kind, line: head + i + 1, text: x[i] } : { kind, line: head + j + 1, text: y[j] }),
		...b.slice(b.length - tail).map((text, j) => ({ kind: "same", line: b.length - tail + j + 1, text })),
	].filter((e) => e.text !== undefined);
}

// Unchanged lines further than `near` from a change become one gap.
export function folded(edits, near = 3) {
	const keep = new Set();
	edits.forEach((e, i) => {
		if (e.kind !== "same") for (let k = i - near; k <= i + near; k++) keep.add(k);
	});
	const out = [];
	edits.forEach((e, i) => {
		if (keep.has(i)) out.push(e);
		else if (out[out.length - 1]?.kind !== "gap") out.push({ kind: "gap", line: 0, text: "…" });
	});
	return out;
}
