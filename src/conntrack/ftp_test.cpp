// SPDX-License-Identifier: Apache-2.0
#include "conntrack/ftp.hpp"

#include <string>

#include <gtest/gtest.h>

namespace sluice::conntrack {
namespace {

using Kind = FtpAddress::Kind;

TEST(Ftp, announcements_are_found_with_the_place_of_their_text) {
    struct Row {
        const char* text;
        bool client;
        Kind kind;
        std::uint64_t address;
        std::uint16_t port;
        const char* part;
    };
    const Row rows[] = {
        {"PORT 10,0,0,1,4,1\r\n", true, Kind::kPort, 0x0a000001, 1025, "10,0,0,1,4,1"},
        {"port 10,0,0,1,255,255\n", true, Kind::kPort, 0x0a000001, 65535, "10,0,0,1,255,255"},
        {"227 Entering Passive Mode (192,168,1,2,19,137).\r\n", false, Kind::kPasv, 0xc0a80102, 5001,
         "192,168,1,2,19,137"},
        {"227 =1,2,3,4,0,21 ok\r\n", false, Kind::kPasv, 0x01020304, 21, "1,2,3,4,0,21"},
        {"EPRT |1|132.235.1.2|6275|\r\n", true, Kind::kEprt, 0x84eb0102, 6275, "|1|132.235.1.2|6275|"},
        {"229 Extended Passive (|||6446|)\r\n", false, Kind::kEpsv, 0, 6446, "|||6446|"},
        {"229 x (!!!7!)\r\n", false, Kind::kEpsv, 0, 7, "!!!7!"},
        {"NOOP\r\nPORT 1,2,3,4,5,6\r\n", true, Kind::kPort, 0x01020304, 1286, "1,2,3,4,5,6"},
    };
    for (const Row& row : rows) {
        const auto found = find_ftp_address(row.text, row.client);
        ASSERT_TRUE(found) << row.text;
        EXPECT_EQ(found->kind, row.kind) << row.text;
        EXPECT_EQ(found->address.lo, row.address) << row.text;
        EXPECT_EQ(found->port, row.port) << row.text;
        EXPECT_EQ(std::string(row.text).substr(found->offset, found->size), row.part);
    }
    const auto six = find_ftp_address("EPRT |2|fd00::1|2000|\r\n", true);
    ASSERT_TRUE(six);
    EXPECT_TRUE(six->v6);
    EXPECT_EQ(six->address, (U128{0xfd00ULL << 48, 1}));
}

TEST(Ftp, what_is_malformed_cut_off_or_said_by_the_wrong_side_is_none) {
    for (const char* text :
         {"", "PORT", "PORT \r\n", "PORT 10,0,0,1,4\r\n", "PORT 10,0,0,1,4,1", "PORT 256,0,0,1,4,1\r\n",
          "PORT 1,2,3,4,0,0\r\n", "PORT 1,2,3,4,5,\r\n", "XPORT 1,2,3,4,5,6\r\n", "EPRT |3|1.2.3.4|5|\r\n",
          "EPRT |1|1.2.3|5|\r\n", "EPRT |1|1.2.3.4|5\r\n", "EPRT |1|1.2.3.4|70000|\r\n",
          "EPRT 11.2.3.4151\r\n", "EPRT |2|1.2.3.4|5|\r\n", "227 (1,2,3,4,5,6)\r\n"}) {
        EXPECT_FALSE(find_ftp_address(text, true)) << text;
    }
    for (const char* text :
         {"227 none\r\n", "227-Entering (1,2,3,4,5,6)\r\n", "229 (||5|)\r\n", "229 (|||0|)\r\n",
          "229 |||5|\r\n", "PORT 1,2,3,4,5,6\r\n", "229 (|||99999|)\r\n", "229 (|||9"}) {
        EXPECT_FALSE(find_ftp_address(text, false)) << text;
    }
    EXPECT_FALSE(find_ftp_address(std::string(kFtpSearched, 'x') + "\nPORT 1,2,3,4,5,6\r\n", true));
}

TEST(Ftp, another_address_is_written_in_the_same_form) {
    std::array<char, kFtpTextBytes> out{};
    const auto text = [&](const char* like, bool client, U128 address, std::uint16_t port) {
        const auto size = format_ftp_address(*find_ftp_address(like, client), address, port, out);
        return std::string(out.data(), size);
    };
    EXPECT_EQ(text("PORT 1,2,3,4,5,6\r\n", true, {0, 0x0a0b0c0d}, 258), "10,11,12,13,1,2");
    EXPECT_EQ(text("EPRT !1!1.2.3.4!5!\r\n", true, {0, 0x0a0b0c0d}, 258), "!1!10.11.12.13!258!");
    EXPECT_EQ(text("EPRT |2|::1|5|\r\n", true, {0xfd00ULL << 48, 9}, 65535), "|2|fd00::9|65535|");
    EXPECT_EQ(text("229 (|||5|)\r\n", false, {}, 1), "|||1|");
}

}  // namespace
}  // namespace sluice::conntrack
