# SPDX-License-Identifier: Apache-2.0
"""What is measured with a contender that stands: rates, latencies, changes under traffic."""
import time

from . import host
from .page import Latency


class Window:
    """Counters of all ports between two moments, and what they say."""

    def __init__(self, contender):
        self.contender = contender
        self.begin = self.read()
        self.end = None

    def read(self):
        pages = self.contender.pages
        return {"time": time.monotonic(), "threads": host.thread_times(self.contender.pid),
                "in": {n: page.received() for n, page in pages.items()}, "out": {n: page.sent() for n, page in pages.items()}}

    def close(self):
        self.end = self.read()
        return self

    @property
    def seconds(self):
        return self.end["time"] - self.begin["time"]

    def made(self, name="packets", ports=None):
        return self.difference("in", name, ports)

    def took(self, name="packets", ports=None):
        return self.difference("out", name, ports)

    def difference(self, side, name, ports):
        both = [n for n in self.end[side] if n in self.begin[side] and (ports is None or n in ports)]
        return sum(self.end[side][n][name] - self.begin[side][n][name] for n in both)

    def busiest(self, workers):
        """Of the busiest threads, one a worker: (seconds on a CPU, seconds ready but waiting)."""
        old = self.begin["threads"]
        rows = sorted(((ran - old.get(tid, (0, 0))[0], waited - old.get(tid, (0, 0))[1]) for tid, (ran, waited) in self.end["threads"].items()),
                      reverse=True)[:workers]
        return sum(r[0] for r in rows), sum(r[1] for r in rows)

    def cpu_share(self, workers):
        """How much of the time the workers were on a CPU: less than 1 when others were, or when they slept."""
        return min(1.0, self.busiest(workers)[0] / workers / self.seconds)


def sources(case, role="traffic"):
    return [n for n, port in case.ports.items() if port.role == role]


def sinks(case):
    return [n for n, port in case.ports.items() if "none" not in port.args.get("expect", "").split("/")]


def prime(contender):
    """Ports that only teach the switch addresses send their count; again, while traffic is still flooded to ports that
    should get none: a switch may overlook some when many are new at once."""
    case = contender.case
    teachers = [n for n in sources(case, "prime") if n in contender.pages]
    silent = [n for n in case.ports if n not in sinks(case) and n in contender.pages]
    for _ in range(10 if teachers else 0):
        for number in teachers:
            page, want = contender.pages[number], int(case.ports[number].args["count"])
            before = page.received()["packets"]
            page.set(enable=1, count=want)
            host.until(60 + want / 10000, lambda: page.received()["packets"] - before >= want // page.rx_queues * page.rx_queues,
                       "priming port %d" % number)
            page.set(enable=0, count=0)
        window = Window(contender)
        enable(contender, True)
        time.sleep(max(0.3, case.settle))
        drain(contender)
        if window.close().took("packets", silent) == 0:
            break


def enable(contender, on, role="traffic", **knobs):
    for number in sources(contender.case, role):
        if number in contender.pages:
            contender.pages[number].set(enable=1 if on else 0, **knobs)


def drain(contender):
    """Silence, and all that is under way has arrived."""
    enable(contender, False)
    last = None
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        now = [page.sent()["packets"] for page in contender.pages.values()]
        if now == last:
            return
        last = now
        time.sleep(0.05)


def check(window, contender, lossy):
    """Sentences on what was wrong between begin and end of a window that ended drained."""
    case, wrong = contender.case, []
    names = {"wrong_port": "left by a wrong port", "wrong_bytes": "left with wrong bytes", "unsigned": "are none of the generator's",
             "reordered": "overtook one of their own flow"}
    for name, words in names.items():
        if count := window.took(name):
            wrong.append("%d sampled packets %s" % (count, words))
    for number, port in case.ports.items():
        if number in contender.pages and "none" in port.args.get("expect", "").split("/") and contender.name != "testpmd":
            if count := window.took("packets", [number]):
                wrong.append("%d packets left by port %d, which should get none" % (count, number))
    if window.took() == 0:
        wrong.append("no packet came through")
    elif window.took("checked") == 0 and any("expect" in port.args for port in case.ports.values()):
        wrong.append("no packet was compared")
    lost = window.made() - window.took()
    if lost < 0:
        wrong.append("%d packets more came out than went in" % -lost)
    if lost > 0 and not lossy:
        wrong.append("%d of %d packets were lost" % (lost, window.made()))
    if wrong:
        for number, page in contender.pages.items():
            if pair := page.first_wrong():
                wrong.append("port %d got\n      %s, expected\n      %s" % (number, *pair))
                break
    return wrong


def warm_up(contender, least, most=20):
    """Lets tables and caches fill: at least a while, and until the rate no longer grows."""
    ports = [n for n in sinks(contender.case) if n in contender.pages]
    last, deadline = 0, time.monotonic() + most
    while time.monotonic() < deadline:
        window = Window(contender)
        time.sleep(max(0.2, least / 2))
        now = window.close().took("packets", ports) / window.seconds / max(window.cpu_share(contender.case.workers), 0.05)
        if now <= last * 1.1:
            return
        last = now


def rate(contender, seconds, warm, **knobs):
    """Packets a second at the sinks, as fast as the switch takes them. Result: a dictionary of figures."""
    case = contender.case
    enable(contender, True, **knobs)
    warm_up(contender, warm)
    drain(contender)
    whole = Window(contender)  # from silence to silence: nothing is under way at its ends
    ports = [n for n in sinks(case) if n in contender.pages]
    enable(contender, True, **knobs)
    time.sleep(0.1)
    before = latencies(contender, ports)
    window = Window(contender)
    time.sleep(seconds)
    window.close()
    residence = latency_between(contender, before, latencies(contender, ports))[0]
    stages = contender.stages()
    drain(contender)
    whole.close()
    share = window.cpu_share(case.workers)
    mpps = window.took("packets", ports) / window.seconds / 1e6
    made = whole.made()
    return {"mpps": mpps, "cpu_share": share, "mpps_per_cpu": mpps / share if share > 0.05 else None,
            "gbps": window.took("bytes", ports) * 8 / window.seconds / 1e9, "loss": max(0.0, 1 - whole.took() / made) if made else 0.0,
            "residence_us": residence.summary(), "stages": stages, "wrong": check(whole, contender, contender.name in case.loss)}


def latencies(contender, ports):
    """Histograms summed over ports: [flows that come again, flows that don't]."""
    return [[sum(column) for column in zip(*kind)] for kind in zip(*(contender.pages[n].latencies() for n in ports))]


def latency_between(contender, before, after):
    hz = next(iter(contender.pages.values())).hz
    return [Latency(a, b, hz) for a, b in zip(before, after)]
