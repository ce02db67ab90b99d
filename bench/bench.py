#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""./run bench [SCENARIO[/CASE]...]: Sluice beside OVS-DPDK and testpmd, in turn, in one run, with the same packets.

All ports are ports of our generator (net_sluice_gen), which runs in the thread that forwards: its cost is inside every
figure, and testpmd io is the limit. Absolute figures say little about another machine: compare within a run. Each figure
is the median of --rounds, the contenders taking turns. What a switch did is checked: right port, right bytes, nothing lost.

Results: a table here, a JSON file and a self-contained HTML report in bench/results.
"""
import argparse
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.dont_write_bytecode = True
from runner import campaign, host, scenario  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, or single cases of them; all without any")
    parser.add_argument("--list", action="store_true", help="print scenarios and cases, measure nothing")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s: to see that all work, not to quote")
    parser.add_argument("--all", action="store_true", help="also what takes a contender minutes (a million rules in OVS)")
    parser.add_argument("--only", default="", metavar="WHO", help="some contenders: sluice,ovs-dpdk,testpmd")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="length of one measurement")
    parser.add_argument("--nice", type=int, default=0, help="priority of the contenders of tcp, -20 to 19; negative on a busy machine")
    parser.add_argument("--hugepages", type=int, default=900, help="of 2 MiB, to reserve while it runs")
    parser.add_argument("--sluiced", default=os.path.join(ROOT, "build/release/bin/sluiced"))
    parser.add_argument("--plugin", default=os.path.join(ROOT, "build/release/lib/net_sluice_gen.so"))
    parser.add_argument("--results", default=os.path.join(ROOT, "bench/results"), help="folder of the JSON and HTML files")
    return parser, parser.parse_args()


def chosen(parser, args, scenarios):
    cases = [case for one in scenarios for case in one.cases]
    for name in args.names:
        if not any(case.name == name or case.scenario.name == name for case in cases):
            parser.error("there is no scenario or case %s; --list prints them" % name)
    return [case for case in cases if not args.names or case.name in args.names or case.scenario.name in args.names]


def main():
    parser, args = arguments()
    try:
        scenarios = scenario.load_all()
    except scenario.Wrong as error:
        sys.exit("bench: %s" % error)
    cases = chosen(parser, args, scenarios)
    if args.list:
        for case in cases:
            print("%-28s %-12s %s" % (case.name, case.measure, case.title))
        return
    for who in filter(None, args.only.split(",")):
        if who not in scenario.CONTENDERS:
            parser.error("--only: there is no contender %s; there are %s" % (who, ", ".join(scenario.CONTENDERS)))
    if os.geteuid() != 0:
        sys.exit("bench: needs root, for namespaces and hugepages")
    for path in (args.sluiced, args.plugin):
        if not os.path.exists(path):
            sys.exit("bench: %s is missing: ./run bench builds it" % path)
    if args.quick:
        args.rounds, args.seconds = 1, 1
    host.enter(args.hugepages)
    sys.exit(campaign.run(cases, args, ROOT))


if __name__ == "__main__":
    main()
