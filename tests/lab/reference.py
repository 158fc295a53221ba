# SPDX-License-Identifier: GPL-3.0-or-later
"""A second reading of the policy language, for tests: random policies, random questions, and what must be answered.

Written from durward-policy(5) alone and on purpose naive: a list is walked entry by entry, hours are looked up on the
calendar of Python's zoneinfo. It writes each policy itself, so it needs no parser.
"""
import datetime
import ipaddress
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Pacific/Apia",
         "Africa/Casablanca", "UTC", "Pacific/Chatham", "America/Havana", "Asia/Tehran", "Africa/Cairo")
SITES = ("a.example", "b.example", "www.a.example", "x.www.a.example", "c.test", "d.c.test", "e.d.c.test", "zip", "foo.zip",
         "xn--bcher-kva.example", "a-b.example", "_s.a.example", "xn--a-.a.example", "xn--zzzzzz.c.test", "ab--c.example")
MACS = ("a4:83:e7:10:22:31", "02:00:00:00:00:02", "02:00:00:00:00:03")
ADDRESSES = ("192.0.2.5", "192.0.2.77", "2001:db8:1::5")
SOURCES = ("192.0.2.0/26", "192.0.2.64/26", "2001:db8:1::/64", "0.0.0.0/0")
TARGETS = ("198.51.100.9", "203.0.113.7", "203.0.113.8", "10.0.0.1", "2001:db8:9::9", "2001:db8:10::9", "fe80::1")
LOCAL = [ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7",
                                           "fe80::/10")]
SETTINGS = {"no-name": ("allow", "block", "tcp"), "hidden-names": ("allow", "block"), "evasive": ("block", "no-name")}
CARRIERS = {"tls": ("tcp", 443), "quic": ("udp", 443), "http": ("tcp", 80)}
KINDS = {"no-name": "none", "hidden": "opaque", "evasive": "evasive"}


class Policy:
    """What the lines of `text` say, and the texts of its list files."""

    def __init__(self, r):
        self.r, self.lines, self.files = r, [], {}
        self.about = {}  # line: what the id of the rule or setting on it is made of, or its name
        self.devices, self.persons, self.groups = {}, {}, {}
        self.lists, self.apps, self.hours, self.blocks = {}, {}, {}, []
        zone = r.choice(ZONES)
        self.zone = ZoneInfo(zone)
        self.add(f"timezone {zone}")
        self.add("fail open")
        for define in (self.define_who, self.define_what, self.define_hours):
            define()
        for _ in range(r.randint(1, 4)):
            self.add_block()
        self.otherwise = r.choice(("allow", "block"))
        self.otherwise_line = self.add(f"otherwise {self.otherwise}")
        self.text = r.choice(("\n", "\r\n")).join(self.lines) + "\n"

    def add(self, line):
        self.lines.append(line)
        return len(self.lines)

    def some(self, things, most):
        things = list(things)
        return self.r.sample(things, self.r.randint(0, min(most, len(things))))

    def case(self, word):
        return "".join(c.upper() if self.r.random() < .15 else c for c in word)

    def name(self):
        site, scope = self.r.choice(SITES), self.r.choice(("", "", "", "=", "*."))
        return ("*." if "." not in site and not scope else scope) + site

    # -- definitions

    def define_who(self):
        r = self.r
        for n in range(r.randint(1, 4)):
            macs = [m for m in self.some(MACS, 1) if not any(m in d["mac"] for d in self.devices.values())]
            ips = [a for a in self.some(ADDRESSES, 2) if not any(a in d["ip"] for d in self.devices.values())]
            if macs or ips:
                self.devices[f"d{n}"] = {"mac": macs, "ip": ips}
                self.add(" ".join([self.case("device"), self.case(f"d{n}"), *(["mac", *macs] if macs else []),
                                   *(["ip", *ips] if ips else [])]))
        for n in range(r.randint(0, 2) if self.devices else 0):
            self.persons[f"p{n}"] = self.some(self.devices, 4) or [next(iter(self.devices))]
            self.add(f"person p{n} owns " + " ".join(self.persons[f"p{n}"]))
        for n in range(r.randint(0, 3)):
            members, nets = self.some([*self.devices, *self.persons, *self.groups], 2), self.some(SOURCES, 2)
            if members or nets:
                self.groups[f"g{n}"] = (members, nets)
                self.add(" ".join([f"group g{n}", *members, *(["net", *nets] if nets else [])]))

    def define_what(self):
        r = self.r
        for n in range(r.randint(0, 2)):
            hosts = r.random() < .5
            self.lists[f"l{n}"] = self.list_file(f"l{n}.txt", hosts)
            self.add(f"list l{n} l{n}.txt format {'hosts' if hosts else 'domains'}")
        for n in range(r.randint(0, 2)):
            for word in (f"app a{n}", f"app A{n}")[:r.randint(1, 2)]:  # a second line adds to the first
                names = [self.name() for _ in range(r.randint(1, 3))]
                self.apps.setdefault(f"a{n}", []).extend(names)
                self.add(" ".join([word, *names]))

    def list_file(self, path, hosts):
        r, entries, text = self.r, [], ""
        broken = ("# c", "", "1.2.3 x.example", "0.0.0.0") if hosts else ("# c", "", "localhost", "192.0.2.1", "two words.example", "*a.example", "..c.test")
        for line in range(1, r.randint(2, 7)):
            if r.random() < .15:
                text += r.choice(broken) + "\n"
                continue
            name = r.choice([s for s in SITES if "." in s]) if hosts else self.name()
            entries.append(("=" + name if hosts else name, line))
            dot = "." if not hosts and name[0] not in "=*" and r.random() < .2 else ""  # Squid's form
            text += ("0.0.0.0 " if hosts else "") + dot + self.case(name) + r.choice(("", " # x", "\r")) + "\n"
        self.files[path] = text
        if entries and all(name.startswith("*.") for name, _ in entries):  # a wildcard list means the names, too
            return [(name[2:], line) for name, line in entries]
        return entries

    def define_hours(self):
        r = self.r
        for n in range(r.randint(0, 3)):
            windows, clauses = [], []
            for _ in range(r.randint(1, 3)):
                first, last = r.randrange(7), r.randrange(7)
                days = [(first + k) % 7 for k in range((last - first) % 7 + 1)]
                words = [DAYS[first] if first == last else f"{DAYS[first]}-{DAYS[last]}"]
                if r.random() < .2:
                    days, words = list(range(7)), []
                start, end = r.choice((0, r.randrange(1440), 90, 120, 150, 1230)), r.choice((1440, r.randrange(1, 1440), 150, 180))
                if start != end:
                    windows.append((days, start, end))
                    words.append(f"{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}")
                    clauses.append(" ".join(words))
            if clauses:
                self.hours[f"h{n}"] = windows
                self.add(f"hours h{n} " + r.choice((", ", ",", " , ")).join(clauses))

    # -- blocks

    def add_block(self):
        r, rules, settings = self.r, [], {}
        who = self.some(["everyone", "unknown-devices", *self.devices, *self.persons, *self.groups], 2) or ["everyone"]
        self.add(" ".join(["for", *who]))
        for _ in range(r.randint(0, 6)):
            word = r.choice(list(SETTINGS))
            if r.random() >= .25:
                rules.append(self.add_rule(who))
            elif word not in settings:
                value = r.choice(SETTINGS[word])
                settings[word] = (value, self.add(f"\t{word} {value} # c"))
                self.note(settings[word][1], word, "", [], who)
        self.blocks.append((who, rules, settings))

    def note(self, line, verb, whats, hours, who):
        key = (verb, whats.lower(), tuple(hours), tuple(sorted(who)))
        self.about[line] = (*key, sum(other[:-1] == key for other in self.about.values()))

    def add_rule(self, who):
        r, options = self.r, []
        whats = [self.what() for _ in range(r.randint(1, 3))]
        verb, watch = r.choice(("allow", "block")), r.random() < .15
        hours = self.some(self.hours, 2) if r.random() < .4 else []
        because = f"why {r.randrange(9)}" if r.random() < .2 else None
        options += ["hours " + " ".join(hours)] if hours else []
        options += [f'because "{because}"'] if because else []
        options += ["firm"] if r.random() < .1 else []
        r.shuffle(options)
        name = f"{r.choice('nN')}-{len(self.lines)}" if r.random() < .2 else None
        options += [f"as {name}"] if name else []
        line = self.add(" ".join(["  watch" if watch else " ", verb, *(text for text, _ in whats), *options]))
        if name:
            self.about[line] = name.lower()
        else:
            self.note(line, "watch " * watch + verb, " ".join(text for text, _ in whats), hours, who)
        return {"verb": verb, "watch": watch, "whats": [w for _, w in whats], "hours": hours, "because": because, "line": line}

    def what(self):
        r = self.r
        kind = r.choice(("name",) * 5 + ("list", "app", "net", "port", "port", "local", "all"))
        if kind == "list" and self.lists:
            return (word := r.choice(list(self.lists))).upper(), ("list", word)
        if kind == "app" and self.apps:
            return (word := r.choice(list(self.apps))), ("app", word)
        if kind == "net":
            nets = r.choice((["198.51.100.0/24"], ["2001:db8:9::/48", "203.0.113.7"], ["203.0.113.7/32"]))
            return " ".join(["net", *nets]), ("net", nets)
        if kind == "port":
            ports = r.choice((["tcp/25,443"], ["udp/400-500"], ["tcp/*"], ["icmp"], ["esp"], ["udp/*", "tcp/80"]))
            return " ".join(["port", *ports]), ("port", ports)
        if kind in ("local", "all"):
            return {"local": "local-networks", "all": self.case("everything")}[kind], (kind,)
        name = self.name()
        return self.case(name) + ("." if r.random() < .1 else ""), ("name", name)

    # -- questions

    def question(self):
        r = self.r
        q = {"who": r.choice([*self.devices, *MACS, *ADDRESSES, "192.0.2.9", "203.0.113.200", "unknown-devices"]),
             "at": self.moment().strftime("%Y-%m-%dT%H:%M:%SZ")}
        if r.random() < .6:
            q["name"] = r.choice(("", "", "x.", "y.z.")) + r.choice(SITES)
            q["proto"] = r.choice(list(CARRIERS))
            if r.random() < .3:
                q["to"] = r.choice(TARGETS)
            return q
        q["addr"] = r.choice(TARGETS)
        if r.random() < .8:
            q["port"] = r.choice(("tcp/443", "udp/443", "tcp/8022", "tcp/22", "udp/53", "tcp/80", "udp/450"))
        else:
            q["proto"] = r.choice(("icmp", "esp"))
        if r.random() < .5:
            q["kind"] = r.choice(list(KINDS))
        return q

    def moment(self):
        """Any second of some years; often one near a change of the clocks, or where a window begins or ends."""
        r, hour = self.r, datetime.timedelta(hours=1)
        at = datetime.datetime(r.choice((2025, 2026, 2027, 2031)), 1, 1, tzinfo=datetime.timezone.utc)
        at += datetime.timedelta(seconds=r.randrange(365 * 86400))
        if self.hours and r.random() < .3:
            _, start, end = r.choice(r.choice(list(self.hours.values())))
            wall = at.astimezone(self.zone).replace(hour=0, minute=0, second=0)
            wall += datetime.timedelta(minutes=r.choice((start, end)), seconds=r.choice((-1, 0, 1)))
            return wall.replace(fold=r.randrange(2)).astimezone(datetime.timezone.utc)
        for _ in range(24 * 40 if r.random() < .5 else 0):
            if at.astimezone(self.zone).utcoffset() != (at + hour).astimezone(self.zone).utcoffset():
                return at + datetime.timedelta(minutes=r.randrange(-180, 180))
            at += hour
        return at


# -- answers

def matches(entry, name):
    if entry.startswith("="):
        return name == entry[1:]
    if entry.startswith("*."):
        return name.endswith(entry[1:])
    return name == entry or name.endswith("." + entry)


def on_list(entries, name):
    """The line of the longest entry that matches, its first; None."""
    found = [(-len(e.lstrip("=").removeprefix("*.")), line) for e, line in entries if matches(e, name)]
    return min(found)[1] if found else None


def within(address, net):
    address, net = ipaddress.ip_address(address), ipaddress.ip_network(net)
    return address.version == net.version and address in net


def open_now(windows, zone, moment):
    clock = moment.astimezone(zone).replace(tzinfo=None)
    for days, start, end in windows:
        for back in (0, 1):
            day = datetime.datetime.combine(clock.date() - datetime.timedelta(days=back), datetime.time())
            begin = day + datetime.timedelta(minutes=start)
            if day.weekday() in days and begin <= clock < day + datetime.timedelta(minutes=end + (1440 if end < start else 0)):
                return True
    return False


class Walk:
    """One question's way through a policy; result() is (verdict, line, (list, line), because, watch line)."""

    def __init__(self, policy, q):
        self.p, self.q, self.name = policy, q, q.get("name")
        self.moment = datetime.datetime.fromisoformat(q["at"].replace("Z", "+00:00"))
        self.to = q.get("to") or q.get("addr")
        self.device, self.addresses = self.client(q["who"])
        if self.name is not None:
            self.proto, self.port = CARRIERS[q["proto"]]
            self.kind = "name"
        else:
            self.proto, port = (q["port"].split("/") if "port" in q else (q["proto"], None))
            self.port = int(port) if port else None
            expected = (self.proto, self.port) in (("tcp", 443), ("tcp", 80))
            self.kind = KINDS[q["kind"]] if "kind" in q else "none" if expected else "other"
            if self.proto not in ("tcp", "udp"):
                self.kind = "other"

    def client(self, who):
        for name, d in self.p.devices.items():
            if who == name or who in d["mac"] or who in d["ip"]:
                return name, d["ip"]
        return None, [who] if who != "unknown-devices" and who not in MACS else []

    def is_one_of(self, word):
        if word in ("everyone", "unknown-devices"):
            return word == "everyone" or self.device is None
        if word in self.p.devices:
            return word == self.device
        if word in self.p.persons:
            return self.device in self.p.persons[word]
        members, nets = self.p.groups[word]
        return any(self.is_one_of(m) for m in members) or any(within(a, n) for a in self.addresses for n in nets)

    def port_fits(self, spec):
        proto, _, numbers = spec.partition("/")
        if proto != self.proto or not numbers or numbers == "*":
            return proto == self.proto
        ranges = [one.partition("-") for one in numbers.split(",")]
        return any(int(first) <= self.port <= int(last or first) for first, _, last in ranges)

    def fits(self, what):
        """False, True, or (list, line)."""
        kind, named = what[0], self.name is not None
        if kind == "list":
            line = named and on_list(self.p.lists[what[1]], self.name)
            return (what[1], line) if line else False
        if kind in ("name", "app"):
            return named and any(matches(e, self.name) for e in ([what[1]] if kind == "name" else self.p.apps[what[1]]))
        if kind in ("net", "local"):
            return self.to is not None and any(within(self.to, n) for n in (LOCAL if kind == "local" else what[1]))
        return kind == "all" or any(self.port_fits(s) for s in what[1])

    def setting(self, word):
        for who, _, settings in self.p.blocks:
            if word in settings and any(self.is_one_of(w) for w in who):
                return settings[word]
        return None

    def without_a_rule(self):
        last = (self.p.otherwise, self.p.otherwise_line)
        kind = self.kind
        if kind == "evasive":
            value, line = self.setting("evasive") or ("block", None)
            if value == "block":
                return value, line
            kind = "none"
        if kind == "opaque":
            return self.setting("hidden-names") or last
        if kind != "none":
            return last
        value, line = self.setting("no-name") or (None, None)
        if value == "tcp":
            return ("block", line) if self.proto == "udp" else last
        return (value, line) if value else last

    def result(self):
        watch = None
        for who, rules, _ in self.p.blocks:
            for rule in rules if any(self.is_one_of(w) for w in who) else ():
                hit = next((f for f in map(self.fits, rule["whats"]) if f), False)
                if not hit or (rule["hours"] and not any(open_now(self.p.hours[h], self.p.zone, self.moment)
                                                         for h in rule["hours"])):
                    continue
                if not rule["watch"]:
                    return rule["verb"], rule["line"], hit if isinstance(hit, tuple) else None, rule["because"], watch
                watch = watch or rule["line"]
        return (*self.without_a_rule(), None, None, watch)
