// SPDX-License-Identifier: Apache-2.0
#include "control/unixctl.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/log.hpp"
#include "control/stream.hpp"
#include "proto/jsonrpc.hpp"

namespace sluice {
namespace {

const log::Module kLog{"unixctl"};

/// One client. Commands run one after the other; answers are matched by id, so deferred ones may overtake.
struct Connection : std::enable_shared_from_this<Connection> {
    std::unique_ptr<Stream> stream;
    jsonrpc::JsonReader reader{{1024 * 1024, 32}};

    void answer(const jsonrpc::Json& id, Result<std::string> result) {
        if (!stream) return;
        auto message = result ? jsonrpc::make_reply(std::move(*result), id)
                              : jsonrpc::make_error_reply(result.error().message, id);
        auto& text = message.type == jsonrpc::MessageType::kReply ? message.result : message.error;
        // ovs-appctl prints what it gets as it is; a prompt on a fresh line needs the final newline.
        auto& body = text.get_ref<std::string&>();
        if (!body.empty() && body.back() != '\n') body += '\n';
        stream->send(jsonrpc::format_message(message));
    }
};

struct Command {
    std::string usage;
    int min_args = 0;
    int max_args = 0;
    UnixctlServer::DeferredHandler handler;
};

}  // namespace

struct UnixctlReply::State {
    std::function<void(Result<std::string>)> done;
    std::function<bool()> gone;
    ~State() {
        if (done) done(make_error(ECANCELED, "command was abandoned before it had an answer"));
    }
};

void UnixctlReply::operator()(Result<std::string> result) const {
    if (const auto done = std::exchange(state_->done, nullptr)) done(std::move(result));
}

bool UnixctlReply::client_gone() const {
    return state_->gone && state_->gone();
}

struct UnixctlServer::Impl : std::enable_shared_from_this<UnixctlServer::Impl> {
    std::string path;
    std::string version_line;
    std::unique_ptr<Listener> listener;
    std::vector<std::shared_ptr<Connection>> connections;
    std::map<std::string, Command> commands;

    void accept(std::unique_ptr<Stream> stream) {
        auto connection = std::make_shared<Connection>();
        connection->stream = std::move(stream);
        Stream::Handlers handlers;
        const std::weak_ptr<Connection> weak = connection;
        handlers.on_data = [this, weak](std::string_view bytes) {
            if (const auto strong = weak.lock()) receive(strong, bytes);
        };
        handlers.on_closed = [this, weak](const Error&) {
            if (const auto strong = weak.lock()) drop(strong);
        };
        connection->stream->set_handlers(std::move(handlers));
        connections.push_back(std::move(connection));
    }

    void drop(const std::shared_ptr<Connection>& connection) {
        connection->stream.reset();
        connections.erase(std::remove(connections.begin(), connections.end(), connection), connections.end());
    }

    void receive(const std::shared_ptr<Connection>& connection, std::string_view bytes) {
        const auto self = shared_from_this();
        connection->reader.feed(bytes);
        while (connection->stream) {
            auto value = connection->reader.next();
            Result<jsonrpc::Message> message = Error{};
            if (value) {
                if (!*value) return;
                message = jsonrpc::parse_message(std::move(**value));
            }
            if (!value || !message) {
                static log::RateLimit limit{5, 5};
                if (limit.allow())
                    kLog.warn("{}: bad request: {}", connection->stream->name(),
                              value ? message.error().message : value.error().message);
                return drop(connection);
            }
            handle(connection, *message);
        }
    }

    void handle(const std::shared_ptr<Connection>& connection, const jsonrpc::Message& message) {
        if (message.type != jsonrpc::MessageType::kRequest) return;
        const std::weak_ptr<Connection> weak = connection;
        auto state = std::make_shared<UnixctlReply::State>();
        state->done = [weak, id = message.id](Result<std::string> result) {
            if (const auto strong = weak.lock()) strong->answer(id, std::move(result));
        };
        state->gone = [weak] {
            const auto strong = weak.lock();
            return !strong || !strong->stream;
        };
        const UnixctlReply reply(std::move(state));
        Args args;
        for (const auto& param : message.params) {
            if (!param.is_string())
                return reply(
                    make_error(EINVAL, "command has non-string argument of type {}", param.type_name()));
            args.push_back(param.get<std::string>());
        }
        kLog.dbg("received request {}[{}]", message.method, fmt::join(args, ", "));
        dispatch(message.method, args, reply);
    }

    void dispatch(const std::string& name, const Args& args, const UnixctlReply& reply) {
        const auto found = commands.find(name);
        if (found == commands.end())
            return reply(make_error(
                ENOENT,
                "\"{}\" is not a valid command (use \"list-commands\" to see a list of valid commands)",
                name));
        const auto count = static_cast<long>(args.size());
        if (count < found->second.min_args)
            return reply(make_error(EINVAL, "\"{}\" command requires at least {} arguments", name,
                                    found->second.min_args));
        if (count > found->second.max_args)
            return reply(make_error(EINVAL, "\"{}\" command takes at most {} arguments", name,
                                    found->second.max_args));
        const auto handler = found->second.handler;  // a command may replace itself
        handler(args, reply);
    }

    std::string list_commands() const {
        std::string out = "The available commands are:\n";
        for (const auto& [name, command] : commands)
            out += fmt::format("  {:<23} {}\n", name, command.usage);
        return out;
    }
};

UnixctlServer::~UnixctlServer() {
    for (const auto& connection : impl_->connections)
        connection->stream.reset();
    impl_->connections.clear();
    impl_->listener.reset();
}

void UnixctlServer::add(const std::string& name, const std::string& usage, int min_args, int max_args,
                        Handler handler) {
    add_deferred(name, usage, min_args, max_args,
                 [handler = std::move(handler)](const Args& args, const UnixctlReply& reply) {
                     reply(handler(args));
                 });
}

void UnixctlServer::add_deferred(const std::string& name, const std::string& usage, int min_args,
                                 int max_args, DeferredHandler handler) {
    impl_->commands[name] = Command{usage, min_args, max_args, std::move(handler)};
}

void UnixctlServer::run(const std::string& name, const Args& args,
                        std::function<void(Result<std::string>)> done) {
    auto state = std::make_shared<UnixctlReply::State>();
    state->done = std::move(done);
    impl_->dispatch(name, args, UnixctlReply(std::move(state)));
}

std::size_t UnixctlServer::queued_bytes() const {
    std::size_t sum = 0;
    for (const auto& connection : impl_->connections)
        sum += connection->stream ? connection->stream->queued_bytes() : 0;
    return sum;
}

const std::string& UnixctlServer::path() const {
    return impl_->path;
}

namespace {

Result<std::string> done(Result<void> result, std::string text = {}) {
    if (!result) return result.error();
    return text;
}

/// vlog/set: each argument is a specification of its own; none means "everything to dbg".
Result<std::string> vlog_set(const UnixctlServer::Args& args) {
    if (args.empty()) return done(log::set_levels(""));
    for (const auto& spec : args)
        if (auto ok = log::set_levels(spec); !ok) return ok.error();
    return std::string();
}

void add_builtins(UnixctlServer& server, std::function<std::string()> list, const std::string& version) {
    using Args = UnixctlServer::Args;
    constexpr int kAny = UnixctlServer::kAnyCount;
    server.add("list-commands", "", 0, 0,
               [list = std::move(list)](const Args&) { return Result<std::string>(list()); });
    server.add("version", "", 0, 0, [version](const Args&) { return Result<std::string>(version); });
    server.add("vlog/set", "{spec | PATTERN:destination:pattern}", 0, kAny, vlog_set);
    server.add("vlog/list", "", 0, 0, [](const Args&) { return Result<std::string>(log::list_levels()); });
    server.add("vlog/list-pattern", "", 0, 0,
               [](const Args&) { return Result<std::string>(log::list_patterns()); });
    server.add("vlog/enable-rate-limit", "[module]...", 0, kAny,
               [](const Args& args) { return done(log::set_rate_limits(args, true)); });
    server.add("vlog/disable-rate-limit", "[module]...", 0, kAny,
               [](const Args& args) { return done(log::set_rate_limits(args, false)); });
    server.add("vlog/close", "", 0, 0, [](const Args&) {
        log::close_file();
        return Result<std::string>(std::string());
    });
    server.add("vlog/reopen", "", 0, 0, [](const Args&) { return done(log::reopen()); });
}

}  // namespace

Result<std::unique_ptr<UnixctlServer>> UnixctlServer::create(EventLoop& loop, const std::string& path,
                                                             const std::string& version_line) {
    auto impl = std::make_shared<Impl>();
    impl->path = path;
    StreamOptions options;
    options.max_queued_bytes = std::size_t{1} << 30;  // dumps of large tables are meant to be large
    auto listener = Listener::listen(loop, "punix:" + path, options,
                                     [raw = impl.get()](auto stream) { raw->accept(std::move(stream)); });
    if (!listener) return make_error(listener.error().code, "control socket: {}", listener.error().message);
    impl->listener = std::move(*listener);
    std::unique_ptr<UnixctlServer> server(new UnixctlServer(impl));
    add_builtins(
        *server, [raw = impl.get()] { return raw->list_commands(); }, version_line);
    return server;
}

}  // namespace sluice
