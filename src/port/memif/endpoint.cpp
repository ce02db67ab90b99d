// SPDX-License-Identifier: Apache-2.0
// See port/memif/endpoint.hpp.
#include "port/memif/endpoint.hpp"

#include "base/log.hpp"
#include "port/memif/listener.hpp"

namespace sluice::memif {
namespace {

const log::Module kLog{"memif"};

constexpr std::int64_t kConnectMs = 200;  ///< between attempts to connect
constexpr std::int64_t kAfterErrorMs =
    2000;  ///< when the last peer did not keep to the protocol, or refused us
constexpr unsigned kMessagesATurn = 32;

}  // namespace

Endpoint::Endpoint(EventLoop& events, std::string port, std::string path, const Settings& settings,
                   Device& device)
    : events_(events), port_(std::move(port)), path_(std::move(path)), settings_(settings), device_(device) {}

Endpoint::~Endpoint() {
    if (session_) send_message(socket_.get(), {Session::disconnect("the port is removed")});
    session_.reset();
    if (listener_) listener_->leave(settings_.id);
}

Result<void> Endpoint::open() {
    if (settings_.role == Role::kClient) {
        connect();
        return {};
    }
    auto joined = Listener::join(events_, path_, settings_.id, *this, port_);
    if (!joined) return joined.error();
    listener_ = std::move(*joined);
    say(fmt::format("nobody has connected to {} as interface {} yet", path_, settings_.id));
    return {};
}

void Endpoint::adopt(guest::Fd socket, const Message& init) {
    begin(std::move(socket));
    if (auto done = take(init, {}); !done) end(done.error());
}

void Endpoint::connect() {
    auto socket = connect_to(port_, path_);
    if (!socket) {
        say(fmt::format("cannot connect to {}: {}; the peer has to listen there as a memif server", path_,
                        socket.error().message));
        return retry(kConnectMs);
    }
    begin(std::move(*socket));
}

void Endpoint::retry(std::int64_t delay_ms) {
    again_ = events_.after(
        delay_ms, [this] { connect(); }, TimeBase::kMachine);
}

void Endpoint::begin(guest::Fd socket) {
    socket_ = std::move(socket);
    session_ = std::make_unique<Session>(port_, settings_, device_);
    reading_ = events_.watch(socket_.get(), EventLoop::kRead, [this](unsigned) { readable(); });
}

void Endpoint::readable() {
    const bool was_up = device_.link.load(std::memory_order_relaxed);
    if (auto done = read(); !done) return end(done.error());
    if (!was_up && device_.link.load(std::memory_order_relaxed)) {
        const std::lock_guard lock{device_.mutex};
        kLog.info("{}: connected at {} to {} ({})", port_, path_, device_.report.interface,
                  device_.report.program);
    }
}

Result<void> Endpoint::read() {
    for (unsigned n = 0; n < kMessagesATurn; ++n) {
        auto incoming = receive_message(socket_.get());
        if (!incoming) return incoming.error();
        if (!*incoming) return {};
        if (auto done = take((*incoming)->message, std::move((*incoming)->fd)); !done) return done;
    }
    return {};
}

Result<void> Endpoint::take(const Message& message, guest::Fd fd) {
    std::vector<Outgoing> replies;
    auto done = session_->handle(message, std::move(fd), replies);
    if (!done) return done;
    for (const Outgoing& reply : replies)
        if (!send_message(socket_.get(), reply))
            return make_error(EPROTO, "{}: memif: the peer does not read its messages", port_);
    return {};
}

void Endpoint::end(const Error& why) {
    const std::string reason = why.message.empty() ? "the peer closed the connection" : why.message;
    if (why.code != ECONNRESET) {
        send_message(socket_.get(), {Session::disconnect(reason)});
        static log::RateLimit limit{1, 5};
        if (limit.allow()) kLog.warn("{}; the connection at {} is closed", reason, path_);
    } else if (device_.link.load(std::memory_order_relaxed)) {
        kLog.info("{}: the peer at {} has gone", port_, path_);
    }
    reading_.reset();
    session_.reset();
    socket_.reset();
    say(reason);
    if (settings_.role == Role::kClient) retry(why.message.empty() ? kConnectMs : kAfterErrorMs);
}

void Endpoint::say(const std::string& reason) {
    const std::lock_guard lock{device_.mutex};
    device_.report.reason = reason;
}

}  // namespace sluice::memif
