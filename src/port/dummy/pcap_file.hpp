// SPDX-License-Identifier: Apache-2.0
// A capture file that grows frame by frame: what tcpdump reads (pcap-savefile(5), microseconds, Ethernet).
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "packet/packet.hpp"

namespace sluice {

/// Frames are appended whole by one system call each, so several threads may write, and readers always find
/// whole frames.
class PcapFile {
  public:
    /// Opens for appending; an empty file gets the file header. Errors: those of open(2), naming the file.
    static Result<std::unique_ptr<PcapFile>> open(const std::string& path);
    ~PcapFile();
    PcapFile(const PcapFile&) = delete;
    PcapFile& operator=(const PcapFile&) = delete;

    /// Appends a finished frame with the time of the wall clock. Any thread. What the file system refuses is
    /// lost.
    void write(const Packet* packet) noexcept;

  private:
    explicit PcapFile(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace sluice
