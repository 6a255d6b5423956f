#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_report.py VCOLL DATA: pages of `vcoll report` are whole, self-contained, and say what the table says."""
import html.parser
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

VCOLL, DATA = sys.argv[1:3]
HOSTILE = '<b onclick="x()">\'&"]]></svg><script>alert(1)</script>'
failures = 0


def check(what, good):
    global failures
    if not good:
        print("FAILED:", what)
        failures += 1


def report(*words):
    return subprocess.run([VCOLL, "report", *words], capture_output=True, text=True, timeout=120)


class Page(html.parser.HTMLParser):
    """Every element is closed, by the one that was opened last; what is loaded from elsewhere; the words."""

    VOID = {"meta", "link", "br", "hr", "img", "input", "wbr", "col"}

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.tags, self.words = [], [], set(), []
        self.feed(text)
        self.close()
        self.faults += ["not closed: " + t for t in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name.startswith("on"):
                self.faults.append("%s has %s" % (tag, name))
            if name in ("src", "href", "data", "action") and value and not value.startswith("#"):
                self.faults.append("%s %s=%s" % (tag, name, value))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append("closed out of order: " + tag)

    def handle_data(self, data):
        self.words.append(data)

    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))


def look_at(name, page):
    """What holds of every page."""
    p = Page(page)
    for fault in p.faults[:5]:
        check("%s: %s" % (name, fault), False)
    check(name + ": a script", "script" not in p.tags)
    loaded = set(re.findall(r"https?://[^\"' <)]+", page)) - {"http://www.w3.org/2000/svg"}
    check("%s: refers to %s" % (name, loaded), not loaded)
    check(name + ": not a number", not re.search(r"\b(nan|inf)\b", p.text()))
    # Marks in tables repeat what stands beside them and are hidden from screen readers.
    plots = [x for x in re.findall(r"<svg.*?</svg>", page, re.S) if 'aria-hidden="true"' not in x[:200]]
    for svg in plots:
        try:
            root = tree.fromstring(svg)
        except tree.ParseError as e:
            check("%s: a plot is no XML: %s" % (name, e), False)
            continue
        check(name + ": a plot without a title", any(x.tag.endswith("title") for x in root.iter()))
    return p, plots


def of_speed(table):
    """The geometric mean of native over the choice of all usual points, from the table's own ratios."""
    ratios = []
    for point in table["measured"]:
        if "moderation" not in point:
            ratios += [c["ratio"]["median"] for c in point["candidates"] if c["choice"] == point["chosen"]]
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


with tempfile.TemporaryDirectory() as work:
    subprocess.run([sys.executable, os.path.join(DATA, "report-make.py"), work], check=True)
    page = os.path.join(work, "page.html")
    for name in "full", "bare":
        file = os.path.join(work, "report-%s.json" % name)
        with open(file) as f:
            table = json.load(f)
        done = report(file, "-o", page, "--title", "A & B")
        check("%s: exit code %d: %s" % (name, done.returncode, done.stderr), done.returncode == 0)
        with open(page) as f:
            text = f.read()
        p, plots = look_at(name, text)
        check(name + ": the title", "A & B" in p.text())
        check(name + ": few plots: %d" % len(plots), len(plots) >= 3)
        mean = "%.2f" % of_speed(table)
        check("%s: the speed-up %s is not there" % (name, mean), mean in p.text())
        for point in table["measured"]:
            check("%s: %s is not there" % (name, point["chosen"]), point["chosen"] in p.text())
        check(name + ": -o - is not the file", report(file, "-o", "-", "--title", "A & B").stdout == text)

    # The times of a plot: each choice of a collective is a mark with its time in its title.
    check("no time of a mark", re.search(r"<title>[^<]*\d[^<]*µs", text))

    # Whatever stands in a table is text.
    with open(os.path.join(work, "report-full.json")) as f:
        table = json.load(f)
    table.pop("checksum", None)
    table["provenance"]["hosts"] = [HOSTILE]
    table["provenance"][HOSTILE] = HOSTILE
    table["measured"][0]["why"] = HOSTILE
    table["measured"][0]["device"] = HOSTILE
    table["measured"][1]["candidates"][1]["choice"] = HOSTILE
    file = os.path.join(work, "hostile.json")
    with open(file, "w") as f:
        json.dump(table, f)
    done = report(file, "-o", page, "--title", HOSTILE)
    check("hostile: exit code %d: %s" % (done.returncode, done.stderr), done.returncode == 0)
    with open(page) as f:
        text = f.read()
    p, _ = look_at("hostile", text)
    check("hostile: not escaped", "<b onclick" not in text and "<script" not in text)
    check("hostile: not shown", "alert(1)" in p.text())

    # What is missing is said, and no error.
    with open(file, "w") as f:
        json.dump({"vcoll_table": 1, "rules": [{"algorithm": "builtin"}]}, f)
    done = report(file, "-o", page)
    check("rules alone: exit code %d: %s" % (done.returncode, done.stderr), done.returncode == 0)
    with open(page) as f:
        look_at("rules alone", f.read())

    # Entries that make no sense cost themselves alone.
    table["measured"] += [7, {}, {"collective": "allreduce", "bytes": -1, "candidates": 3}, {"candidates": [None]}]
    with open(file, "w") as f:
        json.dump(table, f)
    done = report(file, "-o", page)
    check("nonsense: exit code %d: %s" % (done.returncode, done.stderr), done.returncode in (0, 1))

    # Errors.
    for words, code, says in (
        ([], 2, "Try"),
        ([file, "--nonsense"], 2, "nonsense"),
        ([os.path.join(work, "none.json"), "-o", page], 1, "none.json"),
        ([file, "-o", os.path.join(work, "no", "where.html")], 1, "where.html"),
    ):
        done = report(*words)
        check("%s: exit code %d, not %d" % (words, done.returncode, code), done.returncode == code)
        check("%s: does not say %s: %s" % (words, says, done.stderr), says in done.stderr)
    with open(file, "w") as f:
        f.write('{"vcoll_table": 1, "rules": [{"algorithm": "rign", "collective": "allreduce"}, {"algorithm": "builtin"}]}')
    done = report(file, "-o", page)
    check("broken: %d %s" % (done.returncode, done.stderr), done.returncode == 1 and 'did you mean "ring"' in done.stderr)

print("%d failures" % failures)
sys.exit(failures > 0)
