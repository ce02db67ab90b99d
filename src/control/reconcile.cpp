// SPDX-License-Identifier: Apache-2.0
#include "control/reconcile.hpp"

#include <unistd.h>

#include "base/log.hpp"
#include "control/reconcile_config.hpp"
#include "packet/eal.hpp"
#include "packet/pool.hpp"
#include "port/vhost/vhost_port.hpp"

namespace sluice {

namespace {

const log::Module kLog{"bridge"};
const log::Module kDpdkLog{"dpdk"};

constexpr const char* kLock = "ovs_vswitchd";
constexpr unsigned kSmallPackets4k = 8192;
constexpr std::int64_t kStatusDelayMs = 20;  // gathers what a burst of events changes

OvsdbSession::Options database_options(const Reconciler::Options& options) {
    OvsdbSession::Options db;
    db.remote = options.database;
    db.ssl = options.ssl;
    db.lock = kLock;
    db.tables["Open_vSwitch"] = {{"bridges", "ssl", "other_config", "next_cfg", "datapaths"},
                                 {"cur_cfg", "statistics", "ovs_version", "iface_types", "datapath_types",
                                  "dpdk_initialized", "dpdk_version"}};
    db.tables["Bridge"] = {
        {"name", "datapath_type", "ports", "controller", "protocols", "fail_mode", "other_config",
         "flood_vlans", "mirrors", "netflow", "sflow", "ipfix", "flow_tables", "auto_attach", "stp_enable",
         "rstp_enable", "mcast_snooping_enable"},
        {"datapath_id", "datapath_version"}};
    db.tables["Port"] = {
        {"name", "interfaces", "tag", "trunks", "vlan_mode", "cvlans", "qos", "protected", "other_config"},
        {}};
    db.tables["Interface"] = {
        {"name", "type", "options", "mac", "mtu_request", "ofport_request", "other_config",
         "ingress_policing_rate", "ingress_policing_kpkts_rate", "bfd", "cfm_mpid", "lldp"},
        {"ofport", "error", "mac_in_use", "mtu", "ifindex", "admin_state", "link_state", "link_speed",
         "duplex", "link_resets", "statistics", "status", "bfd_status"}};
    db.tables["Controller"] = {
        {"target", "type", "max_backoff", "inactivity_probe", "connection_mode", "enable_async_messages",
         "controller_rate_limit", "controller_burst_limit", "other_config"},
        {"is_connected", "role", "status"}};
    db.tables["Mirror"] = {{"name", "select_all", "select_src_port", "select_dst_port", "select_vlan",
                            "output_port", "output_vlan", "snaplen"},
                           {"statistics"}};
    db.tables["Flow_Table"] = {{"name", "flow_limit", "overflow_policy", "groups", "prefixes"}, {}};
    db.tables["SSL"] = {{"private_key", "certificate", "ca_cert", "bootstrap_ca_cert"}, {}};
    db.tables["Datapath"] = {{"ct_zones"}, {"capabilities"}};
    db.tables["CT_Zone"] = {{"timeout_policy"}, {}};
    db.tables["CT_Timeout_Policy"] = {{"timeouts"}, {}};
    return db;
}

}  // namespace

Reconciler::Reconciler(EventLoop& loop, Options options, Handlers handlers)
    : loop_(loop), options_(std::move(options)), handlers_(std::move(handlers)) {
    OvsdbSession::Handlers on;
    on.on_changes = [this](const std::vector<OvsdbRowChange>&) { schedule(); };
    on.on_synced = [this] { schedule(); };
    on.on_lost = [this](const Error& reason) {
        if (switch_) {
            kLog.warn("{}: database connection lost ({}); traffic goes on as configured", options_.database,
                      reason.message);
        }
    };
    on.on_lock = [this](bool held) { lock_changed(held); };
    database_ = std::make_unique<OvsdbSession>(loop_, database_options(options_), std::move(on));
}

Reconciler::~Reconciler() {
    status_.reset();
    switch_.reset();
    if (eal_running()) {
        destroy_packet_pools();
        stop_eal();
    }
}

void Reconciler::start() {
    database_->start();
}

void Reconciler::lock_changed(bool held) {
    if (held) {
        schedule();
    } else if (database_->connected()) {
        kLog.err(
            "another ovs-vswitchd process is running, disabling this process (pid {}) until it goes away",
            ::getpid());
    }
}

void Reconciler::schedule() {
    if (!work_.pending()) work_ = loop_.after(0, [this] { reconcile(); });
}

Result<void> Reconciler::start_switch() {
    const TableLookup tables = [this](std::string_view name) -> const ovsdb::TableRows& {
        return database_->table(name);
    };
    if (!eal_running()) {
        EalConfig eal = read_eal_config(tables);
        // A lab needs no rights and no memory set aside.
        if (dummy_level() != DummyLevel::kNone) eal.hugepages = HugepageUse::kNever;
        if (auto ok = start_eal(eal); !ok) return ok.error();
        kDpdkLog.info("DPDK Enabled - initialized ({}, {})", eal_info().version,
                      eal_info().hugepages ? "hugepages" : "4 KiB pages");
    }
    PoolConfig pools;
    // Without hugepages every page of the pool is resident from the start: half of it keeps an idle switch
    // under 100 MiB, and is still 256 full bursts.
    if (!eal_info().hugepages) pools.small_count = kSmallPackets4k;
    if (auto ok = create_packet_pools(pools); !ok) return ok.error();
    switch_ = std::make_unique<Switch>(loop_);
    status_ = std::make_unique<StatusWriter>(*database_, *switch_);
    switch_->on_settled = [this] { settled(); };
    switch_->on_status_changed = [this] { status_changed(); };
    if (handlers_.on_started) handlers_.on_started(*switch_);
    return {};
}

void Reconciler::reconcile() {
    if (failed_ || !database_->ever_synced()) return;
    if (!database_->lock_held()) return;  // nothing is configured on behalf of a database that isn't ours
    const ovsdb::Row* root = database_->first("Open_vSwitch");
    if (!root) {
        notices_.once("no root", "the database has no Open_vSwitch row; waiting for one (ovs-vsctl init)");
        if (!configured_ && handlers_.on_configured) handlers_.on_configured();
        configured_ = true;
        return;
    }
    if (!switch_) {
        if (auto ok = start_switch(); !ok) {
            failed_ = true;
            if (handlers_.on_fatal) handlers_.on_fatal(ok.error());
            return;
        }
    }
    const TableLookup tables = [this](std::string_view name) -> const ovsdb::TableRows& {
        return database_->table(name);
    };
    applied_cfg_ = (*root)["next_cfg"].as_integer();
    applied_ = true;
    const std::string folder = (*root)["other_config"].get("vhost-sock-dir").value_or("");
    set_vhost_socket_folder(folder.empty() ? options_.rundir : options_.rundir + "/" + folder);
    switch_->apply(read_switch_config(tables, options_.rundir, notices_));
    const std::int64_t interval = read_stats_interval_ms(tables);
    if (interval != stats_interval_ms_) {
        stats_interval_ms_ = interval;
        statistics_timer_ = loop_.every(interval, [this] { write_statistics(); });
    }
}

void Reconciler::settled() {
    status_->write_all();
    status_->write_statistics();
    ovsdb::Uuid id;
    if (applied_ && database_->first("Open_vSwitch", &id) != nullptr) {
        database_->set("Open_vSwitch", id, "cur_cfg", ovsdb::Datum::integer(applied_cfg_));
    }
    if (!configured_) {
        configured_ = true;
        if (handlers_.on_configured) handlers_.on_configured();
    }
}

void Reconciler::status_changed() {
    if (status_timer_.pending()) return;
    status_timer_ = loop_.after(
        kStatusDelayMs,
        [this] {
            if (!status_ || !switch_->settled()) return;
            status_->write_interfaces();
            status_->write_bridges();
            status_->write_controllers();
        },
        TimeBase::kMachine);
}

void Reconciler::write_statistics() {
    if (status_) status_->write_statistics();
}

}  // namespace sluice
