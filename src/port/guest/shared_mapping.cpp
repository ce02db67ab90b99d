// SPDX-License-Identifier: Apache-2.0
// See port/guest/shared_mapping.hpp.
#include "port/guest/shared_mapping.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace sluice::guest {
namespace {

constexpr int kMaxMappings = 8192;
constexpr long kFuse = 0x65735546;  // linux/magic.h: its pages come from a process that may take for ever

/// Read by the signal handler: atomics only. A row is free while begin is 0.
struct Guard {
    std::atomic<std::uintptr_t> begin{0}, end{0};
    std::atomic<bool> broken{false};
};
Guard guards[kMaxMappings];
std::atomic<int> guards_used{0};  ///< rows above were never used
std::mutex guards_mutex;          ///< adding and removing
struct sigaction previous_action;

void on_sigbus(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
    const int used = guards_used.load(std::memory_order_acquire);
    for (int i = 0; i < used; ++i) {
        const std::uintptr_t begin = guards[i].begin.load(std::memory_order_acquire);
        const std::uintptr_t end = guards[i].end.load(std::memory_order_relaxed);
        if (begin == 0 || address < begin || address >= end) continue;
        void* const at = reinterpret_cast<void*>(begin);
        if (mmap(at, end - begin, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
            MAP_FAILED)
            break;
        guards[i].broken.store(true, std::memory_order_release);
        errno = saved;
        return;
    }
    // Not ours: whoever was there before, or the end.
    if ((previous_action.sa_flags & SA_SIGINFO) != 0 && previous_action.sa_sigaction != nullptr)
        return previous_action.sa_sigaction(signal, info, context);
    sigaction(SIGBUS, &previous_action, nullptr);
    errno = saved;
}

int add_guard(void* base, std::size_t size) {
    const std::lock_guard lock{guards_mutex};
    static bool installed = false;
    if (!installed) {
        struct sigaction action {};
        action.sa_sigaction = on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigemptyset(&action.sa_mask);
        if (sigaction(SIGBUS, &action, &previous_action) != 0) return -1;
        installed = true;
    }
    for (int i = 0; i < kMaxMappings; ++i) {
        if (guards[i].begin.load(std::memory_order_relaxed) != 0) continue;
        const auto begin = reinterpret_cast<std::uintptr_t>(base);
        guards[i].broken.store(false, std::memory_order_relaxed);
        guards[i].end.store(begin + size, std::memory_order_relaxed);
        guards[i].begin.store(begin, std::memory_order_release);
        if (i >= guards_used.load(std::memory_order_relaxed))
            guards_used.store(i + 1, std::memory_order_release);
        return i;
    }
    return -1;
}

Result<std::uint64_t> check_file(int fd, std::uint64_t offset, std::uint64_t size) {
    struct stat file {};
    if (fstat(fd, &file) != 0) return make_error(errno, "shared memory: {}", std::strerror(errno));
    struct statfs system {};
    if (!S_ISREG(file.st_mode) || fstatfs(fd, &system) != 0 || system.f_type == kFuse)
        return make_error(EINVAL, "shared memory: the descriptor is not a file in memory or on a disk");
    const auto bytes = static_cast<std::uint64_t>(file.st_size);
    if (size == 0 || offset > bytes || size > bytes - offset)
        return make_error(EINVAL, "shared memory: {} bytes at offset {} lie outside the file of {} bytes",
                          size, offset, bytes);
    // Hugetlbfs wants lengths and addresses in its own pages, and tells their size here.
    return std::max<std::uint64_t>(4096, static_cast<std::uint64_t>(file.st_blksize));
}

}  // namespace

Result<SharedMapping> SharedMapping::map(int fd, std::uint64_t offset, std::uint64_t size) {
    auto page = check_file(fd, offset, size);
    if (!page) return page.error();
    const std::uint64_t begin = offset - offset % *page;
    const std::uint64_t end = (offset + size + *page - 1) / *page * *page;
    SharedMapping mapping;
    mapping.base_ = mmap(nullptr, end - begin, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd,
                         static_cast<off_t>(begin));
    if (mapping.base_ == MAP_FAILED) {
        mapping.base_ = nullptr;
        return make_error(errno, "shared memory: cannot map {} bytes: {}", end - begin, std::strerror(errno));
    }
    mapping.mapped_ = end - begin;
    mapping.data_ = static_cast<std::uint8_t*>(mapping.base_) + (offset - begin);
    mapping.size_ = size;
    madvise(mapping.base_, mapping.mapped_, MADV_DONTDUMP);
    mapping.guard_ = add_guard(mapping.base_, mapping.mapped_);
    if (mapping.guard_ < 0)
        return make_error(ENOSPC, "shared memory: more than {} regions of guests", kMaxMappings);
    return mapping;
}

SharedMapping::~SharedMapping() {
    if (base_ == nullptr) return;
    if (guard_ >= 0) guards[guard_].begin.store(0, std::memory_order_release);
    munmap(base_, mapped_);
}

bool SharedMapping::intact() const {
    return guard_ < 0 || !guards[guard_].broken.load(std::memory_order_acquire);
}

}  // namespace sluice::guest
