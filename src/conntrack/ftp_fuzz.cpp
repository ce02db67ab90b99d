// SPDX-License-Identifier: Apache-2.0
// Any text on an FTP control connection: what is found lies within it, and written anew it is found again.
#include <cstdlib>
#include <string>

#include "conntrack/ftp.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sluice;
    using namespace sluice::conntrack;
    if (size == 0) return 0;
    const bool from_client = data[0] & 1;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    const auto found = find_ftp_address(text, from_client);
    if (!found) return 0;
    if (found->size == 0 || found->offset + std::size_t{found->size} > text.size() || found->port == 0)
        std::abort();
    std::array<char, kFtpTextBytes> out;
    const std::uint8_t written = format_ftp_address(*found, found->address, found->port, out);
    std::string again(text.substr(0, found->offset));
    again.append(out.data(), written);
    again += text.substr(found->offset + found->size);
    const auto second = find_ftp_address(again, from_client);
    // A longer form may push the end of the line out of what is searched.
    if (again.size() > kFtpSearched) return 0;
    if (!second || !(second->address == found->address) || second->port != found->port) std::abort();
    return 0;
}
