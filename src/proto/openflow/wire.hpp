// SPDX-License-Identifier: Apache-2.0
// Bounds-checked reading and writing of big-endian data, for the codec's own files. A failed read throws
// DecodeFailure, which decode() alone catches: no exception leaves the folder.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/byte_order.hpp"
#include "base/types.hpp"
#include "flow/tun_table.hpp"
#include "proto/openflow/error.hpp"
#include "proto/openflow/message.hpp"

namespace sluice::openflow {

/// Carries an OfError out of nested decoders.
struct DecodeFailure {
    OfError error;
};
/// What an encoder can't express; encode() turns it into Error{EOPNOTSUPP}.
struct EncodeFailure {
    std::string message;
};

template <typename... A>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<A...> format, A&&... args) {
    throw DecodeFailure{{code, fmt::format(format, std::forward<A>(args)...)}};
}

constexpr std::size_t padded8(std::size_t size) {
    return (size + 7) / 8 * 8;
}

/// Reads a span front to back. `length_error` is what reading past its end means.
class Reader {
  public:
    explicit Reader(std::span<const std::uint8_t> data, ErrorCode length_error = ErrorCode::kBrcBadLen)
        : data_(data), error_(length_error) {}

    std::size_t left() const { return data_.size(); }
    bool empty() const { return data_.empty(); }
    std::span<const std::uint8_t> rest() const { return data_; }
    ErrorCode length_error() const { return error_; }
    /// What tun_metadataN stand for; null: nothing is mapped.
    const TunTable* tun() const { return tun_; }
    void set_tun(const TunTable* tun) { tun_ = tun; }

    std::uint8_t u8() { return *raw(1); }
    std::uint16_t u16() { return load_be16(raw(2)); }
    std::uint32_t u32() { return load_be32(raw(4)); }
    std::uint64_t u64() { return load_be64(raw(8)); }
    std::uint64_t mac() { return load_mac(raw(6)); }
    /// A 32-bit port number; those between the 16-bit and the 32-bit reserved ones are nobody's.
    OfPort port32() {
        const std::uint32_t port = u32();
        if (port >= 0xff00 && port < 0xffffff00) fail(ErrorCode::kBacBadOutPort, "port {:#x}", port);
        return OfPort{port};
    }
    /// A 16-bit port number of OpenFlow 1.0 as the 32-bit one.
    OfPort port16() {
        const std::uint32_t port = u16();
        return OfPort{port >= 0xff00 ? port | 0xffff0000U : port};
    }
    void skip(std::size_t size) { raw(size); }
    /// The next `size` bytes as a reader of their own, whose short reads mean `error`.
    Reader sub(std::size_t size, ErrorCode error) {
        Reader part{{raw(size), size}, error};
        part.tun_ = tun_;
        return part;
    }
    Reader sub(std::size_t size) { return sub(size, error_); }
    Bytes bytes(std::size_t size) {
        const auto* p = raw(size);
        return Bytes(p, p + size);
    }
    Bytes take_rest() { return bytes(left()); }
    /// Fixed-size text that ends at a zero byte or at `size`.
    std::string text(std::size_t size) {
        const auto* p = raw(size);
        return std::string(p, std::find(p, p + size, std::uint8_t{0}));
    }
    /// `size` bytes that must be zero.
    void zeros(std::size_t size, ErrorCode error) {
        const auto* p = raw(size);
        if (std::any_of(p, p + size, [](std::uint8_t b) { return b != 0; }))
            fail(error, "padding is not zero");
    }
    /// Demands that nothing is left.
    void end() const {
        if (!empty()) fail(error_, "{} bytes too many", left());
    }

  private:
    const std::uint8_t* raw(std::size_t size) {
        if (size > data_.size()) fail(error_, "{} bytes needed, {} left", size, data_.size());
        const auto* p = data_.data();
        data_ = data_.subspan(size);
        return p;
    }
    std::span<const std::uint8_t> data_;
    ErrorCode error_;
    const TunTable* tun_ = nullptr;
};

/// Appends to a byte vector.
class Writer {
  public:
    explicit Writer(Bytes& out, const TunTable* tun = nullptr) : out_(out), tun_(tun) {}
    const TunTable* tun() const { return tun_; }
    std::size_t size() const { return out_.size(); }
    Bytes& out() { return out_; }

    void u8(std::uint64_t v) { out_.push_back(static_cast<std::uint8_t>(v)); }
    void u16(std::uint64_t v) { store_be16(grow(2), static_cast<std::uint16_t>(v)); }
    void u32(std::uint64_t v) { store_be32(grow(4), static_cast<std::uint32_t>(v)); }
    void u64(std::uint64_t v) { store_be64(grow(8), v); }
    void mac(std::uint64_t v) { store_mac(grow(6), v); }
    void port32(OfPort port) { u32(to_int(port)); }
    void port16(OfPort port) { u16(to_int(port)); }
    void zeros(std::size_t size) { out_.resize(out_.size() + size); }
    void bytes(std::span<const std::uint8_t> data) { out_.insert(out_.end(), data.begin(), data.end()); }
    /// `size` bytes: the text, cut so that a zero byte ends it, and zeros.
    void text(std::string_view text, std::size_t size) {
        const std::size_t used = std::min(text.size(), size - 1);
        out_.insert(out_.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(used));
        zeros(size - used);
    }
    /// Zeros up to the next multiple of 8 counted from `start`.
    void pad8(std::size_t start) { zeros(padded8(size() - start) - (size() - start)); }
    void patch16(std::size_t at, std::uint64_t v) {
        store_be16(out_.data() + at, static_cast<std::uint16_t>(v));
    }
    /// Writes the size of what stands between `start` and the end into the 16 bits at `start + offset`.
    void patch_size(std::size_t start, std::size_t offset) {
        const std::size_t total = size() - start;
        if (total > 0xffff) throw EncodeFailure{fmt::format("an item of {} bytes exceeds 65535", total)};
        patch16(start + offset, total);
    }

  private:
    std::uint8_t* grow(std::size_t size) {
        out_.resize(out_.size() + size);
        return out_.data() + out_.size() - size;
    }
    Bytes& out_;
    const TunTable* tun_;
};

}  // namespace sluice::openflow
