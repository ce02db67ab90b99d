// SPDX-License-Identifier: Apache-2.0
// ConnectionLog: connections that begin and end as JSON lines in a file, which a collector reads (a FIFO
// serves, too).
//
// Lines come from the tracker's sweep: some seconds after the fact, and for free on the packets' side.
// Format:
//
//     {"time":"2026-11-21T18:00:01.250Z","event":"new","zone":1,"proto":6,"src":"10.0.0.1","dst":"10.0.0.2",
//      "sport":40000,"dport":80,"reply":{"src":"10.0.0.2","dst":"10.0.9.9","sport":80,"dport":40000},"mark":0,
//      "label":"0x0","age_ms":1250}
//
// event: "new", "expired" (silent for too long), "ended" (flushed, or replaced by a new one). ICMP: "id" and
// "type" take the place of the ports. age_ms: since its first packet.
#pragma once

#include <cstdint>
#include <string>

#include "conntrack/tracker.hpp"

namespace sluice {

/// One line, with its end. wall_ms: of the event; now_ms: the same moment on the tracker's clock.
std::string format_connection_event(conntrack::ConnEvent event, const conntrack::Entry& entry,
                                    std::int64_t wall_ms, std::uint64_t now_ms);

/// Control thread.
class ConnectionLog {
  public:
    ConnectionLog() = default;
    ~ConnectionLog() { close(); }
    ConnectionLog(const ConnectionLog&) = delete;
    ConnectionLog& operator=(const ConnectionLog&) = delete;

    /// Appends to this file from now on, which is made if it is not there; "": to none. A file that cannot be
    /// opened is said in the log and tried again with the next lines.
    void set_file(const std::string& path);
    /// Opens the file anew: it may have been moved away.
    void reopen() { close(); }
    void add(std::string line) { pending_ += line; }
    /// Writes what was added. What a reader is too slow for is thrown away, line by line, and counted.
    void flush();
    std::uint64_t lost() const { return lost_; }

  private:
    void close();
    bool open();

    std::string path_, pending_;
    int fd_ = -1;
    bool complained_ = false;
    std::uint64_t lost_ = 0;
};

}  // namespace sluice
