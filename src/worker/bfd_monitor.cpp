// SPDX-License-Identifier: Apache-2.0
// See worker/bfd_monitor.hpp.
#include "worker/bfd_monitor.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include <poll.h>
#include <pthread.h>

#include "base/clock.hpp"
#include "packet/eal.hpp"
#include "packet/pool.hpp"
#include "pipeline/action_program.hpp"
#include "pipeline/executor.hpp"

namespace sluice::worker {
namespace {

/// The thread looks at its clock at least this often: the switch's clock may be moved on by hand.
constexpr std::int64_t kMaxSleepMs = 50;
constexpr std::uint16_t kFirstUdpPort = 49152, kUdpPorts = 16384;  // RFC 5881 §4
constexpr std::uint64_t kTunnelOam = 1;                            ///< of the field tun_flags

std::unique_ptr<pipeline::ActionProgram> output_to(OfPort port) {
    auto program = pipeline::compile({Action{OutputAction{port}}});
    return program ? std::move(*program) : nullptr;
}

}  // namespace

struct BfdMonitor::Impl {
    struct Entry {
        explicit Entry(bfd::Session s) : session(std::move(s)) {}
        bfd::Session session;
        Place place;
        std::shared_ptr<pipeline::PortMonitor> shared;
        std::shared_ptr<const pipeline::ActionProgram> output;
        std::int64_t due_ms = 0;  ///< as it stands in `timers`
        std::map<std::string, std::string> told;
    };
    struct Outgoing {
        unsigned bridge;
        std::shared_ptr<const pipeline::ActionProgram> output;
        bool oam;
        std::array<std::uint8_t, bfd::kFrameBytes> frame;
    };

    Impl(pipeline::Datapath& dp, std::function<void()> tell) : datapath(dp), on_change(std::move(tell)) {}

    Result<void> start();
    void main();
    void turn(std::int64_t now);
    void run(Entry& entry, std::int64_t now);
    void publish(Entry& entry);
    void send() noexcept;
    std::int64_t next_due();
    std::uint32_t new_discriminator();

    pipeline::Datapath& datapath;
    std::function<void()> on_change;
    std::shared_ptr<pipeline::MonitorInbox> inbox = std::make_shared<pipeline::MonitorInbox>();
    std::atomic<bool> stop{false};
    std::atomic<int> started{0};  ///< 1 running, -1 failed
    std::thread thread;
    pipeline::Executor* executor = nullptr;
    Rcu::Reader* reader = nullptr;
    std::vector<Outgoing> outgoing;  ///< the thread's own
    bool changed = false;            ///< the thread's own

    mutable std::mutex mutex;  ///< what follows
    std::map<std::string, std::unique_ptr<Entry>> entries;
    std::map<PortIndex, Entry*> by_port;
    std::set<std::pair<std::int64_t, Entry*>> timers;
    std::vector<std::string> log;
    std::mt19937 random{std::random_device{}()};
    std::uint16_t next_udp_port = 0;
};

BfdMonitor::BfdMonitor(pipeline::Datapath& datapath, std::function<void()> on_change)
    : impl_(std::make_unique<Impl>(datapath, std::move(on_change))) {}

BfdMonitor::~BfdMonitor() {
    impl_->stop.store(true);
    impl_->inbox->wake();
    if (impl_->thread.joinable()) impl_->thread.join();
    if (impl_->reader) impl_->datapath.rcu().remove_reader(impl_->reader);
    if (impl_->executor) impl_->datapath.remove_executor(impl_->executor);
}

Result<void> BfdMonitor::Impl::start() {
    if (thread.joinable()) return {};
    reader = datapath.rcu().add_reader();
    if (!reader) return make_error(EAGAIN, "BFD: more than {} threads", Rcu::kMaxReaders);
    executor = datapath.add_executor(0);
    executor->set_cache_entries(0);
    thread = std::thread([this] { main(); });
    while (started.load() == 0)
        std::this_thread::yield();
    if (started.load() > 0) return {};
    thread.join();
    datapath.rcu().remove_reader(std::exchange(reader, nullptr));
    datapath.remove_executor(std::exchange(executor, nullptr));
    started.store(0);
    return make_error(EAGAIN, "BFD: DPDK has no thread id left");
}

// ---- The thread --------------------------------------------------------------------------------------

void BfdMonitor::Impl::main() {
    ::pthread_setname_np(::pthread_self(), "bfd");
    const bool ok = static_cast<bool>(register_worker_thread());
    started.store(ok ? 1 : -1);
    if (!ok) return;
    while (!stop.load(std::memory_order_relaxed)) {
        const std::int64_t wait = std::clamp<std::int64_t>(next_due() - clock::now_ms(), 0, kMaxSleepMs);
        pollfd ready{inbox->fd(), POLLIN, 0};
        if (::poll(&ready, 1, static_cast<int>(wait)) > 0) inbox->clear_wake();
        turn(clock::now_ms());
        reader->online();
        send();
        reader->offline();
        if (std::exchange(changed, false)) on_change();
    }
    unregister_worker_thread();
}

std::int64_t BfdMonitor::Impl::next_due() {
    const std::lock_guard lock(mutex);
    return timers.empty() ? clock::now_ms() + kMaxSleepMs : timers.begin()->first;
}

/// Everything that has come and everything that is due; what is to be sent ends in `outgoing`.
void BfdMonitor::Impl::turn(std::int64_t now) {
    const std::lock_guard lock(mutex);
    pipeline::MonitorRecord record;
    while (inbox->pop(record)) {
        const auto found = by_port.find(record.port);
        if (found == by_port.end()) continue;
        found->second->session.receive(record.ttl, {record.payload.data(), record.size}, now);
        run(*found->second, now);
    }
    while (!timers.empty() && timers.begin()->first <= now)
        run(*timers.begin()->second, now);
}

void BfdMonitor::Impl::run(Entry& entry, std::int64_t now) {
    bfd::Session& session = entry.session;
    session.run(entry.shared->rx_packets.load(std::memory_order_relaxed), now);
    if (session.wants_to_send(now)) {
        outgoing.push_back({entry.place.bridge, entry.output, session.config().oam,
                            bfd::make_frame(session.addresses(), session.next_packet(now))});
    }
    publish(entry);
    timers.erase({entry.due_ms, &entry});
    // Never the moment that is now: a turn ends.
    entry.due_ms = std::max(session.wake_ms(), now + 1);
    timers.insert({entry.due_ms, &entry});
}

void BfdMonitor::Impl::publish(Entry& entry) {
    entry.shared->forwarding.store(entry.session.forwarding(), std::memory_order_relaxed);
    auto status = entry.session.status();
    auto lines = entry.session.take_log();
    if (status != entry.told || !lines.empty()) changed = true;
    entry.told = std::move(status);
    std::move(lines.begin(), lines.end(), std::back_inserter(log));
}

void BfdMonitor::Impl::send() noexcept {
    for (const Outgoing& packet : outgoing) {
        Packet* frame = packet_from_bytes(packet.frame);
        if (!frame) continue;  // no memory: the next one is as good
        FlowKey metadata{};
        if (packet.oam) metadata.set(key::kTunFlags, kTunnelOam);
        executor->send(packet.bridge, *packet.output, frame, static_cast<std::uint64_t>(clock::now_ms()),
                       packet.oam ? &metadata : nullptr);
    }
    if (!outgoing.empty()) executor->flush();
    outgoing.clear();
}

// ---- Control thread ----------------------------------------------------------------------------------

std::uint32_t BfdMonitor::Impl::new_discriminator() {
    while (true) {
        const auto wish = static_cast<std::uint32_t>(random());
        const bool taken = std::any_of(entries.begin(), entries.end(), [&](const auto& entry) {
            return entry.second && entry.second->session.discriminator() == wish;  // null: being made
        });
        if (wish != 0 && !taken) return wish;
    }
}

Result<std::shared_ptr<pipeline::PortMonitor>> BfdMonitor::set(const std::string& name,
                                                               const bfd::Config& config,
                                                               const Place& place) {
    if (auto ok = impl_->start(); !ok) return ok.error();
    std::shared_ptr<const pipeline::ActionProgram> output = output_to(place.number);
    const std::lock_guard lock(impl_->mutex);
    auto& slot = impl_->entries[name];
    const std::int64_t now = clock::now_ms();
    if (!slot) {
        const auto port = static_cast<std::uint16_t>(kFirstUdpPort + impl_->next_udp_port++ % kUdpPorts);
        slot = std::make_unique<Impl::Entry>(bfd::Session(name, impl_->new_discriminator(), port,
                                                          static_cast<std::uint32_t>(impl_->random())));
    }
    Impl::Entry& entry = *slot;
    std::erase_if(impl_->by_port, [&](const auto& known) { return known.second == &entry; });
    impl_->by_port[place.port] = &entry;
    entry.place = place;
    entry.output = std::move(output);
    entry.session.configure(config, place.mac, now);
    const bool counts = config.forwarding_if_rx || config.decay_min_rx_ms > 0;
    if (!entry.shared || entry.shared->filter != config.filter || entry.shared->counts != counts)
        entry.shared = std::make_shared<pipeline::PortMonitor>(impl_->inbox, config.filter, counts);
    entry.shared->forwarding.store(entry.session.forwarding(), std::memory_order_relaxed);
    impl_->timers.erase({entry.due_ms, &entry});
    entry.due_ms = now;
    impl_->timers.insert({entry.due_ms, &entry});
    impl_->inbox->wake();
    return entry.shared;
}

void BfdMonitor::remove(const std::string& name) {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->entries.find(name);
    if (found == impl_->entries.end()) return;
    impl_->timers.erase({found->second->due_ms, found->second.get()});
    std::erase_if(impl_->by_port, [&](const auto& known) { return known.second == found->second.get(); });
    impl_->entries.erase(found);
}

bool BfdMonitor::has(const std::string& name) const {
    const std::lock_guard lock(impl_->mutex);
    return impl_->entries.contains(name);
}

bool BfdMonitor::forwarding(const std::string& name) const {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->entries.find(name);
    return found == impl_->entries.end() || found->second->session.forwarding();
}

std::map<std::string, std::string> BfdMonitor::status(const std::string& name) const {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->entries.find(name);
    return found == impl_->entries.end() ? std::map<std::string, std::string>{}
                                         : found->second->session.status();
}

std::optional<std::string> BfdMonitor::show(const std::string& name) const {
    const std::lock_guard lock(impl_->mutex);
    const auto found = impl_->entries.find(name);
    if (found == impl_->entries.end()) return std::nullopt;
    return found->second->session.describe(clock::now_ms());
}

std::string BfdMonitor::show_all() const {
    const std::lock_guard lock(impl_->mutex);
    std::string out;
    for (const auto& [name, entry] : impl_->entries)
        out += fmt::format("---- {} ----\n{}", name, entry->session.describe(clock::now_ms()));
    return out;
}

bool BfdMonitor::set_forwarding(const std::string& name, std::optional<bool> forwarding) {
    const std::lock_guard lock(impl_->mutex);
    bool found = name.empty();
    for (auto& [known, entry] : impl_->entries) {
        if (!name.empty() && known != name) continue;
        entry->session.set_override(forwarding);
        entry->shared->forwarding.store(entry->session.forwarding(), std::memory_order_relaxed);
        found = true;
    }
    return found;
}

std::vector<std::string> BfdMonitor::collect() {
    const std::lock_guard lock(impl_->mutex);
    return std::exchange(impl_->log, {});
}

}  // namespace sluice::worker
