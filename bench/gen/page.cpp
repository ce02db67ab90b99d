// SPDX-License-Identifier: Apache-2.0
// The shared page and the registry of sources.
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/gen/port.hpp"
#include "bench/gen/registry.hpp"

namespace sluice::gen {

namespace {

std::array<const Traffic*, kMaxSources> all_sources{};

}  // namespace

const std::array<const Traffic*, kMaxSources>& sources() noexcept {
    return all_sources;
}

Result<std::uint64_t> register_source(const Traffic& traffic) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    for (std::uint64_t i = 0; i < kMaxSources; ++i) {
        if (all_sources[i] != nullptr) continue;
        __atomic_store_n(&all_sources[i], new Traffic(traffic),
                         __ATOMIC_RELEASE);  // NOLINT: lives as long as the process
        return i;
    }
    return make_error(ENOSPC,
                      "generator: {} ports were made since this process began, no more fit in its marks",
                      kMaxSources);
}

Result<StatsPage*> open_page(const Traffic& traffic) {
    int fd = -1;
    if (!traffic.stats.empty()) {
        // A new file, so that who still maps an old one is not disturbed.
        ::unlink(traffic.stats.c_str());
        fd = ::open(traffic.stats.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || ::ftruncate(fd, sizeof(StatsPage)) != 0) {
            const int code = errno;
            if (fd >= 0) ::close(fd);
            return make_error(code, "generator: stats={}: {}", traffic.stats, std::strerror(code));
        }
    }
    void* memory =
        ::mmap(nullptr, sizeof(StatsPage), PROT_READ | PROT_WRITE,
               fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE : MAP_SHARED | MAP_POPULATE, fd, 0);
    const int code = errno;
    if (fd >= 0) ::close(fd);
    if (memory == MAP_FAILED)
        return make_error(code, "generator: stats={}: cannot map {} bytes: {}", traffic.stats,
                          sizeof(StatsPage), std::strerror(code));
    auto* page = new (memory) StatsPage;
    page->header.rx_offset = offsetof(StatsPage, rx);
    page->header.rx_stride = sizeof(RxCounters);
    page->header.tx_offset = offsetof(StatsPage, tx);
    page->header.tx_stride = sizeof(TxCounters);
    page->header.buckets = kBuckets;
    page->control.enable = traffic.enable ? 1 : 0;
    page->control.rate = traffic.rate;
    page->control.flows = traffic.flows;
    page->control.new_share = static_cast<std::uint64_t>(traffic.new_share * 4294967296.0);
    page->control.count = traffic.count;
    page->control.generation = 1;
    return page;
}

void close_page(StatsPage* page) noexcept {
    if (page != nullptr) ::munmap(page, sizeof(StatsPage));
}

}  // namespace sluice::gen
