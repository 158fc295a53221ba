# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# suites.sh - sourced by tests/check: runs a suite, counts what it says, and ends one in which nothing goes on.
#
# No suite has a time in which it must be done: a busy machine would meet it. One that has not said a word for
# $quiet seconds hangs: it is killed whole, at once (a signal that its tests could see would make them say things that
# are not so), counts as one failure, and what it had brought up is taken down. So a suite must say something as it goes on.
#
# Owns: while a suite runs, its session; after it, every process with its DURWARD_RUN in the environment, and every lab
# and namespace whose name begins with it (labkit.py names labs so). Sets passed, failed, skipped. Needs $out, a file;
# writes the failed tests of all suites to $out.failed and what a suite says of its slowest modules to $out.slow.
passed=0 failed=0 skipped=0 suite_pid='' run=
out=${out:-}
quiet=${quiet:-1800} # seconds; a test that hangs is ended and named by its own suite long before

# seconds since the machine's start: no clock that is set
uptime_s() { cut -d. -f1 /proc/uptime; }

# count WORD LINE: the number before that word
count() { echo "$2" | sed -n "s/.*\b\([0-9][0-9]*\) $1.*/\1/p" | grep . || echo 0; }

# the pids of whatever this run has started and still runs, wherever it went
run_pids() {
	for e in /proc/[0-9]*/environ; do
		pid=${e#/proc/} pid=${pid%/environ}
		[ "$pid" = $$ ] || ! tr '\0' '\n' 2>/dev/null <"$e" | grep -qx "DURWARD_RUN=$run" || echo "$pid"
	done 2>/dev/null
}

# sweep: nothing that the run has begun stays behind. Says what it found.
sweep() {
	[ -n "$run" ] || return 0
	left=
	for d in "/run/durward-lab/$run"-*; do
		[ -d "$d" ] || continue
		left="$left lab ${d##*/}"
		LAB_PREFIX=${d##*/} LAB_STATE=$d tests/lab/lab down </dev/null >/dev/null 2>&1 || rm -rf "$d"
	done
	for n in $(ip netns list 2>/dev/null | cut -d' ' -f1 | grep "^$run-"); do
		left="$left namespace $n"
		for p in $(ip netns pids "$n" 2>/dev/null); do kill -KILL "$p" 2>/dev/null; done
		ip netns delete "$n"
		rm -rf "/etc/netns/$n"
	done
	for p in $(run_pids); do
		kill -KILL "$p" 2>/dev/null && left="$left process $p"
	done
	[ -z "$left" ] || echo "check: taken down:$left"
}

# end_suite: the suite's whole session, and what it has brought up
end_suite() {
	[ -z "$suite_pid" ] || kill -KILL -- "-$suite_pid" 2>/dev/null
	suite_pid=
	sweep
}

# What the suite has said since the last time goes to our output; 0 when there was something.
pass_on() {
	size=$(stat -c %s "$out")
	[ "$size" -gt "$told" ] || return 1
	tail -c "+$((told + 1))" "$out" | head -c "$((size - told))"
	told=$size
}

# watched NAME COMMAND...: its exit status is in $rc; "hangs" when it had to be ended
watched() {
	run=k$$-$1
	shift
	: >"$out"
	rm -f "$out.rc" "$out.pid"
	(
		DURWARD_RUN=$run setsid "$@" </dev/null >"$out" 2>&1 &
		echo $! >"$out.pid"
		wait $!
		echo $? >"$out.rc.new" && mv "$out.rc.new" "$out.rc"
	) 2>/dev/null &
	told=0 heard=$(uptime_s)
	until [ -e "$out.rc" ]; do
		sleep "${poll:-1}"
		[ -n "$suite_pid" ] || suite_pid=$(cat "$out.pid" 2>/dev/null)
		! pass_on || heard=$(uptime_s)
		[ $(($(uptime_s) - heard)) -ge "$quiet" ] || continue
		rc=hangs
		end_suite
		wait
		pass_on
		rm -f "$out.rc" "$out.pid"
		return
	done
	wait
	pass_on
	rc=$(cat "$out.rc")
	rm -f "$out.rc" "$out.pid"
	suite_pid=
}

# suite NAME COMMAND...
suite() {
	name=$1
	shift
	echo "== $name"
	begin=$(uptime_s)
	watched "$name" "$@"
	line=$(grep -E '(^|[^0-9])[0-9]+ (passed|failed|skipped|error)' "$out" | tail -n 1)
	p=$(count passed "$line") f=$(count failed "$line") s=$(count skipped "$line") e=$(count error "$line")
	if [ "$rc" = hangs ]; then
		echo "check: $name hangs: it has said nothing for $quiet s and was ended; none of its tests is counted"
		p=0 f=1 s=0 e=0
	elif [ "$rc" != 0 ] && [ $((f + e)) = 0 ]; then
		echo "check: $name ended with $rc"
		f=1
	elif [ -z "$line" ]; then
		echo "check: $name did not say what it ran"
		f=1
	fi
	passed=$((passed + p)) failed=$((failed + f + e)) skipped=$((skipped + s))
	grep '^slowest: ' "$out" | sed "s/^/$name: /" >>"$out.slow"
	if [ $((f + e)) -gt 0 ]; then
		why=$rc
		[ "$rc" != hangs ] || why="hangs: silent for $quiet s"
		tests/failures "$name" "$why" <"$out" >>"$out.failed"
	fi
	sweep
	echo "== $name: $(($(uptime_s) - begin)) s"
}
