// SPDX-License-Identifier: Apache-2.0
// See bfd/session.hpp. config.cpp reads the options, text.cpp prints.
#include "bfd/session.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sluice::bfd {
namespace {

constexpr std::int64_t kSlowTxMs = 1000;  ///< RFC 5880 §6.8.3: no faster while the session isn't up
constexpr std::int64_t kLeastWindowMs = 2000;
constexpr std::int64_t kControlLife =
    100;  ///< forwarding_if_rx: intervals of min_rx without any control packet
constexpr std::size_t kMaxLog = 16;

std::int64_t to_ms(std::uint32_t us) {
    return std::max<std::int64_t>(us / 1000, 1);
}

}  // namespace

Session::Session(std::string name, std::uint32_t discriminator, std::uint16_t source_port, std::uint32_t seed)
    : name_(std::move(name)), discriminator_(discriminator), random_(seed | 1) {
    addresses_.source_port = source_port;
}

void Session::log(std::string text) {
    if (log_.size() < kMaxLog) log_.push_back(fmt::format("{}: {}", name_, text));
}

std::vector<std::string> Session::take_log() {
    return std::exchange(log_, {});
}

void Session::configure(const Config& config, const MacBytes& mac, std::int64_t now) {
    const Config before = std::exchange(config_, config);
    const bool first = !std::exchange(configured_, true);
    bool negotiate = false;
    if (first || before.min_tx_ms != config.min_tx_ms) {
        if (state_ != State::kUp || (!polling() && config.min_tx_ms < min_tx_ms_))
            min_tx_ms_ = config.min_tx_ms;
        negotiate = true;
    }
    const bool new_rx = first || before.min_rx_ms != config.min_rx_ms;
    if (new_rx) {
        // A longer interval holds at once, so that the peer's old one isn't taken for a loss.
        if (state_ != State::kUp || (!polling() && config.min_rx_ms > min_rx_ms_))
            min_rx_ms_ = config.min_rx_ms;
        negotiate = true;
    }
    if (new_rx || before.decay_min_rx_ms != config.decay_min_rx_ms) {
        in_decay_ = false;
        restart_decay(now);
        negotiate = true;
    }
    if (before.cpath_down != config.cpath_down) {
        set_state(state_, Diagnostic::kNone, now);
        negotiate = true;
    }
    if (before.forwarding_if_rx != config.forwarding_if_rx) {
        rx_life_ms_ = control_life_ms_ = 0;
        if (config.forwarding_if_rx && state_ == State::kUp) {
            extend_rx_life(now);
            control_life_ms_ = now + kControlLife * config.min_rx_ms;
        }
    }
    addresses_.source_mac = config.local_src_mac.value_or(mac);
    addresses_.destination_mac = config.local_dst_mac.value_or(mac_from_u64(0x002320000001));
    addresses_.source_ip = config.src_ip;
    addresses_.destination_ip = config.dst_ip;
    if (negotiate) start_poll();
    update_forwarding(now);
}

void Session::set_state(State state, Diagnostic diagnostic, std::int64_t now) {
    if (diagnostic == Diagnostic::kNone && config_.cpath_down) diagnostic = Diagnostic::kConcatenatedPathDown;
    if (state_ == state && diagnostic_ == diagnostic) return;
    log(fmt::format("BFD state change: {}->{} \"{}\"->\"{}\".", name_of(state_), name_of(state),
                    name_of(diagnostic_), name_of(diagnostic)));
    state_ = state;
    diagnostic_ = diagnostic;
    next_tx_ = 0;  // tell the peer
    if (state_ <= State::kDown) {
        remote_state_ = State::kDown;
        remote_diagnostic_ = Diagnostic::kNone;
        remote_min_rx_ms_ = 1;
        remote_min_tx_ms_ = 0;
        remote_flags_ = remote_multiplier_ = 0;
        remote_discriminator_ = 0;
        flags_ = static_cast<std::uint8_t>(flags_ & ~kPoll);
        min_tx_ms_ = config_.min_tx_ms;
        min_rx_ms_ = config_.min_rx_ms;
        in_decay_ = false;
    }
    if (state_ == State::kUp) restart_decay(now);
}

void Session::start_poll() {
    if (state_ <= State::kDown || polling() || (flags_ & kFinal) != 0) return;
    poll_min_tx_ms_ = config_.min_tx_ms;
    poll_min_rx_ms_ = in_decay_ ? config_.decay_min_rx_ms : config_.min_rx_ms;
    flags_ |= kPoll;
    next_tx_ = 0;
    log("Initiating poll sequence");
}

// ---- Receiving (RFC 5880 §6.8.6) ---------------------------------------------------------------------

void Session::receive(std::uint8_t ttl, wire::Bytes payload, std::int64_t now) {
    ++decay_control_;
    if (ttl != kTtl) return;
    const auto packet = decode(payload);
    if (!packet) return log(packet.error().message);
    if (packet->your_discriminator != 0 && packet->your_discriminator != discriminator_)
        return log(
            fmt::format("your_disc {:#x} is not ours, {:#x}", packet->your_discriminator, discriminator_));
    accept(*packet, now);
    update_forwarding(now);
}

void Session::accept(const ControlPacket& packet, std::int64_t now) {
    remote_discriminator_ = packet.my_discriminator;
    remote_state_ = packet.state;
    remote_flags_ = packet.flags;
    remote_diagnostic_ = packet.diagnostic;
    remote_multiplier_ = packet.multiplier;
    if ((packet.flags & kFinal) != 0 && polling()) {
        min_tx_ms_ = poll_min_tx_ms_;
        min_rx_ms_ = poll_min_rx_ms_;
        flags_ = static_cast<std::uint8_t>(flags_ & ~kPoll);
        log("Poll sequence terminated.");
    }
    if ((packet.flags & kPoll) != 0) {  // answered at once; a packet has one of the two only
        flags_ = static_cast<std::uint8_t>((flags_ & ~kPoll) | kFinal);
    }
    if (const auto min_rx = to_ms(packet.min_rx_us); min_rx != remote_min_rx_ms_) {
        remote_min_rx_ms_ = min_rx;
        if (next_tx_ != 0) schedule(last_tx_);
    }
    remote_min_tx_ms_ = to_ms(packet.min_tx_us);
    follow_remote_state(packet.state, now);
    if (state_ > State::kDown) {
        detect_ms_ = now + rx_interval_ms() * packet.multiplier;
        control_life_ms_ = now + kControlLife * config_.min_rx_ms;
    }
}

void Session::follow_remote_state(State remote, std::int64_t now) {
    if (remote == State::kAdminDown) {
        if (state_ != State::kDown) set_state(State::kDown, Diagnostic::kNeighbourDown, now);
        return;
    }
    switch (state_) {
        case State::kDown:
            if (remote == State::kDown) set_state(State::kInit, diagnostic_, now);
            if (remote == State::kInit) set_state(State::kUp, diagnostic_, now);
            break;
        case State::kInit:
            if (remote > State::kDown) set_state(State::kUp, diagnostic_, now);
            break;
        case State::kUp:
            if (remote == State::kDown) set_state(State::kDown, Diagnostic::kNeighbourDown, now);
            break;
        case State::kAdminDown:
            break;
    }
}

// ---- Time --------------------------------------------------------------------------------------------

void Session::run(std::uint64_t rx_packets, std::int64_t now) {
    const bool was_in_decay = in_decay_;
    if (config_.forwarding_if_rx && rx_packets > rx_packets_) extend_rx_life(now);
    rx_packets_ = rx_packets;
    if (state_ > State::kDown && now >= detect_ms_) set_state(State::kDown, Diagnostic::kExpired, now);
    if (state_ == State::kUp && config_.decay_min_rx_ms > 0 && now >= decay_check_ms_) {
        // Twice the control packets: counters of packets and of control packets aren't read at one moment.
        const std::uint64_t idle = 2 * std::max<std::uint64_t>(decay_control_, 1);
        in_decay_ = rx_packets_ - decay_rx_packets_ <= idle;
        restart_decay(now);
    }
    const std::int64_t wanted_rx = in_decay_ ? config_.decay_min_rx_ms : config_.min_rx_ms;
    if (min_tx_ms_ != config_.min_tx_ms || min_rx_ms_ != wanted_rx || in_decay_ != was_in_decay) start_poll();
    update_forwarding(now);
}

void Session::restart_decay(std::int64_t now) {
    decay_rx_packets_ = rx_packets_;
    decay_control_ = 0;
    decay_check_ms_ = now + std::max(config_.decay_min_rx_ms, kLeastWindowMs);
}

void Session::extend_rx_life(std::int64_t now) {
    rx_life_ms_ = now + std::max(rx_interval_ms() * config_.multiplier, kLeastWindowMs);
}

void Session::update_forwarding(std::int64_t now) {
    const bool by_traffic = config_.forwarding_if_rx && now < rx_life_ms_ && now < control_life_ms_;
    const bool path = remote_diagnostic_ != Diagnostic::kPathDown &&
                      remote_diagnostic_ != Diagnostic::kConcatenatedPathDown &&
                      remote_diagnostic_ != Diagnostic::kReverseConcatenatedPathDown;
    const bool forwarding = (state_ == State::kUp || by_traffic) && path;
    if (forwarding == forwarding_) return;
    forwarding_ = forwarding;
    ++flap_count_;
}

std::int64_t Session::wake_ms() const {
    if ((flags_ & kFinal) != 0) return 0;
    std::int64_t wake = next_tx_;
    if (state_ > State::kDown) wake = std::min(wake, detect_ms_);
    if (state_ == State::kUp && config_.decay_min_rx_ms > 0) wake = std::min(wake, decay_check_ms_);
    return wake;
}

// ---- Sending (RFC 5880 §6.8.7) -----------------------------------------------------------------------

bool Session::wants_to_send(std::int64_t now) const {
    return (flags_ & kFinal) != 0 || now >= next_tx_;
}

std::int64_t Session::advertised_tx_ms() const {
    return state_ == State::kUp ? min_tx_ms_ : std::max(min_tx_ms_, kSlowTxMs);
}
std::int64_t Session::tx_interval_ms() const {
    return std::max(advertised_tx_ms(), remote_min_rx_ms_);
}
std::int64_t Session::rx_interval_ms() const {
    return std::max(min_rx_ms_, remote_min_tx_ms_);
}

/// Up to a quarter less than the interval; at least a tenth less when one lost packet is too much.
void Session::schedule(std::int64_t now) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 17;
    random_ ^= random_ << 5;
    const std::int64_t least = config_.multiplier == 1 ? 10 : 0;
    const std::int64_t interval = tx_interval_ms();
    next_tx_ = now + interval - interval * (least + random_ % (26 - least)) / 100;
}

ControlPacket Session::next_packet(std::int64_t now) {
    if (next_tx_ != 0 && now - next_tx_ > tx_interval_ms() * 3 / 2)
        log(fmt::format("long delay of {}ms (expected {}ms) sending BFD control message", now - next_tx_,
                        tx_interval_ms()));
    ControlPacket packet;
    packet.state = state_;
    packet.diagnostic = diagnostic_;
    packet.flags = flags_;
    packet.multiplier = config_.multiplier;
    packet.my_discriminator = discriminator_;
    packet.your_discriminator = remote_discriminator_;
    packet.min_tx_us = static_cast<std::uint32_t>((polling() ? poll_min_tx_ms_ : advertised_tx_ms()) * 1000);
    packet.min_rx_us = static_cast<std::uint32_t>((polling() ? poll_min_rx_ms_ : min_rx_ms_) * 1000);
    flags_ = static_cast<std::uint8_t>(flags_ & ~kFinal);
    last_tx_ = now;
    schedule(now);
    return packet;
}

}  // namespace sluice::bfd
