// SPDX-License-Identifier: Apache-2.0
// See port/memif/session.hpp.
#include "port/memif/session.hpp"

#include <algorithm>
#include <cstring>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "base/log.hpp"

namespace sluice::memif {
namespace {

constexpr std::uint64_t kMaxRegionBytes = std::uint64_t{1} << 40;

template <std::size_t N>
void put_text(std::array<char, N>& field, std::string_view text) {
    field = {};
    std::memcpy(field.data(), text.data(), std::min(text.size(), N - 1));
}

Message message_of(Type type) {
    Message message{};
    message.type = type;
    return message;
}

/// As long as the field whatever the secret is, so that the time tells nothing.
bool same_secret(const std::array<char, kSecretBytes>& said, const std::string& secret) {
    std::array<char, kSecretBytes> right{};
    std::memcpy(right.data(), secret.data(), std::min(secret.size(), kSecretBytes));
    unsigned differ = 0;
    for (std::size_t i = 0; i < kSecretBytes; ++i)
        differ |= static_cast<unsigned char>(said[i] ^ right[i]);
    return differ == 0;
}

}  // namespace

Session::Session(std::string port, const Settings& settings, Device& device)
    : port_(std::move(port)), settings_(settings), device_(device) {
    regions_.reserve(kMaxRegions);  // queues keep a pointer to the list
    const std::lock_guard lock{device_.mutex};
    device_.report = {};
    device_.report.reason = "the peer has not finished its set-up";
}

Session::~Session() {
    stop();
    const std::lock_guard lock{device_.mutex};
    device_.report = {};
}

Error Session::refuse(const std::string& what) const {
    return make_error(EPROTO, "{}: memif: {}", port_, what);
}

Message Session::hello() {
    Message message = message_of(Type::kHello);
    Hello& hello = message.hello;
    put_text(hello.name, "sluice");
    hello.min_version = hello.max_version = kVersion;
    hello.max_region = kMaxRegions - 1;
    hello.max_to_client = hello.max_to_server = kMaxRings - 1;
    hello.max_log2_size = kMaxLog2Size;
    return message;
}

Message Session::disconnect(const std::string& reason) {
    Message message = message_of(Type::kDisconnect);
    message.disconnect.code = 0;
    put_text(message.disconnect.reason, reason);
    return message;
}

Result<void> Session::handle(const Message& message, guest::Fd fd, std::vector<Outgoing>& out) {
    if (message.type == Type::kDisconnect)
        return make_error(ECONNRESET, "the peer of {} says: {}", port_, text_of(message.disconnect.reason));
    const bool takes_fd = message.type == Type::kAddRegion || message.type == Type::kAddRing;
    if (fd && !takes_fd)
        return refuse(fmt::format("message {} with a descriptor", static_cast<unsigned>(message.type)));
    return settings_.role == Role::kServer ? as_server(message, std::move(fd), out) : as_client(message, out);
}

Result<void> Session::as_server(const Message& message, guest::Fd fd, std::vector<Outgoing>& out) {
    const bool is_init = message.type == Type::kInit;
    if (is_init == greeted_ || running_)
        return refuse(fmt::format("message {} out of turn", static_cast<unsigned>(message.type)));
    Result<void> done;
    switch (message.type) {
        case Type::kInit:
            done = check_init(message.init);
            break;
        case Type::kAddRegion:
            done = add_region(message.add_region, fd);
            break;
        case Type::kAddRing:
            done = add_ring(message.add_ring, std::move(fd));
            break;
        case Type::kConnect: {
            if (to_us_.empty() && to_peer_.empty()) return refuse("a connection without rings");
            const Name interface = message.connect.interface;
            note_peer(nullptr, &interface);
            start();
            Message reply = message_of(Type::kConnected);
            put_text(reply.connect.interface, port_);
            out.push_back({reply});
            return {};
        }
        default:
            return refuse(fmt::format("message {} is not for a server", static_cast<unsigned>(message.type)));
    }
    if (done) out.push_back({message_of(Type::kAck)});
    return done;
}

Result<void> Session::check_init(const Init& init) {
    if (init.version != kVersion)
        return refuse(fmt::format("version {}.{}, only {}.{} is known", init.version >> 8,
                                  init.version & 0xff, kVersion >> 8, kVersion & 0xff));
    if (init.mode != kEthernet) return refuse(fmt::format("mode {}, only Ethernet (0) is known", init.mode));
    const std::array<char, kSecretBytes> secret = init.secret;
    if (!settings_.secret.empty() && !same_secret(secret, settings_.secret))
        return make_error(EACCES, "{}: memif: the secret is wrong", port_);
    const Name name = init.name;
    note_peer(&name, nullptr);
    greeted_ = true;
    return {};
}

Result<void> Session::add_region(const AddRegion& wish, const guest::Fd& fd) {
    if (wish.index != regions_.size() || wish.index >= kMaxRegions)
        return refuse(fmt::format("region {}, the next one is {} and the last possible one {}", wish.index,
                                  regions_.size(), kMaxRegions - 1));
    if (!fd) return refuse(fmt::format("region {} without a descriptor", wish.index));
    const std::uint64_t size = wish.size;
    if (size > kMaxRegionBytes)
        return refuse(
            fmt::format("region {} of {} bytes, the limit is {}", wish.index, size, kMaxRegionBytes));
    auto mapping = guest::SharedMapping::map(fd.get(), 0, size);
    if (!mapping)
        return make_error(mapping.error().code, "{}: memif: region {}: {}", port_, wish.index,
                          mapping.error().message);
    regions_.push_back(std::move(*mapping));
    return {};
}

Result<void> Session::add_ring(const AddRing& wish, guest::Fd fd) {
    const bool to_server = (wish.flags & kToServer) != 0;
    Rings& rings = to_server ? to_us_ : to_peer_;
    const char* way = to_server ? "to the server" : "to the client";
    if (wish.index != rings.size() || wish.index >= settings_.queues)
        return refuse(fmt::format("ring {} {}, the next one is {}; {} are allowed (options:n_rxq)",
                                  wish.index, way, rings.size(), settings_.queues));
    if (!fd || !guest::is_eventfd(fd.get()))
        return refuse(fmt::format("ring {} {} without an eventfd", wish.index, way));
    if (wish.log2_size == 0 || wish.log2_size > kMaxLog2Size)
        return refuse(fmt::format("ring {} {}: size 2^{}, the limits are 2^1 and 2^{}", wish.index, way,
                                  wish.log2_size, kMaxLog2Size));
    if (wish.region >= regions_.size())
        return refuse(fmt::format("ring {} {}: there is no region {}", wish.index, way, wish.region));
    const guest::SharedMapping& region = regions_[wish.region];
    const std::size_t bytes = ring_bytes(wish.log2_size);
    if (wish.offset % kRingAlignment != 0 || wish.offset > region.size() ||
        bytes > region.size() - wish.offset)
        return refuse(
            fmt::format("ring {} {}: {} bytes at {} of a region of {}; the offset must be a multiple of {}",
                        wish.index, way, bytes, std::uint32_t{wish.offset}, region.size(), kRingAlignment));
    auto* header = reinterpret_cast<RingHeader*>(region.data() + wish.offset);
    if (const std::uint32_t cookie = __atomic_load_n(&header->cookie, __ATOMIC_RELAXED); cookie != kCookie)
        return refuse(
            fmt::format("ring {} {} begins with {:#x}, not {:#x}", wish.index, way, cookie, kCookie));
    fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    rings.push_back({header, wish.log2_size, std::move(fd), 0});
    return {};
}

Result<void> Session::as_client(const Message& message, std::vector<Outgoing>& out) {
    if (message.type == Type::kHello && !greeted_) {
        if (message.hello.min_version > kVersion || message.hello.max_version < kVersion)
            return refuse(fmt::format("the server speaks versions {:#x} to {:#x}, we speak {:#x}",
                                      message.hello.min_version, message.hello.max_version, kVersion));
        const Name name = message.hello.name;
        note_peer(&name, nullptr);
        if (auto made = make_memory(message.hello); !made) return made;
        prepare_script();
        greeted_ = true;
    } else if (message.type == Type::kConnected && greeted_ && script_.empty() && !running_) {
        const Name interface = message.connect.interface;
        note_peer(nullptr, &interface);
        start();
        return {};
    } else if (message.type != Type::kAck || !greeted_ || script_.empty()) {
        return refuse(fmt::format("message {} out of turn", static_cast<unsigned>(message.type)));
    }
    out.push_back(script_.front());
    script_.pop_front();
    return {};
}

/// Rings and buffers, in one region of our own.
Result<void> Session::make_memory(const Hello& hello) {
    const unsigned log2_size = std::min<unsigned>(settings_.log2_size, hello.max_log2_size);
    if (log2_size == 0) return refuse("the server's largest ring has one buffer");
    const unsigned to_server = std::min<unsigned>(settings_.queues, hello.max_to_server + 1U);
    const unsigned to_client = std::min<unsigned>(settings_.queues, hello.max_to_client + 1U);
    const unsigned rings = to_server + to_client;
    const std::size_t slots = std::size_t{1} << log2_size;
    const std::size_t buffers = (rings * ring_bytes(log2_size) + 4095) / 4096 * 4096;
    const std::size_t bytes = buffers + rings * slots * settings_.buffer_bytes;
    if (bytes > ~std::uint32_t{0})
        return refuse(fmt::format("{} rings of {} buffers of {} bytes take more than 4 GiB", rings, slots,
                                  settings_.buffer_bytes));
    memory_ = guest::Fd{memfd_create("sluice-memif", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    if (!memory_ || ftruncate(memory_.get(), static_cast<off_t>(bytes)) != 0)
        return make_error(errno, "{}: memif: no memory for {} bytes of rings and buffers: {}", port_, bytes,
                          std::strerror(errno));
    fcntl(memory_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    auto mapping = guest::SharedMapping::map(memory_.get(), 0, bytes);
    if (!mapping) return mapping.error();
    std::uint8_t* base = mapping->data();
    regions_.push_back(std::move(*mapping));
    for (unsigned i = 0; i < rings; ++i) {
        auto* header = reinterpret_cast<RingHeader*>(base + i * ring_bytes(log2_size));
        header->cookie = kCookie;
        guest::Fd event{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
        if (!event) return make_error(errno, "{}: memif: no eventfd: {}", port_, std::strerror(errno));
        (i < to_server ? to_peer_ : to_us_)
            .push_back({header, log2_size, std::move(event), buffers + i * slots * settings_.buffer_bytes});
    }
    return {};
}

void Session::prepare_script() {
    Message message = message_of(Type::kInit);
    message.init.version = kVersion;
    message.init.id = settings_.id;
    message.init.mode = kEthernet;
    std::array<char, kSecretBytes> secret{};
    std::memcpy(secret.data(), settings_.secret.data(), std::min(settings_.secret.size(), kSecretBytes));
    message.init.secret = secret;
    Name name;
    put_text(name, "sluice");
    message.init.name = name;
    script_.push_back({message});
    message = message_of(Type::kAddRegion);
    message.add_region.index = 0;
    message.add_region.size = regions_.front().size();
    script_.push_back({message, memory_.get()});
    for (const Rings* rings : {&to_peer_, &to_us_}) {
        for (std::size_t i = 0; i < rings->size(); ++i) {
            const Ring& ring = (*rings)[i];
            message = message_of(Type::kAddRing);
            message.add_ring.flags = rings == &to_peer_ ? kToServer : std::uint16_t{0};
            message.add_ring.index = static_cast<std::uint16_t>(i);
            message.add_ring.offset = static_cast<std::uint32_t>(
                reinterpret_cast<std::uint8_t*>(ring.header) - regions_.front().data());
            message.add_ring.log2_size = static_cast<std::uint8_t>(ring.log2_size);
            script_.push_back({message, ring.event.get()});
        }
    }
    message = message_of(Type::kConnect);
    put_text(name, port_);
    message.connect.interface = name;
    script_.push_back({message});
}

void Session::start() {
    const bool client = settings_.role == Role::kClient;
    device_.make_queues(static_cast<unsigned>(to_us_.size()), static_cast<unsigned>(to_peer_.size()));
    const auto setup_of = [&](const Ring& ring) {
        QueueSetup setup;
        setup.ring = ring.header;
        setup.log2_size = ring.log2_size;
        setup.regions = &regions_;
        setup.client = client;
        if (client) {
            setup.buffers = regions_.front().data() + ring.first_buffer;
            setup.buffer_bytes = settings_.buffer_bytes;
            setup.buffer_offset = static_cast<std::uint32_t>(ring.first_buffer);
        }
        return setup;
    };
    for (std::size_t i = 0; i < to_us_.size(); ++i) {
        ReceiveQueue& queue = *device_.rx[i];
        QueueSetup setup = setup_of(to_us_[i]);
        setup.interrupts = true;  // a worker may be asleep
        queue.queue.open(setup, true);
        queue.doorbell.watch(to_us_[i].event.get());
        queue.doorbell.ring();
    }
    for (std::size_t i = 0; i < to_peer_.size(); ++i) {
        QueueSetup setup = setup_of(to_peer_[i]);
        setup.event_fd = to_peer_[i].event.get();
        device_.tx[i]->open(setup, false);
    }
    device_.rx_queues.store(std::max<unsigned>(1, static_cast<unsigned>(to_us_.size())),
                            std::memory_order_release);
    device_.tx_count.store(static_cast<unsigned>(to_peer_.size()), std::memory_order_release);
    device_.link.store(true, std::memory_order_release);
    running_ = true;
    const std::lock_guard lock{device_.mutex};
    device_.report.connected = true;
    device_.report.reason.clear();
    device_.report.to_us = static_cast<unsigned>(to_us_.size());
    device_.report.to_peer = static_cast<unsigned>(to_peer_.size());
    device_.report.ring_size = 1U << (to_us_.empty() ? to_peer_ : to_us_).front().log2_size;
}

void Session::stop() {
    if (!running_) return;
    running_ = false;
    device_.link.store(false, std::memory_order_release);
    device_.tx_count.store(0, std::memory_order_release);
    for (std::size_t i = 0; i < to_peer_.size(); ++i)
        device_.tx[i]->close();
    for (std::size_t i = 0; i < to_us_.size(); ++i) {
        device_.rx[i]->doorbell.forget(to_us_[i].event.get());
        device_.rx[i]->queue.close();
    }
}

void Session::note_peer(const Name* program, const Name* interface) {
    const std::lock_guard lock{device_.mutex};
    if (program != nullptr) device_.report.program = text_of(*program);
    if (interface != nullptr) device_.report.interface = text_of(*interface);
}

}  // namespace sluice::memif
