// SPDX-License-Identifier: Apache-2.0
#include "control/connection_log.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "base/log.hpp"
#include "flow/text.hpp"

namespace sluice {

namespace {

const log::Module kLog{"conntrack"};
constexpr std::size_t kMaxPending = std::size_t{1} << 20;

std::string address(const conntrack::Key& key, U128 value) {
    return key.is_v6() ? text::format_ipv6(value) : text::format_ipv4(static_cast<std::uint32_t>(value.lo));
}

std::string tuple(const conntrack::Key& key) {
    std::string out =
        fmt::format(R"("src":"{}","dst":"{}")", address(key, key.source()), address(key, key.destination()));
    if (key.is_icmp()) return out + fmt::format(R"(,"id":{},"type":{})", key.sport(), key.dport());
    return out + fmt::format(R"(,"sport":{},"dport":{})", key.sport(), key.dport());
}

const char* name_of(conntrack::ConnEvent event) {
    switch (event) {
        case conntrack::ConnEvent::kNew:
            return "new";
        case conntrack::ConnEvent::kExpired:
            return "expired";
        case conntrack::ConnEvent::kEnded:
            return "ended";
    }
    return "";
}

}  // namespace

std::string format_connection_event(conntrack::ConnEvent event, const conntrack::Entry& entry,
                                    std::int64_t wall_ms, std::uint64_t now_ms) {
    const auto seconds = static_cast<std::time_t>(wall_ms / 1000);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    char time[32];
    std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &utc);
    const conntrack::Key& key = entry.key[0];
    const std::string label = entry.label.hi != 0
                                  ? fmt::format("{:#x}{:016x}", entry.label.hi, entry.label.lo)
                                  : fmt::format("{:#x}", entry.label.lo);
    return fmt::format(
        R"({{"time":"{}.{:03}Z","event":"{}","zone":{},"proto":{},{},"reply":{{{}}},"mark":{},"label":"{}","age_ms":{}}})"
        "\n",
        time, wall_ms % 1000, name_of(event), key.zone(), key.proto(), tuple(key), tuple(entry.key[1]),
        entry.mark, label, now_ms > entry.began_ms ? now_ms - entry.began_ms : 0);
}

void ConnectionLog::set_file(const std::string& path) {
    if (path == path_) return;
    close();
    pending_.clear();
    path_ = path;
    complained_ = false;
}

void ConnectionLog::close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
}

bool ConnectionLog::open() {
    if (fd_ >= 0) return true;
    fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
    if (fd_ >= 0) {
        complained_ = false;
        return true;
    }
    if (!complained_) kLog.warn("{}: cannot open it for connection events ({})", path_, std::strerror(errno));
    complained_ = true;
    return false;
}

void ConnectionLog::flush() {
    if (pending_.empty()) return;
    std::size_t written = 0;
    while (open() && written < pending_.size()) {
        const ssize_t done = ::write(fd_, pending_.data() + written, pending_.size() - written);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            if (errno != EAGAIN) close();  // the disk is full, the reader is gone: a new start next time
            break;
        }
        written += static_cast<std::size_t>(done);
    }
    pending_.erase(0, written);
    if (pending_.size() <= kMaxPending) return;
    const std::size_t first = pending_.find('\n') + 1;  // part of that line may be out already
    lost_ += static_cast<std::uint64_t>(
        std::count(pending_.begin() + static_cast<std::ptrdiff_t>(first), pending_.end(), '\n'));
    pending_.resize(first);
}

}  // namespace sluice
