// SPDX-License-Identifier: Apache-2.0
// Port: one interface of any kind, as workers (receive, transmit) and the control thread see it.
//
// A kind is a folder (port/tap, port/system, port/dpdk) with one final class and one row in
// port/all.cpp. Two virtual calls a burst, none a packet. Threads: create, set_*, state and the
// destructor belong to the control thread; rx_burst(q) to the one worker that q is assigned to;
// tx_burst(q) to whoever holds tx_lock(q) if queues are shared, which the caller sees to. The control
// thread destroys a port only after all workers have let go of it (a grace period).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "packet/drop_reason.hpp"
#include "packet/packet.hpp"

namespace sluice {

class ShortcutEnd;

/// What the database says about an interface.
struct PortConfig {
    std::string name;
    std::string type;                            ///< "", "system", "internal", "tap", "dpdk", "patch", ...
    std::map<std::string, std::string> options;  ///< Interface:options
    std::optional<std::uint32_t> mtu_request;    ///< bytes, without Ethernet header
    std::optional<MacBytes> mac;                 ///< Interface:mac; for the local port the bridge's address
    unsigned worker_count = 1;                   ///< wish for tx queues
    friend bool operator==(const PortConfig&, const PortConfig&) = default;
};

/// What the control thread reports of a port; refreshed by Port::state().
struct PortState {
    bool admin_up = false;
    bool link_up = false;
    MacBytes mac{};
    std::uint32_t mtu = 1500;
    std::uint32_t ifindex = 0;         ///< kernel interface, 0 if none
    std::uint64_t link_speed_bps = 0;  ///< 0: unknown
    bool full_duplex = true;
    bool duplex_known = true;  ///< false: `full_duplex` says nothing
    std::uint64_t link_resets = 0;
    std::map<std::string, std::string>
        status;  ///< Interface:status (driver_name, ...; how and why for system ports)
};

/// A counter that a kind of port does not keep: OpenFlow says so ("?"), the database leaves it out.
inline constexpr std::uint64_t kNotCounted = ~std::uint64_t{0};

/// Counters a port keeps itself, summed over its queues. Every received and every sent frame once.
struct PortCounters {
    std::uint64_t rx_packets = 0, rx_bytes = 0, rx_errors = 0, rx_dropped = 0, rx_missed = 0;
    std::uint64_t tx_packets = 0, tx_bytes = 0, tx_errors = 0, tx_dropped = 0;
    std::uint64_t rx_crc_err = 0, rx_frame_err = 0, rx_over_err = 0, collisions = 0;
    std::map<std::string, std::uint64_t> extra;  ///< kind-specific names
};

class Port {
  public:
    explicit Port(PortConfig config) : config_(std::move(config)) {}
    virtual ~Port() = default;
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;

    const PortConfig& config() const { return config_; }
    const std::string& name() const { return config_.name; }

    // Workers.
    /// Receives up to `max` (<= kMaxBurst) packets; offload marks as packet/packet.hpp says. No
    /// allocation other than from packet pools. Returns the count; 0 when nothing is there.
    virtual unsigned rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept = 0;
    /// Takes all `count` packets: sends them, or frees and counts them (tx_dropped). Segments and
    /// finishes checksums in software where the kind can't. Returns how many were sent.
    virtual unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept = 0;
    /// File descriptor that polls readable when rx_burst(queue) would return packets; -1 if none
    /// (then a sleeping worker wakes by time).
    virtual int rx_fd(QueueId) const noexcept { return -1; }
    /// Called by the worker just before it sleeps on rx_fd and after it wakes (interrupt mode PMDs).
    virtual void rx_sleep(QueueId, bool /*sleeping*/) noexcept {}
    /// Where shortcuts through the kernel begin and end (port/shortcut); null: never here.
    virtual const ShortcutEnd* shortcut_end() const noexcept { return nullptr; }
    /// Nothing received waits for rx_burst(). For ports with a shortcut_end(); a system call a queue.
    virtual bool rx_drained() const noexcept { return true; }

    // Control thread.
    virtual unsigned rx_queue_count() const = 0;
    virtual unsigned tx_queue_count() const = 0;  ///< fewer than workers: the datapath shares with a lock
    virtual PortState state() = 0;                ///< cheap enough for twice a second
    virtual PortCounters counters() const = 0;
    /// Changes what can be changed live (MTU, MAC); an Error with code EXDEV asks for re-creation.
    virtual Result<void> reconfigure(const PortConfig& config) = 0;
    virtual Result<void> set_admin_up(bool up) = 0;
    /// For patch ports: name of the peer; empty for all others.
    virtual std::string_view patch_peer() const { return {}; }
    /// File descriptor on which the control thread learns of link changes; -1: it polls state().
    virtual bool device_gone() { return false; }  ///< the kernel interface disappeared

  protected:
    PortConfig config_;
};

/// One row a kind of port.
struct PortKind {
    std::string_view type;  ///< as in Interface:type
    std::string_view help;  ///< options it takes, for the error sentence
    /// Never blocks for long; errors say what to type instead.
    Result<std::unique_ptr<Port>> (*create)(const PortConfig& config);
};
/// What `--enable-dummy` asks for (ovs-vswitchd of Open vSwitch takes the same words).
enum class DummyLevel : std::uint8_t {
    kNone,     ///< no dummies: types dummy, dummy-internal and dummy-pmd are not known
    kEnable,   ///< they are
    kSystem,   ///< and ports of type system are dummies too
    kOverride  ///< and all others but patch ports
};
/// Set once before the first port. Control thread.
void set_dummy_level(DummyLevel level);
DummyLevel dummy_level();
/// Is a port of that Interface:type a dummy?
bool is_dummy_type(std::string_view type);

/// The list of kinds (port/all.cpp). Interface:type "" means "system".
const std::vector<PortKind>& port_kinds();
/// Finds the kind and creates the port; an unknown type's Error lists the known ones.
Result<std::unique_ptr<Port>> create_port(const PortConfig& config);

}  // namespace sluice
