# SPDX-License-Identifier: Apache-2.0
"""The page that a generator port shares (bench/gen/stats_page.hpp): its counters and its knobs."""
import mmap
import os
import struct
import time

MAGIC = 0x31304E4547434C53
CONTROL = 512
QUEUES = 16
KNOBS = ("generation", "enable", "rate", "flows", "new_share", "count")
RX = ("packets", "bytes", "missed", "no_buffer", "new_flows", "polls")
TX = ("packets", "bytes", "sampled", "checked", "unsigned", "wrong_port", "wrong_bytes", "reordered", "last_tsc")
WRONG = len(TX) * 8  # offset of wrong_length, wrong_got, wrong_want in a transmit queue
LATENCY = 512  # offset of the histograms: the next multiple of 256 behind those


def bucket_ticks(index):
    """The middle of a bucket in TSC ticks."""
    if index < 64:
        return index
    octave = index // 32 - 1
    return ((index - octave * 32) << octave) + (1 << octave) / 2


class Page:
    """The counters of one port, also when the switch makes the port anew: then what the earlier one counted is added."""

    def __init__(self, path, deadline_s=20):
        self.path = path
        self.carried = None  # (received, sent, latencies) of earlier ports of this place
        self.attach(deadline_s)

    def attach(self, deadline_s):
        deadline = time.monotonic() + deadline_s
        while True:
            try:
                with open(self.path, "r+b") as file:
                    self.inode = os.fstat(file.fileno()).st_ino
                    self.map = mmap.mmap(file.fileno(), 0)
                if struct.unpack_from("<Q", self.map, 0)[0] == MAGIC:
                    break
            except (OSError, ValueError):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("the generator port of %s did not start within %d s" % (self.path, deadline_s))
            time.sleep(0.02)
        (_, self.hz, self.rx_queues, self.tx_queues, self.rx_offset, self.rx_stride, self.tx_offset, self.tx_stride,
         self.buckets, self.starts) = struct.unpack_from("<10Q", self.map, 0)

    def made_anew(self, wait_s=0.0):
        """Whether the switch closed the port and opened it again since the last call; then the knobs are set as before."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                if os.stat(self.path).st_ino != self.inode:
                    break
            except OSError:
                deadline = max(deadline, time.monotonic() + 0.1)  # between the two
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.005)
        knobs = self.map[CONTROL + 8:CONTROL + 8 * len(KNOBS)]
        self.carried = (self.received(), self.sent(), self.latencies())
        self.map.close()
        self.attach(10)
        self.map[CONTROL + 8:CONTROL + 8 * len(KNOBS)] = knobs
        self.set()
        return True

    def set(self, **knobs):
        """Changes knobs; the port takes them over at its next poll."""
        for name, value in knobs.items():
            if name == "new_share":
                value = int(value * (1 << 32))
            struct.pack_into("<Q", self.map, CONTROL + 8 * KNOBS.index(name), int(value))
        generation = struct.unpack_from("<Q", self.map, CONTROL)[0]
        struct.pack_into("<Q", self.map, CONTROL, generation + 1)

    def sums(self, names, offset, stride, which):
        rows = [struct.unpack_from("<%dQ" % len(names), self.map, offset + i * stride) for i in range(QUEUES)]
        carried = self.carried[which] if self.carried else {}
        return {name: sum(row[i] for row in rows) + carried.get(name, 0) for i, name in enumerate(names)}

    def received(self):
        """What the receive side made, summed over its queues."""
        return self.sums(RX, self.rx_offset, self.rx_stride, 0)

    def sent(self):
        """What the transmit side took, summed over its queues."""
        return self.sums(TX, self.tx_offset, self.tx_stride, 1)

    def latencies(self):
        """Two lists of counts by bucket: flows that come again, flows that don't."""
        total = self.carried[2] if self.carried else [[0] * self.buckets, [0] * self.buckets]
        for queue in range(QUEUES):
            at = self.tx_offset + queue * self.tx_stride
            if struct.unpack_from("<Q", self.map, at + 16)[0] == 0:
                continue
            for kind in (0, 1):
                counts = struct.unpack_from("<%dQ" % self.buckets, self.map, at + LATENCY + kind * self.buckets * 8)
                total = [[a + b for a, b in zip(row, counts)] if i == kind else row for i, row in enumerate(total)]
        return total

    def first_wrong(self):
        """The first packet that was not as expected: (what came, what should have come) in hexadecimal, or None."""
        for queue in range(QUEUES):
            at = self.tx_offset + queue * self.tx_stride + WRONG
            length = struct.unpack_from("<Q", self.map, at)[0]
            if length:
                got, want = self.map[at + 8:at + 200], self.map[at + 200:at + 392]
                return got[:min(length, 192)].hex(), want[:min(length, 192)].hex()
        return None


class Latency:
    """Percentiles of what came between two readings of a page's histograms."""

    def __init__(self, before, after, hz):
        self.counts = [b - a for a, b in zip(before, after)]
        self.hz = hz
        self.total = sum(self.counts)

    def percentile_us(self, percent):
        if self.total == 0:
            return None
        rank, seen = self.total * percent / 100, 0
        for index, count in enumerate(self.counts):
            seen += count
            if count and seen >= rank:
                return bucket_ticks(index) / self.hz * 1e6
        return None

    def above_us(self, limit):
        """How many took longer."""
        return sum(count for index, count in enumerate(self.counts) if bucket_ticks(index) / self.hz * 1e6 > limit)

    def summary(self):
        return {"p%g" % p: self.percentile_us(p) for p in (50, 90, 99, 99.9, 99.99, 100)} | {"count": self.total}
