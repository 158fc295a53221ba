# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab in Python's hands: bring one up, run things in it, read what its servers saw.

Owns: one lab a Lab object, by a LAB_PREFIX of this process. Standard library only. See tests/README.md.
"""
import concurrent.futures
import contextlib
import ctypes
import itertools
import json
import os
import re
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
LAB = os.path.join(HERE, "lab")
BUILD = os.path.join(REPO, "build", "current")
DURWARD = os.environ.get("DURWARD_BIN", os.path.join(BUILD, "durward"))
DURWARDCTL = os.environ.get("DURWARDCTL_BIN", os.path.join(BUILD, "durwardctl"))
ORIGIN = {4: "198.51.100.2", 6: "2001:db8:2::2"}
CLIENT = {4: "192.0.2.2", 6: "2001:db8:1::2"}
CLIENT2 = {4: "192.0.2.3", 6: "2001:db8:1::3"}
MAC = {"client": "00:00:5e:00:53:02", "client2": "00:00:5e:00:53:03"}
CLONE_NEWNET = 0x40000000
# tests/check names its runs, so that it can take down what a suite that hung has brought up
RUN = os.environ["DURWARD_RUN"] + "-" if os.environ.get("DURWARD_RUN") else ""
# Seconds. A wait for what should happen ends as soon as it has, so it may be long: a busy machine takes its time.
PATIENCE = 30
# What the issue wants within a second or half of one is measured and printed; a test fails only where something waits for
# a timeout instead: programs give up after 9 s and more, a hello's deadline is 10 s.
AT_ONCE = 6

_numbers = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    pass


class Reply:
    """What curl says of one request: exit (its own status), status (HTTP, 0 for none), version, body, seconds."""

    def __init__(self, done, body):
        words = done.stdout.decode(errors="replace").split("\t")
        self.exit = done.returncode
        self.error = done.stderr.decode(errors="replace").strip()
        self.status = int(words[0]) if words[0].isdigit() else 0
        self.version, self.seconds, self.remote = (words + ["", "0", ""])[1:4]
        self.seconds = float(self.seconds or 0)
        self.body = body

    def __repr__(self):
        return f"<curl exit {self.exit} status {self.status} {self.error} {self.body[:200]!r}>"


class Lab:
    def __init__(self, policy=None, settings=None, nat=False, daemon=True, env=None, prefix=None, script=LAB):
        """script: the lab of another tree brings up that tree's build."""
        self.script = script
        self.policy, self.settings, self.nat, self.daemon = policy, settings, nat, daemon
        self.prefix = prefix or f"{RUN}t{os.getpid()}-{next(_numbers)}"
        self.state = f"/run/durward-lab/{self.prefix}"
        self.env = {**os.environ, "LAB_WEB_PORT": "0", **(env or {}), "LAB_PREFIX": self.prefix, "LAB_STATE": self.state}

    # -- up and down

    def up(self):
        with tempfile.TemporaryDirectory() as tmp:
            argv = [self.script, "up"] + ["--nat"] * self.nat + ["--no-daemon"] * (not self.daemon)
            for option, text in (("policy", self.policy), ("settings", self.settings)):
                if text is not None:
                    path = os.path.join(tmp, option)
                    with open(path, "w", encoding="utf-8") as f:
                        f.write(text)
                    argv += [f"--{option}", path]
            done = self._lab(argv, 900)
        if done.returncode:
            raise LabError(done.stdout + done.stderr)
        return self

    def down(self):
        done = self._lab([self.script, "down"], 600)
        if done.returncode:
            raise LabError(done.stdout + done.stderr)

    def _lab(self, argv, timeout):
        return subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=timeout, check=False)

    # -- doing things in it

    def exec(self, space, argv, timeout=2 * PATIENCE, stdin=b"", check=False):
        """CompletedProcess of argv in that namespace (bytes); kills it at the timeout."""
        return subprocess.run([self.script, "exec", space] + list(argv), env=self.env, input=stdin, capture_output=True,
                              timeout=timeout, check=check)

    def popen(self, space, argv, **kw):
        kw = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **kw}
        return subprocess.Popen([self.script, "exec", space] + list(argv), env=self.env, **kw)

    @contextlib.contextmanager
    def inside(self, space):
        """This thread in that namespace: a socket opened here belongs to it for good."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{self.prefix}-{space}", "rb") as there:
            if _libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                _libc.setns(home.fileno(), CLONE_NEWNET)

    def curl(self, url, *options, ns="client", v6=False, timeout=PATIENCE):
        """One request by curl. options are curl's own.

        caddy makes a name's first certificate valid from this very moment, and OpenSSL reads a clock that lags by up
        to a tick: at the turn of a second curl may call it "not yet valid". That one answer is asked for again.
        """
        reply = self._curl(url, options, ns, v6, timeout)
        return self._curl(url, options, ns, v6, timeout) if "not yet valid" in reply.error else reply

    def _curl(self, url, options, ns, v6, timeout):
        with tempfile.NamedTemporaryFile() as body:
            form = "%{http_code}\t%{http_version}\t%{time_total}\t%{remote_ip}"
            argv = ["curl", "-sS", "-6" if v6 else "-4", "-m", str(timeout), "-o", body.name, "-w", form]
            done = self.exec(ns, argv + list(options) + [url], timeout=timeout + PATIENCE)
            return Reply(done, body.read())

    def quic(self, name, ns="client", v6=False, timeout=PATIENCE, path="/", options=()):
        """The body that HTTP/3 brings from the origin for https://name/path, None if none came.
        The host is given by name: gtlsclient sends the SNI "localhost" for an address, whatever --sni says."""
        with tempfile.TemporaryDirectory() as tmp:
            family = () if v6 else ("env", "RES_OPTIONS=no-aaaa")  # v6 is preferred where there are both
            argv = [*family, "timeout", str(timeout), "gtlsclient", "-q", "--download", tmp,
                    "--exit-on-all-streams-close", "--timeout", f"{timeout}s", "--handshake-timeout", f"{timeout}s",
                    *options, name, "443", f"https://{name}{path}x"]
            self.exec(ns, argv, timeout=timeout + PATIENCE)
            for file in os.listdir(tmp):
                with open(os.path.join(tmp, file), "rb") as f:
                    return f.read() or None
        return None

    # -- what was seen

    def origin_log(self):
        """Every request that reached the origin, oldest first: dicts of server, client, sni, host, proto, method, uri,
        status. (caddy's HTTP/3 does not tell the SNI.)"""
        return sorted(self._nginx_log() + self._caddy_log(), key=lambda e: e["time"])

    def _lines(self, name):
        try:
            with open(os.path.join(self.state, "log", name), encoding="utf-8", errors="replace") as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def _nginx_log(self):
        return [{**e, "host": e["host"] or ""} for e in self._lines("access.log")]

    def _caddy_log(self):
        out = []
        for e in self._lines("access-tls.log"):
            r = e["request"]
            out.append({"time": e["ts"], "server": "caddy", "client": r["remote_ip"], "sni": r["tls"]["server_name"],
                        "host": r["host"], "proto": r["proto"], "method": r["method"], "uri": r["uri"],
                        "status": e["status"]})
        return out

    def asked(self, host):
        """The requests for this host that reached the origin."""
        return [e for e in self.origin_log() if e["host"].split(":")[0] == host]

    def arrived(self, host):
        """The same, waited for: a server writes its log when its answer has gone, and the client may be back by then."""
        return until(lambda: self.asked(host))

    def words(self, name="durward"):
        """The log of a server of the lab: durward, nginx, caddy, dnsmasq."""
        with open(os.path.join(self.state, "log", name + ".log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    # -- the daemon

    @property
    def api(self):
        return os.path.join(self.state, "run", "api.sock")

    @property
    def policy_path(self):
        return os.path.join(self.state, "etc", "policy")

    @property
    def web(self):
        with open(os.path.join(self.state, "web-port"), encoding="ascii") as f:
            return f"http://127.0.0.1:{f.read().strip()}"

    def pid(self, name="durward"):
        with open(os.path.join(self.state, "pids", name), encoding="ascii") as f:
            return int(f.read().split()[0])

    def processes(self):
        """The daemon's processes now: {"supervisor": pid, "dataplane": pid, "controller": pid, "failsafe": pid}. What one of them has just
        forked bears its words until it runs a program: the older one counts."""
        out, born = {}, {}
        pids = subprocess.run(["ip", "netns", "pids", f"{self.prefix}-gateway"], capture_output=True, text=True, check=False)
        for pid in pids.stdout.split():
            try:
                with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as f:
                    words = f.read().split("\0")
                with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
                    stat = f.read().rsplit(") ", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if len(words) < 2 or os.path.basename(words[0]) != "durward" or stat[0] in "ZX":
                continue
            age = (int(stat[19]), int(pid))
            if age <= born.get(words[1], age):
                out[words[1]], born[words[1]] = int(pid), age
        return out

    def ctl(self, *args, timeout=2 * PATIENCE):
        """CompletedProcess of durwardctl (text)."""
        return subprocess.run([DURWARDCTL, "--socket", self.api, *args], capture_output=True, text=True,
                              timeout=timeout, check=False, stdin=subprocess.DEVNULL)

    def furnish(self, policy=None, settings=None):
        """In a lab without a daemon: the folders and settings of one that the test starts itself."""
        if settings is None:
            subprocess.run(["install", "-m", "755", f"{REPO}/iptables/durward-rules", f"{self.state}/durward-rules"], check=True)
            settings = f"client-interfaces lan\nrules-script {self.state}/durward-rules\n"
        for d in ("etc", "var", "run"):
            os.makedirs(f"{self.state}/{d}", exist_ok=True)
        if policy is not None:
            with open(self.policy_path, "w", encoding="utf-8") as f:
                f.write(policy)
        subprocess.run(["chown", "-R", "64481", f"{self.state}/etc"], check=True)
        with open(f"{self.state}/settings", "w", encoding="utf-8") as f:
            f.write(f"policy {self.policy_path}\nstate-dir {self.state}/var\nrun-dir {self.state}/run\n"
                    f"dataplane-user 64480\ncontroller-user 64481\nweb-listen none\n{settings}")
        return self

    def set_policy(self, text):
        """Puts another policy in force and waits for it: the daemon reads the same file again."""
        with open(self.policy_path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.replace(self.policy_path + ".new", self.policy_path)
        done = self.ctl("reload")
        if done.returncode:
            raise LabError(f"reload: {done.stdout}{done.stderr}")

    def events(self, text="", limit=200):
        """Decisions as durwardctl log tells them, those that contain this text."""
        return [e for e in read_json(self.ctl("-j", "log", "-n", str(limit)).stdout) if text in json.dumps(e)]


def json_of(lab, path):
    """What the API says, over its socket."""
    done = subprocess.run(["curl", "-sS", "--unix-socket", lab.api, f"http://localhost{path}"], capture_output=True, text=True,
                          timeout=PATIENCE, check=False)
    return json.loads(done.stdout)


def read_json(text):
    """The objects in a tool's -j answer, whether it is one array, {"events": [...]}, or an object a line."""
    try:
        whole = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    if isinstance(whole, dict):
        whole = next((v for k, v in whole.items() if k in ("events", "rows") and isinstance(v, list)), [whole])
    return whole


def until(what, seconds=PATIENCE, step=0.05):
    """what(), again and again until it is true or the time is over; its last value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(step)


def together(what, rows):
    """what(*row) of each row, all at once: for what ends in silence only."""
    with concurrent.futures.ThreadPoolExecutor(len(rows)) as pool:
        return list(pool.map(lambda row: what(*row), rows))


def at_once(attempt, seconds=AT_ONCE, tries=4):
    """attempt() says how long something took: that it is done in time once. A busy machine may stall, but not each time."""
    took = []
    while not took or took[-1] >= seconds:
        assert len(took) < tries, f"each time it took long: {took}"
        took.append(attempt())
    return took[-1]


def machine():
    """What a lab must leave as it found it, in the machine's own namespace."""
    def run(*argv):
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout

    def rules(tool):
        return re.sub(r"^[#:].*\n|\[\d+:\d+\]", "", run(tool), flags=re.M)

    return {"links": sorted(re.findall(r"^\d+: ([^:@]+)", run("ip", "-o", "link"), flags=re.M)),
            "routes": run("ip", "route") + run("ip", "-6", "route"), "ip rules": run("ip", "rule"),
            "iptables": rules("iptables-save"), "ip6tables": rules("ip6tables-save"), "ipset": run("ipset", "list", "-n")}
