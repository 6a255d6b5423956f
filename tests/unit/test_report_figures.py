#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_report_figures.py VCOLL DATA: every figure that `vcoll report` makes of a small table, worked out by hand."""
import json
import math
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

VCOLL, DATA = sys.argv[1:3]
SVG = "{http://www.w3.org/2000/svg}"
SMALL = os.path.join(DATA, "report-small.json")
failures = 0


def check(what, good):
    global failures
    if not good:
        print("FAILED:", what)
        failures += 1


def page_of(*words):
    done = subprocess.run([VCOLL, "report", *words, "-o", "-"], capture_output=True, timeout=60)
    check("%s: exit code %d: %s" % (words, done.returncode, done.stderr), done.returncode == 0 and not done.stderr)
    # The page is XML too: a parser that forgives nothing.
    return tree.fromstring(done.stdout.decode("utf-8"))


def words_of(element):
    return " ".join("".join(element.itertext()).split())


def section(page, key):
    """The elements from the heading of that id to the next one of its level."""
    main, out, on = page.find("body/main"), [], False
    for e in main:
        if e.tag == "h2":
            on = e.get("id") == key
        if on:
            out.append(e)
    check("no section " + key, out)
    return out


def row(elements, first):
    """The cells of the first row of a table whose first cell is that."""
    for e in elements:
        for tr in e.iter("tr"):
            cells = [words_of(td) for td in tr.findall("td")]
            if cells and cells[0] == first:
                return cells
    check("no row " + first, False)
    return []


def expect(what, got, want):
    check("%s: %s, not %s" % (what, got, want), got == want)


def small():
    page = page_of(SMALL)
    head = list(page.find("body/main"))
    text = words_of(page)

    # The cube root of 2 x 1 x 4; the point that was measured again counts once, as measured last.
    # Intervals are those of the points in logarithms, ln(2.1 / 1.9) / 2 and ln(4.2 / 3.8) / 2, their squares added up,
    # over the number of points; native against itself is exact.
    expect("all", row(head, "all"), ["all", "2.00× (1.95–2.05)", "3", "1 (33 %)", "1.00×", "4.00×"])
    expect("allreduce", row(head, "allreduce")[1:4], ["1.41× (1.38–1.45)", "2", "1 (50 %)"])
    expect("barrier", row(head, "barrier")[1:4], ["4.00× (3.80–4.21)", "1", "0 (0 %)"])
    for word in ("alpha, beta", "vcoll tune run -n 4", "9 of 36", "25 % of what", "45 s", "of a budget of 60 s",
                 "ended before it had reached all points: 5 are missing"):
        check("not there: " + word, word in text)
    check("the repeated point is still there", "repeated below" not in text)

    colls = section(page, "collectives")
    expect("8 B", row(colls, "8 B"),
           ["8 B", "two_level:wait=event", "10.0 (9.80–10.2)", "5.00 (4.90–5.10)", "2.00× (1.90–2.10)", "44.0 → 22.0",
            "clearly faster"])
    expect("4 KiB", row(colls, "4 KiB")[4:5], ["native kept"])
    cpu = section(page, "cpu")
    expect("CPU", row(cpu, "8 B"), ["8 B", "40.0 (10.0)", "10.0 (5.00)", "10.0 (5.00)"])
    check("CPU on average", "0.50 times" in " ".join(map(words_of, cpu)))
    moderation = section(page, "moderation")
    expect("moderation", row(moderation, "allreduce, 8 B"),
           ["allreduce, 8 B", "800", "400 (390–410)", "200", "100 (98.0–102)", "75.0 % (73.8…76.1)", "87.5 %"])
    check("moderation on average", "75.0 % less time" in " ".join(map(words_of, moderation)))
    model = section(page, "model")
    expect("model", row(model, "allreduce")[1:4], ["2", "10 %", "1.20× too high"])
    expect("model", row(model, "barrier")[1:4], ["1", "50 %", "2.00× too low"])
    expect("rule", row(section(page, "rules"), "0"),
           ["0", "allreduce", "any", "2 or more", "any", "0 to 2k", "–", "two_level", "–", "wait event"])
    plots(page)


def plots(page):
    """Rings and lines of the plot of allreduce: two choices, one of them native."""
    found = [s for s in page.iter(SVG + "svg") if s.get("role") == "img"]
    ids = [e.get("id") for s in found for e in s.iter() if e.get("id")]
    check("ids collide", len(ids) == len(set(ids)))
    for s in found:
        check("a plot without words", s.find(SVG + "title") is not None and s.find(SVG + "desc") is not None)
        left, top, wide, high = map(float, s.get("viewBox").split())
        for c in s.iter(SVG + "circle"):
            x, y = float(c.get("cx")), float(c.get("cy"))
            check("a mark outside its plot", left <= x <= wide and top <= y <= high)
    times = [s for s in found if s.find(SVG + "title").text.startswith("Time of the candidates: allreduce")]
    expect("plots of allreduce", len(times), 1)
    rings = [c for s in times for c in s.iter(SVG + "circle") if c.get("class") == "ring"]
    expect("rings", len(rings), 2)
    tips = [t.text for s in times for t in s.iter(SVG + "title")]
    check("a tip: %s" % tips, "two_level:wait=event, 8 B: 5.00 (4.90–5.10) µs, 12 rounds, chosen" in tips)
    check("no dropped one", any(t.startswith("ring, 4 KiB") and t.endswith("dropped") for t in tips))


def reference(work):
    with open(SMALL, encoding="utf-8") as f:
        table = json.load(f)
    bare = table["measured"][3]
    bare["candidates"][0]["start"] = {"median": 4e-6}
    table["measured"] = [bare]
    file = os.path.join(work, "bare.json")
    with open(file, "w", encoding="utf-8") as f:
        json.dump(table, f)
    moderation = section(page_of(SMALL, "--reference", file), "moderation")
    # 10 against 4 µs is the gap, 5 µs of these 6 are won back.
    expect("gap", row(moderation[-3:], "allreduce, 4 ranks on 2 nodes (2 per node), 8 B")[1:],
           ["4.00", "10.0 (9.80–10.2)", "5.00 (4.90–5.10)", "83 %"])
    # Native as found takes 800 µs, which is 200 times 4 µs; the choice takes 400 as found, and 100 tuned. In logarithms
    # ln 200 is the gap: 1 - ln 100 / ln 200 and 1 - ln 25 / ln 200 of it are closed.
    expect("gap by setting", row(moderation, "without virtualization")[2], "1.00×")
    by_setting = [[words_of(td) for td in tr.findall("td")] for e in moderation for tr in e.iter("tr")]
    by_setting = [c[1:] for c in by_setting if len(c) == 5 and c[1] == "1"]
    expect("gap by setting", by_setting, [["1", "200×", "100×", "13 %"], ["1", "50.0×", "25.0×", "39 %"]])
    check("gap over all", "tuning closes 39 % of the gap" in " ".join(map(words_of, moderation)))
    # 400 against 5 µs of the choice there; 300 of these 395 are won back.
    expect("gap of moderation", row(moderation, "allreduce, 8 B")[-2:], ["5.00", "75.9 %"])


def as_found(work):
    """Three tables side by side: native there, native as found, the choice here, over the calls that all have."""
    with open(SMALL, encoding="utf-8") as f:
        table = json.load(f)
    files = {}
    for name, us, low, high in (("bare", 4, 3.9, 4.1), ("slow", 40, 39, 41), ("slower", 80, None, None)):
        point = json.loads(json.dumps(table["measured"][3]))
        point["candidates"][0]["start"] = {"median": us * 1e-6}
        if low:
            point["candidates"][0]["start"].update(low=low * 1e-6, high=high * 1e-6)
        files[name] = os.path.join(work, name + ".json")
        with open(files[name], "w", encoding="utf-8") as f:
            json.dump({**table, "measured": [point]}, f)
    found = [w for name in ("slow", "slower") for w in ("--as-found", files[name])]
    moderation = section(page_of(SMALL, "--reference", files["bare"], *found), "moderation")
    # The choice takes 5 µs (4.9 to 5.1) where native takes 4 there: of 40 µs as found it saves 87.5 %, and ln 8 of ln 10.
    half = {k: math.log(b / a) / 2 for k, a, b in (("bare", 3.9, 4.1), ("slow", 39, 41), ("mine", 4.9, 5.1))}
    before, after = math.hypot(half["slow"], half["bare"]), math.hypot(half["mine"], half["bare"])
    gap, left = math.log(10), math.log(1.25)
    unsure = 100 * math.hypot(after / gap, left * before / gap**2)
    saved = [100 * (1 - 0.125 * math.exp(x * math.hypot(before, after))) for x in (1, -1)]
    slow = row(moderation, "slow.json")
    expect("calls", slow[1], "1")
    check("native as found: %s" % slow, slow[2].startswith("10.0×") and slow[3].startswith("1.25×"))
    expect("saved", slow[4], "88 % ({:.0f}…{:.0f})".format(*saved))
    expect("closed", slow[5], "%.0f %% (%.0f…%.0f)" % (100 - 100 * left / gap, 100 - 100 * left / gap - unsure,
                                                     100 - 100 * left / gap + unsure))
    # Without intervals of native as found there are only means.
    expect("slower", row(moderation, "slower.json")[4:], ["94 %", "93 %"])
    done = subprocess.run([VCOLL, "report", SMALL, "--as-found", files["slow"], "-o", "-"], capture_output=True, text=True,
                          timeout=60)
    expect("without --reference", done.returncode, 2)
    done = subprocess.run([VCOLL, "report", SMALL, "--reference", files["bare"], "--as-found", work + "/none", "-o", "-"],
                          capture_output=True, text=True, timeout=60)
    expect("a table that is not there", done.returncode, 1)


def reference_intervals(work):
    """The same with intervals: their halves in logarithms add up by squares."""
    with open(SMALL, encoding="utf-8") as f:
        table = json.load(f)
    for setting, us in zip(table["moderation"], (800, 200)):
        setting["points"][0]["native"] = {"median": us * 1e-6, "low": us * 0.97e-6, "high": us * 1.03e-6}
    vm = os.path.join(work, "vm.json")
    with open(vm, "w", encoding="utf-8") as f:
        json.dump(table, f)
    bare = table["measured"][3]
    bare["candidates"][0]["start"] = {"median": 4e-6, "low": 3.9e-6, "high": 4.1e-6}
    table["measured"] = [bare]
    file = os.path.join(work, "bare-intervals.json")
    with open(file, "w", encoding="utf-8") as f:
        json.dump(table, f)
    text = " ".join(map(words_of, section(page_of(vm, "--reference", file), "moderation")))

    def half(low, high):
        return math.log(high / low) / 2

    gap, left = math.log(200), math.log(25)
    of_gap = math.hypot(half(0.97, 1.03), half(3.9, 4.1))
    of_left = math.hypot(half(98, 102), half(3.9, 4.1))
    unsure = 100 * math.hypot(of_left / gap, left * of_gap / gap**2)
    closed = 100 * (1 - left / gap)
    want = "tuning closes %.0f %% (%.0f…%.0f) of the gap" % (closed, closed - unsure, closed + unsure)
    check("%s is not in: %s" % (want, text[-900:]), want in text)
    check("intervals of the multiples", "25.0× (%.1f–%.1f)" % (25 * math.exp(-of_left), 25 * math.exp(of_left)) in text)


def nothing(work):
    file = os.path.join(work, "rules.json")
    with open(file, "w", encoding="utf-8") as f:
        json.dump({"vcoll_table": 1, "rules": [{"algorithm": "native"}]}, f)
    page = page_of(file, "--title", "cut \udcc3")
    for key, says in (("collectives", "No measurements"), ("cpu", "not measured"), ("moderation", "No settings"),
                      ("model", "No predictions")):
        check("%s does not say that it has nothing" % key, says in " ".join(map(words_of, section(page, key))))


def broken(work):
    """The loader's own words, and the page that was there stays as it was."""
    file, page = os.path.join(work, "broken.json"), os.path.join(work, "page.html")
    with open(page, "w", encoding="utf-8") as f:
        f.write("before")
    with open(file, "w", encoding="utf-8") as f:
        f.write('{"vcoll_table": 1,\n "rules": [}')
    done = subprocess.run([VCOLL, "report", file, "-o", page], capture_output=True, text=True, timeout=60)
    check("broken: %d %s" % (done.returncode, done.stderr), done.returncode == 1 and "broken.json:2:" in done.stderr)
    with open(page, encoding="utf-8") as f:
        check("the page was touched", f.read() == "before")
    for words in ([SMALL], [SMALL, SMALL, "-o", page]):
        done = subprocess.run([VCOLL, "report", *words], capture_output=True, text=True, timeout=60)
        expect("exit code of %s" % words, done.returncode, 2)
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([VCOLL, "report", SMALL, "-o", "-"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    check("a full disk: %s" % done.stderr, done.returncode == 1 and b"cannot write standard output" in done.stderr)


small()
with tempfile.TemporaryDirectory() as place:
    reference(place)
    reference_intervals(place)
    as_found(place)
    nothing(place)
    broken(place)
print("%d failures" % failures)
sys.exit(failures > 0)
