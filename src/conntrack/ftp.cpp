// SPDX-License-Identifier: Apache-2.0
#include "conntrack/ftp.hpp"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>

#include "base/byte_order.hpp"

namespace sluice::conntrack {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool begins_with(std::string_view text, std::string_view upper) {
    return text.size() >= upper.size() &&
           std::equal(upper.begin(), upper.end(), text.begin(),
                      [](char a, char b) { return a == (b >= 'a' && b <= 'z' ? b - 'a' + 'A' : b); });
}

/// A decimal number of 0 to `most`, taken off the text. Nothing if there is none, or if the text ends with
/// it.
std::optional<std::uint32_t> take_number(std::string_view& text, std::uint32_t most) {
    std::uint32_t value = 0;
    std::size_t n = 0;
    for (; n < text.size() && is_digit(text[n]); ++n) {
        value = value * 10 + static_cast<std::uint32_t>(text[n] - '0');
        if (value > most) return std::nullopt;
    }
    if (n == 0 || n == text.size()) return std::nullopt;
    text.remove_prefix(n);
    return value;
}

/// "h1,h2,h3,h4,p1,p2"
bool take_host_port(std::string_view& text, FtpAddress& out) {
    std::uint32_t parts[6];
    for (unsigned n = 0; n < 6; ++n) {
        if (n != 0) {
            if (text.empty() || text.front() != ',') return false;
            text.remove_prefix(1);
        }
        const auto part = take_number(text, 255);
        if (!part) return false;
        parts[n] = *part;
    }
    out.address = {0, parts[0] << 24 | parts[1] << 16 | parts[2] << 8 | parts[3]};
    out.port = static_cast<std::uint16_t>(parts[4] << 8 | parts[5]);
    return out.port != 0;
}

/// "|family|address|port|"; for kEpsv family and address are empty.
bool take_extended(std::string_view& text, FtpAddress& out) {
    if (text.empty() || text.front() < 33 || text.front() > 126 || is_digit(text.front())) return false;
    out.delimiter = text.front();
    text.remove_prefix(1);
    const auto delimiter = [&] {
        if (text.empty() || text.front() != out.delimiter) return false;
        text.remove_prefix(1);
        return true;
    };
    if (out.kind == FtpAddress::Kind::kEpsv) {
        if (!delimiter() || !delimiter()) return false;
    } else {
        const auto family = take_number(text, 2);
        if (!family || *family == 0 || !delimiter()) return false;
        out.v6 = *family == 2;
        const std::size_t size = text.find(out.delimiter);
        char address[INET6_ADDRSTRLEN];
        if (size == std::string_view::npos || size >= sizeof address) return false;
        std::memcpy(address, text.data(), size);
        address[size] = 0;
        std::uint8_t bytes[16];
        if (::inet_pton(out.v6 ? AF_INET6 : AF_INET, address, bytes) != 1) return false;
        out.address = out.v6 ? U128{load_be64(bytes), load_be64(bytes + 8)} : U128{0, load_be32(bytes)};
        text.remove_prefix(size);
        if (!delimiter()) return false;
    }
    const auto port = take_number(text, 65535);
    if (!port || *port == 0 || !delimiter()) return false;
    out.port = static_cast<std::uint16_t>(*port);
    return true;
}

/// Text in an array that is large enough for all of it: an address of 45 characters, a port, separators.
class Writer {
  public:
    explicit Writer(std::array<char, kFtpTextBytes>& to) : to_(to) {}
    void add(char c) {
        if (size_ < to_.size()) to_[size_++] = c;
    }
    void number(unsigned value) {
        char digits[10];
        unsigned count = 0;
        do {
            digits[count++] = static_cast<char>('0' + value % 10);
            value /= 10;
        } while (value != 0);
        while (count != 0)
            add(digits[--count]);
    }
    std::uint8_t size() const { return static_cast<std::uint8_t>(size_); }

  private:
    std::array<char, kFtpTextBytes>& to_;
    std::size_t size_ = 0;
};

/// One line with its end, so that a number that ends with the text is cut off.
bool read_line(std::string_view line, bool from_client, FtpAddress& out, std::string_view& rest) {
    using Kind = FtpAddress::Kind;
    rest = line;
    if (from_client) {
        const bool port = begins_with(line, "PORT ");
        if (!port && !begins_with(line, "EPRT ")) return false;
        out.kind = port ? Kind::kPort : Kind::kEprt;
        rest.remove_prefix(std::min(rest.find_first_not_of(' ', 5), rest.size()));
    } else {
        const bool pasv = line.starts_with("227 ");
        if (!pasv && !line.starts_with("229 ")) return false;
        out.kind = pasv ? Kind::kPasv : Kind::kEpsv;
        rest.remove_prefix(4);
        // RFC 1123 §4.1.2.6: where the numbers stand is told by their digits; RFC 2428 §3 has parentheses.
        std::size_t at = pasv ? rest.find_first_of("0123456789") : rest.find('(');
        if (at == std::string_view::npos) return false;
        rest.remove_prefix(pasv ? at : at + 1);
    }
    out.offset = static_cast<std::uint32_t>(rest.data() - line.data());
    const std::string_view from = rest;
    const bool fine = out.kind == Kind::kPort || out.kind == Kind::kPasv ? take_host_port(rest, out)
                                                                         : take_extended(rest, out);
    out.size = static_cast<std::uint32_t>(from.size() - rest.size());
    return fine;
}

}  // namespace

std::optional<FtpAddress> find_ftp_address(std::string_view payload, bool from_client) noexcept {
    payload = payload.substr(0, kFtpSearched);
    for (std::size_t at = 0; at < payload.size();) {
        const std::size_t end = payload.find('\n', at);
        if (end == std::string_view::npos) return std::nullopt;
        FtpAddress found;
        std::string_view rest;
        if (read_line(payload.substr(at, end + 1 - at), from_client, found, rest)) {
            found.offset += static_cast<std::uint32_t>(at);
            return found;
        }
        at = end + 1;
    }
    return std::nullopt;
}

std::uint8_t format_ftp_address(const FtpAddress& like, U128 address, std::uint16_t port,
                                std::array<char, kFtpTextBytes>& out) noexcept {
    Writer text(out);
    const auto v4 = static_cast<std::uint32_t>(address.lo);
    switch (like.kind) {
        case FtpAddress::Kind::kPort:
        case FtpAddress::Kind::kPasv:
            for (unsigned shift = 32; shift != 0; shift -= 8)
                text.number(v4 >> (shift - 8) & 255), text.add(',');
            text.number(port >> 8U), text.add(','), text.number(port & 255U);
            break;
        case FtpAddress::Kind::kEprt: {
            std::uint8_t bytes[16];
            char form[INET6_ADDRSTRLEN] = "";
            if (like.v6) {
                store_be64(bytes, address.hi);
                store_be64(bytes + 8, address.lo);
            } else {
                store_be32(bytes, v4);
            }
            ::inet_ntop(like.v6 ? AF_INET6 : AF_INET, bytes, form, sizeof form);
            text.add(like.delimiter), text.add(like.v6 ? '2' : '1'), text.add(like.delimiter);
            for (const char* c = form; *c != 0; ++c)
                text.add(*c);
            text.add(like.delimiter), text.number(port), text.add(like.delimiter);
            break;
        }
        case FtpAddress::Kind::kEpsv:
            for (int n = 0; n < 3; ++n)
                text.add(like.delimiter);
            text.number(port), text.add(like.delimiter);
            break;
    }
    return text.size();
}

}  // namespace sluice::conntrack
