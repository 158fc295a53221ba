# SPDX-License-Identifier: GPL-3.0-or-later
"""Real browsers in the lab, each driven over its own wire: Chromium by its debugging pipe, Firefox by Marionette.

    with browser.Chromium(lab) as web:
        page = web.open("https://fine.test/")
        assert page.text.startswith("origin fine.test") and page.protocol == "h2"

A page that could not be had: page.error says what the person sees ("net::ERR_CONNECTION_RESET"), page.text is "".
page.seconds runs from the click to the loaded page or the error. Standard library only.

Owns: the browser's process and its profile, for as long as the with lasts.
"""
import dataclasses
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.parse

import labkit


class BrowserError(Exception):
    pass


@dataclasses.dataclass
class Page:
    text: str = ""  # what the person reads
    error: str = ""  # the browser's own name of what went wrong
    protocol: str = ""  # "http/1.1", "h2", "h3"
    seconds: float = 0.0


# what came by which protocol, and its words, as the page itself knows them
ABOUT_PAGE = ("[document.body ? document.body.innerText : '',"
              " (performance.getEntriesByType('navigation')[0] || {}).nextHopProtocol || '']")


class _Browser:
    def __init__(self, lab, ns="client"):
        self.lab, self.ns = lab, ns
        self.profile = tempfile.mkdtemp(prefix="durward-browser-")
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        raise NotImplementedError

    def stop(self):
        if self.process:
            try:
                os.killpg(self.process.pid, 15)
                self.process.wait(20)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
            try:
                os.killpg(self.process.pid, 9)  # its children, which may outlive it
            except ProcessLookupError:
                pass
            self.process.wait()
        labkit.until(lambda: shutil.rmtree(self.profile, ignore_errors=True) or not os.path.exists(self.profile))


class Chromium(_Browser):
    """options are Chromium's own, e.g. "--origin-to-force-quic-on=fine.test:443". https_first: what people have on, so
    that http:// becomes https:// where it can; off, a test sees the http:// page that it asks for."""

    def __init__(self, lab, *options, ns="client", https_first=False):
        super().__init__(lab, ns)
        self.options = options
        if not https_first:
            self.options += ("--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints",)
        self.numbers, self.rest, self.events = 0, b"", []
        self.session = None

    def start(self):
        there, self.tell = os.pipe()
        self.hear, back = os.pipe()
        # bash: dash knows descriptors of one digit only
        argv = ["bash", "-c", f'exec 3<&{there} 4>&{back}; exec "$@"', "bash",
                "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--no-default-browser-check", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--metrics-recording-only", "--disable-extensions",
                f"--user-data-dir={self.profile}", "--remote-debugging-pipe", *self.options, "about:blank"]
        self.process = self.lab.popen(self.ns, argv, pass_fds=(there, back), start_new_session=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(there)
        os.close(back)
        os.set_blocking(self.hear, False)
        self._fresh()

    def stop(self):
        super().stop()
        for fd in (self.__dict__.pop("tell", None), self.__dict__.pop("hear", None)):
            if fd is not None:
                os.close(fd)

    def _fresh(self):
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self.session = None
        session = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self.session = session
        self._ask("Page.enable")

    def _messages(self, until):
        """What came, oldest first; ends when nothing more comes before that time."""
        while True:
            whole, end, self.rest = self.rest.partition(b"\0")
            if end:
                yield json.loads(whole)
                continue
            self.rest = whole
            if time.monotonic() > until:
                return
            try:
                more = os.read(self.hear, 1 << 16)
                if not more:
                    raise BrowserError("chromium has ended")
                self.rest += more
            except BlockingIOError:
                time.sleep(0.002)

    def _ask(self, method, params=None, seconds=120):
        self.numbers += 1
        words = {"id": self.numbers, "method": method, "params": params or {}}
        if self.session:
            words["sessionId"] = self.session
        os.write(self.tell, json.dumps(words).encode() + b"\0")
        for m in self._messages(time.monotonic() + seconds):
            if m.get("id") == self.numbers:
                if "error" in m:
                    raise BrowserError(f"{method}: {m['error'].get('message')}")
                return m["result"]
            self.events.append(m.get("method"))
        raise BrowserError(f"{method}: no answer in {seconds} s")

    def open(self, url, seconds=60):
        self.events.clear()
        begin = time.monotonic()
        try:
            done = self._ask("Page.navigate", {"url": url}, seconds)
        except BrowserError as e:
            self._ask("Page.stopLoading")
            return Page(error=str(e), seconds=time.monotonic() - begin)
        if done.get("errorText"):
            return Page(error=done["errorText"], seconds=time.monotonic() - begin)
        if "Page.loadEventFired" not in self.events:
            for m in self._messages(begin + seconds):
                if m.get("method") == "Page.loadEventFired":
                    break
        took = time.monotonic() - begin
        text, protocol = self._ask("Runtime.evaluate", {"expression": ABOUT_PAGE,
                                                        "returnByValue": True})["result"]["value"]
        return Page(text=text, protocol=protocol, seconds=took)


class Firefox(_Browser):
    """prefs is a dict of about:config."""

    def __init__(self, lab, prefs=None, ns="client"):
        super().__init__(lab, ns)
        self.prefs = {
            "marionette.port": 2828, "datareporting.policy.dataSubmissionEnabled": False,
            "toolkit.telemetry.enabled": False, "app.update.enabled": False, "browser.shell.checkDefaultBrowser": False,
            "network.captive-portal-service.enabled": False, "network.connectivity-service.enabled": False,
            "network.trr.mode": 5, "dom.security.https_first": False, "browser.safebrowsing.update.enabled": False,
            "services.settings.server": "data:,", "extensions.update.enabled": False,
            "browser.startup.page": 0, "browser.newtabpage.enabled": False,
            "network.http.http3.disable_when_third_party_roots_found": False,
            **(prefs or {})}
        self.wire = None
        self.numbers = 0

    def start(self):
        with open(os.path.join(self.profile, "user.js"), "w", encoding="utf-8") as f:
            for name, value in self.prefs.items():
                f.write(f"user_pref({json.dumps(name)}, {json.dumps(value)});\n")
        ca = os.path.join(self.lab.state, "ca", "root.pem")
        for argv in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "durward-lab", "-i", ca]):
            subprocess.run(["certutil", "-d", f"sql:{self.profile}", *argv], check=True, capture_output=True)
        argv = ["env", "MOZ_HEADLESS=1", "MOZ_CRASHREPORTER_DISABLE=1", f"HOME={self.profile}", "firefox-esr",
                "--headless", "--no-remote", "--marionette", "--profile", self.profile, "about:blank"]
        self.process = self.lab.popen(self.ns, argv, start_new_session=True,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wire = labkit.until(self._connect, 120, 0.2)
        if not self.wire:
            raise BrowserError("firefox does not listen")
        self._hear()  # it says who it is
        self._ask("WebDriver:NewSession", {"capabilities": {"alwaysMatch": {"pageLoadStrategy": "normal"}}}, 60)

    def stop(self):
        if self.wire:
            self.wire.close()
        super().stop()

    def _connect(self):
        if self.process.poll() is not None:
            raise BrowserError("firefox has ended")
        try:
            with self.lab.inside(self.ns):
                return socket.create_connection(("127.0.0.1", self.prefs["marionette.port"]), timeout=2)
        except OSError:
            return None

    def _hear(self):
        length = b""
        while not length.endswith(b":"):
            byte = self.wire.recv(1)
            if not byte:
                raise BrowserError("firefox has ended")
            length += byte
        left, words = int(length[:-1]), b""
        while len(words) < left:
            more = self.wire.recv(left - len(words))
            if not more:
                raise BrowserError("firefox has ended")
            words += more
        return json.loads(words)

    def _ask(self, command, params=None, seconds=120):
        self.numbers += 1
        words = json.dumps([0, self.numbers, command, params or {}]).encode()
        self.wire.settimeout(seconds)
        self.wire.sendall(str(len(words)).encode() + b":" + words)
        while True:
            kind, number, error, result = self._hear()
            if kind == 1 and number == self.numbers:
                if error:
                    raise BrowserError(error.get("message") or error.get("error"))
                return result

    def open(self, url, seconds=60):
        begin = time.monotonic()
        error = ""
        try:
            self._ask("WebDriver:SetTimeouts", {"pageLoad": int(seconds * 1000)})
            self._ask("WebDriver:Navigate", {"url": url}, seconds + 10)
        except BrowserError as e:
            error = self._error(str(e))
        took = time.monotonic() - begin
        text, protocol = self._ask("WebDriver:ExecuteScript", {"script": f"return {ABOUT_PAGE}",
                                                              "args": []})["value"]
        if error:
            return Page(error=f"{error}: {self._card()}", seconds=took)
        return Page(text=text, protocol=protocol, seconds=took)

    def _card(self):
        """What the error page says at its end, once it has been drawn: "Error Code: PR_CONNECT_RESET_ERROR"."""
        script = ("return [...document.querySelectorAll('*')].filter(e => e.shadowRoot)"
                  ".map(e => e.shadowRoot.textContent).join(' ')")

        def code():
            words = self._ask("WebDriver:ExecuteScript", {"script": script, "args": []})["value"]
            return re.search(r"[A-Z]{2,}_[A-Z_]*ERR[A-Z_]*|[A-Z]{2,}_[A-Z_]+_ALERT", words)

        found = labkit.until(code, 3, 0.1)
        return found.group(0) if found else ""

    @staticmethod
    def _error(message):
        """about:neterror's own word for it, "nssFailure2" or "netReset"."""
        if "about:" not in message:
            return message
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(message.split(" ")[-1]).query)
        return query.get("e", [message])[0]
