# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs that want much to be installed: `make programs` runs these, `make check` does not.

Firefox ESR, over TLS and over QUIC with its hello cut into pieces through the very name; Chromium with the time it
takes to give up QUIC; Java; psql with PostgreSQL itself. What they say: docs/PROGRAMS.md.
"""
import itertools
import os
import re
import subprocess
import time

import pytest

import browser
import labkit
import programs
from programs import AT_ONCE, INSPECT, OWN, PROXY, POLICY, SETTINGS  # noqa: F401 (the fixture reads them)

NAT = (False,)
HERE = os.path.dirname(os.path.abspath(__file__))
QUIC_REFUSED = POLICY.replace("for two\n", "for everyone\n  block port udp/443\nfor two\n")
QUIC_SWALLOWED = QUIC_REFUSED.replace("udp/443\n", "udp/443 refuse drop\n")
BOTH = pytest.mark.parametrize("v", [4, 6], ids=["v4", "v6"])
PORTS = pytest.mark.parametrize("port", [INSPECT, PROXY], ids=["inspect", "proxy"])
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def origin(lab):
    programs.prepare(lab)
    return lab


def fresh(lab, kind):
    name = f"h{next(_numbers)}.{kind}.example"
    if kind == "fine":
        lab.curl(f"https://{name}/")  # its certificate is made now
    return name


def at(name, port):
    return f"https://{name}/" if port == 443 else f"https://{name}:{port}/"


def seen(lab, name):
    """The protocols of the recorded decisions about this name, and their verdicts."""
    return {(e["proto"], e["verdict"]) for e in lab.events(f'"{name}"')}


# ---- browsers over TLS ----

def chromium(lab, v=4, *options):
    address = f"[{labkit.ORIGIN[6]}]" if v == 6 else labkit.ORIGIN[4]
    return browser.Chromium(lab, f"--host-resolver-rules=MAP * {address}", *options)


def firefox(lab, v=4, **prefs):
    return browser.Firefox(lab, {"network.dns.disableIPv6": v == 4, **prefs})


@BOTH
@PORTS
@pytest.mark.parametrize("program,start", [("Chromium", chromium), ("Firefox ESR", firefox)])
def test_a_page(origin, program, start, port, v):
    good, bad = fresh(origin, "fine"), fresh(origin, "blocked")
    with start(origin, v) as web:
        page = web.open(at(good, port))
        assert page.text.startswith(f"origin {good}") and page.protocol == "h2", page
        page = web.open(at(bad, port))
        assert "UNRECOGNIZED_NAME_ALERT" in page.error and page.seconds < AT_ONCE, page
        programs.tell(program, f"{'inspect' if port == INSPECT else 'proxy'}, IPv{v}", page.seconds, page.error)
        page = web.open(f"http://{bad}/")
        assert "The lab blocks this site" in page.text and page.seconds < AT_ONCE, page
        programs.tell(program, f"proxy, HTTP, IPv{v}", page.seconds, "the block page")
    assert not origin.asked(bad)


# ---- browsers over QUIC ----

def test_firefox_over_quic(origin, tmp_path):
    """Its hello is cut through the name, in two datagrams, the tail first; it begins at a random packet number."""
    names = [fresh(origin, "fine") for _ in range(4)]
    bad = fresh(origin, "blocked")
    mapping = ",".join(f"{n};h3=:443" for n in [*names, bad])
    trace = str(tmp_path / "quic.pcap")
    with open(trace, "wb") as out:
        dump = origin.popen("gateway", ["tcpdump", "-Z", "root", "-U", "--immediate-mode", "-w", "-", "-i", "lan", "udp port 443"], stdout=out)
    try:
        with firefox(origin, 6, **{"network.http.http3.alt-svc-mapping-for-testing": mapping,
                                   "network.http.http3.sni-slicing": True}) as web:
            pages = [web.open(f"https://{n}/{i}") for i in range(2) for n in names]
            page = web.open(f"https://{bad}/")
        time.sleep(0.5)  # tcpdump has written all
    finally:
        dump.terminate()
        dump.wait()
    assert all(p.text.startswith("origin ") for p in pages), pages
    # a first flight may lose the race against TCP on a slow machine; not every one of four
    assert sum(p.protocol == "h3" for p in pages) >= 4, pages
    assert page.error and page.seconds < AT_ONCE, page
    programs.tell("Firefox ESR, QUIC and TCP at once", "inspect", page.seconds, page.error)
    assert labkit.until(lambda: ("udp", "block") in seen(origin, bad)), seen(origin, bad)
    assert not origin.asked(bad)
    told = subprocess.run([labkit.DURWARDCTL, "-j", "identify", trace], capture_output=True, text=True, check=True).stdout
    flows = [e for e in labkit.read_json(told) if e["proto"] == "quic"]
    assert bad in [n for e in flows for n in e["names"]], flows


@pytest.mark.parametrize("how,policy", [("CONNECTION_CLOSE", QUIC_REFUSED), ("refuse drop", QUIC_SWALLOWED)],
                         ids=["close", "drop"])
def test_firefox_falls_back_to_tcp(origin, how, policy):
    name = fresh(origin, "fine")
    origin.set_policy(policy)
    try:
        with firefox(origin, **{"network.http.http3.alt-svc-mapping-for-testing": f"{name};h3=:443"}) as web:
            web.open(f"https://{fresh(origin, 'fine')}/")  # it has warmed up
            page = web.open(f"https://{name}/")
        assert page.protocol == "h2" and page.seconds < AT_ONCE, page
        programs.tell("Firefox ESR, from QUIC to TCP", how, page.seconds, "the page, h2")
        assert labkit.until(lambda: ("udp", "block") in seen(origin, name)), seen(origin, name)
    finally:
        origin.set_policy(POLICY)


@BOTH
def test_chromium_over_quic(origin, v):
    """Told to use QUIC only, so that the time to its error is the refusal's own. Six names, for it shuffles each hello
    anew, in two datagrams with a post-quantum share."""
    names = [(fresh(origin, "fine"), fresh(origin, "blocked")) for _ in range(6)]
    force = ",".join(f"{n}:443" for pair in names for n in pair)
    with chromium(origin, v, f"--origin-to-force-quic-on={force}") as web:
        for good, bad in names:
            page = web.open(f"https://{good}/")
            assert page.protocol == "h3", page
            page = web.open(f"https://{bad}/")
            assert page.error == "net::ERR_QUIC_PROTOCOL_ERROR" and page.seconds < AT_ONCE, page
            programs.tell("Chromium, QUIC only", f"inspect, IPv{v}", page.seconds, page.error)
            assert not origin.asked(bad)


# ---- Java ----

@PORTS
def test_java(origin, port, tmp_path):
    store = str(tmp_path / "trust.p12")
    subprocess.run(["keytool", "-importcert", "-noprompt", "-alias", "lab", "-storetype", "PKCS12", "-storepass",
                    "durward", "-keystore", store, "-file", programs.ca(origin)], check=True, capture_output=True)

    def page(*names):
        return programs.run(origin, "Java HttpsURLConnection", [
            "java", "-Xshare:auto", "-Djavax.net.ssl.trustStore=" + store, "-Djavax.net.ssl.trustStorePassword=durward",
            os.path.join(HERE, "Page.java"), *(at(n, port) for n in names)], timeout=30)

    good, bad = fresh(origin, "fine"), fresh(origin, "blocked")
    done = page(good)
    assert f"origin {good}" in done.words, done
    done = page(good, bad)
    assert done.exit == 1 and done.seconds < AT_ONCE, done
    done.tell("inspect" if port == INSPECT else "proxy", r"javax\.net\.ssl.*unrecognized_name.*")
    assert not origin.asked(bad)


# ---- PostgreSQL ----

@pytest.fixture(scope="module")
def postgres(origin):
    """A server of its own: its folder under /run, for its user must be able to walk there."""
    folder = f"/run/durward-lab/{origin.prefix}-postgres"
    words = folder + ".log"
    home = "/usr/lib/postgresql/15/bin"
    os.mkdir(folder)
    try:
        pem = programs.certificate(origin, folder, "db.fine.example", "db.blocked.example")
        subprocess.run(["chown", "-R", "postgres", folder], check=True)
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        subprocess.run([*as_user, f"{home}/initdb", "-D", f"{folder}/data", "-U", "lab", "-A", "trust", "--no-sync"],
                       check=True, capture_output=True, cwd="/")
        with open(f"{folder}/data/pg_hba.conf", "w", encoding="ascii") as f:
            f.write("hostssl all all all trust\n")
        argv = [*as_user, f"{home}/postgres", "-D", f"{folder}/data", "-c", f"listen_addresses={OWN[4]},{OWN[6]}",
                "-c", f"unix_socket_directories={folder}", "-c", "ssl=on", "-c", f"ssl_cert_file={pem}",
                "-c", f"ssl_key_file={pem}.key", "-c", "fsync=off", "-c", "shared_buffers=16MB"]
        with programs.origin_server(origin, argv, lambda: "ready to accept" in programs.said(words), words):
            yield words
    finally:
        subprocess.run(["rm", "-rf", folder, words], check=False)


@BOTH
def test_psql(origin, postgres, v):
    def ask(name):
        # the server is found by address, the hello names the host
        where = f"host={name} hostaddr={OWN[v]} port=5432 user=lab dbname=postgres sslmode=require connect_timeout=9"
        return programs.run(origin, "psql sslmode=require", ["psql", "-Atc", "select 'arrived'", where])

    done = ask("db.fine.example")
    assert done.exit == 0 and "arrived" in done.words, done
    done = ask("db.blocked.example")
    assert done.exit != 0 and done.seconds < AT_ONCE and "arrived" not in done.words, done
    done.tell(f"inspect, STARTTLS, IPv{v}", r"(SSL error|SSL SYSCALL|server closed).*")
    assert not re.search(r"db\.blocked", programs.said(postgres))
