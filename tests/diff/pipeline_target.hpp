// SPDX-License-Identifier: Apache-2.0
// The compiled pipeline behind the test interface: a Datapath, an Executor on this thread, and ports that
// keep what is sent to them.
#pragma once

#include <list>
#include <map>
#include <memory>

#include "packet/pool.hpp"
#include "packet/test_eal.hpp"
#include "pipeline/executor.hpp"
#include "pipeline/group.hpp"
#include "pipeline/learn.hpp"
#include "pipeline/meter.hpp"
#include "pipeline/paused.hpp"
#include "tests/diff/target.hpp"

namespace sluice::tests {

/// A port that collects frames.
class CapturePort final : public Port {
  public:
    explicit CapturePort(std::string name) : Port(make_config(std::move(name))) {}
    unsigned rx_burst(QueueId, Packet**, unsigned) noexcept override { return 0; }
    unsigned tx_burst(QueueId, Packet** packets, unsigned count) noexcept override {
        for (unsigned i = 0; i < count; ++i) {
            frames.push_back({packet_to_bytes(packets[i]), output_queue(packets[i])});
            packet_free(packets[i]);
        }
        return count;
    }
    unsigned rx_queue_count() const override { return 0; }
    unsigned tx_queue_count() const override { return 1; }
    PortState state() override { return {}; }
    PortCounters counters() const override { return {}; }
    Result<void> reconfigure(const PortConfig&) override { return {}; }
    Result<void> set_admin_up(bool) override { return {}; }

    struct Sent {
        wire::Frame bytes;
        std::uint32_t queue;
    };
    std::vector<Sent> frames;

  private:
    static PortConfig make_config(std::string name) {
        PortConfig config;
        config.name = std::move(name);
        config.type = "capture";
        return config;
    }
};

class PipelineTarget final : public ScenarioTarget {
  public:
    /// cache_entries: of the flow cache, 0: none.
    explicit PipelineTarget(unsigned cache_entries = 0) : cache_entries_(cache_entries) { ensure_test_eal(); }
    ~PipelineTarget() override { clear(); }

    std::string name() const override { return "pipeline"; }
    Result<void> configure(const std::vector<TargetBridge>& bridges) override;
    Verdict run(const std::string& bridge, OfPort in_port, wire::Bytes frame) override;
    Verdict packet_out(const std::string& bridge, OfPort in_port, wire::Bytes frame,
                       const ActionList& actions) override;
    std::uint64_t hits(const std::string& bridge, std::size_t index) override;
    void set_group(const std::string& bridge, std::uint32_t id, const reference::Group* group) override;
    void set_time(std::uint64_t now_ms) override { now_ms_ = now_ms; }
    void set_link(const std::string& bridge, OfPort port, bool up) override;
    std::vector<Counts> group_counts(const std::string& bridge, std::uint32_t id) override;
    std::vector<Counts> meter_counts(const std::string& bridge, std::uint32_t id) override;
    std::vector<Counts> mirror_counts(const std::string& bridge) override;
    std::map<reference::FdbKey, OfPort> fdb(const std::string& bridge) override;

    Verdict run_burst(const std::string& bridge, OfPort in_port,
                      const std::vector<wire::Frame>& frames) override;
    Result<void> change(const std::string& bridge, const std::vector<RuleChange>& changes) override;
    /// Continues what controller(pause) stopped, in the order it did; collected by the next run or here.
    Verdict resume_all();
    std::size_t paused_count() const { return paused_.size(); }
    /// The number a flow of configure() has; changes while frames run are made through these.
    pipeline::Program& program(const std::string& bridge) { return *find(bridge).program; }
    pipeline::Datapath& datapath() { return *datapath_; }
    /// Flows of the bridge as rules of its program, in the order of the settings; replace one, and publish().
    std::vector<pipeline::Rule*>& rules(const std::string& bridge) { return find(bridge).rules; }
    pipeline::Executor& executor() { return *executor_; }

  private:
    /// Makes the flows that packets learn, as the bridge of the daemon does.
    struct BridgeState final : pipeline::FlowEventSink {
        void learn(const pipeline::LearnedFlow& flow) override;
        void fin_timeout(pipeline::Rule&, std::uint16_t, std::uint16_t) override {}
        std::vector<pipeline::Rule*>::iterator find(std::uint8_t table, std::uint16_t priority,
                                                    const SparseMatch& match);
        void replace(pipeline::Rule*& old, std::uint64_t cookie,
                     std::unique_ptr<pipeline::ActionProgram> actions);

        pipeline::Datapath* datapath = nullptr;
        std::string name;
        TunTable tun;
        std::unique_ptr<pipeline::Program> program;
        std::unique_ptr<pipeline::Fdb> fdb;
        std::vector<pipeline::Rule*> rules;
        std::map<std::uint32_t, pipeline::GroupEntry*> groups;
        std::map<std::uint32_t, pipeline::MeterEntry*> meters;
        std::map<OfPort, PortIndex> ports;
    };
    void clear();
    void add_mirrors(const reference::Bridge& from, const BridgeState& bridge, pipeline::BridgeEntry& entry,
                     std::vector<pipeline::PortEntry>& ports);
    BridgeState& find(const std::string& name);
    Result<void> add_rules(BridgeState& bridge, const std::vector<FlowSpec>& flows);
    Verdict collect();
    void reclaim();

    const unsigned cache_entries_;
    std::unique_ptr<pipeline::Datapath> datapath_;
    pipeline::Executor* executor_ = nullptr;
    std::list<BridgeState> bridges_;
    std::vector<pipeline::PortEntry> port_entries_;      ///< of the topology
    std::vector<pipeline::BridgeEntry> bridge_entries_;  ///< of the topology
    std::uint64_t now_ms_ = kFirstTime;
    std::list<CapturePort> ports_;
    std::vector<std::pair<pipeline::PausedPacket, wire::Frame>> paused_;
    std::map<CapturePort*, std::pair<std::string, OfPort>> port_names_;
};

}  // namespace sluice::tests
