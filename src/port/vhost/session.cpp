// SPDX-License-Identifier: Apache-2.0
// See port/vhost/session.hpp.
#include "port/vhost/session.hpp"

#include <bit>
#include <cstring>
#include <optional>

#include <fcntl.h>

#include "base/log.hpp"

namespace sluice::vhost {
namespace {

const log::Module kLog{"vhost"};
const std::vector<std::uint8_t> kNoReply;
constexpr std::uint32_t kMinMtuBytes = 68;  // virtio 1.2 §5.1.4.1

std::vector<std::uint8_t> reply_bytes(std::uint32_t request, const void* payload, std::uint32_t size) {
    const Header header{request, kVersion | kFlagReply, size};
    std::vector<std::uint8_t> bytes(sizeof header + size);
    std::memcpy(bytes.data(), &header, sizeof header);
    std::memcpy(bytes.data() + sizeof header, payload, size);
    return bytes;
}

}  // namespace

struct Session::Message {
    Request request;
    std::uint32_t flags;
    std::span<const std::uint8_t> payload;
    std::vector<guest::Fd> fds;

    template <typename T>
    std::optional<T> as() const {
        if (payload.size() < sizeof(T)) return std::nullopt;
        T value;
        std::memcpy(&value, payload.data(), sizeof value);
        return value;
    }
};

Session::Session(std::string port, Device& device) : port_(std::move(port)), device_(device) {
    const std::lock_guard lock{device_.mutex};
    device_.report = {};
    device_.report.connected = true;
}

Session::~Session() {
    stop_all();
    device_.features.store(0, std::memory_order_relaxed);
    const std::lock_guard lock{device_.mutex};
    device_.report.connected = false;
}

Error Session::error(const std::string& what) const {
    return make_error(EPROTO, "{}: vhost-user: {}", port_, what);
}

Session::Reply Session::handle(const Header& header, std::span<const std::uint8_t> payload,
                               std::vector<guest::Fd> fds) {
    if ((header.flags & kVersionMask) != kVersion)
        return error(fmt::format("message {} is of version {}, not {}", header.request,
                                 header.flags & kVersionMask, kVersion));
    Message message{static_cast<Request>(header.request), header.flags, payload, std::move(fds)};
    const bool takes_fds =
        message.request == Request::kSetMemTable ||
        (message.request >= Request::kSetVringKick && message.request <= Request::kSetVringErr);
    if (!takes_fds && !message.fds.empty())
        return error(fmt::format("message {} brings {} descriptors, it takes none", header.request,
                                 message.fds.size()));
    auto reply = dispatch(message);
    if (!reply) return reply.error();
    tell_device();
    if (reply->empty() && (header.flags & kFlagNeedReply) != 0 && has(protocol_, kProtocolReplyAck)) {
        const std::uint64_t ok = 0;
        return reply_bytes(header.request, &ok, sizeof ok);
    }
    return reply;
}

Session::Reply Session::dispatch(Message& message) {
    const auto number = static_cast<std::uint32_t>(message.request);
    const auto answer = [&](std::uint64_t value) { return Reply{reply_bytes(number, &value, sizeof value)}; };
    const auto value = message.as<std::uint64_t>();
    switch (message.request) {
        case Request::kGetFeatures:
            return answer(kOffered);
        case Request::kGetProtocolFeatures:
            return answer(kOfferedProtocol);
        case Request::kGetQueueNum:
            return answer(kMaxPairs);
        case Request::kSetOwner:
        case Request::kResetOwner:
            return kNoReply;
        case Request::kSetMemTable:
            return set_memory(message);
        case Request::kSetVringAddr:
            if (const auto address = message.as<VringAddress>()) return set_ring_address(*address);
            break;
        default:
            if (!value) break;
            switch (message.request) {
                case Request::kSetFeatures:
                    return set_features(*value);
                case Request::kSetProtocolFeatures:
                    if ((*value & ~kOfferedProtocol) != 0)
                        return error(fmt::format("protocol features {:#x} were not offered",
                                                 *value & ~kOfferedProtocol));
                    protocol_ = *value;
                    return kNoReply;
                case Request::kSetVringNum:
                case Request::kSetVringBase:
                case Request::kSetVringEnable:
                    return set_ring(message);
                case Request::kGetVringBase:
                    return get_ring_base(static_cast<std::uint32_t>(*value));
                case Request::kSetVringKick:
                case Request::kSetVringCall:
                case Request::kSetVringErr:
                    return set_ring_fd(message);
                case Request::kSendRarp:
                    device_.rarp.store((*value & 0xffffffffffff) | std::uint64_t{1} << 63,
                                       std::memory_order_relaxed);
                    device_.pairs[0]->doorbell.ring();
                    return kNoReply;
                case Request::kNetSetMtu:
                    return set_mtu(*value);
                default:
                    return error(fmt::format("message {} is not known or was not negotiated", number));
            }
    }
    return error(fmt::format("message {} is cut: {} bytes", number, message.payload.size()));
}

Session::Reply Session::set_features(std::uint64_t wanted) {
    if ((wanted & ~kOffered) != 0)
        return error(fmt::format("features {:#x} were not offered", wanted & ~kOffered));
    stop_all();
    features_ = wanted;
    kLog.dbg("{}: features {:#x}", port_, wanted);
    if (auto started = start_all(); !started) return started.error();
    return kNoReply;
}

Session::Reply Session::set_memory(Message& message) {
    const auto head = message.as<MemoryTableHead>();
    if (!head || head->count == 0 || head->count > kMaxRegions || head->count != message.fds.size() ||
        message.payload.size() < sizeof(MemoryTableHead) + head->count * sizeof(MemoryTableRow))
        return error(fmt::format("a memory table of {} regions (limit {}), {} descriptors, {} bytes",
                                 head ? head->count : 0, kMaxRegions, message.fds.size(),
                                 message.payload.size()));
    auto memory = std::make_unique<guest::GuestMemory>();
    for (std::uint32_t i = 0; i < head->count; ++i) {
        MemoryTableRow row;
        std::memcpy(&row, message.payload.data() + sizeof(MemoryTableHead) + i * sizeof row, sizeof row);
        auto mapping = guest::SharedMapping::map(message.fds[i].get(), row.offset, row.size);
        if (!mapping) return error(mapping.error().message);
        std::uint8_t* const host = mapping->data();
        // The alignment of a descriptor must be the same on both sides.
        if ((reinterpret_cast<std::uintptr_t>(host) ^ row.guest) % 16 != 0)
            return error(fmt::format("region at {:#x} is not aligned to 16 bytes", row.guest));
        if (auto added = memory->add({row.guest, row.size, row.user, host}, std::move(*mapping)); !added)
            return error(added.error().message);
    }
    stop_all();
    memory_ = std::move(memory);
    if (auto started = start_all(); !started) return started.error();
    return kNoReply;
}

Result<Session::Ring*> Session::ring(std::uint64_t index) {
    if (index >= kMaxRings)
        return error(fmt::format("ring {} does not exist, there are {}", index, kMaxRings));
    ring_count_ = std::max(ring_count_, static_cast<unsigned>(index) + 1);
    device_.make_pairs(static_cast<unsigned>(index) / 2 + 1);
    return &rings_[index];
}

Session::Reply Session::set_ring(Message& message) {
    const auto state = *message.as<VringState>();
    auto found = ring(state.index);
    if (!found) return found.error();
    stop(state.index);
    Ring& ring = **found;
    if (message.request == Request::kSetVringNum) {
        if (state.number == 0 || state.number > kMaxRingSize)
            return error(fmt::format("ring {} of {} entries, the limit is {}", state.index, state.number,
                                     kMaxRingSize));
        ring.size = state.number;
    } else if (message.request == Request::kSetVringBase) {
        ring.base = state.number;
    } else {
        if (state.number > 1) return error(fmt::format("ring {} enabled by {}", state.index, state.number));
        ring.enabled = state.number == 1;
    }
    if (auto started = start(state.index); !started) return started.error();
    return kNoReply;
}

Session::Reply Session::set_ring_address(const VringAddress& address) {
    auto found = ring(address.index);
    if (!found) return found.error();
    stop(address.index);
    (*found)->address = address;
    (*found)->has_address = true;
    if (auto started = start(address.index); !started) return started.error();
    return kNoReply;
}

Session::Reply Session::set_ring_fd(Message& message) {
    const auto value = *message.as<std::uint64_t>();
    const auto index = static_cast<unsigned>(value & kVringIndexMask);
    auto found = ring(index);
    if (!found) return found.error();
    const bool none = (value & kVringNoFd) != 0;
    if (message.fds.size() != (none ? 0U : 1U))
        return error(fmt::format("message {} for ring {} brings {} descriptors",
                                 static_cast<unsigned>(message.request), index, message.fds.size()));
    guest::Fd fd;
    if (!none) fd = std::move(message.fds[0]);
    if (fd && !guest::is_eventfd(fd.get()))
        return error(fmt::format("ring {}: the descriptor is no eventfd", index));
    if (fd) fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    Ring& ring = **found;
    if (message.request == Request::kSetVringErr) {
        ring.error = std::move(fd);
        return kNoReply;
    }
    stop(index);
    if (message.request == Request::kSetVringKick) {
        ring.kick = std::move(fd);
        ring.has_kick = true;
    } else {
        ring.call = std::move(fd);
    }
    if (auto started = start(index); !started) return started.error();
    // What was given back before this descriptor came, nobody was told of.
    if (message.request == Request::kSetVringCall && ring.running) device_.ring(index).interrupt();
    return kNoReply;
}

Session::Reply Session::get_ring_base(std::uint32_t index) {
    auto found = ring(index);
    if (!found) return found.error();
    stop(index);
    Ring& ring = **found;
    const VringState state{index, ring.base};
    ring.has_kick = ring.has_address = false;
    ring.kick.reset();
    ring.call.reset();
    return reply_bytes(static_cast<std::uint32_t>(Request::kGetVringBase), &state, sizeof state);
}

Session::Reply Session::set_mtu(std::uint64_t mtu) {
    if (mtu < kMinMtuBytes || mtu > 65535)
        return error(fmt::format("MTU {} is not between {} and 65535", mtu, kMinMtuBytes));
    const std::lock_guard lock{device_.mutex};
    device_.report.guest_mtu = static_cast<unsigned>(mtu);
    return kNoReply;
}

void Session::stop(unsigned index) {
    Ring& ring = rings_[index];
    if (!ring.running) return;
    NetQueue& queue = device_.ring(index);
    queue.close();
    ring.base = queue.base();
    ring.running = false;
    if (ring.kick && index % 2 == 1) device_.pairs[index / 2]->doorbell.forget(ring.kick.get());
}

void Session::stop_all() {
    for (unsigned i = 0; i < ring_count_; ++i)
        stop(i);
    tell_device();
}

Result<void> Session::start_all() {
    for (unsigned i = 0; i < ring_count_; ++i)
        if (auto started = start(i); !started) return started;
    return {};
}

/// The ring's areas in our address space.
Result<QueueSetup> Session::place(unsigned index) {
    const Ring& ring = rings_[index];
    QueueSetup setup;
    setup.packed = has(features_, kPacked);
    if (!setup.packed && !std::has_single_bit(ring.size))
        return error(fmt::format("ring {} of {} entries is no power of two", index, ring.size));
    setup.event_index = has(features_, kEventIndex);
    setup.mergeable = has(features_, kMergeable);
    setup.header_bytes = has(features_, kVersion1) || setup.mergeable ? 12 : 10;
    const std::uint64_t extra = setup.event_index ? 0 : 2;  // the areas' last word is of that feature
    const auto bytes = [&](std::uint64_t split) {
        return setup.packed ? PackedRing::kEventBytes : split - extra;
    };
    setup.areas.descriptors =
        memory_->from_user(ring.address.descriptors, SplitRing::descriptor_bytes(ring.size));
    setup.areas.driver =
        memory_->from_user(ring.address.available, bytes(SplitRing::driver_bytes(ring.size)));
    setup.areas.device = memory_->from_user(ring.address.used, bytes(SplitRing::device_bytes(ring.size)));
    const auto aligned = [](const std::uint8_t* at, std::uintptr_t to) {
        return at != nullptr && reinterpret_cast<std::uintptr_t>(at) % to == 0;
    };
    if (!aligned(setup.areas.descriptors, 16) || !aligned(setup.areas.driver, setup.packed ? 4 : 2) ||
        !aligned(setup.areas.device, 4))
        return error(fmt::format("ring {} of {} entries lies outside the guest's memory or is not aligned",
                                 index, ring.size));
    setup.size = ring.size;
    setup.base = ring.base;
    setup.memory = memory_.get();
    setup.kicks = index % 2 == 1;
    setup.call_fd = ring.call ? ring.call.get() : -1;
    return setup;
}

Result<void> Session::start(unsigned index) {
    Ring& ring = rings_[index];
    const bool enabled = ring.enabled || !has(features_, kProtocolFeatures);
    if (ring.running || !enabled || !ring.has_kick || !ring.has_address || ring.size == 0 ||
        memory_ == nullptr)
        return {};
    auto setup = place(index);
    if (!setup) return setup.error();
    // A front-end that outlived a former switch may not know how far that one got; the used index does.
    if (!setup->packed) setup->base = SplitRing::used_index(setup->areas);
    if (ring.kick && index % 2 == 1 && !device_.pairs[index / 2]->doorbell.watch(ring.kick.get()))
        return error(fmt::format("ring {}: the kick descriptor cannot be polled", index));
    device_.ring(index).open(*setup);
    ring.running = true;
    if (index % 2 == 1) device_.pairs[index / 2]->doorbell.ring();
    kLog.dbg("{}: ring {} of {} entries runs from {}", port_, index, ring.size, setup->base);
    return {};
}

void Session::tell_device() {
    unsigned rx = 1;
    unsigned tx = 0;
    for (unsigned i = 0; i < ring_count_; ++i) {
        if (!rings_[i].running) continue;
        if (i % 2 == 1) rx = i / 2 + 1;
        if (i % 2 == 0)
            device_.tx_map[tx++].store(static_cast<std::uint8_t>(i / 2), std::memory_order_relaxed);
    }
    device_.features.store(features_, std::memory_order_relaxed);
    device_.tx_count.store(tx, std::memory_order_release);
    device_.rx_queues.store(rx, std::memory_order_release);
    device_.link.store(tx > 0, std::memory_order_release);
    const std::lock_guard lock{device_.mutex};
    device_.report.features = features_;
    for (unsigned i = 0; i < ring_count_; ++i)
        device_.report.ring_size[i] = rings_[i].size;
}

}  // namespace sluice::vhost
