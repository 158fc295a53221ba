#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guided tour of `make demo`: real traffic through Durward in the lab, what happened to it, and why.

Owns: one lab of the prefix `demo` (LAB_PREFIX replaces it), taken down at the end whatever happens. Exits 0 only if
every step did what it should and nothing stayed behind. Started by tests/demo.
"""
import os
import signal
import socket
import sys

import labkit

POLICY = """\
# Durward's demo: a small home. Edit it in the dashboard: check, apply, try again.
timezone Europe/Berlin
fail closed

# who: devices are known by their MAC, so by every address they use
device  mia-laptop   mac 00:00:5e:00:53:02
device  ada-laptop   mac 00:00:5e:00:53:03
person  mia          owns mia-laptop
person  ada          owns ada-laptop
group   kids         mia
group   parents      ada

# what
app     games        games.example playground.test

for everyone
  block tracker.example   because "It follows people around"
for kids
  allow =chess.games.example
  block games             because "Homework first"

otherwise allow
"""
WHO = {"client": "mia-laptop", "client2": "ada-laptop"}
KINDS = {"http": "HTTP", "tls": "HTTPS (TLS)", "quic": "HTTP/3 (QUIC)"}
COLOR = sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOR else text


def say(*lines):
    print(*lines, sep="\n", flush=True)


def web_port():
    """8480 where it is free, else any."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", 8480))
            return "8480"
        except OSError:
            return "0"


def ask(lab, space, kind, name, v6, should):
    """Does it; (whether a page of the origin came, whether it was refused as it should be, what happened in words)."""
    if kind == "quic":
        body = lab.quic(name, ns=space, v6=v6, timeout=labkit.PATIENCE if should == "allow" else 4)
        return bool(body), body is None, "the page came" if body else "no connection: the QUIC handshake was refused"
    reply = lab.curl(f"{'http' if kind == 'http' else 'https'}://{name}/", ns=space, v6=v6)
    if reply.status == 200:
        return True, False, "200, the page came"
    if kind == "http":
        return False, reply.status == 403, f"{reply.status}, the block page" if reply.status == 403 else repr(reply)
    return False, reply.status == 0 and reply.exit not in (6, 28, 60), reply.error.replace("curl: ", "curl ")


def explain(lab, space, kind, name):
    """(verdict, the reason in words) of `durwardctl explain`."""
    done = lab.ctl("-j", "explain", WHO[space], name, kind)
    answers = labkit.read_json(done.stdout) if done.stdout.strip() else []
    if not answers:
        return None, f"durwardctl explain: exit status {done.returncode} {done.stderr.strip()}"
    why, rule = answers[0], answers[0].get("rule") or {}
    text = f"line {rule.get('line')}: {str(rule.get('text')).strip()}"
    if (why["verdict"] == "block") != (done.returncode == 4):
        return None, f"durwardctl explain: verdict {why['verdict']} but exit status {done.returncode}"
    return why["verdict"], text


def logged(lab, name, word):
    """The newest record of this name with this verdict, waited for."""
    return labkit.until(lambda: [e for e in lab.events(f'"{name}"', 50) if word in str(e.get("verdict"))])


def step(lab, number, kind, v6, name, space, should):
    came, refused, words = ask(lab, space, kind, name, v6, should)
    verdict, why = explain(lab, space, kind, name)
    reached = bool(labkit.until(lambda: lab.asked(name), 20 if came else 0))
    happened = came and reached if should == "allow" else refused and not reached
    in_log = bool(logged(lab, name, should))
    good = happened and verdict == should and in_log
    mark = paint("32", "as it should") if good else paint("31", "NOT as it should")
    say("", paint("1", f"{number:2}. {WHO[space]} asks for {name} by {KINDS[kind]}, IPv{6 if v6 else 4}"),
        f"    happened  {words}; the origin {'saw' if reached else 'never saw'} the request",
        f"    why       {verdict or '?'} by {why}" if verdict else f"    why       {why}",
        f"    {mark}" + ("" if in_log else " (not in the log)"))
    return good


def tour(lab):
    """How many steps there were, how many were good."""
    steps = [(kind, v6, name, "client", should)
             for kind in KINDS for v6 in (False, True)
             for name, should in ((f"{kind}{6 if v6 else 4}.news.example", "allow"),
                                  (f"{kind}{6 if v6 else 4}.games.example", "block"))]
    steps += [("tls", False, "chess.games.example", "client", "allow"),
              ("tls", False, "ada.games.example", "client2", "allow"),
              ("http", True, "pixel.tracker.example", "client2", "block")]
    notes = {12: "An exception stands above the rule:", 13: "The same site, for someone else:",
             14: "And what nobody may:"}
    good = 0
    for i, (kind, v6, name, space, should) in enumerate(steps):
        if i in notes:
            say("", notes[i])
        good += step(lab, i + 1, kind, v6, name, space, should)
    return len(steps), good


def linger(lab):
    say("", "Durward keeps running. Ctrl-C ends it and removes everything.", "",
        f"    dashboard   {paint('1', lab.web)}   (open it in a browser on this machine)")
    token = lab.ctl("setup").stdout.strip()
    if token:
        say(f"    first login {token}")
    here = f"LAB_PREFIX={lab.prefix} tests/lab/lab exec client"
    say(f"    as mia      sudo {here} curl -i http://games.example/",
        f"    live        sudo build/current/durwardctl --socket {lab.api} watch")
    signal.pause()


def guided(lab):
    say("Bringing up the lab: a home network, its gateway, and an internet of one machine ...")
    lab.up()
    say(f"Durward runs in the gateway ({lab.prefix}-gateway). Its policy:", "",
        *("    " + paint("2", line) for line in POLICY.splitlines()))
    said = lab.ctl("check", lab.policy_path).stdout.replace(lab.policy_path, "policy").strip()
    say("", f"durwardctl check: {said}")
    total, good = tour(lab)
    status = lab.ctl("status").stdout.strip()
    if status:
        say("", "durwardctl status:", *("    " + line for line in status.splitlines()[:12]))
    say("", f"The tour: {good} of {total} steps did what they should.")
    return good == total and said == "policy: ok"


def main():
    # SIGINT too: who is started in the background has it ignored
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    before = labkit.machine()
    lab = labkit.Lab(policy=POLICY, prefix=os.environ.get("LAB_PREFIX", "demo"), env={"LAB_WEB_PORT": web_port()})
    good = False
    try:
        good = guided(lab)
        if sys.stdin.isatty() and sys.stdout.isatty():
            linger(lab)
        else:
            say("", "Without a terminal it ends here. In one, it leaves Durward and its dashboard running until Ctrl-C.")
    except labkit.LabError as e:
        say(str(e).strip())
    except KeyboardInterrupt:
        say("", "Ending ...")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        lab.down()
    left = {k: (v, after) for (k, v), after in zip(before.items(), labkit.machine().values()) if v != after}
    say(f"Something stayed behind or changed meanwhile: {left}" if left else "Everything is removed again.")
    return 0 if good and not left else 1


sys.exit(main())
