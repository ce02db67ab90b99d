// SPDX-License-Identifier: Apache-2.0
#include "control/switch.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "packet/pool.hpp"
#include "pipeline/executor.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice {

namespace {

const log::Module kLog{"bridge"};
const log::Module kTimeLog{"timeval"};

constexpr std::size_t kDrainLimit = 512;      // records a turn: packet-ins must not starve OpenFlow or OVSDB
constexpr std::int64_t kRefreshMs = 500;      // device state; OpenFlow port-status follows within that
constexpr std::int64_t kIdleTickMs = 200;     // RCU reclaim when nobody waits for it
constexpr std::int64_t kBusyTickMs = 1;       // ... when a port or a reply waits
constexpr std::int64_t kLinkDebounceMs = 10;  // a burst of link events gives one refresh
constexpr std::int64_t kShortcutMs = 500;
constexpr std::int64_t kUnderlayMs = 1000;  // neighbours in use are confirmed
constexpr std::int64_t kBeatMs = 200;
constexpr std::int64_t kLateMs = 1000;  // OVS's limit for "unreasonably long"

long long cpu_ms(const timeval& time) {
    return static_cast<long long>(time.tv_sec) * 1000 + time.tv_usec / 1000;
}

}  // namespace

Switch::Switch(EventLoop& loop)
    : loop_(loop),
      datapath_(std::make_unique<pipeline::Datapath>()),
      workers_(std::make_unique<worker::WorkerSet>(*datapath_)),
      last_beat_ms_(clock::machine_ms()) {
    wake_watch_ = loop_.watch(datapath_->wake_fd(), EventLoop::kRead, [this](unsigned) { drain(); });
    refresh_timer_ = loop_.every(
        kRefreshMs, [this] { refresh(); }, TimeBase::kMachine);
    beat_timer_ = loop_.every(
        kBeatMs, [this] { check_lateness(); }, TimeBase::kMachine);
    watch_links();
    watch_underlay();
    tunnels_ = std::make_unique<Tunnels>(*datapath_, underlay_.get(), ports_);
    datapath_->on_unknown_remote = [this](const pipeline::RemoteRecord& record) {
        tunnels_->learn_remote(record);
    };
    start_bfd();
    schedule_tick(kIdleTickMs);
    shortcut_timer_ = loop_.every(
        kShortcutMs, [this] { tend_shortcuts(); }, TimeBase::kMachine);
    sweep_connections();
}

Switch::~Switch() {
    wake_watch_.reset();
    link_watch_.reset();
    underlay_watch_.reset();
    if (link_socket_ >= 0) ::close(link_socket_);
    for (auto& [name, owner] : bridges_)
        owner->openflow.reset();
    bfd_.reset();
    workers_.reset();  // joins: from here on nobody reads
    for (auto& [name, slot] : ports_)
        detach(*slot);
    datapath_->set_topology({}, {});
    datapath_->rcu().reclaim();
    dying_ports_.clear();
    ports_.clear();
    bridges_.clear();
    dying_bridges_.clear();
    datapath_.reset();
}

SwitchBridge* Switch::find_bridge(std::string_view name) const {
    const auto it = bridges_.find(std::string(name));
    return it == bridges_.end() ? nullptr : it->second.get();
}

SwitchBridge* Switch::find_bridge(unsigned index) const {
    for (const auto& [name, owner] : bridges_) {
        if (owner->bridge->index() == index) return owner.get();
    }
    return nullptr;
}

SwitchPort* Switch::find_port(std::string_view name) const {
    const auto it = ports_.find(std::string(name));
    return it == ports_.end() ? nullptr : it->second.get();
}

SwitchPort* Switch::find_port(PortIndex index) const {
    for (const auto& [name, slot] : ports_) {
        if (slot->attached() && slot->index == index) return slot.get();
    }
    return nullptr;
}

void Switch::apply(SwitchConfig config) {
    config_ = std::move(config);
    ++events_.reconfigured;
    unsettled_ = true;
    apply_now();
}

void Switch::apply_now() {
    topology_changed_ = true;
    if (!config_.flow_restore_wait) holding_ = false;
    datapath_->set_vlan_limit(config_.vlan_limit);
    configure_workers();
    configure_connections();
    remove_unwanted();
    add_bridges();
    for (auto& [name, owner] : bridges_)
        sync_interfaces(*owner);
    for (auto& [name, owner] : bridges_)
        follow_mtu(*owner);
    sync_patches();
    for (auto& [name, owner] : bridges_) {
        owner->bridge->mirrors().set(owner->config.mirrors);
        sync_identity(*owner);
        sync_openflow(*owner);
    }
    sync_bfd();
    push_topology();
    assign_queues();
    if (Shortcuts* shortcuts = Shortcuts::get()) shortcuts->set_on(config_.shortcuts);
    schedule_tick(kBusyTickMs);
}

void Switch::configure_workers() {
    if (workers_ready_ && workers_applied_ == config_.workers) return;
    if (auto ok = workers_->configure(config_.workers); !ok) {
        kLog.err("workers: {}", ok.error().message);
        if (workers_ready_) return;  // what runs goes on
        if (auto fallback = workers_->configure({}); !fallback) {
            kLog.err("workers: {}", fallback.error().message);
        }
    }
    workers_applied_ = config_.workers;
    workers_ready_ = true;
}

void Switch::add_bridges() {
    for (const BridgeConfig& wanted : config_.bridges) {
        auto& owner = bridges_[wanted.settings.name];
        if (!owner) {
            owner = std::make_unique<SwitchBridge>();
            owner->config = wanted;
            owner->bridge = std::make_unique<bridge::Bridge>(*datapath_, wanted.settings);
            owner->bridge->on_ct_flush = [this](const openflow::CtFlush& request) {
                flush_connections(request);
            };
            owner->bridge->on_topology_changed = [this] {
                topology_changed_ = true;
                push_topology();
            };
            owner->openflow = std::make_unique<OfService>(loop_, *owner->bridge);
            owner->openflow->on_status_changed = [this] {
                if (on_status_changed) on_status_changed();
            };
            kLog.info("bridge {}: created", wanted.settings.name);
        }
        const auto settings = owner->bridge->settings();
        owner->config = wanted;
        owner->config.settings.datapath_id = settings.datapath_id;
        owner->config.settings.mac = settings.mac;
        owner->bridge->fdb().set_limits(wanted.mac_table_size, wanted.mac_aging_seconds);
        sync_tables(*owner);
    }
}

// Only what changed in the database: a name that OpenFlow gave a table stays.
void Switch::sync_tables(SwitchBridge& owner) {
    const auto& wanted = owner.config.tables;
    for (unsigned number = 0; number < bridge::kVisibleTables; ++number) {
        const auto table = static_cast<std::uint8_t>(number);
        const auto of = [table](const auto& all) {
            const auto at = all.find(table);
            return at == all.end() ? bridge::TableSettings{} : at->second;
        };
        if (!(of(wanted) == of(owner.tables))) owner.bridge->flows().set_table_settings(table, of(wanted));
    }
    owner.tables = wanted;
    owner.bridge->flows().commit();
}

void Switch::push_topology() {
    if (!std::exchange(topology_changed_, false)) return;
    std::vector<pipeline::PortEntry> ports;
    std::vector<pipeline::BridgeEntry> entries;
    for (const auto& [name, owner] : bridges_) {
        auto mine = owner->bridge->entries();
        ports.insert(ports.end(), mine.begin(), mine.end());
        entries.push_back(owner->bridge->entry());
    }
    add_carriers(ports);
    datapath_->set_topology(std::move(ports), std::move(entries));
    ++events_.topologies;
    effect_ = datapath_->rcu().point();
    for (auto& dying : dying_bridges_) {
        if (!dying.released) dying.released = true, dying.topology = effect_;
    }
    if (std::exchange(carriers_changed_, false)) assign_queues();
}

void Switch::assign_queues(bool rebalance) {
    std::vector<worker::RxAssignment> queues;
    for (const auto& [name, slot] : ports_) {
        if (!slot->attached() || holding_) continue;
        slot->rx_queues = slot->port->rx_queue_count();
        for (unsigned q = 0; q < slot->rx_queues; ++q) {
            worker::RxAssignment assignment{slot->port.get(), slot->index,
                                            QueueId{static_cast<std::uint16_t>(q)}, std::nullopt};
            if (const auto it = slot->config.cores.find(q); it != slot->config.cores.end()) {
                assignment.core = it->second;
            }
            queues.push_back(assignment);
        }
    }
    for (const auto& [device, carrier] : tunnels_->carriers()) {
        for (unsigned q = 0; q < carrier.port->rx_queue_count() && !holding_; ++q)
            queues.push_back(
                {carrier.port.get(), carrier.index, QueueId{static_cast<std::uint16_t>(q)}, std::nullopt});
    }
    queues_ = workers_->assign(std::move(queues), rebalance);
    for (auto& dying : dying_ports_) {
        if (!dying.released) dying.released = true, dying.topology = effect_, dying.queues = queues_;
    }
}

void Switch::rebalance() {
    assign_queues(true);
}

bool Switch::name_dying(const std::string& name) const {
    return std::any_of(dying_ports_.begin(), dying_ports_.end(),
                       [&](const DyingPort& dying) { return dying.port->name() == name; });
}

bool Switch::settled() const {
    return !unsettled_;
}

void Switch::drain_all() {
    while (drain() != 0) {
    }
}

std::size_t Switch::drain() {
    const std::size_t handled = datapath_->drain(kDrainLimit, [this](pipeline::PuntRecord& record) {
        ++events_.punts;
        if (SwitchBridge* owner = find_bridge(record.bridge); owner && owner->openflow) {
            owner->openflow->packet_in(record);
        }
        packet_free(std::exchange(record.packet, nullptr));
    });
    follow_tunnels();
    return handled;
}

void Switch::tick() {
    auto& rcu = datapath_->rcu();
    const auto passed = [&](Rcu::Point point) { return point == 0 || rcu.passed(point); };
    const bool had_dying = !dying_ports_.empty();
    std::erase_if(dying_ports_, [&](const DyingPort& dying) {
        return dying.released && passed(dying.topology) && passed(dying.queues);
    });
    std::erase_if(dying_bridges_,
                  [&](const DyingBridge& dying) { return dying.released && passed(dying.topology); });
    const std::size_t waiting = rcu.reclaim();
    if (had_dying && dying_ports_.empty()) {
        const bool any_waiting = std::any_of(ports_.begin(), ports_.end(),
                                             [](const auto& entry) { return entry.second->waiting; });
        if (any_waiting) {
            unsettled_ = true;
            apply_now();
            return;
        }
    }
    if (unsettled_ && dying_ports_.empty() && passed(effect_) && passed(queues_)) {
        unsettled_ = false;
        if (on_settled) on_settled();
    }
    const bool hurry = unsettled_ || !dying_ports_.empty() || !dying_bridges_.empty();
    schedule_tick(hurry ? kBusyTickMs : waiting != 0 ? kBusyTickMs * 10 : kIdleTickMs);
}

void Switch::tend_shortcuts() {
    datapath_->shortcuts().tend();
    Shortcuts* shortcuts = Shortcuts::get();
    if (shortcuts && shortcuts->take_failure())
        kLog.warn("flows take no shortcuts through the kernel any more: {}", Shortcuts::reason());
}

void Switch::schedule_tick(std::int64_t delay_ms) {
    const std::int64_t due = clock::machine_ms() + delay_ms;
    if (tick_timer_.pending() && next_tick_ms_ <= due) return;
    next_tick_ms_ = due;
    tick_timer_ = loop_.after(
        delay_ms, [this] { tick(); }, TimeBase::kMachine);
}

void Switch::refresh() {
    ++events_.refreshes;
    bool changed = close_lost_ports();
    if (retry_failed_ports()) {
        unsettled_ = true;
        apply_now();
        changed = true;
    }
    for (auto& [name, owner] : bridges_) {
        if (!owner->bridge->refresh_ports()) continue;
        topology_changed_ = true;
        changed = true;
    }
    for (auto& [name, slot] : ports_) {
        if (!slot->attached()) continue;
        const auto owner = bridges_.find(slot->bridge);
        const auto* view = owner->second->bridge->port(slot->number);
        slot->state = view ? view->device : slot->port->state();
        if (slot->tunnel) slot->state.status = tunnels_->status(*slot->tunnel);
    }
    for (auto& [name, owner] : bridges_)
        follow_mtu(*owner);
    sync_bfd();
    push_topology();
    // Guests start and stop queues of their own accord.
    const bool queues_changed = !holding_ && std::any_of(ports_.begin(), ports_.end(), [](const auto& entry) {
        const SwitchPort& slot = *entry.second;
        return slot.attached() && slot.rx_queues != slot.port->rx_queue_count();
    });
    if (queues_changed) assign_queues();
    sweep_pools();
    if (on_status_changed) on_status_changed();
    if (changed) schedule_tick(kBusyTickMs);
}

void Switch::watch_links() {
    link_socket_ = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (link_socket_ < 0 ||
        ::bind(link_socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        kLog.warn("no kernel link events ({}): devices are polled twice a second", std::strerror(errno));
        if (link_socket_ >= 0) ::close(std::exchange(link_socket_, -1));
        return;
    }
    link_watch_ = loop_.watch(link_socket_, EventLoop::kRead, [this](unsigned) {
        char buffer[16384];  // the content does not matter: everything is read anew
        while (::recv(link_socket_, buffer, sizeof buffer, 0) > 0 || errno == ENOBUFS) {
            ++events_.link_events;
            errno = 0;
        }
        if (!link_timer_.pending())
            link_timer_ = loop_.after(
                kLinkDebounceMs, [this] { refresh(); }, TimeBase::kMachine);
    });
}

void Switch::watch_underlay() {
    auto mirror = underlay::Mirror::open();
    if (!mirror) {
        kLog.warn("tunnels can't follow the kernel's routes: {}", mirror.error().message);
        return;
    }
    underlay_ = std::move(*mirror);
    underlay_watch_ = loop_.watch(underlay_->fd(), EventLoop::kRead, [this](unsigned) {
        underlay_->run();
        follow_tunnels();
    });
    underlay_timer_ = loop_.every(
        kUnderlayMs,
        [this] {
            underlay_->tend();
            follow_tunnels();
        },
        TimeBase::kMachine);
}

void Switch::check_lateness() {
    const std::int64_t now = clock::machine_ms();
    const std::int64_t late = now - std::exchange(last_beat_ms_, now) - kBeatMs;
    static rusage before{};
    rusage usage{};
    ::getrusage(RUSAGE_THREAD, &usage);
    if (late >= kLateMs) {
        ++events_.late_turns;
        kTimeLog.warn("Unreasonably long {}ms poll interval ({}ms user, {}ms system)", late,
                      cpu_ms(usage.ru_utime) - cpu_ms(before.ru_utime),
                      cpu_ms(usage.ru_stime) - cpu_ms(before.ru_stime));
    }
    before = usage;
}

}  // namespace sluice
