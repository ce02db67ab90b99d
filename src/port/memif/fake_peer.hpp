// SPDX-License-Identifier: Apache-2.0
// Two memif sessions in one process without a socket between them, and a view of their shared memory, for
// tests and the fuzzer: what a peer puts there can be as wrong as wished.
#pragma once

#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "port/memif/session.hpp"

namespace sluice::memif {

class FakePair {
  public:
    explicit FakePair(const Settings& server = {}, const Settings& client = as_client({}))
        : server_(std::make_unique<Session>("server", server, server_device)),
          client_(std::make_unique<Session>("client", client, client_device)) {}
    ~FakePair() {
        server_.reset();
        client_.reset();
        if (memory != nullptr) munmap(memory, bytes);
    }
    FakePair(const FakePair&) = delete;
    FakePair& operator=(const FakePair&) = delete;

    static Settings as_client(Settings settings) {
        settings.role = Role::kClient;
        return settings;
    }
    static guest::Fd copy(int fd) { return guest::Fd{fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0)}; }

    /// The whole conversation, each message through `change` on its way. An error: somebody refused.
    template <typename Change>
    Result<void> connect(Change change) {
        std::vector<Outgoing> to_client{{Session::hello()}}, to_server;
        while (!to_client.empty() || !to_server.empty()) {
            for (auto* way : {&to_client, &to_server}) {
                auto messages = std::move(*way);
                way->clear();
                for (Outgoing& outgoing : messages) {
                    guest::Fd fd = copy(outgoing.fd);
                    if (outgoing.message.type == Type::kAddRegion) look_at(fd.get());
                    change(outgoing.message, fd);
                    Session& to = way == &to_client ? *client_ : *server_;
                    auto done =
                        to.handle(outgoing.message, std::move(fd), way == &to_client ? to_server : to_client);
                    if (!done) return done;
                }
            }
        }
        return {};
    }
    Result<void> connect() {
        return connect([](Message&, guest::Fd&) {});
    }
    Session& server() { return *server_; }
    void drop_server() { server_.reset(); }

    Queue& client_to_server(bool sending) {
        return sending ? *client_device.tx[0] : server_device.rx[0]->queue;
    }
    Queue& server_to_client(bool sending) {
        return sending ? *server_device.tx[0] : client_device.rx[0]->queue;
    }
    /// Ring 0: of the client's making, towards the server; 1: from it.
    RingHeader* ring(unsigned index, unsigned log2_size = Settings{}.log2_size) const {
        return reinterpret_cast<RingHeader*>(memory + index * ring_bytes(log2_size));
    }
    Descriptor* slot(unsigned ring_index, unsigned place) const {
        return reinterpret_cast<Descriptor*>(ring(ring_index) + 1) + place;
    }

    Device server_device, client_device;
    std::uint8_t* memory = nullptr;
    std::size_t bytes = 0;

  private:
    void look_at(int fd) {
        bytes = static_cast<std::size_t>(lseek(fd, 0, SEEK_END));
        void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        memory = at == MAP_FAILED ? nullptr : static_cast<std::uint8_t*>(at);
    }
    std::unique_ptr<Session> server_, client_;
};

}  // namespace sluice::memif
