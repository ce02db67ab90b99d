// SPDX-License-Identifier: Apache-2.0
// Reconciler: keeps the switch equal to the database and the database told of the switch.
//
// database changes -> read_switch_config -> Switch::apply -> (settled) -> ofport, error, ... and cur_cfg in
// one transaction. So whoever waits for cur_cfg (ovs-vsctl does) finds everything in effect on every worker.
// EAL starts with the first contents of the database, since its settings are there. When the database goes
// away the switch goes on as it is; what changed meanwhile comes with the reconnection.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.hpp"
#include "control/ovsdb_session.hpp"
#include "control/reconcile_known.hpp"
#include "control/status.hpp"
#include "control/switch.hpp"

namespace sluice {

class Reconciler {
  public:
    struct Options {
        std::string database;  ///< "unix:/run/openvswitch/db.sock"
        std::string rundir;
        SslConfig ssl;
    };
    struct Handlers {
        /// The switch was started; once, before its first configuration.
        std::function<void(Switch&)> on_started;
        /// The first configuration has taken effect; once.
        std::function<void()> on_configured;
        /// The switch cannot start (EAL, memory). The process should end.
        std::function<void(const Error&)> on_fatal;
    };

    Reconciler(EventLoop& loop, Options options, Handlers handlers);
    ~Reconciler();
    Reconciler(const Reconciler&) = delete;
    Reconciler& operator=(const Reconciler&) = delete;

    void start();
    /// Null until the database was read for the first time.
    Switch* running_switch() { return switch_.get(); }
    OvsdbSession& database() { return *database_; }
    const std::string& database_name() const { return options_.database; }

  private:
    void schedule();
    void reconcile();
    Result<void> start_switch();
    void settled();
    void status_changed();
    void write_statistics();
    void lock_changed(bool held);

    EventLoop& loop_;
    Options options_;
    Handlers handlers_;
    Notices notices_;
    std::unique_ptr<OvsdbSession> database_;
    std::unique_ptr<Switch> switch_;
    std::unique_ptr<StatusWriter> status_;
    std::int64_t applied_cfg_ = 0;
    std::int64_t stats_interval_ms_ = 0;
    bool applied_ = false;
    bool configured_ = false;
    bool failed_ = false;
    Timer work_, status_timer_, statistics_timer_;
};

}  // namespace sluice
