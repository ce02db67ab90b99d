// SPDX-License-Identifier: Apache-2.0
// Real worker threads on ports that make packets, while rules, topology and queues change underneath.
#include <atomic>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "packet/pool.hpp"
#include "packet/test_eal.hpp"
#include "pipeline/executor.hpp"
#include "worker/worker_set.hpp"

namespace sluice::worker {
namespace {

/// Receives the same small frame over and over (when on) and counts what it is asked to send.
class SourcePort final : public Port {
  public:
    explicit SourcePort(std::string name) : Port(make_config(std::move(name))) {}
    unsigned rx_burst(QueueId, Packet** packets, unsigned max) noexcept override {
        if (!on.load(std::memory_order_relaxed)) return 0;
        unsigned count = 0;
        std::uint8_t frame[60] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
        while (count < max && count < 8) {
            Packet* packet = packet_from_bytes(frame);
            if (!packet) break;
            packets[count++] = packet;
        }
        received.fetch_add(count, std::memory_order_relaxed);
        return count;
    }
    unsigned tx_burst(QueueId, Packet** packets, unsigned count) noexcept override {
        packet_free_burst(packets, count);
        sent.fetch_add(count, std::memory_order_relaxed);
        return count;
    }
    unsigned rx_queue_count() const override { return 1; }
    unsigned tx_queue_count() const override { return 1; }
    PortState state() override { return {}; }
    PortCounters counters() const override { return {}; }
    Result<void> reconfigure(const PortConfig&) override { return {}; }
    Result<void> set_admin_up(bool) override { return {}; }

    std::atomic<bool> on{false};
    std::atomic<std::uint64_t> received{0}, sent{0};

  private:
    static PortConfig make_config(std::string name) {
        PortConfig config;
        config.name = std::move(name);
        return config;
    }
};

template <typename F>
bool wait_until(F&& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::yield();
    }
    return true;
}

class Workers : public testing::Test {
  protected:
    void SetUp() override {
        ensure_test_eal();
        program_ = std::make_unique<pipeline::Program>(datapath_);
        fdb_ = std::make_unique<pipeline::Fdb>(datapath_.rcu());
        for (std::uint32_t i = 0; i < 3; ++i) {
            pipeline::PortEntry entry;
            entry.index = datapath_.allocate_index();
            entry.ofport = OfPort{i + 1};
            entry.bridge = program_->index();
            entry.port = &ports_[i];
            entries_.push_back(entry);
        }
        publish_topology(3);
    }
    void TearDown() override {
        for (auto& port : ports_)
            port.on = false;
        if (rule_) program_->remove(rule_);
        datapath_.publish();
        drain();
    }
    void publish_topology(std::size_t ports) {
        pipeline::BridgeEntry bridge;
        bridge.index = program_->index();
        bridge.program = program_.get();
        bridge.fdb = fdb_.get();
        datapath_.set_topology({entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(ports)},
                               {bridge});
    }
    pipeline::Rule* add_rule(OfPort out) {
        auto actions = pipeline::compile({Action{OutputAction{out}}});
        return program_->add(0, 1, {}, 0, std::move(*actions));
    }
    void drain() {
        datapath_.drain(~std::size_t{0}, [](pipeline::PuntRecord& record) { packet_free(record.packet); });
        datapath_.rcu().reclaim();
    }
    std::vector<RxAssignment> queues(std::size_t count) {
        std::vector<RxAssignment> list;
        for (std::size_t i = 0; i < count; ++i)
            list.push_back({&ports_[i], entries_[i].index, QueueId{0}, std::nullopt});
        return list;
    }

    pipeline::Datapath datapath_;
    std::unique_ptr<pipeline::Program> program_;
    std::unique_ptr<pipeline::Fdb> fdb_;
    SourcePort ports_[3] = {SourcePort{"a"}, SourcePort{"b"}, SourcePort{"c"}};
    std::vector<pipeline::PortEntry> entries_;
    pipeline::Rule* rule_ = nullptr;
};

TEST_F(Workers, every_received_packet_is_accounted_for_while_rules_ports_and_queues_change) {
    WorkerSet workers(datapath_);
    ASSERT_TRUE(workers.configure({.cores = {0, 1}}));
    ASSERT_EQ(workers.count(), 2U);
    rule_ = add_rule(OfPort{2});
    datapath_.publish();
    workers.assign(queues(3));
    for (auto& port : ports_)
        port.on = true;
    for (std::uint32_t round = 0; round < 200; ++round) {
        pipeline::Rule* next = add_rule(OfPort{round % 3 + 1});
        program_->remove(rule_);
        rule_ = next;
        datapath_.publish();
        if (round % 5 == 0) publish_topology(round % 10 == 0 ? 3 : 2);
        if (round % 7 == 0) workers.assign(queues(round % 2 + 2), true);
        if (round == 100) {
            ASSERT_TRUE(workers.configure({.cores = {1}}));
        }
        drain();
        std::this_thread::yield();
    }
    ASSERT_TRUE(wait_until([&] { return ports_[0].received.load() > 1000; }));
    for (auto& port : ports_)
        port.on = false;
    const auto point = workers.assign({});
    ASSERT_TRUE(wait_until([&] { return datapath_.rcu().passed(point); }));
    drain();
    const auto totals = datapath_.totals();
    std::uint64_t received = 0, sent = 0;
    for (auto& port : ports_)
        received += port.received.load(), sent += port.sent.load();
    EXPECT_EQ(totals.received, received);
    EXPECT_EQ(totals.sent, sent);
    EXPECT_EQ(totals.received + totals.copied + totals.injected,
              totals.sent + totals.punted + totals.dropped);
}

TEST_F(Workers, a_rule_published_before_a_passed_point_is_obeyed_by_every_later_packet) {
    WorkerSet workers(datapath_);
    ASSERT_TRUE(workers.configure({.cores = {1}}));
    rule_ = add_rule(OfPort{2});
    datapath_.publish();
    workers.assign(queues(1));
    ports_[0].on = true;
    for (std::uint32_t round = 0; round < 50; ++round) {
        SourcePort& wanted = ports_[1 + round % 2];
        SourcePort& other = ports_[2 - round % 2];
        pipeline::Rule* next = add_rule(OfPort{2 + round % 2});
        program_->remove(rule_);
        rule_ = next;
        const auto point = datapath_.publish();
        ASSERT_TRUE(wait_until([&] { return datapath_.rcu().passed(point); }));
        const auto stray = other.sent.load();
        const auto before = wanted.sent.load();
        ASSERT_TRUE(wait_until([&] { return wanted.sent.load() > before + 16; }));
        EXPECT_EQ(other.sent.load(), stray) << "round " << round;
        drain();
    }
    ports_[0].on = false;
    workers.assign({});
}

TEST_F(Workers, an_idle_worker_sleeps) {
    WorkerSet workers(datapath_);
    ASSERT_TRUE(workers.configure({.cores = {1}}));
    workers.assign(queues(2));
    ASSERT_TRUE(wait_until([&] { return workers.report().front().sleeps > 20; }));
}

}  // namespace
}  // namespace sluice::worker
