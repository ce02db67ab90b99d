# SPDX-License-Identifier: Apache-2.0
"""The table on the terminal."""
from .kinds import LESS_IS_BETTER, UNITS

WHO = ("sluice", "ovs-dpdk", "testpmd", "linux")


def head():
    return "\n%-28s %-9s %8s %17s %9s %9s   %s" % ("", "", "Sluice", "least..most", "OVS-DPDK", "testpmd", "Sluice is, has")


def number(value):
    return "-" if value is None else "%.2f" % value


def main(case, who):
    return (case["result"].get(who) or {}).get("main")


def ratio(case, peer):
    """How many times better Sluice is."""
    ours, theirs = main(case, "sluice"), main(case, peer)
    if not ours or not theirs or ours < 0 or theirs < 0:
        return None
    return theirs / ours if case["measure"] in LESS_IS_BETTER else ours / theirs


def wanted_ratio(case):
    if not case["target"] or not case["reference_ovs"]:
        return None
    pair = case["reference_ovs"], case["target"]
    return pair[0] / pair[1] if case["measure"] in LESS_IS_BETTER else pair[1] / pair[0]


def judgement(case):
    parts = []
    against = ratio(case, "ovs-dpdk")
    if against is not None:
        want = wanted_ratio(case)
        parts.append("%.2f x OVS" % against + (" (want %.2f)" % want if want else ""))
    limit = ratio(case, "testpmd")
    if limit is not None:
        parts.append("%.0f %% of testpmd" % (100 * limit))
    bridge = ratio(case, "linux")
    if bridge is not None:
        parts.append("the Linux bridge %.2f, %.2f x that" % (main(case, "linux"), bridge))
    if "times_one_worker" in case:
        parts.append("times one worker: " + ", ".join("%s %.2f" % item for item in case["times_one_worker"].items()))
    if case["target"] is not None and not wanted_ratio(case):
        parts.append("want %g %s" % (case["target"], UNITS[case["measure"]]))
    return ", ".join(parts)


def details(who, figures, kind):
    """Lines below a case's row."""
    if "sweep" in figures:
        yield "%-9s %s" % (who, "  ".join("%d flows %.2f" % (p["flows"], p["mpps"]) for p in figures["sweep"]))
    if kind == "ndr":
        at = "  ".join("at %.0f %%: p50 %s p99 %s us" % (100 * p["share"], number(p["p50"]), number(p["p99"])) for p in figures["latency"])
        yield "%-9s NDR %.2f, PDR %.2f, offered max %.2f Mpps  %s" % (who, figures["ndr_mpps"], figures["pdr_mpps"], figures["limit_mpps"], at)
    if kind == "first-packet":
        yield "%-9s known p50 %s p99 %s us, new p50 %s p99 %s us" % (who, *(number(figures[k][p]) for k in ("known", "new") for p in ("p50", "p99")))
    if kind == "flow-mods":
        yield "%-9s one by one %.1f K/s, rate falls by %.1f %%, lost %d of %d at a fixed rate" % (
            who, figures["one_by_one_per_s"] / 1e3, 100 * (1 - figures["one_by_one_mpps"] / figures["quiet_mpps"]),
            figures["one_by_one_lost"], figures["one_by_one_offered"])
        yield "%-9s bundle %.1f K/s, rate falls by %.1f %%, lost %d of %d at a fixed rate" % (
            who, figures["bundle_per_s"] / 1e3, 100 * (1 - figures["bundle_mpps"] / figures["quiet_mpps"]),
            figures["bundle_lost"], figures["bundle_offered"])
    if kind == "memory":
        yield "%-9s %.0f MiB before, %.0f bytes a rule" % (who, figures["idle_mib"], figures["bytes_per_rule"])
    if kind == "attack":
        yield "%-9s calm %s, under attack %s, after it %s Mpps a full core" % (
            who, number(figures["calm_mpps"]), number(figures["victim_mpps"]), number(figures["after_mpps"]))
    for row in figures.get("changes", []):
        yield "%-9s %-30s %s" % (who, row["change"], "failed: " + row["failed"][:120] if "failed" in row else
                                 "blocked %8.3f ms  (lost %d, late %d; the change took %.0f ms; the worker waited %.3f ms for its core%s)" % (
                                     row["blocked_ms"], row["lost"], row["late"], row["took_ms"], row["waited_ms"],
                                     "; made port %s anew" % ", ".join(map(str, row["anew"])) if row["anew"] else ""))


def row(case):
    ours = case["result"].get("sluice") or {}
    spread = "%s..%s" % (number(ours.get("least")), number(ours.get("most"))) if ours.get("least") is not None else ""
    lines = ["%-28s %-9s %8s %17s %9s %9s   %s" % (case["name"], UNITS[case["measure"]], number(main(case, "sluice")), spread,
                                                 number(main(case, "ovs-dpdk")), number(main(case, "testpmd")), judgement(case))]
    for who in WHO:
        if case["failed"].get(who):
            lines.append("    %-9s failed: %s" % (who, case["failed"][who]))
        if who in case["skipped"]:
            lines.append("    %-9s left out: %s" % (who, case["skipped"][who]))
        lines += ["    %-9s WRONG: %s" % (who, text) for text in case["wrong"].get(who, [])]
        figures = case["result"].get(who)
        if not figures:
            continue
        if figures.get("cpu_share", 1) < 0.95:
            whole = figures.get("mpps_per_cpu")
            lines.append("    %-9s had its core for only %.0f %% of the time%s" % (
                who, 100 * figures["cpu_share"], ": %.2f Mpps with it to itself" % whole if whole else ""))
        if figures.get("loss", 0) > 0.001:
            lines.append("    %-9s lost %.1f %% of the packets" % (who, 100 * figures["loss"]))
        lines += ["    " + text for text in details(who, figures, case["measure"])]
    return "\n".join(lines)
