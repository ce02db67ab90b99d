# SPDX-License-Identifier: Apache-2.0
"""The kinds of measurement that a scenario's line `measure:` names. Each gives a dictionary of figures; `main` in it is
the figure of the case, `wrong` what the switch did wrong."""
import threading
import time

from . import changes, host, openflow, tcp
from . import measure as m
from .page import Latency

UNITS = {"rate": "Mpps", "sweep": "Mpps", "ndr": "Mpps", "first-packet": "us", "flow-mods": "K/s", "memory": "MiB", "blocked": "ms",
         "attack": "% fall", "tcp": "Gbit/s"}
DRAIN_S = 0.1  # m.drain takes at least that long
LESS_IS_BETTER = {"first-packet", "memory", "blocked", "attack"}


def measure(contender, args):
    case = contender.case
    if case.measure != "memory":
        contender.load(case.rules())
        m.prime(contender)
    return KINDS[case.measure](contender, args)


def rate(contender, args):
    figures = m.rate(contender, args.seconds, contender.case.settle)
    return dict(figures, main=figures["mpps"])


def sweep(contender, args):
    """The rate against the number of flows; the figure of the case is that at `at`."""
    parameters = contender.case.parameters
    points = []
    for flows in map(int, parameters["flows"].split(",")):
        points.append(dict(m.rate(contender, args.seconds, contender.case.settle, flows=flows), flows=flows))
    at = int(parameters.get("at", points[-1]["flows"]))
    chosen = next(point for point in points if point["flows"] == at)
    return dict(chosen, main=chosen["mpps"], sweep=points, wrong=sorted({w for p in points for w in p["wrong"]}))


def trial(contender, rate_pps, seconds):
    """Packets come at a fixed rate for a time. Result: (share lost, latencies, sentences on what was wrong)."""
    case = contender.case
    m.drain(contender)
    ports = [n for n in m.sinks(case) if n in contender.pages]
    window, before = m.Window(contender), m.latencies(contender, ports)
    m.enable(contender, True, rate=int(rate_pps))
    time.sleep(seconds)
    m.drain(contender)
    window.close()
    latency = m.latency_between(contender, before, m.latencies(contender, ports))[0]
    offered = window.made() + window.made("missed")
    lost = offered - window.took()
    return lost / offered if offered else 1.0, latency, m.check(window, contender, True)


def search(contender, low, high, goal, seconds):
    """The highest rate whose loss is within `goal`: short trials first, longer as the interval narrows, as in MLRsearch; a
    bound is believed only after a trial of full length. Result: packets a second, exact to 2 %."""
    for length in (seconds / 4, seconds / 2, seconds):
        while (high - low) / high > (0.02 if length == seconds else 0.08):
            middle = (low + high) / 2
            if trial(contender, middle, length)[0] <= goal:
                low = middle
            else:
                high = middle
        low, high = (low, high) if length == seconds else (low * 0.96, high * 1.04)
    return low


def ndr(contender, args):
    """RFC 2544's throughput (no loss) and the rate with at most 0.5 % loss; latencies at shares of the former."""
    top = m.rate(contender, args.seconds, contender.case.settle)
    limit = top["mpps"] * 1e6
    if limit == 0:
        return dict(top, main=None)
    seconds = max(0.5, args.seconds / 2)
    pdr = search(contender, 0, limit * 1.02, 0.005, seconds)
    lossless = search(contender, 0, pdr * 1.02, 0.0, seconds)
    base = lossless or pdr
    points, wrong = [], list(top["wrong"])
    for share in (0.1, 0.5, 0.8, 1.0):
        lost, latency, faults = trial(contender, max(base * share, 1000), max(1, args.seconds))
        wrong += faults
        points.append(dict(latency.summary(), share=share, mpps=base * share / 1e6, lost=lost))
    m.enable(contender, False, rate=0)
    return {"main": lossless / 1e6, "ndr_mpps": lossless / 1e6, "pdr_mpps": pdr / 1e6, "limit_mpps": top["mpps"], "latency": points,
            "wrong": sorted(set(wrong)), "cpu_share": top["cpu_share"]}


def first_packet(contender, args):
    """How much longer the first packet of a flow takes than one of a known flow."""
    case = contender.case
    m.enable(contender, True)
    time.sleep(case.settle)
    m.drain(contender)
    ports = [n for n in m.sinks(case) if n in contender.pages]
    window, before = m.Window(contender), m.latencies(contender, ports)
    m.enable(contender, True)
    time.sleep(max(1, args.seconds))
    m.drain(contender)
    window.close()
    known, new = m.latency_between(contender, before, m.latencies(contender, ports))
    difference = new.percentile_us(50) - known.percentile_us(50) if new.total and known.total else None
    return {"main": difference, "known": known.summary(), "new": new.summary(), "cpu_share": window.cpu_share(case.workers),
            "wrong": m.check(window, contender, contender.name in case.loss)}


class During:
    """Runs something in a thread while the rate is watched; its exception is raised again at the end."""

    def __init__(self, what):
        self.value, self.error = None, None
        self.thread = threading.Thread(target=self.run, args=(what,))
        self.thread.start()

    def run(self, what):
        try:
            self.value = what()
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def result(self):
        self.thread.join()
        if self.error is not None:
            raise self.error
        return self.value


def flow_mods(contender, args):
    """Flow-mods a second through one connection, and what they cost packets of other flows."""
    count = int(contender.case.parameters.get("count", 100000))
    out = {"wrong": []}
    quiet = m.rate(contender, args.seconds, contender.case.settle)
    out["quiet_mpps"] = quiet["mpps_per_cpu"]
    path = contender.folder + "/br0.mgmt"
    for name, bundle in (("one_by_one", False), ("bundle", True)):
        encoded = openflow.adds(count, bundle)
        link = openflow.Connection(path)
        # The rate of the switch, then packets at a fraction of its rate: are any lost?
        for label, packets in (("", 0), ("_fixed", min(1e6, quiet["mpps"] * 0.3e6))):
            m.drain(contender)
            window = m.Window(contender)
            m.enable(contender, True, rate=int(packets))
            time.sleep(0.2)
            started = m.Window(contender)
            seconds = (link.bundle if bundle else link.one_by_one)(encoded)
            started.close()
            m.drain(contender)
            window.close()
            if label:
                offered = window.made() + window.made("missed")
                out[name + "_lost"] = offered - window.took()
                out[name + "_offered"] = offered
            else:
                out[name + "_per_s"] = count / seconds
                out[name + "_mpps"] = per_cpu(started, contender)
            link.barrier()
            contender.ofctl("del-flows", "br0", "udp,nw_dst=30.0.0.1", timeout=60)
        link.close()
    out["main"] = out["one_by_one_per_s"] / 1000
    out["second"] = out["bundle_per_s"] / 1000
    m.enable(contender, False, rate=0)
    return out


def memory(contender, _args):
    """What the rules of the scenario add to the memory of the switch."""
    time.sleep(0.5)
    before = sum(host.resident_mib(contender.pid))
    count = contender.load(contender.case.rules())
    time.sleep(1)
    after = sum(host.resident_mib(contender.pid))
    return {"main": after - before, "idle_mib": before, "rules": count, "bytes_per_rule": (after - before) * 1048576 / count, "wrong": []}


def per_cpu(window, contender):
    """Packets that arrived a second on the CPU, in millions: what a busy machine takes from the worker is left out."""
    case = contender.case
    share = max(window.cpu_share(case.workers), 0.01)
    return window.took("packets", [n for n in m.sinks(case) if n in contender.pages]) / window.seconds / share / 1e6


def attack(contender, args):
    """The victim's rate while a share of the packets is crafted to be dear, against its rate without."""
    share = float(contender.case.parameters["share"])
    calm = m.rate(contender, args.seconds, contender.case.settle)
    m.enable(contender, True, new_share=share)
    time.sleep(max(1.0, contender.case.settle))
    m.drain(contender)
    window = m.Window(contender)
    m.enable(contender, True, new_share=share)
    started = m.Window(contender)
    time.sleep(args.seconds)
    started.close()
    m.drain(contender)
    window.close()
    after = m.rate(contender, args.seconds, 0, new_share=0)
    victim = per_cpu(started, contender)
    wrong = [w for figures in (calm, after) for w in figures["wrong"]]
    strayed = window.made() - window.made("new_flows") - window.took()
    if strayed and contender.name not in contender.case.loss:
        wrong.append("%d of the victim's packets did not arrive" % strayed)
    # Its fair share: the attacker's packets count like others.
    before = calm["mpps_per_cpu"] or 0
    return {"main": 100 * (1 - victim / (before * (1 - share))) if before else None, "calm_mpps": before, "victim_mpps": victim,
            "after_mpps": after["mpps_per_cpu"], "share": share, "cpu_share": started.cpu_share(contender.case.workers), "wrong": wrong}


def blocked(contender, args):
    """For each change: packets lost or late, in time at the offered rate."""
    parameters = contender.case.parameters
    offered, late_us = float(parameters.get("rate", 1e6)), float(parameters.get("late_us", 1000))
    ports = [n for n in m.sinks(contender.case) if n in contender.pages]
    rows, wrong = [], []
    for name, change in changes.all_changes(contender):
        m.drain(contender)
        window, before = m.Window(contender), m.latencies(contender, ports)
        m.enable(contender, True, rate=int(offered))
        begun = time.monotonic()
        time.sleep(0.1)
        start = time.monotonic()
        try:
            change()
        except RuntimeError as error:
            rows.append({"change": name, "failed": str(error)})
            m.drain(contender)
            continue
        took = time.monotonic() - start
        anew = [n for n, page in contender.pages.items() if page.made_anew(0.3 / len(contender.pages))]
        time.sleep(0.2)
        m.drain(contender)
        seconds = time.monotonic() - begun
        window.close()
        hz = next(iter(contender.pages.values())).hz
        late = Latency(before[0], m.latencies(contender, ports)[0], hz).above_us(late_us)
        lost = window.made() + window.made("missed") - window.took("packets", ports)
        if set(anew) & set(m.sources(contender.case)):
            # A port that was gone could not count what it missed. Good to the length of a drain.
            lost = max(lost, int(offered * (seconds - DRAIN_S)) - window.took("packets", ports))
        rows.append({"change": name, "lost": lost, "late": late, "blocked_ms": (lost + late) / offered * 1e3, "took_ms": took * 1e3,
                     "anew": anew, "waited_ms": window.busiest(contender.case.workers)[1] * 1e3})
        wrong += m.check(window, contender, True)
    m.enable(contender, False, rate=0)
    return {"main": max((row["blocked_ms"] for row in rows if "blocked_ms" in row and not row["anew"]), default=None), "changes": rows, "offered_pps": offered,
            "late_us": late_us, "wrong": sorted(set(wrong))}


KINDS = {"rate": rate, "sweep": sweep, "ndr": ndr, "first-packet": first_packet, "flow-mods": flow_mods, "memory": memory,
         "attack": attack, "blocked": blocked, "tcp": tcp.measure}
