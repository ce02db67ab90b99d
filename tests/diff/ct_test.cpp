// SPDX-License-Identifier: Apache-2.0
// Random programs of ct actions and conversations through them: the compiled pipeline, with flow caches of
// every size, and the reference interpreter agree on every frame that comes out.
#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <gtest/gtest.h>

#include "base/byte_order.hpp"
#include "flow/action_text.hpp"
#include "flow/random.hpp"
#include "tests/diff/pipeline_target.hpp"
#include "tests/diff/reference_target.hpp"
#include "wire/builder.hpp"
#include "wire/checksum.hpp"

namespace sluice::tests {
namespace {

template <std::size_t N>
const char* pick(Random& random, const char* const (&list)[N]) {
    return list[random.below(N)];
}

/// One ct action; table: to go on in, 0: none.
std::string random_ct(Random& random, unsigned table, bool v6) {
    std::string out = "ct(";
    const bool commit = random.one_in(2);
    if (commit) out += random.one_in(8) ? "commit,force," : "commit,";
    out += random.one_in(4) ? std::string("zone=NXM_NX_REG0[0..15],")
                            : fmt::format("zone={},", 1 + random.below(2));
    if (table != 0) out += fmt::format("table={},", table);
    if (random.one_in(3)) {
        // Translation without a choice: which port is free is told by what was there before.
        static const char* const k4[] = {"nat", "nat(src=10.0.9.9)", "nat(src=10.0.9.1:5000)",
                                         "nat(dst=10.0.2.1)", "nat(dst=10.0.2.2:8080)"};
        static const char* const k6[] = {"nat", "nat(src=fd00::99)", "nat(dst=fd00::2:1)"};
        out += std::string(!commit ? "nat" : v6 ? pick(random, k6) : pick(random, k4)) + ",";
    }
    if (commit && random.one_in(3)) {
        static const char* const kWrites[] = {
            "set_field:0x5->ct_mark", "set_field:0x30/0xf0->ct_mark", "set_field:0x7/0xf->ct_label",
            "set_field:0x10000000000000001->ct_label", "move:NXM_NX_REG1[0..7]->NXM_NX_CT_MARK[8..15]"};
        out += fmt::format("exec({}),", pick(random, kWrites));
    }
    out.back() = ')';
    return out;
}

std::string random_match(Random& random, bool v6, bool tracked) {
    std::string out = v6 ? "ipv6" : "ip";
    if (random.one_in(3)) {
        static const char* const k4[] = {"tcp", "udp", "icmp"};
        static const char* const k6[] = {"tcp6", "udp6", "icmp6"};
        out = v6 ? pick(random, k6) : pick(random, k4);
        if (random.one_in(2) && out[0] != 'i')
            out += fmt::format(",tp_{}=80", random.one_in(2) ? "dst" : "src");
        if (out[0] == 't' && random.one_in(5)) out += ",tcp_flags=+syn";
    }
    if (random.one_in(3)) out += fmt::format(",in_port={}", 1 + random.below(2));
    if (!v6 && random.one_in(6)) out += ",nw_src=10.0.0.0/16";
    if (!tracked) return out;
    static const char* const kStates[] = {"+trk+new", "+trk+est", "+trk-new", "+trk+inv", "+trk+rpl",
                                          "+trk+rel", "-trk",     "+snat",    "+dnat",    "+trk+est-rpl"};
    if (!random.one_in(3)) out += fmt::format(",ct_state={}", pick(random, kStates));
    if (random.one_in(5)) out += random.one_in(2) ? ",ct_mark=0x5" : ",ct_mark=0x30/0xf0";
    if (random.one_in(8)) out += ",ct_label=0x7/0xf";
    if (random.one_in(8)) out += ",ct_zone=1";
    if (!v6 && random.one_in(10) && out.find("+est") != std::string::npos) out += ",ct_nw_src=10.0.1.0/24";
    return out;
}

std::string random_actions(Random& random, unsigned table, bool v6) {
    std::string out;
    const auto add = [&](const std::string& action) { out += (out.empty() ? "" : ",") + action; };
    if (random.one_in(4)) add(fmt::format("load:{}->NXM_NX_REG0[0..15]", 1 + random.below(2)));
    if (random.one_in(4)) add(fmt::format("load:{}->NXM_NX_REG1[]", random.below(3)));
    const unsigned next = table + 1;
    if (table < 3 && (table == 0 || random.one_in(2))) {
        if (random.one_in(4)) add(random_ct(random, 0, v6));
        if (random.one_in(8)) add("output:4");
        if (random.one_in(10)) add("ct_clear");
        if (random.one_in(8)) add("mod_dl_dst:02:00:00:00:00:77");
        if (random.one_in(5)) {
            add(fmt::format("resubmit(,{})", next));
        } else if (random.one_in(6)) {
            add(fmt::format("group:{}", next));
        } else if (random.one_in(8)) {
            add(fmt::format("write_actions({})", random_ct(random, next, v6)));
            return out;
        } else {
            add(random_ct(random, next, v6));
        }
        if (random.one_in(5)) add("output:4");
        return out;
    }
    if (random.one_in(3)) add(random_ct(random, 0, v6));
    if (random.one_in(4)) add("move:NXM_NX_CT_STATE[0..7]->NXM_OF_ETH_SRC[0..7]");
    if (random.one_in(5)) add("move:NXM_NX_CT_MARK[]->NXM_OF_ETH_DST[16..47]");
    if (random.one_in(6)) add("dec_ttl");
    if (random.one_in(6)) add("mod_dl_src:02:00:00:00:00:66");
    if (random.one_in(12)) {
        add("drop");
        return "drop";
    }
    add(random.one_in(2) ? "output:3" : "output:4");
    return out;
}

std::vector<FlowSpec> random_program(Random& random, bool v6) {
    std::vector<std::string> lines;
    for (unsigned table = 0; table < 4; ++table) {
        unsigned priority = 10;
        for (std::uint32_t n = 1 + random.below(4); n > 0; --n)
            lines.push_back(fmt::format("table={},priority={},{},actions={}", table, priority++,
                                        random_match(random, v6, table != 0),
                                        random_actions(random, table, v6)));
        lines.push_back(fmt::format("table={},priority=1,{},actions={}", table, v6 ? "ipv6" : "ip",
                                    table == 0 ? random_ct(random, 1, v6) : std::string("output:3")));
    }
    std::vector<FlowSpec> flows;
    for (const std::string& line : lines) {
        auto flow = parse_flow_spec(line);
        EXPECT_TRUE(flow) << line << ": " << flow.error().message;
        if (flow) flows.push_back(std::move(*flow));
    }
    return flows;
}

/// Groups 1 to 3 lead to the table of their number, by way of the tracker.
std::map<std::uint32_t, reference::Group> random_ct_groups(Random& random, bool v6) {
    std::map<std::uint32_t, reference::Group> groups;
    for (std::uint32_t table = 1; table <= 3; ++table) {
        reference::Group& group = groups[table];
        group.type = random.one_in(2) ? GroupType::kSelect : GroupType::kAll;
        for (std::uint32_t n = 1 + random.below(2); n > 0; --n) {
            std::string text = random.one_in(3) ? "load:1->NXM_NX_REG0[0..15]," : "";
            text += random_ct(random, table, v6);
            if (random.one_in(8))
                text += random.one_in(2) ? ",ct_clear" : fmt::format(",resubmit(,{})", table);
            auto actions = parse_actions(text);
            EXPECT_TRUE(actions) << text << ": " << actions.error().message;
            Bucket& bucket = group.buckets.emplace_back();
            bucket.id = n;
            if (group.type == GroupType::kSelect) bucket.weight = 1;
            if (actions) bucket.actions = std::move(*actions);
        }
    }
    return groups;
}

/// Some hosts that talk: requests, answers to what came out, errors, damage.
class Talk {
  public:
    Talk(Random& random, bool v6) : random_(random), v6_(v6) {}

    /// From port 1 (clients) or port 2.
    std::pair<unsigned, wire::Frame> next() {
        if (seen_.empty() || random_.below(100) < 55) return {1, maybe_damaged(request())};
        return {2, maybe_damaged(answer(seen_[random_.below(static_cast<std::uint32_t>(seen_.size()))]))};
    }
    /// A frame that came out of a port.
    void note(const wire::Frame& frame) {
        if (frame.size() < 14U + header() + 8 || load_be16(&frame[12]) != (v6_ ? 0x86dd : 0x0800)) return;
        if (seen_.size() > 12) seen_.erase(seen_.begin());
        seen_.push_back(frame);
    }

  private:
    std::size_t header() const { return v6_ ? 40 : 20; }
    U128 host(unsigned net, unsigned n) const {
        return v6_ ? U128{0xfd00ULL << 48, std::uint64_t{net} << 16 | n}
                   : U128{0, 0x0a000000U | net << 8 | n};
    }
    wire::Frame ip(U128 src, U128 dst, std::uint8_t proto, std::vector<std::uint8_t> l4,
                   int checksum_at) const {
        wire::Frame f(14 + header() + l4.size());
        store_be64(&f[0], 0x0200000000020200ULL);
        store_be32(&f[8], 1);
        store_be16(&f[12], v6_ ? 0x86dd : 0x0800);
        std::uint8_t* h = &f[14];
        if (v6_) {
            h[0] = 0x60;
            store_be16(h + 4, static_cast<std::uint16_t>(l4.size()));
            h[6] = proto, h[7] = 64;
            store_be64(h + 8, src.hi), store_be64(h + 16, src.lo);
            store_be64(h + 24, dst.hi), store_be64(h + 32, dst.lo);
        } else {
            h[0] = 0x45, h[8] = 64, h[9] = proto;
            store_be16(h + 2, static_cast<std::uint16_t>(20 + l4.size()));
            store_be32(h + 12, static_cast<std::uint32_t>(src.lo));
            store_be32(h + 16, static_cast<std::uint32_t>(dst.lo));
            store_be16(h + 10, wire::internet_checksum({h, 20}));
        }
        if (checksum_at >= 0) {
            const auto size = static_cast<std::uint32_t>(l4.size());
            std::uint32_t pseudo = 0;
            if (v6_) pseudo = wire::pseudo_sum<wire::Ipv6Family>(h + 8, h + 24, proto, size);
            if (!v6_ && proto != 1) pseudo = wire::pseudo_sum<wire::Ipv4Family>(h + 12, h + 16, proto, size);
            std::uint16_t sum =
                wire::finish_sum(wire::add_sums(pseudo, wire::sum_bytes({l4.data(), l4.size()})));
            if (sum == 0 && proto == 17) sum = 0xffff;
            store_be16(&l4[static_cast<std::size_t>(checksum_at)], sum);
        }
        std::copy(l4.begin(), l4.end(), h + header());
        return f;
    }
    wire::Frame tcp(U128 src, U128 dst, std::uint32_t ports, std::uint32_t seq, std::uint32_t ack,
                    std::uint8_t flags) {
        const bool scaled = flags == 2 && random_.one_in(2);
        std::vector<std::uint8_t> l4((scaled ? 24U : 20U) + ((flags & 16) ? random_.below(3) * 20 : 0));
        store_be32(&l4[0], ports);
        store_be32(&l4[4], seq);
        store_be32(&l4[8], ack);
        l4[12] = scaled ? 0x60 : 0x50;
        l4[13] = flags;
        static constexpr std::uint16_t kWindows[] = {0, 100, 30000, 65535};
        store_be16(&l4[14], kWindows[random_.below(4)]);
        if (scaled) store_be32(&l4[20], 0x01030307);
        return ip(src, dst, 6, std::move(l4), 16);
    }
    wire::Frame request() {
        const U128 client = host(1, 1 + random_.below(3)), server = host(2, 1 + random_.below(2));
        const std::uint32_t kind = random_.below(10);
        if (kind < 4) {
            std::vector<std::uint8_t> l4(16, 0x61);
            store_be32(&l4[0], (1000 + random_.below(3)) << 16 | (random_.one_in(2) ? 80 : 53));
            store_be32(&l4[4], 16U << 16);
            return ip(client, server, 17, std::move(l4), 6);
        }
        if (kind < 5) return echo(client, server, static_cast<std::uint8_t>(v6_ ? 128 : 8), random_.below(2));
        if (kind < 6) return ip(client, server, 47, std::vector<std::uint8_t>(12), -1);
        const std::uint32_t port = random_.below(2);
        std::uint32_t& seq = sequence_[port];
        static constexpr std::uint8_t kFlags[] = {2, 2, 16, 24, 16, 17, 4, 20, 18, 0};
        const std::uint8_t flags = kFlags[random_.below(10)];
        static constexpr std::int32_t kOff[] = {0, 0, 0, 0, 0, 1, -1, 70000, -70000};
        const std::uint32_t at = seq + static_cast<std::uint32_t>(kOff[random_.below(9)]);
        seq += 1 + random_.below(2) * 20;
        return tcp(client, server, (1500 + port) << 16 | 80, at, (flags & 16) ? reply_[port] : 0, flags);
    }
    wire::Frame echo(U128 src, U128 dst, std::uint8_t type, std::uint32_t id) const {
        std::vector<std::uint8_t> l4(16, 0x78);
        store_be32(&l4[0], std::uint32_t{type} << 24);
        store_be32(&l4[4], id << 16 | 1);
        return ip(src, dst, v6_ ? 58 : 1, std::move(l4), 2);
    }
    wire::Frame answer(const wire::Frame& to) {
        const std::uint8_t* h = &to[14];
        const std::uint8_t* l4 = h + header();
        const U128 src = v6_ ? U128{load_be64(h + 8), load_be64(h + 16)} : U128{0, load_be32(h + 12)};
        const U128 dst = v6_ ? U128{load_be64(h + 24), load_be64(h + 32)} : U128{0, load_be32(h + 16)};
        const std::uint8_t proto = h[v6_ ? 6 : 9];
        const std::uint32_t ports = load_be32(l4), turned = ports << 16 | ports >> 16;
        if (random_.one_in(5)) {
            const std::size_t quoted =
                std::min<std::size_t>(to.size() - 14, header() + 8 + random_.below(24));
            std::vector<std::uint8_t> error(8 + quoted);
            error[0] = static_cast<std::uint8_t>(v6_ ? 1 + random_.below(4) : random_.one_in(2) ? 3 : 11);
            error[1] = 1;
            std::copy(h, h + quoted, error.begin() + 8);
            return ip(random_.one_in(3) ? host(3, 9) : dst, random_.one_in(8) ? host(1, 9) : src,
                      v6_ ? 58 : 1, std::move(error), 2);
        }
        if (proto == 17) {
            std::vector<std::uint8_t> back(16, 0x62);
            store_be32(&back[0], turned);
            store_be32(&back[4], 16U << 16);
            return ip(dst, src, 17, std::move(back), 6);
        }
        if (proto == 6) {
            const std::uint8_t flags = l4[13];
            static constexpr std::uint8_t kToSyn[] = {18, 18, 18, 16, 20, 2},
                                          kElse[] = {16, 24, 17, 4, 16, 16};
            const std::uint8_t back = (flags & 2) ? kToSyn[random_.below(6)] : kElse[random_.below(6)];
            std::uint32_t& seq = reply_[load_be16(l4) & 1];
            const std::uint32_t at = seq;
            seq += (back & 3) ? 1 : 0;
            return tcp(dst, src, turned, at, load_be32(l4 + 4) + ((flags & 3) ? 1 : 0), back);
        }
        if ((proto == 1 && l4[0] == 8) || (proto == 58 && l4[0] == 128))
            return echo(dst, src, static_cast<std::uint8_t>(v6_ ? 129 : 0), load_be16(l4 + 4));
        return ip(dst, src, proto, std::vector<std::uint8_t>(12), -1);
    }
    wire::Frame maybe_damaged(wire::Frame frame) {
        if (random_.one_in(12))
            frame[14 + random_.below(static_cast<std::uint32_t>(frame.size() - 14))] ^=
                static_cast<std::uint8_t>(1U << random_.below(8));
        return frame;
    }

    Random& random_;
    const bool v6_;
    std::uint32_t sequence_[2] = {1000, 0xfffffff0}, reply_[2] = {77777, 5};
    std::vector<wire::Frame> seen_;
};

std::string describe(const Verdict& verdict) {
    std::string text;
    for (const SentFrame& sent : verdict.sent)
        text += fmt::format("    port {}: {}\n", to_int(sent.port), wire::hex_of(sent.bytes));
    if (verdict.drop)
        text += fmt::format("    {}\n", kDropReasonNames[static_cast<std::size_t>(*verdict.drop)]);
    return text;
}

bool agree(Verdict a, Verdict b) {
    std::sort(a.sent.begin(), a.sent.end());
    std::sort(b.sent.begin(), b.sent.end());
    return a.sent == b.sent && a.drop.has_value() == b.drop.has_value();
}

class CtDifferential : public ::testing::TestWithParam<std::pair<unsigned, bool>> {};

TEST_P(CtDifferential, conversations_through_random_programs_come_out_alike) {
    const auto [cache_entries, v6] = GetParam();
    std::uint64_t hits = 0, sent = 0;
    for (unsigned program = 0; program < 150; ++program) {
        Random random{(v6 ? 9'000'000ULL : 8'000'000ULL) + program};
        TargetBridge bridge;
        bridge.settings.name = "br0";
        for (std::uint32_t n = 1; n <= 4; ++n)
            bridge.settings.ports[OfPort{n}].name = fmt::format("p{}", n);
        bridge.settings.groups = random_ct_groups(random, v6);
        bridge.flows = random_program(random, v6);
        PipelineTarget fast{cache_entries};
        ReferenceTarget slow;
        ASSERT_TRUE(fast.configure({bridge}));
        ASSERT_TRUE(slow.configure({bridge}));
        Talk talk(random, v6);
        std::uint64_t now = kFirstTime;
        std::string history;
        for (unsigned step = 0; step < 120; ++step) {
            if (random.one_in(30)) {
                static constexpr std::uint32_t kWaits[] = {1000, 29000, 31000, 46000, 61000};
                now += kWaits[random.below(5)];
                fast.set_time(now);
                slow.set_time(now);
                history += fmt::format("  at {}\n", now - kFirstTime);
            }
            auto [port, frame] = talk.next();
            // The same packet again is what a cache is for.
            for (std::uint32_t times = random.one_in(3) ? 2 : 1; times > 0; --times) {
                history += fmt::format("  port {}: {}\n", port, wire::hex_of(frame));
                const Verdict got = fast.run("br0", OfPort{port}, frame);
                const Verdict wanted = slow.run("br0", OfPort{port}, frame);
                if (!agree(got, wanted)) {
                    std::string flows;
                    for (const FlowSpec& flow : bridge.flows)
                        flows += "  " + format_flow_spec(flow) + "\n";
                    FAIL() << "program " << program << ", cache of " << cache_entries << "\n"
                           << flows << history << "  pipeline:\n"
                           << describe(got) << "  reference:\n"
                           << describe(wanted);
                }
                sent += got.sent.size();
                if (port == 1)
                    for (const SentFrame& out : got.sent)
                        talk.note(out.bytes);
            }
        }
        for (std::size_t i = 0; i < bridge.flows.size(); ++i)
            ASSERT_EQ(fast.hits("br0", i), slow.hits("br0", i))
                << "program " << program << ": " << format_flow_spec(bridge.flows[i]);
        hits += fast.executor().cache_hits();
    }
    EXPECT_GT(sent, 1000U);
    if (cache_entries > 2 && !v6) {
        EXPECT_GT(hits, 1000U);
    }
}

INSTANTIATE_TEST_SUITE_P(caches, CtDifferential,
                         ::testing::Values(std::pair{0U, false}, std::pair{2U, false}, std::pair{64U, false},
                                           std::pair{4096U, false}, std::pair{0U, true},
                                           std::pair{4096U, true}),
                         [](const auto& one) {
                             return fmt::format("{}_entries_ipv{}", one.param.first,
                                                one.param.second ? 6 : 4);
                         });

}  // namespace
}  // namespace sluice::tests
