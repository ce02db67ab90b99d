// SPDX-License-Identifier: Apache-2.0
#include "port/dummy/pcap_file.hpp"

#include <cerrno>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.hpp"

namespace sluice {

namespace {

// pcap-savefile(5), in the byte order of the machine that writes.
struct FileHeader {
    std::uint32_t magic = 0xa1b2c3d4;
    std::uint16_t major = 2, minor = 4;
    std::uint32_t zone = 0, accuracy = 0;
    std::uint32_t longest = 262144;
    std::uint32_t link_type = 1;  // Ethernet
};
struct FrameHeader {
    std::uint32_t seconds, microseconds, captured_bytes, frame_bytes;
};
static_assert(sizeof(FileHeader) == 24 && sizeof(FrameHeader) == 16);

constexpr int kMaxParts = 64;

}  // namespace

Result<std::unique_ptr<PcapFile>> PcapFile::open(const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0) {
        const int code = errno;
        return make_error(code, "{}: cannot write a capture there: {}", path, std::strerror(code));
    }
    std::unique_ptr<PcapFile> file{new PcapFile(fd)};
    struct stat info {};
    const FileHeader header;
    if (::fstat(fd, &info) == 0 && info.st_size == 0 && ::write(fd, &header, sizeof header) < 0) {
        const int code = errno;
        return make_error(code, "{}: cannot write a capture there: {}", path, std::strerror(code));
    }
    return file;
}

PcapFile::~PcapFile() {
    ::close(fd_);
}

void PcapFile::write(const Packet* packet) noexcept {
    const std::int64_t now_us = clock::wall_ns() / 1000;
    FrameHeader header{static_cast<std::uint32_t>(now_us / 1'000'000),
                       static_cast<std::uint32_t>(now_us % 1'000'000), packet->pkt_len, packet->pkt_len};
    iovec parts[kMaxParts];
    parts[0] = {&header, sizeof header};
    int count = 1;
    std::uint32_t bytes = 0;
    for (const Packet* segment = packet; segment != nullptr && count < kMaxParts; segment = segment->next) {
        parts[count++] = {rte_pktmbuf_mtod(segment, void*), segment->data_len};
        bytes += segment->data_len;
    }
    header.captured_bytes = bytes;
    [[maybe_unused]] const auto written = ::writev(fd_, parts, count);
}

}  // namespace sluice
