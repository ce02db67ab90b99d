// SPDX-License-Identifier: Apache-2.0
// Nanoseconds a packet inside the switch alone: bursts from memory through an Executor into ports that take
// everything. `pipeline_bench`; the counter `Mpps` of `generator` is the cost of making the packets, which
// all others contain.
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "base/byte_order.hpp"
#include "flow/flow_text.hpp"
#include "packet/pool.hpp"
#include "packet/test_eal.hpp"
#include "pipeline/executor.hpp"

namespace sluice::pipeline {
namespace {

/// Takes every packet; the bench takes it back.
class SinkPort final : public Port {
  public:
    SinkPort() : Port(PortConfig{}) {}
    unsigned rx_burst(QueueId, Packet**, unsigned) noexcept override { return 0; }
    unsigned tx_burst(QueueId, Packet** packets, unsigned count) noexcept override {
        for (unsigned i = 0; i < count; ++i)
            held[size++] = packets[i];
        return count;
    }
    unsigned rx_queue_count() const override { return 0; }
    unsigned tx_queue_count() const override { return 1; }
    PortState state() override { return {}; }
    PortCounters counters() const override { return {}; }
    Result<void> reconfigure(const PortConfig&) override { return {}; }
    Result<void> set_admin_up(bool) override { return {}; }

    Packet* held[4 * kMaxBurst];
    unsigned size = 0;
};

struct Setup {
    explicit Setup(const std::vector<std::string>& flows) {
        ensure_test_eal();
        program = std::make_unique<Program>(datapath);
        fdb = std::make_unique<Fdb>(datapath.rcu());
        fdb->set_limits(1U << 21, 300);
        std::vector<PortEntry> ports;
        for (unsigned n = 1; n <= 2; ++n) {
            PortEntry entry;
            entry.index = datapath.allocate_index();
            entry.ofport = OfPort{n};
            entry.bridge = program->index();
            entry.port = &sink;
            index[n - 1] = entry.index;
            ports.push_back(entry);
        }
        BridgeEntry bridge;
        bridge.index = program->index();
        bridge.name = "br0";
        bridge.program = program.get();
        bridge.fdb = fdb.get();
        datapath.set_topology(std::move(ports), {bridge});
        for (const auto& text : flows) {
            auto flow = parse_flow_spec(text);
            if (!flow) throw std::runtime_error(text + ": " + flow.error().message);
            auto actions = compile(flow->actions);
            if (!actions) throw std::runtime_error(text + ": " + actions.error().message);
            rules.push_back(program->add(flow->table == 0xff ? std::uint8_t{0} : flow->table, flow->priority,
                                         SparseMatch::from(flow->match), 0, std::move(*actions)));
        }
        datapath.publish();
        executor = datapath.add_executor(0);
        for (unsigned i = 0; i < kMaxBurst; ++i)
            burst[i] = packet_alloc_sized(60);
    }
    ~Setup() {
        datapath.remove_executor(executor);
        for (auto* packet : burst)
            packet_free(packet);
        for (auto* rule : rules)
            program->remove(rule);
        datapath.publish();
        datapath.set_topology({}, {});
        while (datapath.rcu().reclaim() != 0) {
        }
    }

    Datapath datapath;
    SinkPort sink;
    std::unique_ptr<Program> program;
    std::unique_ptr<Fdb> fdb;
    PortIndex index[2];
    std::vector<Rule*> rules;
    Executor* executor = nullptr;
    Packet* burst[kMaxBurst];
};

std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

/// Which addresses a flow number changes.
enum class Vary { kFiveTuple, kMacs, kDestination, kAll };

constexpr std::uint8_t kTemplate[60] = {0x02, 0, 0,  0,  0, 1, 0x02, 0, 0,    0,  0, 2,  0x08, 0,
                                        0x45, 0, 0,  46, 0, 0, 0,    0, 64,   17, 0, 0,  10,   0,
                                        0,    1, 10, 0,  0, 2, 0x10, 0, 0x20, 0,  0, 26, 0,    0};

void write_packet(Packet* packet, std::uint64_t flow, Vary vary) {
    packet->data_off = RTE_PKTMBUF_HEADROOM;
    packet->data_len = 60;
    packet->pkt_len = 60;
    auto* bytes = rte_pktmbuf_mtod(packet, std::uint8_t*);
    std::memcpy(bytes, kTemplate, sizeof kTemplate);
    switch (vary) {
        case Vary::kFiveTuple:
            store_be32(bytes + 26, static_cast<std::uint32_t>(0x0a000000 + (flow >> 8)));
            store_be16(bytes + 34, static_cast<std::uint16_t>(1024 + (flow & 0xff)));
            break;
        case Vary::kMacs:
            store_be32(bytes + 2, static_cast<std::uint32_t>(flow));
            store_be32(bytes + 8, static_cast<std::uint32_t>(mix(flow) % 0xffff ? flow : 1));
            break;
        case Vary::kDestination:
            store_be32(bytes + 30, static_cast<std::uint32_t>(mix(flow)));
            break;
        case Vary::kAll: {
            const std::uint64_t random = mix(flow);
            store_be32(bytes + 26, static_cast<std::uint32_t>(0x0a010000 + (flow & 0xffff)));
            store_be32(bytes + 30, static_cast<std::uint32_t>(0x0a020000 + ((random & 1023) << 8)));
            store_be16(bytes + 34, static_cast<std::uint16_t>(flow >> 16));
            break;
        }
    }
}

void run(benchmark::State& state, const std::vector<std::string>& flows, std::uint64_t flow_count, Vary vary,
         const std::function<void(Setup&)>& prepare = {}) {
    Setup setup(flows);
    if (prepare) prepare(setup);
    std::uint64_t seed = 0x9e3779b97f4a7c15ULL;
    std::uint64_t packets = 0;
    for (auto _ : state) {
        for (auto* packet : setup.burst) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            const auto flow = flow_count == 0 ? packets + seed % 2 : (seed >> 32) * flow_count >> 32;
            write_packet(packet, flow, vary);
        }
        setup.executor->run(setup.index[0], setup.burst, kMaxBurst, 1000 + packets / 1000000);
        setup.executor->flush();
        if (packets % (kMaxBurst * 1024) == 0)
            setup.datapath.drain(1024, [](PuntRecord& record) { packet_free(record.packet); });
        packets += kMaxBurst;
        if (setup.sink.size != kMaxBurst) {
            state.SkipWithError("packets were lost");
            break;
        }
        for (unsigned i = 0; i < kMaxBurst; ++i)
            setup.burst[i] = setup.sink.held[i];
        setup.sink.size = 0;
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(packets));
    state.counters["ns"] = benchmark::Counter(static_cast<double>(packets),
                                              benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void generator(benchmark::State& state) {
    Setup setup({"actions=output:2"});
    std::uint64_t seed = 1;
    std::uint64_t packets = 0;
    for (auto _ : state) {
        for (auto* packet : setup.burst) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            write_packet(packet, seed >> 40, Vary::kFiveTuple);
        }
        setup.sink.tx_burst(QueueId{}, setup.burst, kMaxBurst);
        setup.sink.size = 0;
        packets += kMaxBurst;
    }
    state.SetItemsProcessed(static_cast<std::int64_t>(packets));
    state.counters["ns"] = benchmark::Counter(static_cast<double>(packets),
                                              benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(generator);

void port_to_port(benchmark::State& state) {
    run(state, {"in_port=1,actions=output:2"}, 1, Vary::kFiveTuple);
}
BENCHMARK(port_to_port);

void normal(benchmark::State& state) {
    const auto macs = static_cast<std::uint64_t>(state.range(0));
    run(state, {"actions=NORMAL"}, macs, Vary::kMacs, [&](Setup& setup) {
        for (std::uint64_t flow = 0; flow < macs; ++flow) {
            setup.fdb->learn(0x020000000000ULL | flow, 0, OfPort{2}, 1);
            setup.fdb->learn(0x020000000000ULL | static_cast<std::uint32_t>(mix(flow) % 0xffff ? flow : 1), 0,
                             OfPort{2}, 1);
        }
    });
}
BENCHMARK(normal)->Arg(1)->Arg(16384)->Arg(1000000);

void exact_rules(benchmark::State& state) {
    const auto count = static_cast<std::uint64_t>(state.range(0));
    std::vector<std::string> flows;
    for (std::uint64_t flow = 0; flow < count; ++flow) {
        const auto src = 0x0a000000 + (flow >> 8);
        flows.push_back(
            fmt::format("udp,nw_src={}.{}.{}.{},nw_dst=10.0.0.2,tp_src={},tp_dst=8192,actions=output:2",
                        src >> 24, src >> 16 & 255, src >> 8 & 255, src & 255, 1024 + (flow & 255)));
    }
    run(state, flows, count, Vary::kFiveTuple);
}
BENCHMARK(exact_rules)->Arg(10000)->Arg(100000)->Arg(1000000);

void prefixes(benchmark::State& state) {
    std::vector<std::string> flows{"priority=1,actions=output:2"};
    for (unsigned n = 0; n < 1000; ++n) {
        const auto length = 12 + n % 13;
        const auto net = static_cast<std::uint32_t>(mix(n)) & ~((1U << (32 - length)) - 1);
        flows.push_back(fmt::format(
            "priority={},ip,nw_dst={}.{}.{}.{}/{},actions=mod_dl_dst:02:00:00:00:01:{:02x},"
            "mod_dl_src:02:00:00:00:02:01,dec_ttl,output:2",
            100 + length, net >> 24, net >> 16 & 255, net >> 8 & 255, net & 255, length, n % 200));
    }
    run(state, flows, static_cast<std::uint64_t>(state.range(0)), Vary::kDestination);
}
BENCHMARK(prefixes)->Arg(1000)->Arg(1000000);

void shapes(benchmark::State& state) {
    // Each shape: another length of nw_src and nw_dst; most rules match nothing here, as in an ACL.
    std::vector<std::string> flows{"priority=1,actions=output:2"};
    const auto count = static_cast<unsigned>(state.range(0));
    for (unsigned n = 0; n < count; ++n) {
        for (unsigned rule = 0; rule < 32; ++rule) {
            const unsigned a = 8 + n % 24, b = 9 + n / 24 * 3;
            const auto src = static_cast<std::uint32_t>(0x0a000000 + (rule << 12)) & ~((1U << (32 - a)) - 1);
            const auto dst = static_cast<std::uint32_t>(0x0a000002 + (rule << 9)) & ~((1U << (32 - b)) - 1);
            flows.push_back(
                fmt::format("priority={},udp,nw_src={}.{}.{}.{}/{},nw_dst={}.{}.{}.{}/{},actions=output:2",
                            100 + n, src >> 24, src >> 16 & 255, src >> 8 & 255, src & 255, a, dst >> 24,
                            dst >> 16 & 255, dst >> 8 & 255, dst & 255, b));
        }
    }
    run(state, flows, 16384, Vary::kFiveTuple);
}
BENCHMARK(shapes)->Arg(16)->Arg(50);

/// Twelve tables as a network function chain has them: some trivial, one exact, prefixes, port ranges.
std::vector<std::string> twelve_tables() {
    std::vector<std::string> flows;
    flows.push_back("table=0,in_port=1,actions=load:1->NXM_NX_REG0[],resubmit(,1)");
    flows.push_back("table=1,ip,actions=load:7->OXM_OF_METADATA[],resubmit(,2)");
    flows.push_back("table=2,metadata=7,actions=resubmit(,3)");
    flows.push_back("table=3,priority=10,udp,tp_dst=8192,actions=load:2->NXM_NX_REG1[],resubmit(,4)");
    flows.push_back("table=3,priority=1,actions=resubmit(,4)");
    for (unsigned n = 0; n < 64; ++n)
        flows.push_back(fmt::format(
            "table=4,priority=5,ip,nw_src=10.{}.0.0/16,actions=load:{}->NXM_NX_REG2[],resubmit(,5)", n, n));
    flows.push_back("table=4,priority=1,actions=resubmit(,5)");
    flows.push_back("table=5,reg0=1,actions=resubmit(,6)");
    for (unsigned n = 0; n < 16; ++n)
        flows.push_back(fmt::format(
            "table=6,priority=9,udp,tp_src={},actions=load:{}->NXM_NX_REG3[],resubmit(,7)", 1024 + n, n));
    flows.push_back("table=6,priority=1,actions=resubmit(,7)");
    flows.push_back("table=7,reg0=1,metadata=7,actions=load:9->NXM_NX_REG4[],resubmit(,8)");
    flows.push_back("table=8,dl_dst=02:00:00:00:00:01,actions=resubmit(,9)");
    flows.push_back("table=9,actions=resubmit(,10)");
    flows.push_back("table=10,ip,nw_dst=10.0.0.0/24,actions=load:2->NXM_NX_REG15[],resubmit(,11)");
    flows.push_back("table=11,reg15=2,actions=mod_dl_src:02:00:00:00:00:09,dec_ttl,output:2");
    return flows;
}

void twelve(benchmark::State& state) {
    run(state, twelve_tables(), static_cast<std::uint64_t>(state.range(0)), Vary::kFiveTuple);
}
BENCHMARK(twelve)->Arg(1)->Arg(1000)->Arg(100000)->Arg(1000000)->Arg(0);

/// Twelve tables, one of which reads the whole 5-tuple; every packet is a new flow (bench/scenarios).
void fresh(benchmark::State& state) {
    std::vector<std::string> flows{
        "table=0,priority=10,in_port=1,actions=set_field:1->metadata,set_field:1->reg14,goto_table:1",
        "table=1,priority=10,metadata=1,reg14=1,dl_src=02:00:00:00:00:00/"
        "ff:ff:ff:00:00:00,actions=goto_table:2",
        "table=2,priority=1,metadata=1,actions=goto_table:3",
        "table=3,priority=1,metadata=1,actions=goto_table:4",
        "table=5,priority=1,metadata=1,actions=goto_table:6",
        "table=7,priority=1,metadata=1,actions=goto_table:8",
        "table=9,priority=1,metadata=1,actions=goto_table:10",
        "table=10,priority=1,metadata=1,actions=set_field:2->reg15,goto_table:11",
        "table=11,priority=10,metadata=1,reg15=2,actions=output:2"};
    for (unsigned i = 0; i < 64; ++i)
        flows.push_back(fmt::format("table=2,priority=20,metadata=1,udp,tp_dst={},actions=drop", 3000 + i));
    for (unsigned i = 0; i < static_cast<unsigned>(state.range(0)); ++i)
        flows.push_back(
            fmt::format("table=3,priority=10,metadata=1,udp,nw_src=10.9.{}.{},nw_dst=10.2.0.1,"
                        "tp_src={},tp_dst=8192,actions=drop",
                        i >> 8 & 255, i & 255, i >> 16));
    for (unsigned i = 0; i < 256; ++i)
        flows.push_back(fmt::format(
            "table=4,priority=10,metadata=1,ip,nw_src=10.1.{}.0/24,actions=set_field:{}->reg1,goto_table:5",
            i, i));
    for (unsigned i = 0; i < 1024; ++i)
        flows.push_back(
            fmt::format("table=6,priority=24,metadata=1,ip,nw_dst=10.{}.{}.0/24,"
                        "actions=set_field:{}->reg0,dec_ttl,goto_table:7",
                        2 + (i >> 8), i & 255, 1 + i % 16));
    for (unsigned i = 0; i < 16; ++i)
        flows.push_back(
            fmt::format("table=8,priority=10,metadata=1,reg0={},actions=set_field:02:00:00:00:0a:"
                        "{:02x}->eth_dst,set_field:02:00:00:00:0b:00->eth_src,goto_table:9",
                        1 + i, i));
    for (unsigned i = 0; i < 32; ++i)
        flows.push_back(fmt::format("table=9,priority=20,metadata=1,ip,nw_dst=10.254.0.{},actions=drop", i));
    run(state, flows, std::uint64_t{1} << 32, Vary::kAll);
}
BENCHMARK(fresh)->Arg(1000)->Arg(100000);

}  // namespace
}  // namespace sluice::pipeline
