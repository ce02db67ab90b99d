# SPDX-License-Identifier: Apache-2.0
"""What of the machine the measurements need: hugepages, cores, namespaces of their own, processes."""
import os
import platform
import re
import signal
import subprocess
import sys
import time

HUGE = "/proc/sys/vm/nr_hugepages"
LEAST_HUGEPAGES = 400  # 512 MiB for a switch and what DPDK takes beside it
INSIDE = "SLUICE_BENCH_INSIDE"
RUN = "/run/sluice-bench"  # on a tmpfs that only we see; not world-writable, as EAL demands of a plug-in's folder


def run(*command, env=None, timeout=30, check=True):
    done = subprocess.run(command, env=env, timeout=timeout, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(command)[:200], (done.stderr or done.stdout).strip()))
    return done.stdout


def until(seconds, condition, what="it"):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise RuntimeError("%s did not happen within %g s" % (what, seconds))


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        # A leader that is a zombie may have threads that still end, and hold the memory.
        return fields[0] not in "ZX" or int(fields[17]) > 1
    except OSError:
        return False


def end(pid):
    """OVS with a busy worker may take seconds to end; its memory must be back before the next starts."""
    try:
        for sign, limit in ((signal.SIGTERM, 5), (signal.SIGKILL, 10)):
            os.kill(pid, sign)
            deadline = time.monotonic() + limit
            while alive(pid) and time.monotonic() < deadline:
                time.sleep(0.02)
    except OSError:
        pass


def prefer(pid, nice):
    """Gives a process with its threads and its session that nice value: on a machine that also does other work the
    contenders then compete with each other only. The kernel weighs sessions before it weighs threads (autogroups)."""
    for thread in os.listdir("/proc/%d/task" % pid):
        os.setpriority(os.PRIO_PROCESS, int(thread), nice)
    try:
        with open("/proc/%d/autogroup" % pid, "w", encoding="ascii") as file:
            file.write(str(nice))
    except OSError:
        pass  # a kernel without autogroups


def meminfo(name):
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"^%s:\s+(\d+)" % name, file.read(), re.M).group(1))


def thread_times(pid):
    """Of each thread: (seconds on a CPU, seconds ready but waiting for one)."""
    out = {}
    try:
        for tid in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/schedstat" % (pid, tid), encoding="ascii") as file:
                ran, waited = file.read().split()[:2]
                out[tid] = int(ran) / 1e9, int(waited) / 1e9
    except OSError:
        pass
    return out


def resident_mib(pid):
    """Memory of a process in MiB: (ordinary, hugepages)."""
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as file:
        text = file.read()
    get = lambda key: int((re.search(r"^%s:\s+(\d+)" % key, text, re.M) or [0, 0])[1]) / 1024  # noqa: E731
    return get("VmRSS"), get("HugetlbPages")


def facts():
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo", encoding="utf-8").read())
    return {"cpu": model.group(1) if model else platform.machine(), "cpus": os.cpu_count(), "kernel": platform.release(),
            "load": os.getloadavg()[0]}


def reserve_hugepages(count):
    """OVS-DPDK does not start without hugepages. Returns what was reserved before, to restore."""
    with open(HUGE, encoding="ascii") as file:
        before = int(file.read())
    free = meminfo("HugePages_Free")
    if free < count:
        set_hugepages(before + count - free)
        free = meminfo("HugePages_Free")
        if free < LEAST_HUGEPAGES:
            set_hugepages(before)
            sys.exit("bench: could reserve only %d of at least %d hugepages of 2 MiB; free memory, or reboot with hugepages=%d" % (
                free, LEAST_HUGEPAGES, count))
    return before


def set_hugepages(count):
    with open(HUGE, "w", encoding="ascii") as file:
        file.write(str(count))


def enter(hugepages):
    """Runs this program again in namespaces of its own, whose end takes every process, mount and file along."""
    if os.environ.get(INSIDE):
        os.makedirs("/run/netns", exist_ok=True)
        os.makedirs(RUN, mode=0o700, exist_ok=True)
        for kind, place in (("tmpfs", "/run/netns"), ("tmpfs", RUN), ("hugetlbfs", "/dev/hugepages")):
            os.makedirs(place, exist_ok=True)
            run("mount", "-t", kind, "none", place)
        os.chmod(RUN, 0o700)
        run("ip", "link", "set", "lo", "up")
        return
    existed = os.path.exists(RUN)
    before = reserve_hugepages(hugepages)
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
               sys.executable] + sys.argv
    child = None

    def stop(number, _frame):
        if child is not None and child.poll() is None and number != signal.SIGINT:  # Ctrl-C reached the child already
            child.terminate()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        child = subprocess.Popen(command, env=dict(os.environ, **{INSIDE: "1"}))
        while True:
            try:
                code = child.wait()
                break
            except KeyboardInterrupt:
                continue
    finally:
        set_hugepages(before)
        if not existed and os.path.isdir(RUN):
            os.rmdir(RUN)
    sys.exit(code if code >= 0 else 128 - code)
