// SPDX-License-Identifier: Apache-2.0
// Switch: BFD sessions of interfaces (Interface:bfd). They run on a thread of their own
// (worker/bfd_monitor.hpp); here they are made, changed, ended, and what they say is told on.
#include "base/log.hpp"
#include "control/switch.hpp"

namespace sluice {

namespace {

const log::Module kLog{"bfd"};

constexpr std::int64_t kFollowMs = 100;  // a burst of changes gives one refresh

}  // namespace

void Switch::start_bfd() {
    // The callback comes from the monitor's thread; what it posts may outlive this switch.
    bfd_ = std::make_unique<worker::BfdMonitor>(
        *datapath_, [this, poster = loop_.poster(), alive = std::weak_ptr<bool>(alive_)] {
            if (bfd_news_.exchange(true)) return;
            (void)poster.post([this, alive] {
                if (alive.lock()) follow_bfd();
            });
        });
}

/// What sessions tell: to the log at once, to OpenFlow and the database with the next refresh.
void Switch::follow_bfd() {
    bfd_news_.store(false);
    static log::RateLimit limit{25, 60};
    for (const std::string& line : bfd_->collect())
        if (limit.allow(kLog)) kLog.info("{}", line);
    if (!link_timer_.pending())
        link_timer_ = loop_.after(
            kFollowMs, [this] { refresh(); }, TimeBase::kMachine);
}

/// Sessions as the interfaces want them. Before push_topology().
void Switch::sync_bfd() {
    for (auto& [name, slot] : ports_) {
        SwitchBridge* owner = find_bridge(slot->bridge);
        if (!owner || !slot->attached()) continue;  // detach() has ended it
        if (!slot->config.bfd) {
            end_bfd(*owner, *slot);
            continue;
        }
        const MacBytes mac = slot->state.mac == MacBytes{} ? owner->bridge->settings().mac : slot->state.mac;
        const worker::BfdMonitor::Place place{slot->index, owner->bridge->index(), slot->number, mac};
        if (slot->bfd && slot->bfd->place == place && slot->bfd->config == *slot->config.bfd) continue;
        auto monitor = bfd_->set(name, *slot->config.bfd, place);
        if (!monitor) {
            kLog.err("interface {}: {}", name, monitor.error().message);
            continue;
        }
        slot->bfd = SwitchPort::Bfd{*slot->config.bfd, place};
        owner->bridge->edit_entry(slot->number,
                                  [&](pipeline::PortEntry& entry) { entry.monitor = *monitor; });
        topology_changed_ = true;
    }
}

void Switch::end_bfd(SwitchBridge& owner, SwitchPort& slot) {
    if (!slot.bfd) return;
    bfd_->remove(slot.config.port.name);
    slot.bfd.reset();
    owner.bridge->edit_entry(slot.number, [](pipeline::PortEntry& entry) { entry.monitor.reset(); });
    topology_changed_ = true;
}

}  // namespace sluice
