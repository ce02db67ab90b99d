// SPDX-License-Identifier: Apache-2.0
// Memory that a peer shares by file descriptor, mapped so that the peer cannot harm us with it.
//
// The peer keeps the file. It may truncate it while a worker copies, which the kernel answers with SIGBUS. A
// handler of ours then puts empty private memory in the mapping's place and marks it: the worker finishes its
// copy with zeros, and the port is stopped by whoever looks at intact() next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/result.hpp"

namespace sluice::guest {

class SharedMapping {
  public:
    SharedMapping() = default;
    /// Maps `size` bytes from `offset` of a regular file (memfd, hugetlbfs, shm, file). Errors: EINVAL when
    /// the range is empty, wraps round or lies outside the file, or the file is no regular one; what mmap(2)
    /// says else.
    static Result<SharedMapping> map(int fd, std::uint64_t offset, std::uint64_t size);
    SharedMapping(SharedMapping&& other) noexcept { swap(other); }
    SharedMapping& operator=(SharedMapping&& other) noexcept {
        SharedMapping old{std::move(*this)};
        swap(other);
        return *this;
    }
    SharedMapping(const SharedMapping&) = delete;
    SharedMapping& operator=(const SharedMapping&) = delete;
    /// No thread may use the memory any more.
    ~SharedMapping();

    std::uint8_t* data() const { return data_; }
    std::uint64_t size() const { return size_; }
    /// False once the peer took a page away. Any thread.
    bool intact() const;

  private:
    void swap(SharedMapping& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(base_, other.base_);
        std::swap(mapped_, other.mapped_);
        std::swap(guard_, other.guard_);
    }
    std::uint8_t* data_ = nullptr;
    std::uint64_t size_ = 0;
    void* base_ = nullptr;
    std::size_t mapped_ = 0;
    int guard_ = -1;  ///< row of the handler's table
};

}  // namespace sluice::guest
