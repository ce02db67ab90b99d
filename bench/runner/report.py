# SPDX-License-Identifier: Apache-2.0
"""The report: one HTML file that needs nothing else."""
from html import escape

from . import svg, table
from .kinds import UNITS

STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;color:#222;background:#fff}
h1{font-size:1.6em}h2{font-size:1.15em;margin-top:2em;border-top:1px solid #ddd;padding-top:1em}
table{border-collapse:collapse;margin:.6em 0}td,th{padding:.2em .7em;text-align:right;border-bottom:1px solid #eee}
td:first-child,th:first-child{text-align:left}th{font-weight:600}.bad{color:#b00020}.note{color:#666}
svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:#333}svg .grid{stroke:#e4e4e4}
@media(prefers-color-scheme:dark){body{background:#191919;color:#ddd}td,th{border-color:#333}h2{border-color:#444}svg text{fill:#ccc}svg .grid{stroke:#333}}"""


def cell(value):
    return "-" if value is None else "%.2f" % value


def rows_of(header, rows):
    out = "<table><tr>%s</tr>" % "".join("<th>%s</th>" % escape(h) for h in header)
    return out + "".join("<tr>%s</tr>" % "".join("<td>%s</td>" % escape(str(c)) for c in row) for row in rows) + "</table>"


def overview(cases):
    rows = []
    for case in cases:
        result = case["result"]
        ours = result.get("sluice") or {}
        spread = "%s..%s" % (cell(ours.get("least")), cell(ours.get("most"))) if ours.get("least") is not None else ""
        want = table.wanted_ratio(case)
        against = table.ratio(case, "ovs-dpdk")
        rows.append((case["name"], UNITS[case["measure"]], cell(table.main(case, "sluice")), spread, cell(table.main(case, "ovs-dpdk")),
                     cell(table.main(case, "testpmd") if case["measure"] != "tcp" else table.main(case, "linux")), cell(against), cell(want), cell(case["target"])))
    return rows_of(("case", "unit", "Sluice", "least..most", "OVS-DPDK", "testpmd or Linux", "times OVS", "wanted", "target here"), rows)


def percentile_plot(named):
    """named: {name: summary}: latency against how many are slower."""
    ticks = ((50, 0.3), (90, 1), (99, 2), (99.9, 3), (99.99, 4))
    series = {name: [(x, summary.get("p%g" % p)) for p, x in ticks] for name, summary in named.items() if summary}
    return svg.lines(series, "percentile", "microseconds", log_y=True, ticks=[(x, "%g" % p) for p, x in ticks])


def plots(case):
    results = {who: r for who, r in case["result"].items() if r}
    if any("sweep" in r for r in results.values()):
        yield svg.lines({who: [(p["flows"], p["mpps"]) for p in r["sweep"]] for who, r in results.items() if "sweep" in r}, "flows", "Mpps", log_x=True)
    if case["measure"] == "ndr":
        yield "<p>Latency at 80 % of each one's no-drop rate</p>" + percentile_plot(
            {who: next((p for p in r["latency"] if p["share"] == 0.8), None) for who, r in results.items() if "latency" in r})
        yield rows_of(("", "share of NDR", "Mpps", "p50 us", "p99 us", "p99.9 us", "most us", "lost"),
                      [(who, p["share"], cell(p["mpps"]), cell(p["p50"]), cell(p["p99"]), cell(p["p99.9"]), cell(p["p100"]), "%.5f" % p["lost"])
                       for who, r in results.items() for p in r.get("latency", [])])
    if case["measure"] == "first-packet":
        for who, r in results.items():
            yield "<p>%s: dark known, light new</p>" % escape(who) + percentile_plot({"sluice": r["known"], "ovs-dpdk": r["new"]})
    if any("changes" in r for r in results.values()):
        names = [row["change"] for row in next(iter(results.values()))["changes"]]
        by = {who: {row["change"]: row for row in r["changes"]} for who, r in results.items()}
        yield rows_of(["change"] + ["%s %s" % (who, what) for who in by for what in ("blocked ms", "lost", "late", "waited for its core, ms")],
                      [[name] + [text for who in by for text in change_cells(by[who].get(name))] for name in names])
    stages = [("%s" % who, r["stages"]) for who, r in results.items() if r.get("stages")]
    if stages:
        yield "<p>Cycles a packet by stage, as the switch says</p>" + svg.stacks(stages, "cycles")


def change_cells(row):
    if row is None or "failed" in row:
        return ("failed", "", "", "")
    return ("%.3f%s" % (row["blocked_ms"], " (port anew)" if row["anew"] else ""), row["lost"], row["late"], "%.3f" % row["waited_ms"])


def section(case):
    out = ["<h2>%s</h2><p class=note>%s</p>" % (escape(case["title"]), escape(case["name"]))]
    rates = {who: r["main"] for who, r in case["result"].items() if r and r.get("main") is not None}
    if rates:
        out.append(svg.bars([(case["name"], rates)], UNITS[case["measure"]]))
    if "times_one_worker" in case:
        out.append("<p>Times the rate of one worker: %s</p>" % escape(", ".join("%s %.2f" % item for item in case["times_one_worker"].items())))
    out += plots(case)
    for who, result in case["result"].items():
        out += ["<p class=note>%s</p>" % escape(text) for text in table.details(who, result, case["measure"])] if result and "changes" not in result else []
        if result and result.get("cpu_share", 1) < 0.95:
            out.append("<p class=bad>%s had its core for only %.0f %% of the time</p>" % (escape(who), 100 * result["cpu_share"]))
        if result and result.get("loss", 0) > 0.001:
            out.append("<p class=note>%s lost %.1f %% of the packets</p>" % (escape(who), 100 * result["loss"]))
    for who, text in case["failed"].items():
        if text:
            out.append("<p class=bad>%s failed: %s</p>" % (escape(who), escape(text)))
    for who, texts in case["wrong"].items():
        out += ["<p class=bad>%s was wrong: %s</p>" % (escape(who), escape(text)) for text in texts]
    return "".join(out)


def page(results):
    machine = results["machine"]
    about = "%s, commit %s, %s, %d CPUs, Linux %s, load %.1f at the start; %d rounds of %g s" % (
        results["when"], results["commit"], machine["cpu"], machine["cpus"], machine["kernel"], machine["load"], results["rounds"], results["seconds"])
    busy = "<p class=bad>The machine was busy with other things: figures are low and vary.</p>" if machine["load"] > 0.5 else ""
    return ("<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Sluice bench</title>"
            "<style>%s</style><h1>Sluice beside OVS-DPDK and testpmd</h1><p>%s</p>%s<p>One worker core and 64-byte packets unless said. The "
            "generator runs in the forwarding thread: its cost is in every figure, testpmd io is the limit. Compare within this page "
            "only.</p>%s%s</html>" % (STYLE, escape(about), busy, overview(results["cases"]), "".join(map(section, results["cases"]))))
