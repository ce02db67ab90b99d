// SPDX-License-Identifier: Apache-2.0
// Server of the protocol of ovs-appctl: JSON-RPC over a unix socket, method = command, params = array of
// strings, result = text or error = text.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "base/result.hpp"

namespace sluice {

/// Answers one command, now or later. Copies share the one answer; the first `reply` counts. If the last copy
/// is destroyed without an answer the client gets an error. Loop's thread only; may outlive the server.
class UnixctlReply {
  public:
    /// Text for the client's standard output, or an error for its standard error. Text may lack the final
    /// newline: ovs-appctl adds it.
    void operator()(Result<std::string> result) const;
    /// Has the client gone away, so that work on the answer may stop?
    bool client_gone() const;

    struct State;
    explicit UnixctlReply(std::shared_ptr<State> state) : state_(std::move(state)) {}

  private:
    std::shared_ptr<State> state_;
};

/// Listens on a control socket and runs registered commands.
class UnixctlServer {
  public:
    using Args = std::vector<std::string>;
    using Handler = std::function<Result<std::string>(const Args& args)>;
    using DeferredHandler = std::function<void(const Args& args, UnixctlReply reply)>;
    static constexpr int kAnyCount = 1 << 20;  ///< `max_args` without a limit

    /// `path`: file name of the socket; `version_line`: answer of `version` ("ovs-vswitchd (Sluice) 0.1.0").
    /// Registers list-commands, version and vlog/*.
    static Result<std::unique_ptr<UnixctlServer>> create(EventLoop& loop, const std::string& path,
                                                         const std::string& version_line);
    ~UnixctlServer();
    UnixctlServer(const UnixctlServer&) = delete;
    UnixctlServer& operator=(const UnixctlServer&) = delete;

    /// Adds a command; one of the same name is replaced. `usage` is what list-commands prints ("[bridge]").
    void add(const std::string& name, const std::string& usage, int min_args, int max_args, Handler handler);
    /// Adds a command whose answer may come later.
    void add_deferred(const std::string& name, const std::string& usage, int min_args, int max_args,
                      DeferredHandler handler);
    /// Runs a command in-process, as a client would.
    void run(const std::string& name, const Args& args, std::function<void(Result<std::string>)> done);
    /// Bytes not yet taken by clients; `exit` waits for 0 before the process ends.
    std::size_t queued_bytes() const;
    const std::string& path() const;

  private:
    struct Impl;
    explicit UnixctlServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
    std::shared_ptr<Impl> impl_;
};

}  // namespace sluice
