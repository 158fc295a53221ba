# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see in Chromium as it is, with https tried first, at names that browsers take for public ones (under
example.com and example.co.uk), on both paths. What is asserted here is what docs/PROGRAMS.md tells.
"""
import shutil

import pytest

import browser
import labkit

POLICY = """\
timezone UTC
fail closed
device one mac 00:00:5e:00:53:02
for everyone
  block silent.example.com because "Not answered" refuse drop
  block reset.example.com because "Broken off" refuse reset
  block blocked.example.com record.example.com blocked.example.co.uk because "It follows people"
otherwise allow
"""
PATHS = {"N": "inspect-tcp 443 80\nproxy-tcp none\n", "T": "inspect-tcp 443\nproxy-tcp 80\n"}
NAT = (False,)

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here")


@pytest.fixture(scope="module")
def web(lab):
    # the resolver is the lab's, asked by Chromium itself, HTTPS records and all
    with browser.Chromium(lab, https_first=True) as one:
        yield one


def told(page, url):
    print(f"{url}: {page.error or page.text.splitlines()[0]} after {page.seconds:.2f} s")
    return page


def ports(lab, name, *wanted):
    """The server's port of each row of that name, once these are among them; printed: how many a click makes."""
    def now():
        return [e["dport"] for e in lab.events(f'"{name}"')]

    assert labkit.until(lambda: set(wanted) <= set(now())), (name, now())
    print(f"{name}: rows {now()}")
    return now()


def test_https_is_tried_first_and_the_page_comes(lab, web):
    name = "fine.example.com"
    lab.curl(f"https://{name}/")
    page = told(web.open(f"http://{name}/"), name)
    assert page.text.startswith(f"origin {name} HTTP/2.0"), page  # the server's own words: it came over TLS
    assert set(ports(lab, name, 443)) == {443}


@pytest.mark.parametrize("name", ["b1.blocked.example.com", "blocked.example.co.uk"])
def test_http_reaches_the_block_page_after_https_was_refused(lab, web, name):
    page = told(web.open(f"http://{name}/"), name)
    assert "It follows people" in page.text and name in page.text and not page.error, page
    ports(lab, name, 443, 80)  # one click, several rows
    assert not lab.asked(name)


def test_https_shows_the_browsers_own_words(lab, web):
    name = "b2.blocked.example.com"
    page = told(web.open(f"https://{name}/"), name)
    assert page.error == "net::ERR_SSL_UNRECOGNIZED_NAME_ALERT" and not page.text, page
    assert set(ports(lab, name, 443)) == {443}


def test_a_name_with_an_https_record_never_comes_to_the_block_page(lab, web):
    """Its record says that it is there over https: port 80 is not asked, and nothing of ours can be shown."""
    name = "record.example.com"
    page = told(web.open(f"http://{name}/"), name)
    assert page.error == "net::ERR_SSL_UNRECOGNIZED_NAME_ALERT" and not page.text, page
    assert set(ports(lab, name, 443)) == {443}
    # by a program that knows no such record it does
    assert b"It follows people" in lab.curl(f"http://{name}/").body


def test_refuse_drop_keeps_people_waiting(lab, web):
    name = "s1.silent.example.com"
    page = told(web.open(f"http://{name}/", seconds=20), name)
    # https is given up after three seconds; what http is then told is nothing, too
    assert not page.text and page.seconds > 2.5, page
    ports(lab, name, 443, 80)


def test_refuse_reset_looks_like_a_broken_line(lab, web):
    name = "r1.reset.example.com"
    page = told(web.open(f"http://{name}/"), name)
    assert page.error.startswith("net::ERR_CONNECTION_"), page
    ports(lab, name, 443, 80)
    assert labkit.until(lambda: len(ports(lab, name)) >= 3)


def test_refuse_reset_makes_wget_try_again(lab):
    """Twenty times, each after a longer rest; three of them are enough to see it."""
    name = "r2.reset.example.com"
    done = lab.exec("client", ["wget", "-t3", "-T20", "--waitretry=1", "-O-", f"http://{name}/"])
    assert done.returncode and done.stderr.count(b"Retrying") == 2, done.stderr
    assert labkit.until(lambda: len(lab.events(f'"{name}"')) == 3), ports(lab, name)


# ---- Firefox, where it is installed (`make programs` does) ----

@pytest.fixture(scope="module")
def fox(lab):
    if not shutil.which("firefox-esr"):
        pytest.skip("no firefox-esr here")
    with browser.Firefox(lab) as one:  # being driven it does not try https first, whatever is set
        yield one


@pytest.mark.parametrize("name", ["f1.blocked.example.com", "record.example.com"])
def test_firefox_comes_to_the_block_page_with_a_record_or_without(lab, fox, name):
    page = told(fox.open(f"http://{name}/"), name)
    assert "It follows people" in page.text, page
    ports(lab, name, 80)


def test_firefox_says_many_hellos_where_it_is_reset(lab, fox):
    name = "f2.reset.example.com"
    page = told(fox.open(f"https://{name}/"), name)
    assert "RESET" in page.error.upper(), page
    assert labkit.until(lambda: len(ports(lab, name)) >= 8)
