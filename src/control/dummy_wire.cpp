// SPDX-License-Identifier: Apache-2.0
#include "control/dummy_wire.hpp"

#include <cstdint>
#include <span>

#include "base/log.hpp"
#include "packet/pool.hpp"

namespace sluice {

namespace {

const log::Module kLog{"netdev_dummy"};

constexpr std::size_t kLengthBytes = 2, kHeaderBytes = 14, kMaxWireFrame = 0xffff;
constexpr std::int64_t kRetryMs = 500;
constexpr std::size_t kMaxQueuedBytes = 256 * 1024;  // a peer that doesn't read misses what is beyond

std::string option(const PortConfig& config, const char* key) {
    const auto found = config.options.find(key);
    return found == config.options.end() ? std::string() : found->second;
}

}  // namespace

std::unique_ptr<DummyWire> DummyWire::plug(EventLoop& loop, DummyPort& port) {
    const std::string passive = option(port.config(), "pstream"), active = option(port.config(), "stream");
    if (passive.empty() && active.empty()) return nullptr;
    std::unique_ptr<DummyWire> wire{new DummyWire(loop, port)};
    if (!passive.empty() && !active.empty()) {
        kLog.warn("Open failed: both {} and {} are configured", passive, active);
        return wire;
    }
    DummyWire* self = wire.get();
    wire->watch_ = loop.watch(port.wire_fd(), EventLoop::kRead, [self](unsigned) { self->send(); });
    if (!passive.empty()) {
        wire->listen(passive);
    } else {
        wire->target_ = active;
        wire->connect();
    }
    return wire;
}

void DummyWire::listen(const std::string& target) {
    auto listener = Listener::listen(loop_, target, {},
                                     [this](std::unique_ptr<Stream> stream) { add(std::move(stream)); });
    if (listener)
        listener_ = std::move(*listener);
    else
        kLog.warn("{}: open failed ({})", target, listener.error().message);
}

void DummyWire::connect() {
    peers_.emplace_back();
    const auto peer = std::prev(peers_.end());
    auto stream = Stream::connect(loop_, target_, {}, handlers_of(peer));
    if (stream) {
        peer->stream = std::move(*stream);
        return;
    }
    kLog.warn("{}: open failed ({})", target_, stream.error().message);
    peers_.erase(peer);  // its name is no stream's: there is nothing to try again
}

void DummyWire::add(std::unique_ptr<Stream> stream) {
    peers_.emplace_back();
    const auto peer = std::prev(peers_.end());
    peer->stream = std::move(stream);
    peer->stream->set_handlers(handlers_of(peer));
}

Stream::Handlers DummyWire::handlers_of(std::list<Peer>::iterator peer) {
    Stream::Handlers handlers;
    handlers.on_data = [this, peer](std::string_view bytes) {
        if (!receive(*peer, bytes)) lose(peer);
    };
    handlers.on_closed = [this, peer](const Error&) { lose(peer); };
    return handlers;
}

/// False: a length that no frame has; what follows cannot be told apart.
bool DummyWire::receive(Peer& peer, std::string_view bytes) {
    peer.received += bytes;
    std::size_t at = 0;
    while (peer.received.size() - at >= kLengthBytes) {
        const auto* data = reinterpret_cast<const std::uint8_t*>(peer.received.data()) + at;
        const std::size_t size = static_cast<std::size_t>(data[0]) << 8 | data[1];
        if (size < kHeaderBytes) return false;
        if (peer.received.size() - at < kLengthBytes + size) break;
        if (auto ok = port_.receive(0, {data + kLengthBytes, size}); !ok) kLog.warn("{}", ok.error().message);
        at += kLengthBytes + size;
    }
    peer.received.erase(0, at);
    return true;
}

void DummyWire::lose(std::list<Peer>::iterator peer) {
    kLog.dbg("{}: closing connection", peer->stream->name());
    peers_.erase(peer);
    if (is_active())
        retry_ = loop_.after(
            kRetryMs, [this] { connect(); }, TimeBase::kMachine);
}

bool DummyWire::connected() const {
    return !peers_.empty() && peers_.front().stream->connected();
}

void DummyWire::send() {
    port_.take_sent([this](const Packet* packet) {
        if (packet->pkt_len > kMaxWireFrame) return;
        const auto frame = packet_to_bytes(packet);
        std::string message{static_cast<char>(frame.size() >> 8), static_cast<char>(frame.size() & 0xff)};
        message.append(frame.begin(), frame.end());
        for (Peer& peer : peers_) {
            if (peer.stream->connected() && peer.stream->queued_bytes() < kMaxQueuedBytes)
                peer.stream->send(message);
        }
    });
}

}  // namespace sluice
