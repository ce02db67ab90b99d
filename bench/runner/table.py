# SPDX-License-Identifier: Apache-2.0
"""The table on the terminal."""

WHO = ("sluice", "ovs-dpdk", "testpmd", "linux")


def head():
    return "\n%-30s %8s %17s %9s %9s   %s\n%-30s %8s %17s %9s %9s" % (
        "", "Sluice", "least..most", "OVS-DPDK", "testpmd", "Sluice against", "", "Mpps", "Mpps", "Mpps", "Mpps")


def figure(value):
    return "-" if value is None else "%.2f" % value


def main(figures):
    return None if not figures else figures.get("mpps", figures.get("gbps"))


def ratio(case, peer):
    ours, theirs = main(case["result"].get("sluice")), main(case["result"].get(peer))
    return ours / theirs if ours and theirs else None


def judgement(case):
    parts = []
    against = ratio(case, "ovs-dpdk")
    if against is not None:
        text = "%.2f x OVS" % against
        if case["target"] and case["reference_ovs"]:
            text += " (want %.2f)" % (case["target"] / case["reference_ovs"])
        parts.append(text)
    limit = ratio(case, "testpmd")
    if limit is not None:
        parts.append("%.0f %% of testpmd" % (100 * limit))
    bridge = ratio(case, "linux")
    if bridge is not None:
        parts.append("Gbit/s; the Linux bridge %.2f, %.2f x that" % (main(case["result"]["linux"]), bridge))
    return ", ".join(parts)


def row(case):
    result = case["result"]
    get = lambda who: main(result.get(who))  # noqa: E731
    ours = result.get("sluice") or {}
    spread = "%s..%s" % (figure(ours.get("least")), figure(ours.get("most"))) if ours else ""
    lines = ["%-30s %8s %17s %9s %9s   %s" % (case["name"], figure(get("sluice")), spread, figure(get("ovs-dpdk")), figure(get("testpmd")), judgement(case))]
    for who in WHO:
        if case["failed"].get(who):
            lines.append("    %s failed: %s" % (who, case["failed"][who]))
        if who in case["skipped"]:
            lines.append("    %s left out: %s" % (who, case["skipped"][who]))
        lines += ["    %s WRONG: %s" % (who, text) for text in case["wrong"].get(who, [])]
        figures = result.get(who)
        if figures and figures.get("cpu_share", 1) < 0.95:
            lines.append("    %s had its core for only %.0f %% of the time: %.2f Mpps a full core" % (who, 100 * figures["cpu_share"], figures["mpps_per_cpu"] or 0))
        if figures and figures.get("loss", 0) > 0.001:
            lines.append("    %s lost %.1f %% of the packets" % (who, 100 * figures["loss"]))
        if figures and "sweep" in figures:
            lines.append("    %-10s %s" % (who, "  ".join("%d flows %.2f" % (p["flows"], p["mpps"]) for p in figures["sweep"])))
    return "\n".join(lines)
