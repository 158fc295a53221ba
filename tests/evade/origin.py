# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that flights go to: nginx, Apache, lighttpd, HAProxy, caddy, openssl s_server and gnutls-serv, each on
an address of its own in a lab's origin. Each has two sites: the names under blocked.example, and all others; the
certificate or the page that comes back says which of the two it understood.

Owns: processes in the lab's origin namespace, ended with the lab (`lab down` kills all inside its namespaces).
Ports: 80 HTTP proxied, 8080 HTTP inspected, 443 TLS inspected, 8443 TLS proxied, 443 UDP QUIC. Besides: Apache as a
forward proxy, HAProxy behind the PROXY protocol, and a server of cleartext preambles that turn into TLS (talker.py).
"""
import os
import socket
import subprocess
import time

import labkit

SETTINGS = "inspect-tcp 443 1443 4433 8080 8081\nproxy-tcp 80 1444 4434 8082 8443\n"
POLICY = """\
timezone UTC
fail closed
device client mac 00:00:5e:00:53:02
for everyone
  block blocked.example
otherwise allow
"""
NUMBER = {"nginx": 0x11, "apache2": 0x12, "lighttpd": 0x13, "haproxy": 0x14, "caddy": 0x15, "openssl": 0x16, "gnutls": 0x17,
          "talker": 0x18, "ngtcp2": 0x19, "ngtcp2-retry": 0x1A}
HTTP = ("nginx", "apache2", "lighttpd", "haproxy", "caddy")
TLS = ("nginx", "apache2", "lighttpd", "haproxy", "caddy", "openssl", "gnutls")
CONNECT = {False: 8081, True: 8082}  # Apache as a forward proxy; by path: inspected, proxied
PROXY_LINE = {False: 1443, True: 1444}  # HAProxy that takes the PROXY protocol
ONE_AT_A_TIME = ("openssl", "gnutls")  # s_server serves one connection after the other; gnutls-serv has a short queue


def address(server, v6):
    n = NUMBER[server]
    return f"2001:db8:2::{n:x}" if v6 else f"198.51.100.{n}"


def port(server, kind, proxied):
    """kind: http or tls."""
    if kind == "http":
        return 80 if proxied else 8080
    if server == "gnutls":
        return 4434 if proxied else 4433
    return 8443 if proxied else 443


def certificates(folder):
    for name, sans in (("blocked", "DNS:*.blocked.example,DNS:blocked.example"),
                       ("other", "DNS:*.test,DNS:*.fine.test,DNS:other.test")):
        pem, key = f"{folder}/{name}.pem", f"{folder}/{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "30", "-subj", f"/CN=evade-{name}", "-addext", f"subjectAltName={sans}", "-keyout", key,
                        "-out", pem], check=True, capture_output=True)
        with open(pem, encoding="ascii") as p, open(key, encoding="ascii") as k, \
                open(f"{folder}/{name}.both", "w", encoding="ascii") as out:
            out.write(p.read() + k.read())


def listens(server, form, form6=None):
    a, b = address(server, False), address(server, True)
    return form.replace("@", a), (form6 or form.replace("@", "[@]")).replace("@", b)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def nginx(d):
    def site(extra, names, cert, body, default):
        lines = []
        for p, more in ((80, ""), (8080, ""), (443, " ssl"), (8443, " ssl")):
            for at in listens("nginx", f"@:{p}"):
                lines.append(f"listen {at}{default}{more};")
        return (f"server {{ {' '.join(lines)} server_name {names}; ssl_certificate {d}/{cert}.pem;"
                f" ssl_certificate_key {d}/{cert}.key; {extra} location / {{ return 200 \"{body}\\n\"; }} }}\n")
    conf = write(f"{d}/nginx.conf", f"""
daemon off; worker_processes 1; user root; pid {d}/nginx.pid; error_log {d}/nginx.log crit;
events {{ worker_connections 4096; }}
http {{
 log_format line '$status $host "$request"'; access_log off; default_type text/plain; keepalive_requests 10000;
 client_body_temp_path {d}/n1; proxy_temp_path {d}/n2; fastcgi_temp_path {d}/n3; uwsgi_temp_path {d}/n4; scgi_temp_path {d}/n5;
 large_client_header_buffers 8 64k; ssl_session_cache off;
{site("", "_", "other", "vhost-other $request_uri", " default_server")}
{site(f"access_log {d}/nginx.blocked line;", ".blocked.example", "blocked", "vhost-blocked $request_uri", "")}
}}
""")
    return ["nginx", "-e", f"{d}/nginx.log", "-c", conf]


def apache2(d):
    mods = "/usr/lib/apache2/modules"
    for name in ("blocked", "other"):
        os.makedirs(f"{d}/apache-{name}", exist_ok=True)
        write(f"{d}/apache-{name}/index.html", f"vhost-{name}\n")
    listen = "\n".join(f"Listen {a}" for p in (80, 8080, 443, 8443) for a in listens("apache2", f"@:{p}"))

    def site(name, names, tls, log):
        ports = (443, 8443) if tls else (80, 8080)
        at = " ".join(a for p in ports for a in listens("apache2", f"@:{p}"))
        ssl = f"SSLEngine on\nSSLCertificateFile {d}/{name}.pem\nSSLCertificateKeyFile {d}/{name}.key" if tls else ""
        return f"""<VirtualHost {at}>
{names}
DocumentRoot {d}/apache-{name}
FallbackResource /index.html
ErrorDocument 404 "vhost-{name}"
ErrorDocument 405 "vhost-{name}"
ErrorDocument 501 "vhost-{name}"
{ssl}
{log}
</VirtualHost>
"""
    listen += "\n" + "\n".join(f"Listen {a}" for p in CONNECT.values() for a in listens("apache2", f"@:{p}"))
    forward = " ".join(f"*:{p}" for p in CONNECT.values())
    conf = write(f"{d}/apache.conf", f"""
ServerRoot {d}
PidFile {d}/apache.pid
DefaultRuntimeDir {d}
Mutex file:{d}
ServerName other.test
ErrorLog {d}/apache.log
LogLevel crit
LoadModule mpm_event_module {mods}/mod_mpm_event.so
LoadModule authz_core_module {mods}/mod_authz_core.so
LoadModule dir_module {mods}/mod_dir.so
LoadModule mime_module {mods}/mod_mime.so
LoadModule ssl_module {mods}/mod_ssl.so
LoadModule socache_shmcb_module {mods}/mod_socache_shmcb.so
LoadModule proxy_module {mods}/mod_proxy.so
LoadModule proxy_connect_module {mods}/mod_proxy_connect.so
LoadModule http2_module {mods}/mod_http2.so
Protocols h2 h2c http/1.1
TypesConfig /dev/null
StartServers 3
ServerLimit 4
ThreadsPerChild 64
MaxRequestWorkers 256
MinSpareThreads 16
MaxSpareThreads 256
KeepAliveTimeout 3
LimitRequestFieldSize 65536
LimitRequestLine 65536
HttpProtocolOptions Unsafe
AcceptFilter http none
AcceptFilter https none
User www-data
Group www-data
{listen}
<Directory {d}>
Require all granted
</Directory>
{site("other", "ServerName other.test", False, "")}
{site("blocked", "ServerName blocked.example" + chr(10) + "ServerAlias *.blocked.example", False,
      f'CustomLog {d}/apache2.blocked "%>s %v %r"')}
<VirtualHost {forward}>
ServerName other.test
ProxyRequests On
AllowCONNECT 443
</VirtualHost>
{site("other", "ServerName other.test", True, "")}
{site("blocked", "ServerName blocked.example" + chr(10) + "ServerAlias *.blocked.example", True, "")}
""")
    return ["apache2", "-D", "FOREGROUND", "-d", d, "-f", conf]


def lighttpd(d):
    sockets = ""
    for name in ("blocked", "other"):
        os.makedirs(f"{d}/lighttpd-{name}", exist_ok=True)
        write(f"{d}/lighttpd-{name}/index.html", f"vhost-{name}\n")
    for p in (80, 8080, 443, 8443):
        for at in listens("lighttpd", f"@:{p}"):
            ssl = f'ssl.engine = "enable" ssl.pemfile = "{d}/other.both"' if p in (443, 8443) else ""
            sockets += f'$SERVER["socket"] == "{at}" {{ {ssl} }}\n'.replace('" ssl', '"\n ssl')
    first = listens("lighttpd", "@")[0]
    conf = write(f"{d}/lighttpd.conf", f"""
server.modules = ( "mod_openssl", "mod_rewrite", "mod_accesslog" )
server.document-root = "{d}/lighttpd-other"
server.errorlog = "{d}/lighttpd.log"
server.port = 81
server.bind = "{first}"
server.max-keep-alive-requests = 10000
server.max-request-field-size = 65500
index-file.names = ( "index.html" )
mimetype.assign = ( ".html" => "text/plain" )
url.rewrite-once = ( "" => "/index.html" )
server.error-handler = "/index.html"
{sockets}
$HTTP["host"] =~ "^(.*[.])?blocked[.]example[.]?(:[0-9]*)?$" {{
 server.document-root = "{d}/lighttpd-blocked"
 ssl.pemfile = "{d}/blocked.both"
 accesslog.filename = "{d}/lighttpd.blocked"
 accesslog.format = "%s %V %r"
}}
""")
    return ["lighttpd", "-D", "-f", conf]


def haproxy(d):
    os.makedirs(f"{d}/hacrt", exist_ok=True)
    for i, name in enumerate(("other", "blocked")):
        with open(f"{d}/{name}.both", encoding="ascii") as f:
            write(f"{d}/hacrt/{i}.pem", f.read())
    binds = "\n".join(f" bind {a}" for p in (80, 8080) for a in listens("haproxy", f"@:{p}", f"@:{p}"))
    tls = "\n".join(f" bind {a} ssl crt {d}/hacrt/0.pem crt {d}/hacrt/1.pem" for p in (443, 8443)
                    for a in listens("haproxy", f"@:{p}", f"@:{p}"))
    tls += "\n" + "\n".join(f" bind {a} accept-proxy ssl crt {d}/hacrt/0.pem crt {d}/hacrt/1.pem" for p in PROXY_LINE.values()
                            for a in listens("haproxy", f"@:{p}", f"@:{p}"))
    conf = write(f"{d}/haproxy.cfg", f"""
global
 maxconn 4000
 log /dev/null local0
 tune.bufsize 70000
 tune.ssl.default-dh-param 2048
defaults
 mode http
 timeout client 5s
 timeout connect 5s
 timeout server 5s
 option accept-invalid-http-request
frontend web
{binds}
{tls}
 acl blocked req.hdr(host),host_only,lower,rtrim(.) -m end .blocked.example
 acl blocked req.hdr(host),host_only,lower,rtrim(.) -m str blocked.example
 http-request return status 200 content-type text/plain string "vhost-blocked" if blocked
 http-request return status 200 content-type text/plain string "vhost-other"
""")
    return ["haproxy", "-db", "-f", conf]


def caddy(d):
    def site(names, ports, body, tls, log):
        at = ", ".join(f"{'https' if tls else 'http'}://{n}:{p}" for n in names for p in ports)
        bind = f"{address('caddy', False)} {address('caddy', True)}"
        cert = f"\n tls {d}/{tls}.pem {d}/{tls}.key" if tls else ""
        return f"{at} {{\n bind {bind}{cert}\n{log} respond \"vhost-{body} {{uri}}\" 200\n}}\n"
    blocked = ("*.blocked.example", "blocked.example")
    log = f" log {{\n  output file {d}/caddy.blocked {{\n   roll_disabled\n  }}\n }}\n"
    conf = write(f"{d}/Caddyfile", "{\n auto_https off\n admin off\n default_sni other.test\n"
                 + " log {\n  level ERROR\n }\n servers {\n  protocols h1 h2 h3\n }\n}\n"
                 + site(blocked, (80, 8080), "blocked", None, log)
                 + site(("",), (80, 8080), "other", None, "")
                 + site(blocked, (443, 8443), "blocked", "blocked", "")
                 + site(("*.test", "*.fine.test", ""), (443, 8443), "other", "other", ""))
    return ["env", f"HOME={d}", f"XDG_DATA_HOME={d}", f"XDG_CONFIG_HOME={d}", "GOMAXPROCS=2", "caddy", "run", "--adapter",
            "caddyfile", "--config", conf]


def openssl(d, v6, p):
    at = f"[{address('openssl', True)}]:{p}" if v6 else f"{address('openssl', False)}:{p}"
    return ["openssl", "s_server", "-accept", at, "-cert", f"{d}/other.pem", "-key", f"{d}/other.key", "-servername",
            "blocked.example", "-cert2", f"{d}/blocked.pem", "-key2", f"{d}/blocked.key"]


def gnutls(d, p):
    return ["gnutls-serv", "--port", str(p), "--x509certfile", f"{d}/other.pem", "--x509keyfile", f"{d}/other.key",
            "--x509certfile", f"{d}/blocked.pem", "--x509keyfile", f"{d}/blocked.key", "--http", "-d", "4"]


def talker(d):
    return ["/usr/bin/python3", os.path.join(os.path.dirname(os.path.abspath(__file__)), "talker.py"), d, address("talker", False),
            address("talker", True)]


def ngtcp2(d, v6, retry):
    return ["gtlsserver", "-q", "-d", d, *(("-V",) if retry else ()), address("ngtcp2-retry" if retry else "ngtcp2", v6), "443",
            f"{d}/other.key", f"{d}/other.pem"]


class Origin:
    """The servers of one lab. `folder` holds their configurations and logs."""

    def __init__(self, lab):
        self.lab, self.folder = lab, f"{lab.state}/evade"
        self.procs = {}

    def run(self, *argv):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise labkit.LabError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")

    def serve(self, name, argv):
        with open(f"{self.folder}/{name}.out", "ab") as out:
            p = subprocess.Popen(["ip", "netns", "exec", f"{self.lab.prefix}-origin", *argv], stdin=subprocess.PIPE,
                                 stdout=out, stderr=out, start_new_session=True)
        self.procs[name] = p

    def up(self, only=None):
        d, space = self.folder, self.lab.prefix
        os.makedirs(d, exist_ok=True)
        os.chmod(d, 0o755)
        certificates(d)
        os.kill(self.lab.pid("nginx"), 15)  # the lab's own stands on every address
        for n in NUMBER.values():
            self.run("ip", "-n", f"{space}-origin", "address", "add", f"198.51.100.{n}/24", "dev", "eth0")
            self.run("ip", "-n", f"{space}-origin", "address", "add", f"2001:db8:2::{n:x}/64", "dev", "eth0", "nodad")
        for family in ("ipv4", "ipv6"):  # a forged packet makes the gateway redirect the server: it must not listen
            for device in ("all", "eth0"):
                self.run("ip", "netns", "exec", f"{space}-origin", "sh", "-c",
                         f"echo 0 >/proc/sys/net/{family}/conf/{device}/accept_redirects")
        # the most lenient that there is: data in a SYN is taken from anybody, by every server (TCP Fast Open without cookies)
        self.run("ip", "netns", "exec", f"{space}-origin", "sh", "-c", "echo 0x602 >/proc/sys/net/ipv4/tcp_fastopen")
        self.neighbours()
        self.far_away()
        time.sleep(0.3)
        for name in ("nginx", "apache2", "lighttpd", "haproxy", "caddy"):
            self.serve(name, globals()[name](d))
        for v6 in (False, True):
            for p in (443, 8443):
                self.serve(f"openssl-{p}-{6 if v6 else 4}", openssl(d, v6, p))
            for retry in (False, True):
                self.serve(f"ngtcp2-{6 if v6 else 4}-{retry:d}", ngtcp2(d, v6, retry))
        for p in (4433, 4434):
            self.serve(f"gnutls-{p}", gnutls(d, p))
        self.serve("talker", talker(d))
        self.wait()

    def neighbours(self):
        import engine
        lines = [f"neigh replace {engine.client_address(v6, n)} lladdr {labkit.MAC['client']} dev lan nud permanent"
                 for v6 in (False, True) for n in range(engine.SOURCES)]
        subprocess.run(["ip", "-n", f"{self.lab.prefix}-gateway", "-batch", "-"], input="\n".join(lines) + "\n", text=True,
                       check=True, capture_output=True)

    def far_away(self):
        """The servers are ten hops further: a packet that reaches the gateway with little left does not reach them."""
        for tool, match in (("iptables", ("ttl", "--ttl-lt", "12")), ("ip6tables", ("hl", "--hl-lt", "12"))):
            self.run("ip", "netns", "exec", f"{self.lab.prefix}-origin", tool, "-w", "-t", "mangle", "-A", "PREROUTING", "-p",
                     "tcp", "-m", *match, "-j", "DROP")

    def wait(self):
        end = time.monotonic() + 15
        with self.lab.inside("origin"):
            for server in TLS:
                for v6 in (False, True):
                    kinds = [("tls", False), ("tls", True)] + ([("http", True), ("http", False)] if server in HTTP else [])
                    for kind, proxied in kinds:
                        self.reach(server, v6, port(server, kind, proxied), end)
            for v6 in (False, True):
                self.reach("talker", v6, 21, end)

    def reach(self, server, v6, p, end):
        while True:
            try:
                socket.create_connection((address(server, v6), p), timeout=2).close()
                return
            except OSError as e:
                if time.monotonic() > end:
                    raise labkit.LabError(f"{server} port {p}: {e}; its words: {self.words(server)[-400:]}") from e
                time.sleep(0.1)

    def words(self, server):
        text = ""
        for name in sorted(os.listdir(self.folder)):
            if name.startswith(server) and (name.endswith(".out") or name.endswith(".log")):
                with open(f"{self.folder}/{name}", encoding="utf-8", errors="replace") as f:
                    text += f.read()
        return text

    def down(self):
        for p in self.procs.values():
            try:
                os.killpg(p.pid, 15)
            except OSError:
                pass
        for p in self.procs.values():
            try:
                p.wait(3)
            except subprocess.TimeoutExpired:
                os.killpg(p.pid, 9)
                p.wait()
