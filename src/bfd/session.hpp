// SPDX-License-Identifier: Apache-2.0
// One BFD session (RFC 5880 §6), asynchronous mode, as Open vSwitch 3.1 runs it: its options, decay of an
// idle session, liveness by received traffic, and what bfd_status and bfd/show say.
//
// Without I/O and clock: whoever owns it hands in packets and the time (milliseconds of one monotonic clock),
// and sends what it is given:
//
//     session.receive(datagram, now);
//     session.run(received_packets, now);
//     if (session.wants_to_send(now)) send(make_frame(session.addresses(), session.next_packet(now)));
//     sleep_until(session.wake_ms());
//
// Not synchronized. Unlike OVS, a change of state is told at once instead of with the next periodic packet
// (RFC 5880 §6.8.7).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bfd/control_packet.hpp"

namespace sluice::bfd {

/// Interface:bfd (ovs-vswitchd.conf.db(5)). Intervals in milliseconds.
struct Config {
    std::int64_t min_tx_ms = 100, min_rx_ms = 1000;
    std::int64_t decay_min_rx_ms = 0;  ///< 0: no decay
    std::uint8_t multiplier = 3;
    bool forwarding_if_rx = false;
    bool cpath_down = false;
    bool oam = false;  ///< tunnels mark its packets
    std::optional<MacBytes> local_src_mac, local_dst_mac;
    std::uint32_t src_ip = kDefaultSrcIp, dst_ip = kDefaultDstIp;
    Filter filter;
    static constexpr std::uint32_t kDefaultSrcIp = 0xa9fe0101, kDefaultDstIp = 0xa9fe0100;
    friend bool operator==(const Config&, const Config&) = default;
};
/// None when `enable` isn't true. Values that can't be used become the default, as in OVS; each leaves a
/// sentence in `complaints`.
std::optional<Config> parse_config(const std::map<std::string, std::string>& column,
                                   std::vector<std::string>& complaints);

class Session {
  public:
    /// `discriminator` is not 0 and differs from those of other sessions; `source_port` is 49152 or above
    /// (RFC 5881 §4); `seed` makes the jitter.
    Session(std::string name, std::uint32_t discriminator, std::uint16_t source_port, std::uint32_t seed);

    /// `mac` is the interface's own address. A session that is up negotiates new intervals (a poll sequence).
    void configure(const Config& config, const MacBytes& mac, std::int64_t now);
    void receive(std::uint8_t ttl, wire::Bytes payload, std::int64_t now);
    /// What time brings. `rx_packets` counts what the interface has received, BFD packets included.
    void run(std::uint64_t rx_packets, std::int64_t now);
    bool wants_to_send(std::int64_t now) const;
    ControlPacket next_packet(std::int64_t now);
    /// When run() or next_packet() is due.
    std::int64_t wake_ms() const;

    const std::string& name() const { return name_; }
    const Config& config() const { return config_; }
    const Addresses& addresses() const { return addresses_; }
    std::uint32_t discriminator() const { return discriminator_; }
    /// May traffic be forwarded here? As of the last call of anything that has the time.
    bool forwarding() const { return override_.value_or(forwarding_); }
    /// bfd/set-forwarding; none: as the session says.
    void set_override(std::optional<bool> forwarding) { override_ = forwarding; }

    /// Interface:bfd_status.
    std::map<std::string, std::string> status() const;
    /// bfd/show, without the line of the name.
    std::string describe(std::int64_t now) const;
    /// Sentences for the log since the last call.
    std::vector<std::string> take_log();

  private:
    void set_state(State state, Diagnostic diagnostic, std::int64_t now);
    void accept(const ControlPacket& packet, std::int64_t now);
    void follow_remote_state(State remote, std::int64_t now);
    void start_poll();
    void update_forwarding(std::int64_t now);
    void restart_decay(std::int64_t now);
    void extend_rx_life(std::int64_t now);
    void schedule(std::int64_t now);
    bool polling() const { return (flags_ & kPoll) != 0; }
    std::int64_t advertised_tx_ms() const;
    std::int64_t tx_interval_ms() const;
    std::int64_t rx_interval_ms() const;
    void log(std::string text);

    std::string name_;
    std::uint32_t discriminator_;
    Config config_;
    Addresses addresses_;
    bool configured_ = false;

    State state_ = State::kDown;
    Diagnostic diagnostic_ = Diagnostic::kNone;
    std::uint8_t flags_ = 0;                            ///< kPoll or kFinal of the next packet
    std::int64_t min_tx_ms_ = 1000, min_rx_ms_ = 1000;  ///< in force; config_'s follow a poll sequence
    std::int64_t poll_min_tx_ms_ = 0, poll_min_rx_ms_ = 0;
    std::int64_t last_tx_ = 0, next_tx_ = 0;  ///< next 0: at once
    std::int64_t detect_ms_ = 0;              ///< down if nothing comes before

    State remote_state_ = State::kDown;
    Diagnostic remote_diagnostic_ = Diagnostic::kNone;
    std::uint8_t remote_flags_ = 0, remote_multiplier_ = 0;
    std::uint32_t remote_discriminator_ = 0;
    std::int64_t remote_min_tx_ms_ = 0, remote_min_rx_ms_ = 1;

    bool forwarding_ = false;
    std::optional<bool> override_;
    std::uint64_t flap_count_ = 0;

    std::uint64_t rx_packets_ = 0;
    std::int64_t rx_life_ms_ = 0;       ///< forwarding_if_rx: alive by traffic until then
    std::int64_t control_life_ms_ = 0;  ///< ... if a control packet came, too
    bool in_decay_ = false;
    std::uint64_t decay_rx_packets_ = 0, decay_control_ = 0;
    std::int64_t decay_check_ms_ = 0;

    std::uint32_t random_;
    std::vector<std::string> log_;
};

}  // namespace sluice::bfd
