# SPDX-License-Identifier: Apache-2.0
"""A run: every case with every contender in turn, progress, table, files."""
import datetime
import json
import os
import signal
import statistics
import subprocess
import sys

from . import contender, host, kinds, table


class Progress:
    """One line that changes on a terminal; elsewhere a line a case."""

    def __init__(self, total):
        self.total, self.done, self.live = total, 0, sys.stderr.isatty()
        self.started = datetime.datetime.now()

    def show(self, text):
        if not self.live:
            return
        spent = (datetime.datetime.now() - self.started).total_seconds()
        left = " about %d min left" % (spent / self.done * (self.total - self.done) / 60 + 1) if self.done else ""
        print("\r\033[K%3d %% %s%s" % (100 * self.done / self.total, text, left), end="", file=sys.stderr, flush=True)

    def clear(self):
        if self.live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def one(setup, who, case, args):
    """One contender, one case, one round. Result: figures, or {"failed": sentence}."""
    standing = None
    try:
        standing = setup.make(who, case)
        return kinds.measure(standing, args)
    except (RuntimeError, subprocess.SubprocessError, OSError, ValueError) as error:
        tail = standing.log_tail() if standing is not None else ""
        return {"failed": str(error)[-300:] + ("\n      log: " + tail.replace("\n", "\n      ") if tail else "")}
    finally:
        if standing is not None:
            standing.stop()


def median_of(rounds):
    """The round of the median rate, or the last; spread of all."""
    good = [r for r in rounds if "failed" not in r]
    if not good:
        return None
    key = lambda figures: figures.get("main")  # noqa: E731
    values = sorted(key(r) for r in good if key(r) is not None)
    if not values:
        return dict(good[-1], least=None, most=None)
    middle = statistics.median_low(values)
    return dict(next(r for r in good if key(r) == middle), least=values[0], most=values[-1])


def measure_case(setup, case, args, progress):
    wanted = [who for who in case.contenders if not args.only or who in args.only.split(",")]
    skipped = {who: "takes minutes; --all" for who in wanted if who in case.slow and not args.all}
    wanted = [who for who in wanted if who not in skipped]
    rounds = {who: [] for who in wanted}
    count = min(args.rounds, case.rounds) if case.rounds else args.rounds
    for number in range(count):
        for who in wanted:
            if any("failed" in r for r in rounds[who]):
                continue
            progress.show("%s: %s, round %d of %d" % (case.name, who, number + 1, count))
            rounds[who].append(one(setup, who, case, args))
    progress.done += 1
    progress.clear()
    return {"name": case.name, "title": case.title, "measure": case.measure, "target": case.target, "reference_ovs": case.reference,
            "workers": case.workers, "skipped": skipped, "rounds": rounds,
            "result": {who: median_of(rs) for who, rs in rounds.items()},
            "failed": {who: next((r["failed"] for r in rs if "failed" in r), None) for who, rs in rounds.items()},
            "wrong": {who: sorted({w for r in rs for w in r.get("wrong", [])}) for who, rs in rounds.items()}}


def against_one_worker(cases):
    """Notes by how many times the last case, if it has more workers, is faster than that with one."""
    last, scenario_name = cases[-1], cases[-1]["name"].split("/")[0]
    one = next((c for c in cases if c["name"].split("/")[0] == scenario_name and c["workers"] == 1), None)
    if last["workers"] == 1 or one is None:
        return
    pairs = {who: (table.main(last, who), table.main(one, who)) for who in last["result"]}
    last["times_one_worker"] = {who: many / single for who, (many, single) in pairs.items() if many and single}


def run(cases, args, root):
    # An interrupt ends the standing contender on the way out; the namespaces take the rest along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cores = sorted(os.sched_getaffinity(0))
    setup = contender.Setup(args.sluiced, args.plugin, cores)
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[:-1])
    facts = host.facts()
    commit = host.run("git", "-C", root, "rev-parse", "--short", "HEAD", check=False).strip()
    dirty = bool(host.run("git", "-C", root, "status", "--porcelain", "-uno", check=False).strip())
    results = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": commit + ("+" if dirty else ""),
               "machine": facts, "rounds": args.rounds, "seconds": args.seconds, "cases": []}
    print("%s, %d CPUs, Linux %s, load %.1f; commit %s" % (facts["cpu"], facts["cpus"], facts["kernel"], facts["load"], results["commit"]))
    if facts["load"] > 0.5:
        print("note: the machine is busy with other things (load %.1f); figures are low and vary" % facts["load"])
    progress = Progress(len(cases))
    print(table.head())
    interrupted = False
    try:
        for case in cases:
            results["cases"].append(measure_case(setup, case, args, progress))
            against_one_worker(results["cases"])
            print(table.row(results["cases"][-1]), flush=True)
    except KeyboardInterrupt:
        interrupted = True
        progress.clear()
        print("interrupted: what was measured is kept", file=sys.stderr)
    results["interrupted"] = interrupted
    if results["cases"]:
        keep(results, args.results, root)
    failed = any(any(c["failed"].values()) or c["wrong"].get("sluice") for c in results["cases"])
    return 130 if interrupted else 1 if failed else 0


def keep(results, folder, root):
    from . import report
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, results["when"].replace(":", "").replace("+0000", "Z"))
    with open(path + ".json", "w", encoding="utf-8") as out:
        json.dump(results, out, indent=1)
    with open(path + ".html", "w", encoding="utf-8") as out:
        out.write(report.page(results))
    print("\nall figures: %s.json, report: %s.html" % ((os.path.relpath(path, root),) * 2))
