// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value, or an Error holding an errno-style code and one sentence for people.
#pragma once

#include <cerrno>
#include <string>
#include <utility>
#include <variant>

#include <fmt/core.h>

namespace sluice {

/// Why something failed: an errno-style code for programs, a sentence for people. The sentence names
/// the object, the value and the limit ("port eth7: mtu 70000 is above the limit of 65535").
struct Error {
    int code = EINVAL;
    std::string message;
};

template <typename... Args>
[[nodiscard]] Error make_error(int code, fmt::format_string<Args...> format, Args&&... args) {
    return Error{code, fmt::format(format, std::forward<Args>(args)...)};
}

/// A T or an Error. Test with `if (!result)`; `result.error()` is valid only then.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

    explicit operator bool() const noexcept { return state_.index() == 0; }
    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    T&& value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    const Error& error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT

    explicit operator bool() const noexcept { return ok_; }
    const Error& error() const { return error_; }

  private:
    Error error_{0, {}};
    bool ok_ = true;
};

}  // namespace sluice
