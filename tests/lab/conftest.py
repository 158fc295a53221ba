# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixture `lab`: one lab a test module, and the module's tests run twice, without and with NAT. The fixture `own`: a lab for
one test. What goes to which worker of xdist.

A module says what it wants in variables: POLICY (text; without it the lab's own), SETTINGS (text), DAEMON (False:
plain forwarding), NAT (a tuple of False, True; the default is both), PATHS (a dict: N, the inspect path, or T, the proxy
path, to settings that lead there; the module's tests run once for each, lab.path says which, and NAT may be a dict of
tuples by path), PATH (for tests/catalogue only: which of them the module's tests take), ALONE (True: each of its tests has a
lab of its own, so that they may go to different workers), LONG (True: it takes minutes, and begins first, so that nobody waits for
it at the end). Run by /usr/bin/python3 -m pytest, as root.
"""
import collections
import functools
import os
import re
import signal

import pytest

import labkit

# `make programs` runs it: it wants Firefox, Java and PostgreSQL
collect_ignore = [] if os.environ.get("DURWARD_PROGRAMS") else ["test_heavy.py"]
_KINDS = {}
LIMIT = 900  # seconds for a test, its lab included: one that hangs is ended and named, the others go on; no busy machine meets it


def pytest_addoption(parser):
    parser.addoption("--rows", action="store_true", help="only tests whose name carries an id of tests/catalogue.rows")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """--dist loadscope: what shares a lab goes to one worker, and no more than that."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class ByLab(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            module = nodeid.split("::")[0]
            kind = re.search(r"\[(?:plain|nat)(?:-path[A-Za-z]+)?", nodeid)
            return nodeid if alone(module) else module + (kind[0] if kind else "")

    return ByLab(config, log)


@functools.lru_cache(None)
def alone(module):
    """The module's ALONE. Its text is asked: xdist's own process imports no test."""
    with open(os.path.join(labkit.HERE, os.path.basename(module)), encoding="utf-8") as f:
        return bool(re.search(r"^ALONE = True", f.read(), flags=re.M))


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda i: not getattr(i.module, "LONG", False))
    if config.pluginmanager.hasplugin("timeout"):
        for i in items:
            i.add_marker(pytest.mark.timeout(LIMIT))
    # "inspected": what the proxy path cannot see, for the kernel ends its connections
    items[:] = [i for i in items if not ("inspected" in i.fixturenames and "-pathT" in i.name)]
    if config.getoption("--rows"):
        keep = [i for i in items if re.search(r"(?<![A-Za-z0-9])[THQP]\d\d(?![0-9A-Za-z])", i.name.replace("_", " "))]
        config.hook.pytest_deselected(items=[i for i in items if i not in keep])
        items[:] = keep


def pytest_configure(config):
    if os.geteuid():
        pytest.exit("the lab needs root: network namespaces", returncode=1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that labs are taken down


def pytest_generate_tests(metafunc):
    if "lab" in metafunc.fixturenames:
        nat, paths = getattr(metafunc.module, "NAT", (False, True)), getattr(metafunc.module, "PATHS", {None: None})
        # the same objects each time: a module's fixture lives as long as its parameter is the very same
        kinds = [_KINDS.setdefault((k, p), (k, p)) for p in paths for k in (nat[p] if isinstance(nat, dict) else nat)]
        ids = [("nat" if k else "plain") + (f"-path{p}" if p else "") for k, p in kinds]
        metafunc.parametrize("lab", kinds, ids=ids, indirect=True, scope="module")


@pytest.fixture(scope="module")
def lab(request):
    module = request.module
    daemon = getattr(module, "DAEMON", True)
    if daemon and not os.access(labkit.DURWARD, os.X_OK):
        pytest.skip(f"{labkit.DURWARD} is not built")
    nat, path = request.param
    settings = module.PATHS[path] if path else getattr(module, "SETTINGS", None)
    one = labkit.Lab(getattr(module, "POLICY", None), settings, nat, daemon)
    one.path = path
    try:
        yield one.up()
    finally:
        one.down()


def pytest_terminal_summary(terminalreporter):
    """The ten slowest modules, labs included: `make check` shows them at its end, for CI has a limit."""
    took = collections.Counter()
    for reports in terminalreporter.stats.values():
        for r in reports:
            if isinstance(r, pytest.TestReport):
                took[r.nodeid.split("::")[0]] += r.duration
    for module, seconds in took.most_common(10):
        terminalreporter.write_line(f"slowest: {seconds:.0f} s {module}")


@pytest.fixture
def own(request):
    """A lab for one test alone, under the module's POLICY; parametrized indirectly: with NAT or not."""
    one = labkit.Lab(policy=request.module.POLICY, nat=getattr(request, "param", False)).up()
    try:
        yield one
    finally:
        one.down()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the last words of the lab's daemon."""
    report = (yield).get_result()
    lab = getattr(item, "funcargs", {}).get("lab")
    if report.when == "call" and report.failed and isinstance(lab, labkit.Lab) and lab.daemon:
        try:
            report.sections.append(("durward's last words", "\n".join(lab.words().splitlines()[-20:])))
        except OSError:
            pass
