#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""test_docs.py ROOT: links between the pages of the repository lead somewhere, settings and files that pages name exist,
docs/troubleshooting.md has words of every warning and error that the library prints, the changelogs begin with the version of
the public header, and packages set options that the build has."""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1]).resolve()
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# A file of the source tree, named in a page or as `tests/unit/docs*.cmake`.
PATH = re.compile(r"`((?:cmake|coll|docs|include|packaging|pmpi|scripts|tests|tools|transport|tune)/[\w./*-]+\.\w+)`")
SETTING = re.compile(r"\bVCOLL_([A-Z][A-Z0-9_]*[A-Z0-9])\b")
# Names that are no settings of the library: macros, and variables of scripts and tests.
OTHERS = re.compile(r"WERROR$|SANITIZE$|LAB_|LOOPBACK|TEST_|BUILD_|VERSION|ENABLE_|WITH_|X$")


def pages():
    names = []
    if shutil.which("git"):
        listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z", "*.md"], capture_output=True, check=False)
        names = listed.stdout.decode().split("\0")
    found = [ROOT / n for n in names if n and (ROOT / n).exists()]
    return found or [p for p in ROOT.rglob("*.md") if not re.match(r"build|\.", p.relative_to(ROOT).parts[0])]


def anchors(page):
    """What GitHub and others make of headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    heads = re.findall(r"^#+ +(.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


def arguments(text, at):
    """What stands between a parenthesis that was opened before `at` and its end."""
    depth, quoted, i = 1, False, at
    while depth and i < len(text):
        if text[i] == '"' and text[i - 1] != "\\":
            quoted = not quoted
        elif not quoted:
            depth += (text[i] == "(") - (text[i] == ")")
        i += 1
    return text[at:i - 1]


def lines_printed():
    """(file, format) of each call of vc_log() that may print without VCOLL_LOG."""
    for room in ("pmpi", "coll", "transport", "tune"):
        for path in sorted((ROOT / room).rglob("*.c")):
            text = path.read_text(encoding="utf-8")
            for call in re.finditer(r"\bvc_log\(", text):
                words = arguments(text, call.end())
                level = words.split('"')[0]
                shape = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', words))
                if ("WARN" in level or "ERROR" in level) and re.sub(r"%\w+", "", shape).strip(" :;"):
                    yield path.relative_to(ROOT), shape


def missing_lines():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    known = {part.strip(" :;,()") for quoted in re.findall(r"`([^`]+)`", page) for part in quoted.split("...")}
    printed = list(lines_printed())
    if len(printed) < 15:
        return [f"only {len(printed)} lines found that the library prints: this test looks in the wrong place"]
    return [f'docs/troubleshooting.md has no words of "{shape}" ({path})' for path, shape in printed
            if not any(len(part) >= 8 and part in shape for part in known)]


def wrong_versions():
    header = (ROOT / "include/vcoll/vcoll.h").read_text(encoding="utf-8")
    version = ".".join(re.findall(r"^#define VCOLL_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, flags=re.M))
    for name, first in (("CHANGELOG.md", r"^## (\S+)"), ("packaging/debian/changelog", r"^vcoll \((\S+)\)")):
        found = re.search(first, (ROOT / name).read_text(encoding="utf-8"), flags=re.M)
        if not found or found[1] != version:
            yield f"{name} begins with version {found and found[1]}, include/vcoll/vcoll.h says {version}"


def wrong_recipes():
    """What packaging says of the build: the Spack recipe is Python, and both recipes name options that CMake knows."""
    options = re.findall(r"^option\((\w+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"), flags=re.M)
    for name in ("packaging/spack/package.py", "packaging/debian/rules"):
        text = (ROOT / name).read_text(encoding="utf-8")
        if name.endswith(".py"):
            compile(text, name, "exec")
        named = set(re.findall(r"VCOLL_\w+", text))
        if not named:
            yield f"{name} sets no option: this test looks in the wrong place"
        yield from (f"{name}: CMake has no option {option}" for option in sorted(named - set(options)))


def main():
    wrong, links = missing_lines() + list(wrong_versions()) + list(wrong_recipes()), 0
    settings = (ROOT / "docs/parameters.md").read_text(encoding="utf-8")
    known = set(re.findall(r"^## VCOLL_([A-Z0-9_]+)$", settings, flags=re.M))
    for page in pages():
        text = page.read_text(encoding="utf-8")
        name = page.relative_to(ROOT)
        for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
            if re.match(r"[a-z]+:", link):
                continue
            links += 1
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                wrong.append(f"{name}: there is no {link}")
            elif anchor and target.suffix == ".md" and anchor not in anchors(target):
                wrong.append(f"{name}: {link}: no such heading")
        wrong += [f"{name}: there is no file {path}" for path in set(PATH.findall(text)) if not any(ROOT.glob(path))]
        for setting in SETTING.findall(text):
            if setting not in known and not OTHERS.match(setting):
                wrong.append(f"{name}: there is no setting VCOLL_{setting}")
    if len(known) < 20 or links < 20:
        wrong.append(f"only {len(known)} settings and {links} links found: this test looks in the wrong place")
    print("\n".join(wrong) or f"{links} links and {len(known)} settings: ok")
    return bool(wrong)


sys.exit(main())
