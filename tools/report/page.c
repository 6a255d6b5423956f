/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of the page and its sections in order. Colours of plots follow light and dark. */
#include "tools/report/report.h"

static const char style[] =
    ":root{--ink:#1b1f24;--soft:#57606a;--paper:#fff;--line:#d0d7de;--card:#f6f8fa;--good:#00694d;--bad:#"
    "a33f00;--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#a6458a;--c4:#b87a00;--c5:#2f8fc4;--c6:#6b5f00;color-"
    "scheme:light dark}\n"
    "@media screen and "
    "(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#a0a9b4;--paper:#14171b;--line:#3a414a;--card:#"
    "1d2127;--good:#4cc9a0;--bad:#ff9a5c;--c0:#4aa8e0;--c1:#f2803a;--c2:#2cc295;--c3:#e08fc4;--c4:#e6a93a;--"
    "c5:#8fd0f2;--c6:#d6ca5a}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:76rem;padding:1.5rem clamp(1rem,3vw,2.5rem) "
    "4rem;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,sans-serif}\n"
    "h1{font-size:1.9rem;line-height:1.2;margin:.5rem 0}h2{margin:3rem 0 "
    ".5rem;padding-top:.6rem;border-top:1px solid var(--line)}h3{margin:2rem 0 .4rem}\n"
    "p,li{max-width:72ch}a{color:var(--c0)}code{font-size:.92em;overflow-wrap:anywhere}\n"
    "nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;list-style:none;padding:0}\n"
    ".facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5rem,1fr));gap:.8rem;padding:0;"
    "margin:1.2rem 0}\n"
    ".facts div{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.7rem "
    ".9rem}\n"
    ".facts dt{color:var(--soft);font-size:.88rem}.facts dd{margin:0}.facts "
    ".big{font-size:1.5rem;font-weight:600}\n"
    ".facts small{color:var(--soft)}\n"
    ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem "
    "1.5rem;align-items:start}\n"
    "figure{margin:.6rem 0;max-width:46rem;break-inside:avoid}figure "
    "svg{width:100%;height:auto;display:block}\n"
    "figcaption{font-size:.88rem;color:var(--soft)}\n"
    ".key{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;list-style:none;margin:.2rem 0 "
    "0;padding:0;color:var(--ink)}\n"
    ".key li{display:flex;align-items:center;gap:.4rem;max-width:100%}.key "
    "svg{flex:none;width:30px;height:14px}\n"
    ".scroll{overflow-x:auto;margin:.8rem 0}table{border-collapse:collapse;font-size:.9rem}\n"
    "caption{text-align:left;color:var(--soft);padding:.2rem 0}\n"
    "th,td{padding:.25rem .7rem .25rem 0;text-align:left;vertical-align:top;border-bottom:1px solid "
    "var(--line)}\n"
    "th{font-weight:600;vertical-align:bottom;min-width:4.5rem}td "
    "code{white-space:nowrap}td.why{min-width:14rem}td.n{white-space:nowrap;font-variant-numeric:tabular-"
    "nums}\n"
    "td.good{color:var(--good);font-weight:600}td.bad{color:var(--bad);font-weight:600}\n"
    "tr.lost td{color:var(--soft)}tr.won td{font-weight:600}\n"
    "details{margin:.6rem "
    "0}summary{cursor:pointer;color:var(--c0)}.none{color:var(--soft);font-style:italic}\n"
    "text{font:12px system-ui,sans-serif;fill:var(--ink)}.pt{font-size:.92rem;font-weight:600;margin:0}\n"
    "text.row{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}text.soft{fill:"
    "var(--soft)}.grid{stroke:var(--line)}.frame{stroke:var(--soft)}\n"
    ".c0{stroke:var(--c0);fill:var(--c0)}.c1{stroke:var(--c1);fill:var(--c1)}.c2{stroke:var(--c2);fill:var(--"
    "c2)}\n"
    ".c3{stroke:var(--c3);fill:var(--c3)}.c4{stroke:var(--c4);fill:var(--c4)}.c5{stroke:var(--c5);fill:var(--"
    "c5)}\n"
    ".c6{stroke:var(--c6);fill:var(--c6)}.cn{stroke:var(--ink);fill:var(--ink)}.cf{stroke:var(--soft);fill:"
    "var(--soft)}\n"
    "@media "
    "print{body{max-width:none;padding:0;font-size:10.5pt}nav{display:none}h2,h3{break-after:avoid}tr{break-"
    "inside:avoid}.scroll{overflow:visible}}\n";

void rep_page(struct report *r)
{
    const char *title = r->title ? r->title : "vcoll: tuning report";
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta name=\"generator\" content=\"vcoll report\"/>\n"
          /* Should text of a table ever get through as markup, it can neither run nor call out. */
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
          "'unsafe-inline'\"/>\n<title>",
          r->f);
    html_text(r->f, title);
    fprintf(r->f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
    html_text(r->f, title);
    fputs("</h1>\n", r->f);
    rep_section_head(r);
    rep_section_colls(r);
    rep_section_cpu(r);
    rep_section_moderation(r);
    rep_section_model(r);
    rep_section_simulated(r);
    rep_section_rules(r);
    fputs("</main>\n</body>\n</html>\n", r->f);
}
