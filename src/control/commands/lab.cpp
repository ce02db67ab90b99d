// SPDX-License-Identifier: Apache-2.0
// netdev-dummy/* and time/*: driving a switch by hand, packet by packet and millisecond by millisecond. There
// only with --enable-dummy. Words and layouts are those of Open vSwitch 3.1.
//
// netdev-dummy/receive answers when its packets have been processed to the end: sent, counted, and what they
// taught or punted handed to the bridge. So the next command sees everything.
#include <algorithm>
#include <cerrno>
#include <memory>

#include <fmt/format.h>
#include <sched.h>

#include "base/clock.hpp"
#include "control/commands/commands.hpp"
#include "control/odp_flow.hpp"
#include "flow/text.hpp"
#include "port/dummy/dummy_port.hpp"

namespace sluice::commands {

namespace {

using Frame = std::vector<std::uint8_t>;

constexpr std::int64_t kSpinNs = 300'000;  // a worker usually needs a tenth of it
constexpr std::int64_t kPollMs = 1;        // afterwards
constexpr std::int64_t kGiveUpMs = 5000;   // no worker polls the port (flow-restore-wait, say)
constexpr std::size_t kHeaderBytes = 14;
constexpr std::int64_t kMaxWarpMs = 1'000'000'000'000;

DummyPort* find_dummy(Context& context, const std::string& name) {
    const SwitchPort* slot = context.target()->find_port(name);
    return slot && slot->attached() ? as_dummy(slot->port.get()) : nullptr;
}

/// Bytes as hexadecimal digits, blanks anywhere. Empty: it is something else, or too short for a frame.
Frame parse_hex_frame(std::string text) {
    std::erase_if(text, [](char c) { return c == ' ' || c == '\t' || c == '\n'; });
    const auto bytes = text::parse_hex_bytes(text);
    if (!bytes || bytes->size() < kHeaderBytes) return {};
    return {bytes->begin(), bytes->end()};
}

/// "name [--qid N] {packet | flow [--len N]}...".
struct ReceiveRequest {
    unsigned queue = 0;
    std::vector<Frame> frames;
};

Result<ReceiveRequest> parse_receive(const Args& args, unsigned queue_count) {
    ReceiveRequest request;
    std::size_t next = 1;
    if (args[next] == "--qid" && next + 2 < args.size()) {
        const auto queue = text::parse_number(args[next + 1]);
        if (!queue || queue->hi != 0 || queue->lo >= queue_count)
            return make_error(EINVAL, "bad rx queue id.");
        request.queue = static_cast<unsigned>(queue->lo);
        next += 2;
    }
    while (next < args.size()) {
        const std::string& text = args[next++];
        if (Frame frame = parse_hex_frame(text); !frame.empty()) {
            request.frames.push_back(std::move(frame));
            continue;
        }
        const auto flow = parse_odp_flow(text);
        if (!flow) return flow.error();
        std::optional<std::size_t> bytes;
        if (next + 1 < args.size() && args[next] == "--len") {
            const auto length = text::parse_number(args[next + 1]);
            if (!length || length->hi != 0 || length->lo < kHeaderBytes || length->lo > kMaxFrameBytes)
                return make_error(EINVAL, "too small or too large packet len: {} is not {} to {}",
                                  args[next + 1], kHeaderBytes, kMaxFrameBytes);
            bytes = length->lo;
            next += 2;
        }
        auto frame = compose_test_frame(flow->key, bytes);
        if (!frame) return frame.error();
        request.frames.push_back(std::move(*frame));
    }
    return request;
}

/// Feeds frames in runs that a queue can hold, and answers when the last one is done with.
class Feed : public std::enable_shared_from_this<Feed> {
  public:
    Feed(Context& context, std::string name, ReceiveRequest request, UnixctlReply reply)
        : context_(context), name_(std::move(name)), request_(std::move(request)), reply_(std::move(reply)) {}

    void go() {
        // Closing the port or the switch ends the wait: there is nothing left to be processed.
        while (DummyPort* port = context_.target() ? find_dummy(context_, name_) : nullptr) {
            if (!processed(*port)) return wait();
            waited_since_ms_ = 0;
            if (next_ == request_.frames.size()) break;
            for (std::size_t i = 0; i < kRun && next_ < request_.frames.size(); ++i) {
                if (auto ok = port->receive(request_.queue, request_.frames[next_++]); !ok)
                    return reply_(ok.error());
            }
            point_ = 0;
        }
        if (context_.target()) context_.target()->drain_all();
        reply_(std::string());
    }

  private:
    static constexpr std::size_t kRun = 32;

    /// True once a worker has taken all frames and come to the end of its burst.
    bool processed(const DummyPort& port) {
        const Rcu& rcu = context_.target()->datapath().rcu();
        const std::int64_t deadline = clock::machine_ns() + kSpinNs;
        while (port.pending()) {
            if (clock::machine_ns() > deadline) return false;
            ::sched_yield();
        }
        if (point_ == 0) point_ = context_.target()->datapath().rcu().point();
        return rcu.spin_until_passed(point_, kSpinNs);
    }

    void wait() {
        const std::int64_t now = clock::machine_ms();
        if (waited_since_ms_ == 0) waited_since_ms_ = now;
        if (now - waited_since_ms_ > kGiveUpMs)
            return reply_(
                make_error(ETIMEDOUT, "{}: no worker took the packet within {} ms", name_, kGiveUpMs));
        // The timer holds this object and is held by it, until it fires.
        timer_ = context_.loop.after(
            kPollMs, [self = shared_from_this()] { self->go(); }, TimeBase::kMachine);
    }

    Context& context_;
    std::string name_;
    ReceiveRequest request_;
    UnixctlReply reply_;
    std::size_t next_ = 0;
    Rcu::Point point_ = 0;
    std::int64_t waited_since_ms_ = 0;
    Timer timer_;
};

void receive(Context& context, const Args& args, const UnixctlReply& reply) {
    const DummyPort* port = context.target() ? find_dummy(context, args[0]) : nullptr;
    if (!port) return reply(make_error(ENODEV, "no such dummy netdev"));
    auto request = parse_receive(args, port->rx_queue_count());
    if (!request) return reply(request.error());
    std::make_shared<Feed>(context, args[0], std::move(*request), reply)->go();
}

Output set_dummy_admin_state(Context& context, const Args& args) {
    const std::string& state = args.back();
    if (state != "up" && state != "down") return make_error(EINVAL, "Invalid Admin State");
    bool found = args.size() == 1;
    for (const auto& [name, slot] : context.target()->ports()) {
        DummyPort* port = slot->attached() ? as_dummy(slot->port.get()) : nullptr;
        if (!port || (args.size() == 2 && name != args[0])) continue;
        found = true;
        if (auto ok = port->set_admin_up(state == "up"); !ok) return ok.error();
    }
    if (!found) return make_error(ENODEV, "Unknown Dummy Interface");
    context.target()->refresh();
    return std::string("OK");
}

/// Of one dummy, or of all that connect to something.
Output connection_state(Context& context, const Args& args) {
    std::string out;
    for (const auto& [name, slot] : context.target()->ports()) {
        if (!slot->wire || !slot->wire->is_active() || (!args.empty() && name != args[0])) continue;
        out += fmt::format("{}: {}\n", name, slot->wire->connected() ? "connected" : "disconnected");
    }
    if (!args.empty() && out.empty()) return fmt::format("{}: unknown", args[0]);
    if (!out.empty()) out.pop_back();
    return out;
}

Output time_stop(Context&, const Args&) {
    clock::stop();
    return std::string();
}

/// Moves the clock on in steps; timers that fall due run between them.
struct Warp : std::enable_shared_from_this<Warp> {
    Warp(EventLoop& loop_in, std::int64_t total, std::int64_t step, UnixctlReply reply_in)
        : loop(loop_in), left_ms(total), step_ms(step), reply(std::move(reply_in)) {}
    void go() {
        if (left_ms <= 0) return reply(std::string("warped"));
        const std::int64_t step = std::min(left_ms, step_ms);
        left_ms -= step;
        clock::advance(step * 1'000'000);
        // Due now, and so after all that fell due earlier.
        timer = loop.after(0, [self = shared_from_this()] { self->go(); });
    }
    EventLoop& loop;
    std::int64_t left_ms, step_ms;
    UnixctlReply reply;
    Timer timer;
};

/// "[large_msecs] msecs": with one number one step; with two, steps of the second until the first is reached.
void time_warp(Context& context, const Args& args, const UnixctlReply& reply) {
    std::int64_t values[2] = {0, 0};
    for (std::size_t i = 0; i < args.size(); ++i) {
        const auto value = text::parse_number(args[i]);
        if (!value || value->hi != 0 || value->lo == 0 || value->lo > static_cast<std::uint64_t>(kMaxWarpMs))
            return reply(make_error(EINVAL, "invalid MSECS"));
        values[i] = static_cast<std::int64_t>(value->lo);
    }
    const std::int64_t total = values[0], step = args.size() == 2 ? values[1] : values[0];
    std::make_shared<Warp>(context.loop, total, step, reply)->go();
}

}  // namespace

void add_lab(Context& context) {
    if (dummy_level() == DummyLevel::kNone) return;
    UnixctlServer& server = context.server;
    const auto add = [&](const char* name, const char* usage, int min, int max,
                         Output (*run)(Context&, const Args&)) {
        server.add(name, usage, min, max, [&context, run](const Args& args) -> Output {
            if (!context.target()) return make_error(EAGAIN, "the switch has not started yet");
            return run(context, args);
        });
    };
    server.add_deferred("netdev-dummy/receive", "name [--qid queue_id] packet|flow [--len packet_len]", 2,
                        UnixctlServer::kAnyCount, [&context](const Args& args, const UnixctlReply& reply) {
                            receive(context, args, reply);
                        });
    add("netdev-dummy/set-admin-state", "[netdev] up|down", 1, 2, set_dummy_admin_state);
    add("netdev-dummy/conn-state", "[netdev]", 0, 1, connection_state);
    add("time/stop", "", 0, 0, time_stop);
    server.add_deferred(
        "time/warp", "[large_msecs] msecs", 1, 2,
        [&context](const Args& args, const UnixctlReply& reply) { time_warp(context, args, reply); });
}

}  // namespace sluice::commands
