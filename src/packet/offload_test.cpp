// SPDX-License-Identifier: Apache-2.0
// Software offloads against a checksum written the plain way, and virtio headers that lie.
#include "packet/offload.hpp"

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "packet/pool.hpp"
#include "packet/test_eal.hpp"

namespace sluice {
namespace {

using Frame = std::vector<std::uint8_t>;

void put16(Frame& f, std::size_t at, unsigned v) {
    f[at] = static_cast<std::uint8_t>(v >> 8);
    f[at + 1] = static_cast<std::uint8_t>(v);
}
unsigned get16(const Frame& f, std::size_t at) {
    return static_cast<unsigned>(f[at]) << 8 | f[at + 1];
}
std::uint32_t get32(const Frame& f, std::size_t at) {
    return static_cast<std::uint32_t>(get16(f, at)) << 16 | get16(f, at + 2);
}

/// RFC 1071 as its text says: 16-bit words, carries added back.
std::uint32_t plain_sum(const Frame& f, std::size_t at, std::size_t size, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < size; ++i) {
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(f[at + i]) << 8 : f[at + i];
        if (sum > 0xffff) sum = (sum & 0xffff) + 1;
    }
    return sum;
}

struct Shape {
    bool ipv6 = false;
    bool tcp = true;
    unsigned tags = 0;
    unsigned extension_bytes = 0;  ///< IPv4 options or an IPv6 destination options header; multiple of 8
    unsigned tcp_options = 12;
    unsigned payload = 1000;
    unsigned l2() const { return 14 + 4 * tags; }
    unsigned l3() const { return (ipv6 ? 40 : 20) + extension_bytes; }
    unsigned l4() const { return tcp ? 20 + tcp_options : 8; }
    unsigned headers() const { return l2() + l3() + l4(); }
};

std::uint32_t pseudo_sum(const Shape& shape, const Frame& f, std::size_t l4_bytes) {
    const std::size_t ip = shape.l2();
    std::uint32_t sum = shape.ipv6 ? plain_sum(f, ip + 8, 32) : plain_sum(f, ip + 12, 8);
    sum += (shape.tcp ? 6U : 17U) + static_cast<std::uint32_t>(l4_bytes);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/// A frame with random payload and its checksum left open.
Frame make_frame(const Shape& shape, std::uint8_t flags = 0x10) {
    static std::mt19937 random{42};
    Frame f(shape.headers() + shape.payload);
    for (auto& byte : f)
        byte = static_cast<std::uint8_t>(random());
    for (unsigned i = 0; i < shape.tags; ++i) {
        put16(f, 12 + 4 * i, i + 1 < shape.tags ? 0x88a8 : 0x8100);
        put16(f, 14 + 4 * i, 100 + i);
    }
    const std::size_t ip = shape.l2();
    put16(f, ip - 2, shape.ipv6 ? 0x86dd : 0x0800);
    const unsigned l4_bytes = shape.l4() + shape.payload;
    const std::uint8_t proto = shape.tcp ? 6 : 17;
    if (shape.ipv6) {
        f[ip] = 0x60;
        put16(f, ip + 4, shape.extension_bytes + l4_bytes);
        f[ip + 6] = shape.extension_bytes > 0 ? 60 : proto;
        if (shape.extension_bytes > 0) {
            f[ip + 40] = proto;
            f[ip + 41] = static_cast<std::uint8_t>(shape.extension_bytes / 8 - 1);
        }
    } else {
        f[ip] = static_cast<std::uint8_t>(0x40 | shape.l3() / 4);
        put16(f, ip + 2, shape.l3() + l4_bytes);
        put16(f, ip + 6, 0x4000);
        f[ip + 9] = proto;
        put16(f, ip + 10, 0);
        put16(f, ip + 10, ~plain_sum(f, ip, shape.l3()) & 0xffff);
    }
    const std::size_t l4 = ip + shape.l3();
    if (shape.tcp) {
        f[l4 + 12] = static_cast<std::uint8_t>(shape.l4() / 4 << 4);
        f[l4 + 13] = flags;
    } else {
        put16(f, l4 + 4, l4_bytes);
    }
    put16(f, l4 + (shape.tcp ? 16 : 6), pseudo_sum(shape, f, l4_bytes));
    return f;
}

/// Transport checksum of a finished frame, recomputed: true when right.
bool checksums_right(const Shape& shape, const Frame& f) {
    const std::size_t l4 = shape.l2() + shape.l3();
    const bool l4_right = plain_sum(f, l4, f.size() - l4, pseudo_sum(shape, f, f.size() - l4)) == 0xffff;
    return l4_right && (shape.ipv6 || plain_sum(f, shape.l2(), shape.l3()) == 0xffff);
}

VirtioHeader virtio_for(const Shape& shape, std::uint16_t gso_size = 0) {
    VirtioHeader h;
    h.flags = kVirtioNeedsCsum;
    h.csum_start = static_cast<std::uint16_t>(shape.l2() + shape.l3());
    h.csum_offset = shape.tcp ? 16 : 6;
    if (gso_size == 0) return h;
    h.gso_size = gso_size;
    h.hdr_len = static_cast<std::uint16_t>(shape.headers());
    h.gso_type = !shape.tcp ? kVirtioGsoUdpL4 : shape.ipv6 ? kVirtioGsoTcp6 : kVirtioGsoTcp4;
    return h;
}

std::vector<Shape> all_shapes(unsigned payload) {
    std::vector<Shape> shapes;
    for (bool ipv6 : {false, true})
        for (bool tcp : {false, true})
            for (unsigned tags : {0U, 1U, 2U})
                for (unsigned extension : {0U, 8U})
                    shapes.push_back({ipv6, tcp, tags, extension, 12, payload});
    return shapes;
}

class Offload : public testing::Test {
  protected:
    void SetUp() override {
        ensure_test_eal();
        before_ = in_use();
    }
    void TearDown() override { EXPECT_EQ(in_use(), before_) << "packets leaked"; }
    static unsigned in_use() {
        unsigned sum = 0;
        for (const auto& pool : pool_usage())
            sum += pool.in_use;
        return sum;
    }
    unsigned before_ = 0;
};

TEST_F(Offload, ChecksumIsFinishedForEveryShapeAndLength) {
    for (unsigned payload : {0U, 1U, 2U, 63U, 1001U, 2047U, 9000U})
        for (const Shape& shape : all_shapes(payload)) {
            Packet* p = packet_from_bytes(make_frame(shape));
            ASSERT_TRUE(marks_from_virtio(p, virtio_for(shape)));
            EXPECT_TRUE(needs_checksum(p));
            ASSERT_TRUE(finish_checksum(p));
            EXPECT_FALSE(needs_checksum(p));
            EXPECT_TRUE(checksums_right(shape, packet_to_bytes(p)));
            packet_free(p);
        }
}

TEST_F(Offload, UdpChecksumOfZeroBecomesAllOnes) {
    Shape shape{false, false, 0, 0, 0, 2};
    Frame f = make_frame(shape);
    const std::size_t l4 = 34;
    put16(f, l4 + 8, 0);
    const std::uint32_t sum = plain_sum(f, l4, 10);
    put16(f, l4 + 8, 0xffff - sum);  // now everything sums to 0xffff
    Packet* p = packet_from_bytes(f);
    ASSERT_TRUE(marks_from_virtio(p, virtio_for(shape)));
    ASSERT_TRUE(finish_checksum(p));
    EXPECT_EQ(get16(packet_to_bytes(p), l4 + 6), 0xffffU);
    packet_free(p);
}

TEST_F(Offload, SegmentsCarryAllBytesOnceWithRightHeaders) {
    for (unsigned payload : {1U, 1400U, 1401U, 14000U, 65000U})
        for (const Shape& shape : all_shapes(payload - std::min(payload - 1, 200U))) {
            const std::uint8_t flags = 0x80 | 0x10 | 0x08 | 0x01;
            const Frame whole = make_frame(shape, flags);
            Packet* p = packet_from_bytes(whole);
            ASSERT_TRUE(marks_from_virtio(p, virtio_for(shape, 1400)));
            Packet* out[kMaxSegments];
            const unsigned expected = std::max(1U, (shape.payload + 1399) / 1400);
            EXPECT_EQ(segment_count(p, 9000), expected);
            const unsigned n = segment(p, 9000, out, kMaxSegments);
            ASSERT_EQ(n, expected);
            Frame rebuilt(whole.begin(), whole.begin() + shape.headers());
            const std::size_t l4 = shape.l2() + shape.l3();
            for (unsigned i = 0; i < n; ++i) {
                const Frame f = packet_to_bytes(out[i]);
                EXPECT_TRUE(checksums_right(shape, f)) << "piece " << i;
                EXPECT_EQ(out[i]->ol_flags & (RTE_MBUF_F_TX_L4_MASK | kSegmentationFlags), 0U);
                EXPECT_TRUE(std::equal(f.begin(), f.begin() + shape.l2(), whole.begin()));
                if (shape.ipv6) {
                    EXPECT_EQ(get16(f, shape.l2() + 4), f.size() - shape.l2() - 40);
                } else {
                    EXPECT_EQ(get16(f, shape.l2() + 2), f.size() - shape.l2());
                    EXPECT_EQ(get16(f, shape.l2() + 4), (get16(whole, shape.l2() + 4) + i) & 0xffff);
                }
                if (shape.tcp) {
                    EXPECT_EQ(get32(f, l4 + 4), get32(whole, l4 + 4) + i * 1400);
                    const unsigned want = (i == 0 ? 0x80U : 0U) | 0x10 | (i + 1 == n ? 0x09U : 0U);
                    EXPECT_EQ(f[l4 + 13], want);
                } else {
                    EXPECT_EQ(get16(f, l4 + 4), f.size() - l4);
                }
                rebuilt.insert(rebuilt.end(), f.begin() + shape.headers(), f.end());
                packet_free(out[i]);
            }
            EXPECT_EQ(rebuilt, whole);
        }
}

TEST_F(Offload, SmallerMtuMakesSmallerTcpPiecesAndRefusesUdp) {
    Shape shape;
    shape.payload = 5000;
    Packet* p = packet_from_bytes(make_frame(shape));
    ASSERT_TRUE(marks_from_virtio(p, virtio_for(shape, 1448)));
    Packet* out[64];
    const unsigned n = segment(p, 590, out, 64);
    ASSERT_EQ(n, (5000 + 590 - shape.headers() - 1) / (590 - shape.headers()));
    for (unsigned i = 0; i < n; ++i)
        EXPECT_LE(out[i]->pkt_len, 590U);
    packet_free_burst(out, n);

    shape.tcp = false;
    p = packet_from_bytes(make_frame(shape));
    ASSERT_TRUE(marks_from_virtio(p, virtio_for(shape, 1448)));
    EXPECT_EQ(segment(p, 590, out, 64), 0U);
    packet_free(p);
}

TEST_F(Offload, SegmentationStopsCleanlyWithoutMemoryOrRoom) {
    Shape shape;
    shape.payload = 60000;
    Packet* p = packet_from_bytes(make_frame(shape));
    ASSERT_TRUE(marks_from_virtio(p, virtio_for(shape, 1000)));
    Packet* out[64];
    EXPECT_EQ(segment(p, 1514, out, 59), 0U);  // needs 60
    std::vector<Packet*> all;
    while (Packet* taken = packet_alloc())
        all.push_back(taken);
    for (int i = 0; i < 5; ++i) {
        packet_free(all.back());
        all.pop_back();
    }
    EXPECT_EQ(segment(p, 1514, out, 64), 0U);
    for (auto* taken : all)
        packet_free(taken);
    EXPECT_EQ(segment(p, 1514, out, 64), 60U);
    packet_free_burst(out, 60);
}

TEST_F(Offload, VirtioHeadersSurviveTheRoundTrip) {
    for (const Shape& shape : all_shapes(3000))
        for (std::uint16_t gso : {std::uint16_t{0}, std::uint16_t{1400}}) {
            Packet* p = packet_from_bytes(make_frame(shape, 0x90));
            VirtioHeader in = virtio_for(shape, gso);
            if (gso > 0 && shape.tcp) in.gso_type |= kVirtioGsoEcn;  // flags have CWR
            ASSERT_TRUE(marks_from_virtio(p, in));
            VirtioHeader out;
            marks_to_virtio(p, out);
            EXPECT_EQ(std::memcmp(&in, &out, sizeof in), 0);
            packet_free(p);
        }
}

TEST_F(Offload, ChecksumsThatMarksCannotExpressAreFinishedAtOnce) {
    // VXLAN-like: an inner checksum left open, far behind the outer headers.
    Shape outer{false, false, 0, 0, 0, 400};
    Frame f = make_frame(outer);
    const std::size_t start = 200;
    VirtioHeader h;
    h.flags = kVirtioNeedsCsum;
    h.csum_start = start;
    h.csum_offset = 16;
    Packet* p = packet_from_bytes(f);
    ASSERT_TRUE(marks_from_virtio(p, h));
    EXPECT_FALSE(needs_checksum(p));
    const Frame done = packet_to_bytes(p);
    EXPECT_EQ(get16(done, start + 16), ~plain_sum(f, start, f.size() - start) & 0xffff);
    packet_free(p);
}

TEST_F(Offload, LyingHeadersAreRefused) {
    Shape shape;
    shape.payload = 3000;
    const Frame f = make_frame(shape);
    const auto refused = [&](VirtioHeader h, const Frame& frame) {
        Packet* p = packet_from_bytes(frame);
        const bool taken = marks_from_virtio(p, h);
        if (!taken) {
            EXPECT_EQ(p->ol_flags & (RTE_MBUF_F_TX_L4_MASK | kSegmentationFlags), 0U);
        }
        packet_free(p);
        return !taken;
    };
    const VirtioHeader good = virtio_for(shape, 1400);
    EXPECT_FALSE(refused(good, f));
    VirtioHeader h = good;
    h.flags = 0;
    EXPECT_TRUE(refused(h, f)) << "segmentation without a checksum";
    h = good;
    h.gso_size = 0;
    EXPECT_TRUE(refused(h, f)) << "no segment size";
    h = good;
    h.gso_type = kVirtioGsoTcp6;
    EXPECT_TRUE(refused(h, f)) << "IPv6 said, IPv4 there";
    h = good;
    h.gso_type = kVirtioGsoUdpL4;
    EXPECT_TRUE(refused(h, f)) << "UDP said, TCP there";
    h = good;
    h.gso_type = 77;
    EXPECT_TRUE(refused(h, f)) << "unknown type";
    h = good;
    h.csum_start = static_cast<std::uint16_t>(h.csum_start + 2);
    EXPECT_TRUE(refused(h, f)) << "checksum of a GSO frame elsewhere than at TCP";
    h = {};
    h.flags = kVirtioNeedsCsum;
    h.csum_start = 3000;
    h.csum_offset = 60000;
    EXPECT_TRUE(refused(h, f)) << "checksum beyond the frame";
    Frame bad = f;
    bad[shape.l2() + shape.l3() + 12] = 0x30;
    EXPECT_TRUE(refused(good, bad)) << "TCP header of 12 bytes";
    EXPECT_TRUE(refused(good, Frame(f.begin(), f.begin() + 40))) << "TCP header cut";
}

TEST_F(Offload, RandomHeadersNeverReachOutsideTheFrame) {
    std::mt19937 random{7};
    for (int i = 0; i < 20000; ++i) {
        auto shapes = all_shapes(static_cast<unsigned>(random() % 3000));
        Frame f = make_frame(shapes[random() % shapes.size()]);
        f.resize(random() % (f.size() + 1));
        for (auto k = random() % 4; k > 0 && !f.empty(); --k)
            f[random() % std::min<std::size_t>(f.size(), 80)] = static_cast<std::uint8_t>(random());
        VirtioHeader h;
        h.flags = static_cast<std::uint8_t>(random() % 3);
        constexpr std::uint8_t kTypes[] = {0, 1, 3, 4, 5, 0x81, 9};
        h.gso_type = kTypes[random() % std::size(kTypes)];
        h.gso_size = static_cast<std::uint16_t>(random() % 2 != 0 ? random() : random() % 2000);
        h.csum_start = static_cast<std::uint16_t>(random() % 100);
        h.csum_offset = static_cast<std::uint16_t>(random() % 2 != 0 ? 16 : 6);
        Packet* p = packet_from_bytes(f);
        if (!marks_from_virtio(p, h)) {
            packet_free(p);
            continue;
        }
        Packet* out[kMaxSegments];
        const unsigned n = is_gso(p) ? segment(p, 1514, out, kMaxSegments) : 0;
        if (n > 0) {
            packet_free_burst(out, n);
        } else {
            finish_checksum(p);
            packet_free(p);
        }
    }
}

}  // namespace
}  // namespace sluice
