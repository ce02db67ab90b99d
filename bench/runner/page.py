# SPDX-License-Identifier: Apache-2.0
"""The page that a generator port shares (bench/gen/stats_page.hpp): its counters and its knobs."""
import mmap
import struct
import time

MAGIC = 0x31304E4547434C53
CONTROL = 512
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
    def __init__(self, path, deadline_s=20):
        deadline = time.monotonic() + deadline_s
        while True:
            try:
                with open(path, "r+b") as file:
                    self.map = mmap.mmap(file.fileno(), 0)
                if struct.unpack_from("<Q", self.map, 0)[0] == MAGIC:
                    break
            except (OSError, ValueError):
                pass
            if time.monotonic() > deadline:
                raise RuntimeError("the generator port of %s did not start within %d s" % (path, deadline_s))
            time.sleep(0.02)
        self.header()

    def header(self):
        (_, self.hz, self.rx_queues, self.tx_queues, self.rx_offset, self.rx_stride, self.tx_offset, self.tx_stride,
         self.buckets, self.starts) = struct.unpack_from("<10Q", self.map, 0)

    def set(self, **knobs):
        """Changes knobs; the port takes them over at its next poll."""
        for name, value in knobs.items():
            if name == "new_share":
                value = int(value * (1 << 32))
            struct.pack_into("<Q", self.map, CONTROL + 8 * KNOBS.index(name), int(value))
        generation = struct.unpack_from("<Q", self.map, CONTROL)[0]
        struct.pack_into("<Q", self.map, CONTROL, generation + 1)

    def received(self):
        """What the receive side made, summed over its queues."""
        rows = [struct.unpack_from("<%dQ" % len(RX), self.map, self.rx_offset + i * self.rx_stride) for i in range(self.rx_queues)]
        return {name: sum(row[i] for row in rows) for i, name in enumerate(RX)}

    def sent(self):
        """What the transmit side took, summed over its queues."""
        rows = [struct.unpack_from("<%dQ" % len(TX), self.map, self.tx_offset + i * self.tx_stride) for i in range(16)]
        return {name: sum(row[i] for row in rows) for i, name in enumerate(TX)}

    def latencies(self):
        """Two lists of counts by bucket: flows that come again, flows that don't."""
        total = [[0] * self.buckets, [0] * self.buckets]
        for queue in range(16):
            at = self.tx_offset + queue * self.tx_stride
            if struct.unpack_from("<Q", self.map, at + 16)[0] == 0:
                continue
            for kind in (0, 1):
                counts = struct.unpack_from("<%dQ" % self.buckets, self.map, at + LATENCY + kind * self.buckets * 8)
                total[kind] = [a + b for a, b in zip(total[kind], counts)]
        return total

    def first_wrong(self):
        """The first packet that was not as expected: (what came, what should have come) in hexadecimal, or None."""
        for queue in range(16):
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
