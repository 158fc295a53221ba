# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs as clients, each with its own TLS library: how it is run, what says that it arrived, what it says when
refused. test_programs.py and test_heavy.py run them; docs/PROGRAMS.md has what they said.

Owns: nothing; Run.tell() adds a line to the file $DURWARD_PROGRAMS_TABLE, if that is set (make programs).
"""
import contextlib
import dataclasses
import os
import re
import socket
import ssl
import subprocess
import threading
import time

import labkit

AT_ONCE = labkit.AT_ONCE  # seconds from the click to the error; the table in docs/PROGRAMS.md has the usual ones
INSPECT, PROXY = 443, 8443  # the port says which path a connection takes: see SETTINGS
SETTINGS = "proxy-tcp 80,8443\n"
POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
device two mac 00:00:5e:00:53:03

for everyone
  block blocked.example because "The lab blocks this site"
  block port udp/4445
  block net 198.51.100.8 2001:db8:2::8
for two
  no-name block
otherwise allow
"""
OWN = {4: "198.51.100.7", 6: "2001:db8:2::7"}  # an address of the origin for servers of a test's own
NO = {4: "198.51.100.8", 6: "2001:db8:2::8"}  # and one that policy refuses


@dataclasses.dataclass
class Run:
    """One program's try: its exit status, its words, the seconds from the click to the page or the error."""
    program: str
    exit: int
    words: str
    seconds: float

    def tell(self, path, wrote):
        """The words of the refusal, for the table."""
        hit = re.search(wrote, self.words)
        assert hit, self
        tell(self.program, path, self.seconds, hit.group(0))


def tell(program, path, seconds, words):
    print(f"{program}, {path}: {seconds:.3f} s: {words}")
    table = os.environ.get("DURWARD_PROGRAMS_TABLE")
    if table:
        with open(table, "a", encoding="utf-8") as f:
            f.write(f"{program}\t{path}\t{seconds * 1000:.0f} ms\t{' '.join(words.split())}\n")


def run(lab, program, argv, ns="client", timeout=2 * labkit.PATIENCE, stdin=b""):
    """Runs it in the lab. A program that is slow to start says "seconds S" of itself, and this counts."""
    begin = time.monotonic()
    try:
        done = lab.exec(ns, argv, timeout=timeout, stdin=stdin)
    except subprocess.TimeoutExpired as e:
        return Run(program, 124, (e.output or b"").decode(errors="replace"), timeout)
    took = time.monotonic() - begin
    words = (done.stdout + done.stderr).decode(errors="replace")
    own = re.search(r"^seconds ([0-9.]+)$", words, re.M)
    return Run(program, done.returncode, words, float(own.group(1)) if own else took)


# ---- programs that fetch https://NAME:PORT/ ----

NODE = """\
const from = performance.now(), url = process.argv[1];
const end = (words, code) => { console.log(words + "\\nseconds " + (performance.now() - from) / 1000); process.exit(code); };
require("https").get(url, { agent: false, family: +process.argv[2] }, (r) => {
  let all = "";
  r.on("data", (d) => { all += d; }).on("end", () => end(all, r.statusCode === 200 ? 0 : 1));
}).on("error", (e) => end(e.code + " " + e.message, 1));
"""
PYTHON = """\
import socket, sys, time, urllib.request
old, family = socket.getaddrinfo, socket.AF_INET6 if sys.argv[2] == "6" else socket.AF_INET
socket.getaddrinfo = lambda host, port, *a, **k: old(host, port, family, socket.SOCK_STREAM)
begin, code = time.monotonic(), 0
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=30).read().decode())
except Exception as e:
    print(e)
    code = 1
print("seconds", time.monotonic() - begin)
sys.exit(code)
"""


def ca(lab):
    return os.path.join(lab.state, "ca", "root.pem")


def curl(lab, name, port, v):
    return ["curl", "-sS", f"-{v}", "-m", "30", f"https://{name}:{port}/"]


def wget(lab, name, port, v):
    return ["wget", "--no-verbose", "-t1", "-T30", f"-{v}", "-O-", f"--ca-certificate={ca(lab)}",
            f"https://{name}:{port}/"]


def request(name):
    return f"GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()


def gnutls(lab, name, port, v):
    return ["gnutls-cli", "--x509cafile", ca(lab), "--sni-hostname", name, "--verify-hostname", name,
            "-p", str(port), labkit.ORIGIN[v]]


def openssl(version):
    def argv(lab, name, port, v):
        where = f"[{labkit.ORIGIN[v]}]:{port}" if v == 6 else f"{labkit.ORIGIN[v]}:{port}"
        return ["openssl", "s_client", "-brief", "-ign_eof", "-CAfile", ca(lab), "-verify_return_error", version,
                "-servername", name, "-connect", where]
    return argv


def node(lab, name, port, v):
    return ["node", "-e", NODE, f"https://{name}:{port}/", str(v)]


def python(lab, name, port, v):
    return ["/usr/bin/python3", "-c", PYTHON, f"https://{name}:{port}/", str(v)]


# name, argv, whether it speaks HTTP by hand, what it says when refused (the alert, then what the reset would say)
FETCHERS = [
    ("curl (OpenSSL or GnuTLS)", curl, False, r"curl: \(\d+\).*(unrecognized name|server name).*"),
    ("wget (GnuTLS)", wget, False, r"GnuTLS: received alert \[112\].*"),
    ("gnutls-cli", gnutls, True, r"\*\*\* Received alert \[112\].*"),
    ("openssl s_client, TLS 1.2", openssl("-tls1_2"), True, r"tlsv1 unrecognized name.*SSL alert number 112"),
    ("openssl s_client, TLS 1.3", openssl("-tls1_3"), True, r"tlsv1 unrecognized name.*SSL alert number 112"),
    ("Node.js https", node, False, r"ERR_SSL_TLSV1_UNRECOGNIZED_NAME|EPROTO.*unrecognized name.*"),
    ("Python urllib", python, False, r"<urlopen error .*(unrecognized name|UNRECOGNIZED_NAME).*>"),
]


# ---- the origin's side ----

def iptables(lab, space, v, *words):
    lab.exec(space, ["iptables" if v == 4 else "ip6tables", "-w", *words], check=True)


def prepare(lab):
    """Addresses for the tests' own servers; what comes to port 8443 is for caddy; one and two have a route back."""
    for v in (4, 6):
        length = "24" if v == 4 else "64"
        for address in (OWN[v], NO[v]):
            lab.exec("origin", ["ip", "address", "add", f"{address}/{length}", "dev", "eth0",
                                *(["nodad"] if v == 6 else [])], check=True)
        iptables(lab, "origin", v, "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", str(PROXY), "-j", "DNAT",
                 "--to-destination", f":{INSPECT}")


def certificate(lab, folder, *names):
    """A file with key and certificate for these names, by the lab's CA."""
    path = os.path.join(folder, names[0] + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-CA", ca(lab), "-CAkey", os.path.join(lab.state, "ca", "root.key"), "-days", "2",
                    "-subj", f"/CN={names[0]}", "-addext", "subjectAltName=" + ",".join(f"DNS:{n}" for n in names),
                    "-keyout", path + ".key", "-out", path], check=True, capture_output=True)
    with open(path, "a", encoding="ascii") as out, open(path + ".key", encoding="ascii") as key:
        out.write(key.read())
    return path


@contextlib.contextmanager
def origin_server(lab, argv, ready, words):
    """A server of the origin; ready() is asked until it is true; its words go to the file `words`."""
    with open(words, "wb") as out:
        process = lab.popen("origin", argv, stdout=out, stderr=out, stdin=subprocess.PIPE)
    try:
        assert labkit.until(ready), open(words, encoding="utf-8", errors="replace").read()
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def said(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


class StartTls:
    """A mail or database server, as far as STARTTLS: preamble(file) returns when the TLS may begin, after(file) speaks
    inside it. It keeps the names that it was asked for in `names`."""

    def __init__(self, lab, port, pem, preamble, after):
        self.names, self.preamble, self.after = [], preamble, after
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.context.sni_callback = lambda s, name, c: self.names.append(name)
        with lab.inside("origin"):
            self.listeners = [socket.create_server((OWN[4], port)),
                              socket.create_server((OWN[6], port), family=socket.AF_INET6)]
        for one in self.listeners:
            threading.Thread(target=self._accept, args=(one,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.listeners:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(listener.accept()[0],), daemon=True).start()

    def _serve(self, plain):
        with contextlib.suppress(OSError, ValueError), plain:
            plain.settimeout(60)
            with plain.makefile("rwb", buffering=0) as words:
                self.preamble(words)
            with self.context.wrap_socket(plain, server_side=True) as inner:
                with inner.makefile("rwb", buffering=0) as words:
                    self.after(words)


def line(words):
    got = b""
    while not got.endswith(b"\n"):
        byte = words.read(1)
        if not byte:
            raise ValueError("the end")
        got += byte
    return got.decode(errors="replace").rstrip()


def smtp_preamble(words):
    words.write(b"220 origin ESMTP\r\n")
    while True:
        asked = line(words).upper()
        if asked.startswith("EHLO"):
            words.write(b"250-origin\r\n250 STARTTLS\r\n")
        elif asked.startswith("STARTTLS"):
            words.write(b"220 go ahead\r\n")
            return
        else:
            words.write(b"502 no\r\n")


def smtp_after(words):
    while True:
        asked = line(words).upper()
        words.write(b"221 bye\r\n" if asked.startswith("QUIT") else b"250 origin\r\n")


def imap_preamble(words):
    words.write(b"* OK origin\r\n")
    while True:
        tag, asked = (line(words).upper() + " ").split(" ", 1)
        if asked.startswith("CAPABILITY"):
            words.write(b"* CAPABILITY IMAP4REV1 STARTTLS\r\n")
        words.write(tag.encode() + b" OK done\r\n")
        if asked.startswith("STARTTLS"):
            return


def imap_after(words):
    while True:
        tag, asked = (line(words).upper() + " ").split(" ", 1)
        if asked.startswith("CAPABILITY"):
            words.write(b"* CAPABILITY IMAP4REV1\r\n")
        words.write(tag.encode() + b" OK done\r\n")
