// SPDX-License-Identifier: Apache-2.0
// Bad messages, one fault each, and the OpenFlow error that names it.
#include <gtest/gtest.h>

#include "base/byte_order.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice::openflow {
namespace {

/// Bytes of hexadecimal text; blanks are ignored, "z<n>." stands for n zero bytes.
Bytes from_hex(std::string_view text) {
    Bytes bytes;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] == ' ') {
            ++i;
        } else if (text[i] == 'z') {
            const auto dot = text.find('.', i);
            bytes.resize(bytes.size() + std::stoul(std::string(text.substr(i + 1, dot - i - 1))));
            i = dot + 1;
        } else {
            bytes.push_back(
                static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
            i += 2;
        }
    }
    return bytes;
}
std::string message(unsigned version, unsigned type, const std::string& body) {
    return fmt::format("{:02x}{:02x}{:04x}00000001", version, type, 8 + from_hex(body).size()) + body;
}
std::string nicira(unsigned version, unsigned subtype, const std::string& body) {
    return message(version, 4, fmt::format("00002320{:08x}", subtype) + body);
}
/// A list with a 16-bit length in front (at `type`), padded to 8.
std::string padded(unsigned type, const std::string& body) {
    const std::size_t size = 4 + from_hex(body).size();
    return fmt::format("{:04x}{:04x}", type, size) + body + fmt::format("z{}.", (8 - size % 8) % 8);
}
std::string oxm(const std::string& fields) {
    return padded(1, fields);
}
const std::string kNoFields = "00010004 z4.";
std::string flow_mod(unsigned version, const std::string& match, const std::string& instructions,
                     const std::string& head = "0000 0000 0000 8000 ffffffff ffffffff ffffffff 0000 0000") {
    return message(version, 14, "z16. " + head + match + instructions);
}
std::string apply(const std::string& actions) {
    return fmt::format("0004{:04x}z4.", 8 + from_hex(actions).size()) + actions;
}
std::string with_match(const std::string& fields, unsigned version = 4) {
    return flow_mod(version, oxm(fields), "");
}
std::string with_actions(const std::string& actions, unsigned version = 4) {
    return flow_mod(version, kNoFields, apply(actions));
}
std::string with_instructions(const std::string& instructions, unsigned version = 4) {
    return flow_mod(version, kNoFields, instructions);
}
std::string flow_mod10(const std::string& actions, const std::string& command = "0000",
                       const std::string& flags = "0000") {
    return message(1, 14, "003fffff z36. z8." + command + "0000 0000 8000 ffffffff ffff" + flags + actions);
}
std::string nxm_flow_mod(const std::string& fields, unsigned version = 1) {
    const std::size_t size = from_hex(fields).size();
    return nicira(version, 13,
                  "z8. 0000 0000 0000 8000 ffffffff ffff 0000" + fmt::format("{:04x}", size) + "z6." +
                      fields + fmt::format("z{}.", (8 - size % 8) % 8));
}
std::string standard11(const std::string& body) {
    return message(2, 14, "z16. 0000 0000 0000 8000 ffffffff ffffffff ffffffff 0000 0000" + body);
}

struct BadCase {
    const char* what;
    std::string bytes;
    const char* error;
};

const std::string kEthIp = "80000a02 0800", kEthIp6 = "80000a02 86dd", kEthArp = "80000a02 0806";
const std::string kTcp = kEthIp + "80001401 06", kUdp = kEthIp + "80001401 11";

std::vector<BadCase> header_cases() {
    return {
        {"fewer bytes than a header", "0400 0004", "OFPBRC_BAD_LEN"},
        {"length beyond the bytes", "0402 0010 00000001", "OFPBRC_BAD_LEN"},
        {"length below the bytes", "0402 0008 00000001 00", "OFPBRC_BAD_LEN"},
        {"version 0", "0002 0008 00000001", "OFPBRC_BAD_VERSION"},
        {"version 7", "0705 0008 00000001", "OFPBRC_BAD_VERSION"},
        {"unknown type", message(4, 99, ""), "OFPBRC_BAD_TYPE"},
        {"type of a later version", message(1, 29, "z8."), "OFPBRC_BAD_TYPE"},
        {"role request before 1.2", message(2, 24, "z16."), "OFPBRC_BAD_TYPE"},
        {"bundle before 1.4", message(4, 33, "z8."), "OFPBRC_BAD_TYPE"},
        {"features request with a body", message(4, 5, "z4."), "OFPBRC_BAD_LEN"},
        {"barrier with a body", message(1, 18, "z8."), "OFPBRC_BAD_LEN"},
        {"error without code", message(4, 1, "0001"), "OFPBRC_BAD_LEN"},
        {"vendor message without vendor", message(4, 4, ""), "OFPBRC_BAD_LEN"},
        {"vendor message without subtype", message(4, 4, "00002320"), "OFPBRC_BAD_LEN"},
        {"unknown vendor", message(4, 4, "12345678 00000001"), "OFPBRC_BAD_VENDOR"},
        {"unknown Nicira subtype", nicira(4, 999, ""), "OFPBRC_BAD_SUBTYPE"},
        {"set_flow_format beyond 1.0", nicira(4, 12, "00000002"), "OFPBRC_BAD_SUBTYPE"},
        {"unknown ONF subtype", message(4, 4, "4f4e4600 00000001"), "OFPBRC_BAD_SUBTYPE"},
        {"multipart without type", message(4, 18, ""), "OFPBRC_BAD_LEN"},
        {"unknown multipart", message(4, 18, "00ff 0000 z4."), "OFPBRC_BAD_STAT"},
        {"meter statistics in 1.2", message(3, 18, "0009 0000 z4. z8."), "OFPBRC_BAD_STAT"},
        {"table features in 1.0", message(1, 16, "000c 0000"), "OFPBRC_BAD_STAT"},
        {"multipart of an unknown vendor", message(4, 18, "ffff 0000 z4. 12345678 z4."), "OFPBRC_BAD_VENDOR"},
        {"unknown Nicira multipart", message(4, 18, "ffff 0000 z4. 00002320 000000ff"), "OFPBRC_BAD_SUBTYPE"},
        {"table features to set", message(4, 18, "000c 0000 z4. z64."), "OFPBPC_BAD_LEN"},
        {"description request with a body", message(4, 18, "0000 0000 z4. z8."), "OFPBRC_BAD_LEN"},
        {"port statistics cut", message(4, 18, "0004 0000 z4. z4."), "OFPBRC_BAD_LEN"},
        {"configuration flags", message(4, 9, "0008 0000"), "OFPSCFC_BAD_FLAGS"},
        {"role 9", message(4, 24, "00000009 z12."), "OFPRRFC_BAD_ROLE"},
        {"Nicira role 3", nicira(1, 10, "00000003"), "OFPRRFC_BAD_ROLE"},
        {"packet-in format 9", nicira(4, 16, "00000009"), "OFPBRC_EPERM"},
        {"flow format 1", nicira(1, 12, "00000001"), "OFPBRC_EPERM"},
        {"controller id with padding set", nicira(4, 20, "00000000 0001 0005"), "NXBRC_MUST_BE_ZERO"},
        {"ct_flush_zone with padding set", nicira(4, 29, "00000000 0001 0005"), "NXBRC_MUST_BE_ZERO"},
        {"asynchronous mask with unknown reason", message(5, 28, "0001 0008 00000100"), "OFPACFC_INVALID"},
        {"asynchronous property unknown", message(5, 28, "0055 0008 00000000"), "OFPACFC_UNSUPPORTED"},
        {"asynchronous property too long", message(5, 28, "0001 0010 00000000"), "OFPBPC_BAD_LEN"},
        {"asynchronous property of length 2", message(5, 28, "0001 0002 00000000"), "OFPBPC_BAD_LEN"},
        {"port status reason", message(1, 12, "09 z7. z48."), "NXBRC_BAD_REASON"},
        {"packet-in reason", message(1, 10, "ffffffff 0000 0001 09 00"), "NXBRC_BAD_REASON"},
        {"port-mod property unknown", message(5, 16, "00000001 z4. z6. z2. z8. 0007 0008 00000000"),
         "OFPBPC_BAD_TYPE"},
        {"port-mod experimenter property", message(5, 16, "00000001 z4. z6. z2. z8. ffff 0008 00000000"),
         "OFPBPC_BAD_EXP_TYPE"},
    };
}

std::vector<BadCase> match_cases() {
    return {
        {"match cut", flow_mod(4, "0001", ""), "OFPBRC_BAD_LEN"},
        {"match length below 4", flow_mod(4, "00010003 z4.", ""), "OFPBMC_BAD_LEN"},
        {"match length beyond the message", flow_mod(4, "00010040 z4.", ""), "OFPBMC_BAD_LEN"},
        {"match type", flow_mod(4, "00050004 z4.", ""), "OFPBMC_BAD_TYPE"},
        {"standard match of another length", standard11("00000050 z84."), "OFPBMC_BAD_LEN"},
        {"unknown field", with_match("8000fc04 00000000"), "OFPBMC_BAD_FIELD"},
        {"unknown class", with_match("12340004 00000000"), "OFPBMC_BAD_FIELD"},
        {"unknown experimenter", with_match("ffff0008 12345678 00000000"), "OFPBMC_BAD_FIELD"},
        {"experimenter too short", with_match("ffff0002 0000"), "OFPBMC_BAD_LEN"},
        {"field length", with_match("80000002 0001"), "OFPBMC_BAD_FIELD"},
        {"field header cut", with_match("8000"), "OFPBMC_BAD_LEN"},
        {"field value cut", with_match("80000604 0011"), "OFPBMC_BAD_LEN"},
        {"masked field of plain length", with_match("80000706 001122334455"), "OFPBMC_BAD_WILDCARDS"},
        {"duplicate field", with_match("80000004 00000001 80000004 00000001"), "OFPBMC_DUP_FIELD"},
        {"the same field by another name", with_match("80000004 00000001 00000002 0001"), "OFPBMC_DUP_FIELD"},
        {"ip_src without eth_type", with_match("80001604 01020304"), "OFPBMC_BAD_PREREQ"},
        {"ip_src before eth_type", with_match("80001604 01020304" + kEthIp), "OFPBMC_BAD_PREREQ"},
        {"ip_src with IPv6", with_match(kEthIp6 + "80001604 01020304"), "OFPBMC_BAD_PREREQ"},
        {"tcp_dst with UDP", with_match(kUdp + "80001c02 0050"), "OFPBMC_BAD_PREREQ"},
        {"tcp_dst without protocol", with_match(kEthIp + "80001c02 0050"), "OFPBMC_BAD_PREREQ"},
        {"icmp_type with TCP", with_match(kTcp + "80002601 08"), "OFPBMC_BAD_PREREQ"},
        {"arp_op with IP", with_match(kEthIp + "80002a02 0001"), "OFPBMC_BAD_PREREQ"},
        {"nd_target without ICMPv6", with_match(kEthIp6 + "80003e10 z16."), "OFPBMC_BAD_PREREQ"},
        {"vlan_pcp without vlan_vid", with_match("80000e01 03"), "OFPBMC_BAD_PREREQ"},
        {"mpls_label without MPLS", with_match("80004404 00000001"), "OFPBMC_BAD_PREREQ"},
        {"tcp_flags without TCP", with_match("00014402 0001"), "OFPBMC_BAD_PREREQ"},
        {"arp_op above 255", with_match(kEthArp + "80002a02 0100"), "OFPBMC_BAD_VALUE"},
        {"ip_dscp above 63", with_match(kEthIp + "80001001 40"), "OFPBMC_BAD_VALUE"},
        {"ip_ecn above 3", with_match(kEthIp + "80001201 04"), "OFPBMC_BAD_VALUE"},
        {"vlan_vid above 13 bits", with_match("80000c02 2000"), "OFPBMC_BAD_VALUE"},
        {"vlan_pcp above 7", with_match("80000c02 1005 80000e01 08"), "OFPBMC_BAD_VALUE"},
        {"ipv6_label above 20 bits", with_match(kEthIp6 + "80003804 00100000"), "OFPBMC_BAD_VALUE"},
        {"mask on in_port", with_match("80000108 00000001 0000000f"), "OFPBMC_BAD_MASK"},
        {"mask on eth_type", with_match("80000b04 0800 ff00"), "OFPBMC_BAD_MASK"},
        {"value outside the mask", with_match("8000070c 001122334455 000000000000"), "OFPBMC_BAD_WILDCARDS"},
        {"NXM duplicate", nxm_flow_mod("00000002 0001 00000002 0001"), "OFPBMC_DUP_FIELD"},
        {"NXM prerequisite", nxm_flow_mod("00000e04 01020304"), "OFPBMC_BAD_PREREQ"},
        {"NXM unknown field", nxm_flow_mod("0001fc04 00000000"), "OFPBMC_BAD_FIELD"},
        {"NXM value outside the mask", nxm_flow_mod("00010108 00000001 00000000"), "OFPBMC_BAD_WILDCARDS"},
        {"NXM cut", nxm_flow_mod("000000"), "OFPBMC_BAD_LEN"},
        {"added flow with a cookie to match", nxm_flow_mod("00013c08 z7.05"), "NXBRC_NXM_INVALID"},
        {"VLAN id in a standard match",
         standard11(
             "00000058 00000000 000003fd z6. ffffffffffff z6. ffffffffffff 2000 00 00 z4. z4. ffffffff z4. "
             "ffffffff z4. z4. z4. z8. ffffffffffffffff"),
         "OFPBMC_BAD_VALUE"},
        {"ICMP type in a standard match",
         standard11("00000058 00000000 00000397 z6. ffffffffffff z6. ffffffffffff 0000 00 00 0800 00 01 z4. "
                    "ffffffff "
                    "z4. ffffffff 0100 0000 z4. z4. z8. ffffffffffffffff"),
         "OFPBMC_BAD_FIELD"},
    };
}

std::vector<BadCase> action_cases() {
    return {
        {"unknown action", with_actions("0063 0008 z4."), "OFPBAC_BAD_TYPE"},
        {"action of 1.0 in 1.3", with_actions("000b 0010 z12."), "OFPBAC_BAD_TYPE"},
        {"meter action before 1.5", with_actions("001d 0008 00000001"), "OFPBAC_BAD_TYPE"},
        {"action length 0", with_actions("0000 0000 z4."), "OFPBAC_BAD_LEN"},
        {"action length 4", with_actions("0000 0004 z4."), "OFPBAC_BAD_LEN"},
        {"action length 12", with_actions("0000 000c z12."), "OFPBAC_BAD_LEN"},
        {"action beyond its list", with_actions("0000 0018 z12."), "OFPBAC_BAD_LEN"},
        {"output of 8 bytes", with_actions("0000 0008 z4."), "OFPBAC_BAD_LEN"},
        {"output of 24 bytes", with_actions("0000 0018 00000001 z16."), "OFPBAC_BAD_LEN"},
        {"OpenFlow 1.0 actions of odd length", flow_mod10("0000 0008 0001 0000 00"), "OFPBRC_BAD_LEN"},
        {"output to port 65280", with_actions("0000 0010 0000ff00 z8."), "OFPBAC_BAD_OUT_PORT"},
        {"output to port 0x12345678", with_actions("0000 0010 12345678 z8."), "OFPBAC_BAD_OUT_PORT"},
        {"enqueue to FLOOD", flow_mod10("000b 0010 fffb z6. 00000001"), "OFPBAC_BAD_OUT_PORT"},
        {"vendor 0", with_actions("ffff 0010 z12."), "OFPBAC_BAD_VENDOR"},
        {"unknown vendor", with_actions("ffff 0010 12345678 z8."), "OFPBAC_BAD_VENDOR"},
        {"vendor action of 8 bytes", with_actions("ffff 0008 00002320"), "OFPBAC_BAD_LEN"},
        {"unknown Nicira action", with_actions("ffff 0010 00002320 03e7 z6."), "OFPBAC_BAD_VENDOR_TYPE"},
        {"reg_load in 1.5", with_actions("ffff 0018 00002320 0007 001f 00010004 z8.", 6),
         "OFPBAC_BAD_VENDOR_TYPE"},
        {"VLAN id 4096", flow_mod10("0001 0008 1000 0000"), "OFPBAC_BAD_ARGUMENT"},
        {"VLAN priority 8", flow_mod10("0002 0008 08 z3."), "OFPBAC_BAD_ARGUMENT"},
        {"nw_tos with ECN", flow_mod10("0008 0008 01 z3."), "OFPBAC_BAD_ARGUMENT"},
        {"ECN 4", with_actions("0008 0008 04 z3."), "OFPBAC_BAD_ARGUMENT"},
        {"push_vlan 0x0800", with_actions("0011 0008 0800 0000"), "OFPBAC_BAD_ARGUMENT"},
        {"push_mpls 0x0800", with_actions("0013 0008 0800 0000"), "OFPBAC_BAD_ARGUMENT"},
        {"output with max_len 13", with_actions("ffff 0010 00002320 0027 0001 0000000d"),
         "OFPBAC_BAD_ARGUMENT"},
        {"set_field with mask in 1.3", with_actions("0019 0018 8000070c z6. 000000000001 z4."),
         "OFPBAC_BAD_SET_MASK"},
        {"set_field of an unknown field", with_actions("0019 0010 8000fc04 z8."), "OFPBAC_BAD_SET_TYPE"},
        {"set_field of a wrong length", with_actions("0019 0010 80000602 z8."), "OFPBAC_BAD_SET_LEN"},
        {"set_field cut", with_actions("0019 0010 80003610 z8."), "OFPBMC_BAD_LEN"},
        {"set_field of eth_type", with_actions("0019 0010 80000a02 0800 z6."), "OFPBAC_BAD_SET_ARGUMENT"},
        {"set_field of a value too large", with_actions("0019 0010 80001001 40 z7."),
         "OFPBAC_BAD_SET_ARGUMENT"},
        {"set_field with padding set", with_actions("0019 0010 80001001 04 z6. 01"),
         "OFPBAC_BAD_SET_ARGUMENT"},
        {"load of an unknown field", flow_mod10("ffff 0018 00002320 0007 001f 0001fc04 z8."),
         "OFPBAC_BAD_SET_TYPE"},
        {"load past the end", flow_mod10("ffff 0018 00002320 0007 0020 00010004 z8."), "OFPBAC_BAD_SET_LEN"},
        {"load into eth_type", flow_mod10("ffff 0018 00002320 0007 000f 00000602 z8."),
         "OFPBAC_BAD_SET_ARGUMENT"},
        {"load of a value too large", flow_mod10("ffff 0018 00002320 0007 0003 00010004 z7. 10"),
         "OFPBAC_BAD_ARGUMENT"},
        {"load with a masked header", flow_mod10("ffff 0018 00002320 0007 001f 00010108 z8."),
         "OFPBAC_BAD_SET_TYPE"},
        {"move of 0 bits", flow_mod10("ffff 0018 00002320 0006 0000 0000 0000 00010004 00010204"),
         "OFPBAC_BAD_SET_LEN"},
        {"move past the source", flow_mod10("ffff 0018 00002320 0006 0020 0001 0000 00010004 00010204"),
         "OFPBAC_BAD_SET_LEN"},
        {"move into eth_type", flow_mod10("ffff 0018 00002320 0006 0010 0000 0000 00010004 00000602"),
         "OFPBAC_BAD_SET_ARGUMENT"},
        {"push past the end", flow_mod10("ffff 0018 00002320 001b 0001 00010004 0020 z6."),
         "OFPBAC_BAD_SET_LEN"},
        {"pop into eth_type", flow_mod10("ffff 0018 00002320 001c 0000 00000602 0010 z6."),
         "OFPBAC_BAD_SET_ARGUMENT"},
        {"output to a register past its end", flow_mod10("ffff 0018 00002320 000f 0060 00010004 0000 z6."),
         "OFPBAC_BAD_SET_LEN"},
        {"resubmit with padding set", flow_mod10("ffff 0010 00002320 000e fff8 05 000001"),
         "OFPBAC_BAD_ARGUMENT"},
        {"resubmit of 24 bytes", flow_mod10("ffff 0018 00002320 0001 fff8 z12."), "OFPBAC_BAD_LEN"},
        {"dec_ttl ids cut", flow_mod10("ffff 0010 00002320 0015 0001 z4."), "OFPBAC_BAD_LEN"},
        {"controller property unknown", flow_mod10("ffff 0018 00002320 0025 z6. 0063 0004 z4."),
         "OFPBPC_BAD_TYPE"},
        {"controller property too long", flow_mod10("ffff 0018 00002320 0025 z6. 0003 0030 z4."),
         "OFPBPC_BAD_LEN"},
        {"an action inside a clone", flow_mod10("ffff 0018 00002320 002a z6. 0063 0008 z4."),
         "OFPBAC_BAD_TYPE"},
        {"learn into table 255", flow_mod10("ffff 0020 00002320 0010 z16. ff z5."), "OFPBAC_BAD_ARGUMENT"},
        {"meter 0", with_actions("001d 0008 00000000", 6), "OFPMMFC_INVALID_METER"},
        {"packet-out actions beyond the message", message(4, 13, "ffffffff fffffffd 0010 z6."),
         "OFPBRC_BAD_LEN"},
        {"packet-out in_port", message(4, 13, "ffffffff 12345678 0000 z6."), "OFPBAC_BAD_OUT_PORT"},
        {"packet-out of 1.5 without in_port", message(6, 13, "ffffffff 0000 z2." + kNoFields),
         "OFPBRC_BAD_PORT"},
    };
}

std::vector<BadCase> instruction_cases() {
    return {
        {"unknown instruction", with_instructions("0063 0008 z4."), "OFPBIC_UNKNOWN_INST"},
        {"meter in 1.5", with_instructions("0006 0008 00000001", 6), "OFPBIC_UNKNOWN_INST"},
        {"experimenter instruction", with_instructions("ffff 0008 12345678"), "OFPBIC_BAD_EXPERIMENTER"},
        {"instruction length 4", with_instructions("0001 0004 z4."), "OFPBIC_BAD_LEN"},
        {"instruction length 12", with_instructions("0004 000c z12."), "OFPBIC_BAD_LEN"},
        {"instruction beyond the message", with_instructions("0004 0018 z4."), "OFPBIC_BAD_LEN"},
        {"goto of 16 bytes", with_instructions("0001 0010 z12."), "OFPBIC_BAD_LEN"},
        {"write_metadata of 8 bytes", with_instructions("0002 0008 z4."), "OFPBIC_BAD_LEN"},
        {"goto twice", with_instructions("0001 0008 05 z3. 0001 0008 06 z3."), "OFPBIC_DUP_INST"},
        {"apply twice", with_instructions(apply("") + apply("")), "OFPBIC_DUP_INST"},
        {"meter 0", with_instructions("0006 0008 00000000"), "OFPMMFC_INVALID_METER"},
        {"exit in write_actions", with_instructions("0003 0018 z4. ffff 0010 00002320 0011 z6."),
         "OFPBAC_BAD_TYPE"},
    };
}

std::vector<BadCase> mod_cases() {
    const std::string tail = "0000 0000 8000 ffffffff ffffffff ffffffff ";
    return {
        {"flow-mod command 5", flow_mod(4, kNoFields, "", "0005" + tail + "0000 0000"),
         "OFPFMFC_BAD_COMMAND"},
        {"flow-mod command 5 in 1.0", flow_mod10("", "0005"), "OFPFMFC_BAD_COMMAND"},
        {"flow-mod command 256 in 1.0", flow_mod10("", "0100"), "OFPFMFC_BAD_COMMAND"},
        {"flow-mod flags", flow_mod(4, kNoFields, "", "0000" + tail + "0020 0000"), "OFPFMFC_BAD_FLAGS"},
        {"reset_counts in 1.1", flow_mod(2, "00000058 z84.", "", "0000" + tail + "0004 0000"),
         "OFPFMFC_BAD_FLAGS"},
        {"emergency flow", flow_mod10("", "0000", "0004"), "OFPFMFC_TABLE_FULL"},
        {"add in all tables", flow_mod(4, kNoFields, "", "ff00" + tail + "0000 0000"),
         "OFPFMFC_BAD_TABLE_ID"},
        {"flow-mod cut", message(4, 14, "z40."), "OFPBRC_BAD_LEN"},
        {"group type", message(4, 15, "0000 09 00 00000001"), "OFPGMFC_BAD_TYPE"},
        {"group command", message(4, 15, "0009 00 00 00000001"), "OFPGMFC_BAD_COMMAND"},
        {"group number", message(4, 15, "0000 00 00 ffffff01"), "OFPGMFC_INVALID_GROUP"},
        {"bucket of 8 bytes", message(4, 15, "0000 00 00 00000001 0008 z6."), "OFPGMFC_BAD_BUCKET"},
        {"bucket beyond the message", message(4, 15, "0000 00 00 00000001 0040 z14."), "OFPGMFC_BAD_BUCKET"},
        {"two buckets of an indirect group", message(4, 15, "0000 02 00 00000001 0010 z14. 0010 z14."),
         "OFPGMFC_INVALID_GROUP"},
        {"action in a bucket", message(4, 15, "0000 00 00 00000001 0018 z14. 0063 0008 z4."),
         "OFPBAC_BAD_TYPE"},
        {"bucket list beyond the message", message(6, 15, "0000 00 00 00000001 0040 z2. ffffffff"),
         "OFPBRC_BAD_LEN"},
        {"indirect group without a bucket", message(4, 15, "0000 02 00 00000001"), "OFPGMFC_INVALID_GROUP"},
        {"weight in a group of type all",
         message(4, 15, "0001 00 00 00000001 0010 0007 ffffffff ffffffff z4."), "OFPGMFC_INVALID_GROUP"},
        {"watched port in a group of type all",
         message(4, 15, "0000 00 00 00000001 0010 0000 00000001 ffffffff z4."), "OFPGMFC_WATCH_UNSUPPORTED"},
        {"fast failover that watches nothing",
         message(4, 15, "0000 03 00 00000001 0010 0000 ffffffff ffffffff z4."), "OFPGMFC_INVALID_GROUP"},
        {"add with a command bucket", message(6, 15, "0000 00 00 00000001 0000 z2. 00000005"),
         "OFPGMFC_BAD_BUCKET"},
        {"insert-bucket at all", message(6, 15, "0003 00 00 00000001 0000 z2. ffffffff"),
         "OFPGMFC_BAD_BUCKET"},
        {"remove-bucket at no bucket's number", message(6, 15, "0005 00 00 00000001 0000 z2. ffffff10"),
         "OFPGMFC_BAD_BUCKET"},
        {"remove-bucket with a bucket",
         message(6, 15, "0005 00 00 00000001 0008 z2. fffffffd 0008 0000 00000001"), "OFPGMFC_BAD_BUCKET"},
        {"two buckets of one number",
         message(6, 15, "0000 00 00 00000001 0010 z2. ffffffff 0008 0000 00000001 0008 0000 00000001"),
         "OFPGMFC_BAD_BUCKET"},
        {"selection method of a group of type all",
         message(
             6, 15,
             "0000 00 00 00000001 0000 z2. ffffffff ffff 0028 0000154d 00000001 z4. 64705f68617368 z9. z8."),
         "OFPBPC_BAD_VALUE"},
        {"group property", message(6, 15, "0000 00 00 00000001 0000 z2. ffffffff 0001 0008 z4."),
         "OFPBPC_BAD_TYPE"},
        {"meter command", message(4, 29, "0009 0001 00000001"), "OFPMMFC_BAD_COMMAND"},
        {"meter 0", message(4, 29, "0000 0001 00000000"), "OFPMMFC_INVALID_METER"},
        {"meter in kbps and pktps", message(4, 29, "0000 0003 00000001"), "OFPMMFC_BAD_FLAGS"},
        {"meter band type", message(4, 29, "0000 0001 00000001 0009 0010 z12."), "OFPMMFC_BAD_BAND"},
        {"meter band length", message(4, 29, "0000 0001 00000001 0001 0018 z20."), "OFPBRC_BAD_LEN"},
        {"vacancy", message(5, 17, "00 z3. 00000008 0003 0008 1e 0a 00 00"), "OFPBPC_BAD_VALUE"},
        {"table property", message(5, 17, "00 z3. 00000000 0009 0008 z4."), "OFPBRC_BAD_TYPE"},
        {"bundled message cut", message(5, 34, "00000001 0000 0000 050e 0040 00000001"),
         "OFPBFC_MSG_BAD_LEN"},
        {"no bundled message", message(5, 34, "00000001 0000 0000"), "OFPBFC_MSG_BAD_LEN"},
        {"bundled message of another version", message(5, 34, "00000001 0000 0000 0405 0008 00000001"),
         "OFPBFC_BAD_VERSION"},
        {"bundled message of another xid", message(5, 34, "00000001 0000 0000 0505 0008 00000002"),
         "OFPBFC_MSG_BAD_XID"},
        {"features request in a bundle", message(5, 34, "00000001 0000 0000 0505 0008 00000001"),
         "OFPBFC_MSG_UNSUP"},
        {"tlv table command", nicira(4, 24, "0009 z6."), "NXTTMFC_BAD_COMMAND"},
        {"tunnel option of 5 bytes", nicira(4, 24, "0000 z6. ffff 00 05 0000 0000"), "NXTTMFC_BAD_OPT_LEN"},
        {"tun_metadata64", nicira(4, 24, "0000 z6. ffff 00 04 0040 0000"), "NXTTMFC_BAD_FIELD_IDX"},
        {"monitor flags", message(5, 18, "0010 0000 z4. 00000001 ffffffff ffffffff 0080 ff 00" + kNoFields),
         "OFPMOFC_BAD_FLAGS"},
        {"monitor of no changes",
         message(5, 18, "0010 0000 z4. 00000001 ffffffff ffffffff 0000 ff 00" + kNoFields),
         "OFPMOFC_BAD_FLAGS"},
        {"Nicira monitor flags",
         message(1, 16, "ffff 0000 00002320 00000002 z4. 00000001 0040 ffff 0000 ff z5."),
         "OFPMOFC_BAD_FLAGS"},
    };
}

TEST(OpenFlowBadInput, EachFaultHasItsError) {
    std::size_t count = 0;
    for (const auto& cases :
         {header_cases(), match_cases(), action_cases(), instruction_cases(), mod_cases()}) {
        for (const auto& bad : cases) {
            ++count;
            const Bytes bytes = from_hex(bad.bytes);
            const auto decoded = decode(bytes);
            if (decoded) {
                ADD_FAILURE() << bad.what << " was taken as " << message_name(decoded->body) << ", not "
                              << bad.error;
                continue;
            }
            EXPECT_EQ(error_name(decoded.error().code), bad.error)
                << bad.what << ": " << decoded.error().detail;
            EXPECT_FALSE(decoded.error().detail.empty()) << bad.what;
            const auto reply = decode(encode_error(decoded.error(), bytes));
            ASSERT_TRUE(reply) << bad.what;
            EXPECT_TRUE(std::holds_alternative<ErrorMessage>(reply->body));
        }
    }
    EXPECT_GE(count, 150U);
}

TEST(OpenFlowBadInput, DeeplyNestedClonesAreRefused) {
    std::string actions;
    for (int depth = 0; depth < 200; ++depth) {
        const std::size_t size = 16 + from_hex(actions).size();
        actions = fmt::format("ffff{:04x}00002320002az6.", size) + actions;
    }
    const auto decoded = decode(from_hex(flow_mod10(actions)));
    ASSERT_FALSE(decoded);
    EXPECT_EQ(error_name(decoded.error().code), "OFPBAC_TOO_MANY");
}

}  // namespace
}  // namespace sluice::openflow
