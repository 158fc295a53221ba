# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs through the gateway, on both paths, each let through and refused once: refused at once, in
words of the program's own. Those that want much to be installed are in test_heavy.py. What they say: docs/PROGRAMS.md.
"""
import itertools
import json
import os
import re
import subprocess

import pytest

import labkit
import programs
from programs import AT_ONCE, INSPECT, OWN, NO, PROXY, POLICY, SETTINGS  # noqa: F401 (the fixture reads them)

NAT = (False, True)
BOTH = pytest.mark.parametrize("v", [4, 6], ids=["v4", "v6"])
EITHER = pytest.mark.parametrize("port", [INSPECT, PROXY], ids=["inspect", "proxy"])
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def origin(lab):
    programs.prepare(lab)
    return lab


def fresh(kind):
    """A name that no test has used: what the origin's log says of it is this test's."""
    return f"p{next(_numbers)}.{kind}.example"


def path_of(port):
    return "inspect" if port == INSPECT else "proxy"


# ---- one page over HTTPS ----

@BOTH
@EITHER
@pytest.mark.parametrize("what", programs.FETCHERS, ids=[f[0] for f in programs.FETCHERS])
def test_a_page(origin, what, port, v):
    program, argv, by_hand, wrote = what
    good, bad = fresh("fine"), fresh("blocked")
    origin.curl(f"https://{good}/")  # its certificate is made now
    done = programs.run(origin, program, argv(origin, good, port, v), stdin=programs.request(good) if by_hand else b"")
    assert f"origin {good}" in done.words, done
    done = programs.run(origin, program, argv(origin, bad, port, v), stdin=programs.request(bad) if by_hand else b"")
    assert done.exit != 0 and done.seconds < AT_ONCE, done
    done.tell(f"{path_of(port)}, IPv{v}", wrote)
    assert not origin.asked(bad)


@BOTH
@pytest.mark.parametrize("program,argv", [
    ("curl", ["curl", "-sS", "-m30"]), ("wget", ["wget", "-q", "-t1", "-T30", "-O-", "--content-on-error"])])
def test_a_page_over_http(origin, program, argv, v):
    good, bad = fresh("fine"), fresh("blocked")
    assert f"origin {good}" in programs.run(origin, program, [*argv, f"-{v}", f"http://{good}/"]).words
    done = programs.run(origin, program, [*argv, f"-{v}", f"http://{bad}/"])
    assert "The lab blocks this site" in done.words and done.seconds < AT_ONCE, done
    programs.tell(program, f"proxy, HTTP, IPv{v}", done.seconds, "403 and the block page")
    assert not origin.asked(bad)


@BOTH
def test_http3_by_ngtcp2(origin, v):
    good, bad = fresh("fine"), fresh("blocked")
    assert origin.quic(good, v6=v == 6)
    only = [] if v == 6 else ["env", "RES_OPTIONS=no-aaaa"]
    for patience in (2, 10, 20):
        done = programs.run(origin, "gtlsclient (ngtcp2)", [*only, "timeout", str(patience), "gtlsclient", bad, "443",
                                                            f"https://{bad}/"])
        # it drains its connection until its own timeout: its log says when it was told
        told = re.search(r"I(\d+) \S+ frm rx \d+ Initial (CONNECTION_CLOSE\S* error_code=\S+)", done.words)
        if told:
            break
    assert told and int(told.group(1)) < AT_ONCE * 1000, done
    programs.tell(done.program, f"inspect, IPv{v}", int(told.group(1)) / 1000, told.group(2))
    assert not origin.asked(bad)


# ---- what openssl s_client can do besides ----

@pytest.fixture(scope="module")
def s_server(origin, tmp_path_factory):
    """openssl s_server on an address of its own: it resumes, takes early data and tells each name it is asked for."""
    folder = str(tmp_path_factory.mktemp("s_server"))
    pem = programs.certificate(origin, folder, "fine.example", "*.fine.example", "*.blocked.example")
    words = os.path.join(folder, "words")
    argv = ["openssl", "s_server", "-accept", f"{OWN[4]}:443", "-cert", pem, "-early_data", "-naccept", "1000",
            "-servername", "never.example", "-cert2", pem, "-key2", pem, "-tlsextdebug"]

    def ready():
        return "ACCEPT" in programs.said(words)

    with programs.origin_server(origin, argv, ready, words):
        yield words


def s_client(lab, *options, ns="client"):
    argv = ["openssl", "s_client", "-CAfile", programs.ca(lab), "-connect", f"{OWN[4]}:443", *options]
    return programs.run(lab, "openssl s_client", argv, ns=ns, stdin=b"Q\n")


def session(lab, ticket, *options):
    """A session's ticket in that file. In TLS 1.3 it comes after the handshake, and s_client may have gone by then."""
    def have():
        assert s_client(lab, *options, "-sess_out", ticket).exit == 0
        return os.path.exists(ticket)
    if os.path.exists(ticket):
        os.unlink(ticket)
    assert labkit.until(have)


NAMES = [("SNI", ["-servername", "www.{}.example"]), ("trailing dot", ["-servername", "www.{}.example."]),
         ("upper case", ["-servername", "WWW.{}.EXAMPLE"])]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("what", NAMES, ids=[n[0] for n in NAMES])
def test_openssl_names(origin, s_server, what, version):
    good, bad = ([w.format(kind) for w in what[1]] for kind in ("fine", "blocked"))
    done = s_client(origin, version, *good)
    assert done.exit == 0 and "New, TLSv1" in done.words, done
    done = s_client(origin, version, *bad)
    assert done.exit != 0 and done.seconds < AT_ONCE, done
    done.tell(f"inspect, {what[0]}, {version}", r"SSL alert number 112")


@pytest.mark.parametrize("options", [["-noservername"], ["-servername", OWN[4]]], ids=["no name", "IP literal"])
def test_openssl_without_a_name(origin, s_server, options):
    """No rule by name holds; `no-name` answers: allow for one, block for two."""
    done = s_client(origin, *options)
    assert done.exit == 0 and "New, TLSv1" in done.words, done
    done = s_client(origin, *options, ns="client2")
    assert done.exit != 0 and done.seconds < AT_ONCE, done
    done.tell(f"inspect, {' '.join(options)}, `no-name block`", r"SSL alert number 49")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_resumption(origin, s_server, version, tmp_path):
    """A session of an allowed name, taken up again, and taken up for a blocked one."""
    ticket = str(tmp_path / "session")
    session(origin, ticket, version, "-servername", "www.fine.example")
    done = s_client(origin, version, "-servername", "www.fine.example", "-sess_in", ticket)
    assert done.exit == 0 and "Reused, TLSv1" in done.words, done
    done = s_client(origin, version, "-servername", "www.blocked.example", "-sess_in", ticket)
    assert done.exit != 0 and done.seconds < AT_ONCE, done
    done.tell(f"inspect, resumption, {version}", r"SSL alert number 112")


def test_openssl_early_data(origin, s_server, tmp_path):
    """0-RTT: the request goes with the hello. A refused one must not get to the server."""
    ticket, good, bad = (str(tmp_path / n) for n in ("session", "good", "bad"))
    for path, word in ((good, "early-and-fine\n"), (bad, "early-and-blocked\n")):
        with open(path, "w", encoding="ascii") as f:
            f.write(word)
    first = ["-tls1_3", "-servername", "www.fine.example"]
    session(origin, ticket, *first)
    done = s_client(origin, *first, "-sess_in", ticket, "-early_data", good)
    assert "Early data was accepted" in done.words, done
    assert labkit.until(lambda: "early-and-fine" in programs.said(s_server))
    session(origin, ticket, *first)
    done = s_client(origin, "-tls1_3", "-servername", "www.blocked.example", "-sess_in", ticket, "-early_data", bad)
    assert done.exit != 0 and done.seconds < AT_ONCE, done
    done.tell("inspect, early data", r"SSL alert number 112")
    assert "early-and-blocked" not in programs.said(s_server)


@BOTH
def test_dtls_by_address_and_port(origin, tmp_path, v):
    pem = programs.certificate(origin, str(tmp_path), "fine.example")

    def attempt(address, port):
        where = f"[{address}]:{port}" if v == 6 else f"{address}:{port}"
        words = str(tmp_path / f"words-{port}-{address.replace(':', '.')}")
        argv = ["openssl", "s_server", "-dtls", "-accept", where, "-cert", pem, "-naccept", "1"]
        with programs.origin_server(origin, argv, lambda: "ACCEPT" in programs.said(words), words):
            return programs.run(origin, "openssl s_client -dtls", ["openssl", "s_client", "-dtls", "-connect", where],
                                stdin=b"Q\n")

    done = attempt(OWN[v], 4444)
    assert "New, TLSv1.2" in done.words or "New, DTLSv1.2" in done.words, done
    for why, address, port in (("port", OWN[v], 4445), ("address", NO[v], 4444)):
        done = attempt(address, port)
        assert done.exit != 0 and "Cipher is ECDHE" not in done.words, done
        assert done.seconds < AT_ONCE, done
        done.tell(f"rule by {why}, IPv{v}", r"(?i)no route to host|permission denied|connection refused|write:errno=\d+|"
                                            r"read:errno=\d+|errno=\d+")


# ---- programs with more to them ----

@EITHER
def test_git_over_https(origin, port, tmp_path):
    """Debian's git speaks by libcurl-gnutls."""
    git = ["git", "-c", "user.name=lab", "-c", "user.email=lab@fine.example", "-C", str(tmp_path)]
    for words in (["init", "-q", "-b", "main", "work"], ["-C", "work", "commit", "-q", "--allow-empty", "-m", "first"],
                  ["clone", "-q", "--bare", "work", f"{origin.state}/origin/put/r{port}.git"],
                  ["-C", f"{origin.state}/origin/put/r{port}.git", "update-server-info"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    good, bad = fresh("fine"), fresh("blocked")
    origin.curl(f"https://{good}/")

    def clone(name, to):
        argv = ["env", f"GIT_SSL_CAINFO={programs.ca(origin)}", "GIT_TERMINAL_PROMPT=0", "git", "clone",
                f"https://{name}:{port}/put/r{port}.git", str(tmp_path / to)]
        return programs.run(origin, "git clone (libcurl-gnutls)", argv)

    done = clone(good, "good")
    assert done.exit == 0 and (tmp_path / "good" / ".git").exists(), done
    done = clone(bad, "bad")
    assert done.exit != 0 and done.seconds < AT_ONCE, done
    done.tell(path_of(port), r"fatal: .*")
    assert not origin.asked(bad)


@EITHER
def test_caddy_as_a_go_client(origin, port, tmp_path):
    """caddy's reverse proxy: Go's crypto/tls and net/http."""
    good, bad = fresh("fine"), fresh("blocked")
    origin.curl(f"https://{good}/")
    (tmp_path / "Caddyfile").write_text(f"""\
{{
	admin off
	auto_https off
	log {{
		format json
	}}
}}
http://127.0.0.1:9{port % 1000:03}, http://127.0.0.1:8{port % 1000:03} {{
	reverse_proxy /good* https://{good}:{port} {{
		header_up Host {{upstream_hostport}}
	}}
	reverse_proxy /bad* https://{bad}:{port} {{
		header_up Host {{upstream_hostport}}
	}}
}}
""", encoding="ascii")
    at = f"http://127.0.0.1:9{port % 1000:03}"
    with open(tmp_path / "words", "wb") as out:
        caddy = origin.popen("client", ["env", f"XDG_DATA_HOME={tmp_path}", f"XDG_CONFIG_HOME={tmp_path}", "caddy",
                                        "run", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")],
                             stdout=out, stderr=out)
    try:
        reply = labkit.until(lambda: (r := origin.curl(f"{at}/good")).exit == 0 and r)
        assert reply and reply.status == 200 and f"origin {good}".encode() in reply.body, reply
        reply = origin.curl(f"{at}/bad")
        assert reply.status == 502 and reply.seconds < AT_ONCE, reply
        def errors():
            """caddy writes them when its answer has gone."""
            lines = [json.loads(w) for w in programs.said(tmp_path / "words").splitlines(True) if w.endswith("\n") and '"error"' in w]
            return [e["msg"] for e in lines if isinstance(e.get("msg"), str)]

        assert labkit.until(lambda: "tls: unrecognized name" in "; ".join(errors())), errors()
        seen = errors()
        programs.tell("caddy reverse_proxy (Go)", path_of(port), reply.seconds, f"502 to its own client; log: {seen[-1]}")
    finally:
        caddy.kill()
        caddy.wait()
    assert not origin.asked(bad)


# ---- STARTTLS ----

SMTP = """\
import smtplib, ssl, sys, time
begin, code = time.monotonic(), 0
try:
    s = smtplib.SMTP(timeout=30)
    s.connect(sys.argv[2], 587)
    s._host = sys.argv[1]
    s.starttls(context=ssl.create_default_context())
    print("arrived", s.ehlo()[0])
except Exception as e:
    print(type(e).__name__, e)
    code = 1
print("seconds", time.monotonic() - begin)
sys.exit(code)
"""
IMAP = """\
import imaplib, ssl, sys, time
begin, code = time.monotonic(), 0
try:
    s = imaplib.IMAP4(sys.argv[2], 143, timeout=30)
    s.host = sys.argv[1]
    s.starttls(ssl.create_default_context())
    print("arrived", s.noop()[0])
except Exception as e:
    print(type(e).__name__, e)
    code = 1
print("seconds", time.monotonic() - begin)
sys.exit(code)
"""
MAIL = [("SMTP, Python smtplib", 587, programs.smtp_preamble, programs.smtp_after, SMTP),
        ("IMAP, Python imaplib", 143, programs.imap_preamble, programs.imap_after, IMAP)]


@BOTH
@pytest.mark.parametrize("verdict", ["allowed", "refused"])
@pytest.mark.parametrize("what", MAIL, ids=["smtp", "imap"])
def test_mail_with_starttls(origin, what, verdict, v, tmp_path):
    program, port, preamble, after, client = what
    pem = programs.certificate(origin, str(tmp_path), "mail.fine.example", "mail.blocked.example")
    with programs.StartTls(origin, port, pem, preamble, after) as server:
        name = "mail.fine.example" if verdict == "allowed" else "mail.blocked.example"
        done = programs.run(origin, program, ["/usr/bin/python3", "-c", client, name, OWN[v]])
        if verdict == "allowed":
            assert "arrived" in done.words and server.names == [name], (done, server.names)
        else:
            assert done.exit != 0 and done.seconds < AT_ONCE and server.names == [], (done, server.names)
            done.tell(f"inspect, STARTTLS, IPv{v}", r"(?m)^.*(Error|error|reset|EOF).*$")
