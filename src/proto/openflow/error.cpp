// SPDX-License-Identifier: Apache-2.0
// The table of OpenFlow errors: a new error is one enumerator and one row, in the same order.
#include "proto/openflow/error.hpp"

#include <array>
#include <cstddef>

namespace sluice::openflow {

namespace {

/// Versions first..last have the error as (vendor, type, code).
struct Form {
    std::uint32_t vendor = 0;
    std::uint8_t first = 0, last = 0;  ///< 0: unused entry
    std::uint16_t type = 0, code = 0;
};
struct Row {
    ErrorCode error;
    std::string_view name;
    std::string_view text;
    std::array<Form, 4> forms;
};

// clang-format off
constexpr Row kRows[] = {
    {ErrorCode::kHfcIncompatible, "OFPHFC_INCOMPATIBLE", "no compatible version", {{{0, 1, 6, 0, 0}}}},
    {ErrorCode::kHfcEperm, "OFPHFC_EPERM", "permissions error", {{{0, 1, 6, 0, 1}}}},
    {ErrorCode::kBrcBadVersion, "OFPBRC_BAD_VERSION", "header version not supported", {{{0, 1, 6, 1, 0}}}},
    {ErrorCode::kBrcBadType, "OFPBRC_BAD_TYPE", "message type not supported", {{{0, 1, 6, 1, 1}}}},
    {ErrorCode::kBrcBadStat, "OFPBRC_BAD_STAT", "multipart type not supported", {{{0, 1, 6, 1, 2}}}},
    {ErrorCode::kBrcBadVendor, "OFPBRC_BAD_VENDOR", "vendor not supported", {{{0, 1, 6, 1, 3}}}},
    {ErrorCode::kBrcBadSubtype, "OFPBRC_BAD_SUBTYPE", "vendor subtype not supported", {{{0, 1, 6, 1, 4}}}},
    {ErrorCode::kBrcEperm, "OFPBRC_EPERM", "permissions error", {{{0, 1, 6, 1, 5}}}},
    {ErrorCode::kBrcBadLen, "OFPBRC_BAD_LEN", "wrong request length for type", {{{0, 1, 6, 1, 6}}}},
    {ErrorCode::kBrcBufferEmpty, "OFPBRC_BUFFER_EMPTY", "buffer has already been used", {{{0, 1, 6, 1, 7}}}},
    {ErrorCode::kBrcBufferUnknown, "OFPBRC_BUFFER_UNKNOWN", "buffer does not exist", {{{0, 1, 6, 1, 8}}}},
    {ErrorCode::kBrcBadTableId, "OFPBRC_BAD_TABLE_ID", "table does not exist", {{{kNiciraVendor, 1, 1, 1, 512}, {0, 2, 6, 1, 9}}}},
    {ErrorCode::kBrcIsSlave, "OFPBRC_IS_SECONDARY", "denied because the controller is secondary", {{{0, 1, 2, 1, 5}, {0, 3, 6, 1, 10}}}},
    {ErrorCode::kBrcBadPort, "OFPBRC_BAD_PORT", "invalid port", {{{kNiciraVendor, 1, 2, 1, 514}, {0, 3, 6, 1, 11}}}},
    {ErrorCode::kBrcBadPacket, "OFPBRC_BAD_PACKET", "invalid packet in packet-out", {{{0, 3, 6, 1, 12}}}},
    {ErrorCode::kBrcMultipartBufferOverflow, "OFPBRC_MULTIPART_BUFFER_OVERFLOW", "multipart request overflowed the buffer", {{{0, 4, 6, 1, 13}}}},
    {ErrorCode::kBrcPipelineFieldsOnly, "OFPBRC_PIPELINE_FIELDS_ONLY", "only pipeline fields are allowed", {{{0, 6, 6, 1, 17}}}},
    {ErrorCode::kNxbrcNxmInvalid, "NXBRC_NXM_INVALID", "invalid NXM match", {{{kNiciraVendor, 1, 2, 1, 256}, {kNiciraVendor, 3, 6, 2, 0}}}},
    {ErrorCode::kNxbrcNxmBadType, "NXBRC_NXM_BAD_TYPE", "NXM header not valid or not implemented", {{{kNiciraVendor, 1, 2, 1, 257}, {kNiciraVendor, 3, 6, 3, 0}}}},
    {ErrorCode::kNxbrcMustBeZero, "NXBRC_MUST_BE_ZERO", "must-be-zero field is not zero", {{{kNiciraVendor, 1, 2, 1, 515}, {kNiciraVendor, 3, 6, 4, 0}}}},
    {ErrorCode::kNxbrcBadReason, "NXBRC_BAD_REASON", "reason not valid", {{{kNiciraVendor, 1, 2, 1, 516}, {kNiciraVendor, 3, 6, 5, 0}}}},
    {ErrorCode::kNxbrcFmBadEvent, "NXBRC_FM_BAD_EVENT", "flow monitor event not valid", {{{kNiciraVendor, 1, 2, 1, 520}, {kNiciraVendor, 3, 6, 9, 0}}}},
    {ErrorCode::kNxbrcUnencodableError, "NXBRC_UNENCODABLE_ERROR", "error has no form in this version", {{{kNiciraVendor, 1, 2, 1, 521}, {kNiciraVendor, 3, 6, 10, 0}}}},
    {ErrorCode::kBacBadType, "OFPBAC_BAD_TYPE", "unknown action type", {{{0, 1, 6, 2, 0}}}},
    {ErrorCode::kBacBadLen, "OFPBAC_BAD_LEN", "length problem in actions", {{{0, 1, 6, 2, 1}}}},
    {ErrorCode::kBacBadVendor, "OFPBAC_BAD_VENDOR", "unknown vendor of an action", {{{0, 1, 6, 2, 2}}}},
    {ErrorCode::kBacBadVendorType, "OFPBAC_BAD_VENDOR_TYPE", "unknown vendor action", {{{0, 1, 6, 2, 3}}}},
    {ErrorCode::kBacBadOutPort, "OFPBAC_BAD_OUT_PORT", "problem with an output port", {{{0, 1, 6, 2, 4}}}},
    {ErrorCode::kBacBadArgument, "OFPBAC_BAD_ARGUMENT", "bad action argument", {{{0, 1, 6, 2, 5}}}},
    {ErrorCode::kBacEperm, "OFPBAC_EPERM", "permissions error", {{{0, 1, 6, 2, 6}}}},
    {ErrorCode::kBacTooMany, "OFPBAC_TOO_MANY", "too many actions", {{{0, 1, 6, 2, 7}}}},
    {ErrorCode::kBacBadQueue, "OFPBAC_BAD_QUEUE", "problem with an output queue", {{{0, 1, 6, 2, 8}}}},
    {ErrorCode::kBacBadOutGroup, "OFPBAC_BAD_OUT_GROUP", "invalid group", {{{kNiciraVendor, 1, 1, 2, 9}, {0, 2, 6, 2, 9}}}},
    {ErrorCode::kBacMatchInconsistent, "OFPBAC_MATCH_INCONSISTENT", "prerequisite of an action is not met by the match", {{{kNiciraVendor, 1, 1, 1, 522}, {0, 2, 6, 2, 10}}}},
    {ErrorCode::kBacUnsupportedOrder, "OFPBAC_UNSUPPORTED_ORDER", "action order not supported", {{{0, 2, 6, 2, 11}}}},
    {ErrorCode::kBacBadTag, "OFPBAC_BAD_TAG", "unsupported tag or encapsulation", {{{0, 2, 6, 2, 12}}}},
    {ErrorCode::kBacBadSetType, "OFPBAC_BAD_SET_TYPE", "action uses an unknown field", {{{kNiciraVendor, 1, 2, 1, 523}, {0, 3, 6, 2, 13}}}},
    {ErrorCode::kBacBadSetLen, "OFPBAC_BAD_SET_LEN", "action goes past the end of a field", {{{kNiciraVendor, 1, 2, 1, 524}, {0, 3, 6, 2, 14}}}},
    {ErrorCode::kBacBadSetArgument, "OFPBAC_BAD_SET_ARGUMENT", "invalid value, or a read-only field", {{{kNiciraVendor, 1, 2, 1, 525}, {0, 3, 6, 2, 15}}}},
    {ErrorCode::kBacBadSetMask, "OFPBAC_BAD_SET_MASK", "set_field with a mask", {{{kOnfVendor, 4, 5, 4250, 0}, {0, 6, 6, 2, 16}}}},
    {ErrorCode::kNxbacMustBeZero, "NXBAC_MUST_BE_ZERO", "must-be-zero action argument is not zero", {{{kNiciraVendor, 1, 2, 2, 256}, {kNiciraVendor, 3, 6, 11, 0}}}},
    {ErrorCode::kNxbacBadConjunction, "NXBAC_BAD_CONJUNCTION", "conjunction is not alone or out of range", {{{kNiciraVendor, 1, 2, 2, 526}, {kNiciraVendor, 3, 6, 15, 0}}}},
    {ErrorCode::kNxbacBadHeaderType, "NXBAC_BAD_HEADER_TYPE", "unsupported packet type in encap or decap", {{{kNiciraVendor, 4, 6, 39, 0}}}},
    {ErrorCode::kNxbacUnknownEdProp, "NXBAC_UNKNOWN_ED_PROP", "unknown encap or decap property", {{{kNiciraVendor, 4, 6, 40, 0}}}},
    {ErrorCode::kNxbacBadEdProp, "NXBAC_BAD_ED_PROP", "error in encap or decap property", {{{kNiciraVendor, 4, 6, 41, 0}}}},
    {ErrorCode::kBicUnknownInst, "OFPBIC_UNKNOWN_INST", "unknown instruction", {{{0, 2, 6, 3, 0}}}},
    {ErrorCode::kBicUnsupInst, "OFPBIC_UNSUP_INST", "instruction not supported", {{{kNiciraVendor, 1, 1, 2, 257}, {0, 2, 6, 3, 1}}}},
    {ErrorCode::kBicBadTableId, "OFPBIC_BAD_TABLE_ID", "invalid table of goto_table", {{{0, 2, 6, 3, 2}}}},
    {ErrorCode::kBicUnsupMetadata, "OFPBIC_UNSUP_METADATA", "metadata value not supported", {{{0, 2, 6, 3, 3}}}},
    {ErrorCode::kBicUnsupMetadataMask, "OFPBIC_UNSUP_METADATA_MASK", "metadata mask not supported", {{{0, 2, 6, 3, 4}}}},
    {ErrorCode::kBicBadExperimenter, "OFPBIC_BAD_EXPERIMENTER", "unknown experimenter of an instruction", {{{0, 2, 6, 3, 5}}}},
    {ErrorCode::kBicBadExpType, "OFPBIC_BAD_EXP_TYPE", "unknown experimenter instruction", {{{0, 2, 2, 3, 5}, {0, 3, 6, 3, 6}}}},
    {ErrorCode::kBicBadLen, "OFPBIC_BAD_LEN", "length problem in instructions", {{{0, 3, 6, 3, 7}}}},
    {ErrorCode::kBicEperm, "OFPBIC_EPERM", "permissions error", {{{0, 3, 6, 3, 8}}}},
    {ErrorCode::kBicDupInst, "OFPBIC_DUP_INST", "duplicate instruction", {{{kNiciraVendor, 2, 2, 3, 256}, {kOnfVendor, 3, 4, 2600, 0}, {0, 5, 6, 3, 9}}}},
    {ErrorCode::kBmcBadType, "OFPBMC_BAD_TYPE", "unsupported match type", {{{0, 2, 6, 4, 0}}}},
    {ErrorCode::kBmcBadLen, "OFPBMC_BAD_LEN", "length problem in match", {{{0, 2, 6, 4, 1}}}},
    {ErrorCode::kBmcBadTag, "OFPBMC_BAD_TAG", "match on an unsupported tag", {{{0, 2, 6, 4, 2}}}},
    {ErrorCode::kBmcBadDlAddrMask, "OFPBMC_BAD_DL_ADDR_MASK", "unsupported Ethernet address mask", {{{0, 2, 6, 4, 3}}}},
    {ErrorCode::kBmcBadNwAddrMask, "OFPBMC_BAD_NW_ADDR_MASK", "unsupported network address mask", {{{0, 2, 6, 4, 4}}}},
    {ErrorCode::kBmcBadWildcards, "OFPBMC_BAD_WILDCARDS", "unsupported wildcards", {{{kNiciraVendor, 1, 1, 1, 262}, {0, 2, 6, 4, 5}}}},
    {ErrorCode::kBmcBadField, "OFPBMC_BAD_FIELD", "unknown field in match", {{{kNiciraVendor, 1, 1, 0, 263}, {0, 2, 6, 4, 6}}}},
    {ErrorCode::kBmcBadValue, "OFPBMC_BAD_VALUE", "unsupported value in match", {{{kNiciraVendor, 1, 1, 1, 258}, {0, 2, 6, 4, 7}}}},
    {ErrorCode::kBmcBadMask, "OFPBMC_BAD_MASK", "unsupported mask in match", {{{kNiciraVendor, 1, 2, 1, 259}, {0, 3, 6, 4, 8}}}},
    {ErrorCode::kBmcBadPrereq, "OFPBMC_BAD_PREREQ", "prerequisite of a match field is not met", {{{kNiciraVendor, 1, 2, 1, 260}, {0, 3, 6, 4, 9}}}},
    {ErrorCode::kBmcDupField, "OFPBMC_DUP_FIELD", "duplicate field in match", {{{kNiciraVendor, 1, 2, 1, 261}, {0, 3, 6, 4, 10}}}},
    {ErrorCode::kBmcEperm, "OFPBMC_EPERM", "permissions error", {{{0, 3, 6, 4, 11}}}},
    {ErrorCode::kFmfcUnknown, "OFPFMFC_UNKNOWN", "unspecified error", {{{0, 2, 6, 5, 0}}}},
    {ErrorCode::kFmfcTableFull, "OFPFMFC_TABLE_FULL", "table is full", {{{0, 1, 1, 3, 0}, {0, 2, 6, 5, 1}}}},
    {ErrorCode::kFmfcBadTableId, "OFPFMFC_BAD_TABLE_ID", "table does not exist", {{{0, 2, 6, 5, 2}}}},
    {ErrorCode::kFmfcOverlap, "OFPFMFC_OVERLAP", "flow overlaps another and check_overlap is set", {{{0, 1, 1, 3, 1}, {0, 2, 6, 5, 3}}}},
    {ErrorCode::kFmfcEperm, "OFPFMFC_EPERM", "permissions error", {{{0, 1, 1, 3, 2}, {0, 2, 6, 5, 4}}}},
    {ErrorCode::kFmfcBadTimeout, "OFPFMFC_BAD_TIMEOUT", "unsupported timeout", {{{0, 2, 6, 5, 5}}}},
    {ErrorCode::kFmfcBadEmergTimeout, "OFPFMFC_BAD_EMERG_TIMEOUT", "emergency flow with a timeout", {{{0, 1, 1, 3, 3}}}},
    {ErrorCode::kFmfcBadCommand, "OFPFMFC_BAD_COMMAND", "unknown flow-mod command", {{{0, 1, 1, 3, 4}, {0, 2, 6, 5, 6}}}},
    {ErrorCode::kFmfcBadFlags, "OFPFMFC_BAD_FLAGS", "unknown flow-mod flags", {{{kNiciraVendor, 1, 1, 3, 258}, {kNiciraVendor, 2, 2, 5, 258}, {0, 3, 6, 5, 7}}}},
    {ErrorCode::kFmfcUnsupported, "OFPFMFC_UNSUPPORTED", "action list can't be processed in this order", {{{0, 1, 1, 3, 5}}}},
    {ErrorCode::kNxfmfcHardware, "NXFMFC_HARDWARE", "hardware error", {{{kNiciraVendor, 1, 2, 5, 256}, {kNiciraVendor, 3, 6, 12, 0}}}},
    {ErrorCode::kNxfmfcBadTableId, "NXFMFC_BAD_TABLE_ID", "no such table in the command field", {{{kNiciraVendor, 1, 2, 5, 257}, {kNiciraVendor, 3, 6, 13, 0}}}},
    {ErrorCode::kNxfmfcInvalidTlvField, "NXFMFC_INVALID_TLV_FIELD", "no such tunnel option", {{{kNiciraVendor, 1, 2, 1, 536}, {kNiciraVendor, 3, 6, 37, 0}}}},
    {ErrorCode::kNxttmfcInvalidTlvDel, "NXTTMFC_INVALID_TLV_DEL", "a flow uses the mapping", {{{kNiciraVendor, 1, 2, 1, 537}, {kNiciraVendor, 3, 6, 38, 0}}}},
    {ErrorCode::kGmfcGroupExists, "OFPGMFC_GROUP_EXISTS", "group exists", {{{kNiciraVendor, 1, 1, 6, 0}, {0, 2, 6, 6, 0}}}},
    {ErrorCode::kGmfcInvalidGroup, "OFPGMFC_INVALID_GROUP", "invalid group", {{{kNiciraVendor, 1, 1, 6, 1}, {0, 2, 6, 6, 1}}}},
    {ErrorCode::kGmfcWeightUnsupported, "OFPGMFC_WEIGHT_UNSUPPORTED", "unequal weights not supported", {{{kNiciraVendor, 1, 1, 6, 2}, {0, 2, 6, 6, 2}}}},
    {ErrorCode::kGmfcOutOfGroups, "OFPGMFC_OUT_OF_GROUPS", "group table is full", {{{kNiciraVendor, 1, 1, 6, 3}, {0, 2, 6, 6, 3}}}},
    {ErrorCode::kGmfcOutOfBuckets, "OFPGMFC_OUT_OF_BUCKETS", "too many buckets", {{{kNiciraVendor, 1, 1, 6, 4}, {0, 2, 6, 6, 4}}}},
    {ErrorCode::kGmfcChainingUnsupported, "OFPGMFC_CHAINING_UNSUPPORTED", "groups that forward to groups are not supported", {{{kNiciraVendor, 1, 1, 6, 5}, {0, 2, 6, 6, 5}}}},
    {ErrorCode::kGmfcWatchUnsupported, "OFPGMFC_WATCH_UNSUPPORTED", "can't watch this port or group", {{{kNiciraVendor, 1, 1, 6, 6}, {0, 2, 6, 6, 6}}}},
    {ErrorCode::kGmfcLoop, "OFPGMFC_LOOP", "group would cause a loop", {{{kNiciraVendor, 1, 1, 6, 7}, {0, 2, 6, 6, 7}}}},
    {ErrorCode::kGmfcUnknownGroup, "OFPGMFC_UNKNOWN_GROUP", "group does not exist", {{{kNiciraVendor, 1, 1, 6, 8}, {0, 2, 6, 6, 8}}}},
    {ErrorCode::kGmfcChainedGroup, "OFPGMFC_CHAINED_GROUP", "another group forwards to this one", {{{kNiciraVendor, 1, 1, 6, 9}, {0, 3, 6, 6, 9}}}},
    {ErrorCode::kGmfcBadType, "OFPGMFC_BAD_TYPE", "unknown group type", {{{kNiciraVendor, 1, 1, 6, 10}, {0, 3, 6, 6, 10}}}},
    {ErrorCode::kGmfcBadCommand, "OFPGMFC_BAD_COMMAND", "unknown group-mod command", {{{kNiciraVendor, 1, 1, 6, 11}, {0, 3, 6, 6, 11}}}},
    {ErrorCode::kGmfcBadBucket, "OFPGMFC_BAD_BUCKET", "error in bucket", {{{kNiciraVendor, 1, 1, 6, 12}, {0, 3, 6, 6, 12}}}},
    {ErrorCode::kGmfcBadWatch, "OFPGMFC_BAD_WATCH", "error in watch port or group", {{{kNiciraVendor, 1, 1, 6, 13}, {0, 3, 6, 6, 13}}}},
    {ErrorCode::kGmfcEperm, "OFPGMFC_EPERM", "permissions error", {{{kNiciraVendor, 1, 1, 6, 14}, {0, 3, 6, 6, 14}}}},
    {ErrorCode::kGmfcUnknownBucket, "OFPGMFC_UNKNOWN_BUCKET", "bucket does not exist", {{{kNiciraVendor, 1, 1, 6, 15}, {0, 6, 6, 6, 15}}}},
    {ErrorCode::kGmfcBucketExists, "OFPGMFC_BUCKET_EXISTS", "bucket exists", {{{kNiciraVendor, 1, 1, 6, 16}, {0, 6, 6, 6, 16}}}},
    {ErrorCode::kPmfcBadPort, "OFPPMFC_BAD_PORT", "port does not exist", {{{0, 1, 1, 4, 0}, {0, 2, 6, 7, 0}}}},
    {ErrorCode::kPmfcBadHwAddr, "OFPPMFC_BAD_HW_ADDR", "hardware address differs from the port's", {{{0, 1, 1, 4, 1}, {0, 2, 6, 7, 1}}}},
    {ErrorCode::kPmfcBadConfig, "OFPPMFC_BAD_CONFIG", "invalid port configuration", {{{0, 2, 6, 7, 2}}}},
    {ErrorCode::kPmfcBadAdvertise, "OFPPMFC_BAD_ADVERTISE", "invalid advertised features", {{{0, 2, 6, 7, 3}}}},
    {ErrorCode::kPmfcEperm, "OFPPMFC_EPERM", "permissions error", {{{0, 3, 6, 7, 4}}}},
    {ErrorCode::kTmfcBadTable, "OFPTMFC_BAD_TABLE", "table does not exist", {{{0, 2, 6, 8, 0}}}},
    {ErrorCode::kTmfcBadConfig, "OFPTMFC_BAD_CONFIG", "invalid table configuration", {{{0, 2, 6, 8, 1}}}},
    {ErrorCode::kTmfcEperm, "OFPTMFC_EPERM", "permissions error", {{{0, 3, 6, 8, 2}}}},
    {ErrorCode::kQofcBadPort, "OFPQOFC_BAD_PORT", "port does not exist", {{{0, 1, 1, 5, 0}, {0, 2, 6, 9, 0}}}},
    {ErrorCode::kQofcBadQueue, "OFPQOFC_BAD_QUEUE", "queue does not exist", {{{0, 1, 1, 5, 1}, {0, 2, 6, 9, 1}}}},
    {ErrorCode::kQofcEperm, "OFPQOFC_EPERM", "permissions error", {{{0, 1, 1, 5, 2}, {0, 2, 6, 9, 2}}}},
    {ErrorCode::kNxqofcQueueError, "NXQOFC_QUEUE_ERROR", "system error with queue details", {{{kNiciraVendor, 5, 6, 23, 0}}}},
    {ErrorCode::kScfcBadFlags, "OFPSCFC_BAD_FLAGS", "invalid configuration flags", {{{0, 2, 6, 10, 0}}}},
    {ErrorCode::kScfcBadLen, "OFPSCFC_BAD_LEN", "invalid miss_send_len", {{{0, 2, 6, 10, 1}}}},
    {ErrorCode::kScfcEperm, "OFPSCFC_EPERM", "permissions error", {{{0, 3, 6, 10, 2}}}},
    {ErrorCode::kRrfcStale, "OFPRRFC_STALE", "old generation id", {{{0, 3, 6, 11, 0}}}},
    {ErrorCode::kRrfcUnsup, "OFPRRFC_UNSUP", "role change not supported", {{{0, 3, 6, 11, 1}}}},
    {ErrorCode::kRrfcBadRole, "OFPRRFC_BAD_ROLE", "invalid role", {{{kNiciraVendor, 1, 2, 1, 513}, {0, 3, 6, 11, 2}}}},
    {ErrorCode::kMmfcUnknown, "OFPMMFC_UNKNOWN", "unspecified error", {{{0, 4, 6, 12, 0}}}},
    {ErrorCode::kMmfcMeterExists, "OFPMMFC_METER_EXISTS", "meter exists", {{{0, 4, 6, 12, 1}}}},
    {ErrorCode::kMmfcInvalidMeter, "OFPMMFC_INVALID_METER", "invalid meter", {{{0, 4, 6, 12, 2}}}},
    {ErrorCode::kMmfcUnknownMeter, "OFPMMFC_UNKNOWN_METER", "meter does not exist", {{{0, 4, 6, 12, 3}}}},
    {ErrorCode::kMmfcBadCommand, "OFPMMFC_BAD_COMMAND", "unknown meter-mod command", {{{0, 4, 6, 12, 4}}}},
    {ErrorCode::kMmfcBadFlags, "OFPMMFC_BAD_FLAGS", "meter flags not supported", {{{0, 4, 6, 12, 5}}}},
    {ErrorCode::kMmfcBadRate, "OFPMMFC_BAD_RATE", "rate not supported", {{{0, 4, 6, 12, 6}}}},
    {ErrorCode::kMmfcBadBurst, "OFPMMFC_BAD_BURST", "burst size not supported", {{{0, 4, 6, 12, 7}}}},
    {ErrorCode::kMmfcBadBand, "OFPMMFC_BAD_BAND", "band not supported", {{{0, 4, 6, 12, 8}}}},
    {ErrorCode::kMmfcBadBandValue, "OFPMMFC_BAD_BAND_VALUE", "band value not supported", {{{0, 4, 6, 12, 9}}}},
    {ErrorCode::kMmfcOutOfMeters, "OFPMMFC_OUT_OF_METERS", "no more meters", {{{0, 4, 6, 12, 10}}}},
    {ErrorCode::kMmfcOutOfBands, "OFPMMFC_OUT_OF_BANDS", "too many bands", {{{0, 4, 6, 12, 11}}}},
    {ErrorCode::kTffcBadTable, "OFPTFFC_BAD_TABLE", "table does not exist", {{{0, 4, 6, 13, 0}}}},
    {ErrorCode::kTffcBadMetadata, "OFPTFFC_BAD_METADATA", "invalid metadata mask", {{{0, 4, 6, 13, 1}}}},
    {ErrorCode::kTffcEperm, "OFPTFFC_EPERM", "permissions error", {{{0, 4, 6, 13, 5}}}},
    {ErrorCode::kTffcBadCapabilities, "OFPTFFC_BAD_CAPA", "capabilities not supported", {{{0, 6, 6, 13, 6}}}},
    {ErrorCode::kTffcBadMaxEntries, "OFPTFFC_BAD_MAX_ENT", "number of entries not supported", {{{0, 6, 6, 13, 7}}}},
    {ErrorCode::kTffcBadFeatures, "OFPTFFC_BAD_FEATURES", "features not supported", {{{0, 6, 6, 13, 8}}}},
    {ErrorCode::kTffcBadCommand, "OFPTFFC_BAD_COMMAND", "unknown table features command", {{{0, 6, 6, 13, 9}}}},
    {ErrorCode::kTffcTooMany, "OFPTFFC_TOO_MANY", "too many tables", {{{0, 6, 6, 13, 10}}}},
    {ErrorCode::kNxtffcDupTable, "NXTFFC_DUP_TABLE", "a table more than once", {{{kNiciraVendor, 4, 6, 44, 0}}}},
    {ErrorCode::kBpcBadType, "OFPBPC_BAD_TYPE", "unknown property", {{{kNiciraVendor, 1, 2, 13, 2}, {kNiciraVendor, 3, 3, 25, 0}, {0, 4, 4, 13, 2}, {0, 5, 6, 14, 0}}}},
    {ErrorCode::kBpcBadLen, "OFPBPC_BAD_LEN", "length problem in property", {{{kNiciraVendor, 1, 2, 13, 3}, {kNiciraVendor, 3, 3, 26, 0}, {0, 4, 4, 13, 3}, {0, 5, 6, 14, 1}}}},
    {ErrorCode::kBpcBadValue, "OFPBPC_BAD_VALUE", "unsupported property value", {{{kNiciraVendor, 1, 2, 13, 4}, {kNiciraVendor, 3, 3, 27, 0}, {0, 4, 4, 13, 4}, {0, 5, 6, 14, 2}}}},
    {ErrorCode::kBpcTooMany, "OFPBPC_TOO_MANY", "too many properties", {{{kNiciraVendor, 1, 2, 14, 3}, {kNiciraVendor, 3, 3, 28, 0}, {kOnfVendor, 4, 4, 4443, 0}, {0, 5, 6, 14, 3}}}},
    {ErrorCode::kBpcDupType, "OFPBPC_DUP_TYPE", "duplicate property", {{{kNiciraVendor, 1, 2, 14, 4}, {kNiciraVendor, 3, 3, 29, 0}, {kOnfVendor, 4, 4, 4444, 0}, {0, 5, 6, 14, 4}}}},
    {ErrorCode::kBpcBadExperimenter, "OFPBPC_BAD_EXPERIMENTER", "unknown experimenter of a property", {{{kNiciraVendor, 1, 2, 14, 5}, {kNiciraVendor, 3, 3, 30, 0}, {kOnfVendor, 4, 4, 4445, 0}, {0, 5, 6, 14, 5}}}},
    {ErrorCode::kBpcBadExpType, "OFPBPC_BAD_EXP_TYPE", "unknown experimenter property", {{{kNiciraVendor, 1, 2, 14, 6}, {kNiciraVendor, 3, 3, 31, 0}, {kOnfVendor, 4, 4, 4446, 0}, {0, 5, 6, 14, 6}}}},
    {ErrorCode::kBpcBadExpValue, "OFPBPC_BAD_EXP_VALUE", "unknown value of an experimenter property", {{{kNiciraVendor, 1, 2, 14, 7}, {kNiciraVendor, 3, 3, 32, 0}, {kOnfVendor, 4, 4, 4447, 0}, {0, 5, 6, 14, 7}}}},
    {ErrorCode::kBpcEperm, "OFPBPC_EPERM", "permissions error", {{{kNiciraVendor, 1, 2, 14, 8}, {kNiciraVendor, 3, 3, 33, 0}, {kOnfVendor, 4, 4, 4448, 0}, {0, 5, 6, 14, 8}}}},
    {ErrorCode::kAcfcInvalid, "OFPACFC_INVALID", "a mask is invalid", {{{kOnfVendor, 4, 4, 2370, 0}, {0, 5, 6, 15, 0}}}},
    {ErrorCode::kAcfcUnsupported, "OFPACFC_UNSUPPORTED", "configuration not supported", {{{kOnfVendor, 4, 4, 2371, 0}, {0, 5, 6, 15, 1}}}},
    {ErrorCode::kAcfcEperm, "OFPACFC_EPERM", "permissions error", {{{0, 5, 6, 15, 2}}}},
    {ErrorCode::kBfcUnknown, "OFPBFC_UNKNOWN", "unspecified error", {{{kOnfVendor, 4, 4, 2300, 0}, {0, 5, 6, 17, 0}}}},
    {ErrorCode::kBfcEperm, "OFPBFC_EPERM", "permissions error", {{{kOnfVendor, 4, 4, 2301, 0}, {0, 5, 6, 17, 1}}}},
    {ErrorCode::kBfcBadId, "OFPBFC_BAD_ID", "bundle does not exist", {{{kOnfVendor, 4, 4, 2302, 0}, {0, 5, 6, 17, 2}}}},
    {ErrorCode::kBfcBundleExist, "OFPBFC_BUNDLE_EXIST", "bundle exists", {{{kOnfVendor, 4, 4, 2303, 0}, {0, 5, 6, 17, 3}}}},
    {ErrorCode::kBfcBundleClosed, "OFPBFC_BUNDLE_CLOSED", "bundle is closed", {{{kOnfVendor, 4, 4, 2304, 0}, {0, 5, 6, 17, 4}}}},
    {ErrorCode::kBfcOutOfBundles, "OFPBFC_OUT_OF_BUNDLES", "too many bundles", {{{kOnfVendor, 4, 4, 2305, 0}, {0, 5, 6, 17, 5}}}},
    {ErrorCode::kBfcBadType, "OFPBFC_BAD_TYPE", "unknown bundle control type", {{{kOnfVendor, 4, 4, 2306, 0}, {0, 5, 6, 17, 6}}}},
    {ErrorCode::kBfcBadFlags, "OFPBFC_BAD_FLAGS", "unknown or inconsistent bundle flags", {{{kOnfVendor, 4, 4, 2307, 0}, {0, 5, 6, 17, 7}}}},
    {ErrorCode::kBfcMsgBadLen, "OFPBFC_MSG_BAD_LEN", "length problem in included message", {{{kOnfVendor, 4, 4, 2308, 0}, {0, 5, 6, 17, 8}}}},
    {ErrorCode::kBfcMsgBadXid, "OFPBFC_MSG_BAD_XID", "xid of included message differs", {{{kOnfVendor, 4, 4, 2309, 0}, {0, 5, 6, 17, 9}}}},
    {ErrorCode::kBfcMsgUnsup, "OFPBFC_MSG_UNSUP", "message not supported in a bundle", {{{kOnfVendor, 4, 4, 2310, 0}, {0, 5, 6, 17, 10}}}},
    {ErrorCode::kBfcMsgConflict, "OFPBFC_MSG_CONFLICT", "unsupported combination of messages", {{{kOnfVendor, 4, 4, 2311, 0}, {0, 5, 6, 17, 11}}}},
    {ErrorCode::kBfcMsgTooMany, "OFPBFC_MSG_TOO_MANY", "too many messages in bundle", {{{kOnfVendor, 4, 4, 2312, 0}, {0, 5, 6, 17, 12}}}},
    {ErrorCode::kBfcMsgFailed, "OFPBFC_MSG_FAILED", "a message of the bundle failed", {{{kOnfVendor, 4, 4, 2313, 0}, {0, 5, 6, 17, 13}}}},
    {ErrorCode::kBfcTimeout, "OFPBFC_TIMEOUT", "bundle takes too long", {{{kOnfVendor, 4, 4, 2314, 0}, {0, 5, 6, 17, 14}}}},
    {ErrorCode::kBfcBundleInProgress, "OFPBFC_BUNDLE_IN_PROGRESS", "bundle is in progress", {{{kOnfVendor, 4, 4, 2315, 0}, {0, 5, 6, 17, 15}}}},
    {ErrorCode::kBfcBadVersion, "OFPBFC_BAD_VERSION", "version of included message differs", {{{kNiciraVendor, 5, 6, 22, 0}}}},
    {ErrorCode::kMofcUnknown, "OFPMOFC_UNKNOWN", "unspecified error", {{{0, 5, 6, 16, 0}}}},
    {ErrorCode::kMofcMonitorExists, "OFPMOFC_MONITOR_EXISTS", "monitor exists", {{{kNiciraVendor, 1, 2, 1, 517}, {kNiciraVendor, 3, 4, 6, 0}, {0, 5, 6, 16, 1}}}},
    {ErrorCode::kMofcInvalidMonitor, "OFPMOFC_INVALID_MONITOR", "invalid monitor", {{{0, 5, 6, 16, 2}}}},
    {ErrorCode::kMofcUnknownMonitor, "OFPMOFC_UNKNOWN_MONITOR", "monitor does not exist", {{{kNiciraVendor, 1, 2, 1, 519}, {kNiciraVendor, 3, 4, 8, 0}, {0, 5, 6, 16, 3}}}},
    {ErrorCode::kMofcBadCommand, "OFPMOFC_BAD_COMMAND", "unknown monitor command", {{{0, 5, 6, 16, 4}}}},
    {ErrorCode::kMofcBadFlags, "OFPMOFC_BAD_FLAGS", "monitor flags not supported", {{{kNiciraVendor, 1, 2, 1, 518}, {kNiciraVendor, 3, 4, 7, 0}, {0, 5, 6, 16, 5}}}},
    {ErrorCode::kMofcBadTableId, "OFPMOFC_BAD_TABLE_ID", "table does not exist", {{{0, 5, 6, 16, 6}}}},
    {ErrorCode::kMofcBadOut, "OFPMOFC_BAD_OUT", "bad output port or group", {{{0, 5, 6, 16, 7}}}},
    {ErrorCode::kNxttmfcBadCommand, "NXTTMFC_BAD_COMMAND", "unknown tlv table command", {{{kNiciraVendor, 1, 2, 1, 527}, {kNiciraVendor, 3, 6, 16, 0}}}},
    {ErrorCode::kNxttmfcBadOptLen, "NXTTMFC_BAD_OPT_LEN", "invalid tunnel option length", {{{kNiciraVendor, 1, 2, 1, 528}, {kNiciraVendor, 3, 6, 17, 0}}}},
    {ErrorCode::kNxttmfcBadFieldIdx, "NXTTMFC_BAD_FIELD_IDX", "tun_metadata index out of range", {{{kNiciraVendor, 1, 2, 1, 529}, {kNiciraVendor, 3, 6, 18, 0}}}},
    {ErrorCode::kNxttmfcTableFull, "NXTTMFC_TABLE_FULL", "tlv table is full", {{{kNiciraVendor, 1, 2, 1, 530}, {kNiciraVendor, 3, 6, 19, 0}}}},
    {ErrorCode::kNxttmfcAlreadyMapped, "NXTTMFC_ALREADY_MAPPED", "tun_metadata index is mapped already", {{{kNiciraVendor, 1, 2, 1, 531}, {kNiciraVendor, 3, 6, 20, 0}}}},
    {ErrorCode::kNxttmfcDupEntry, "NXTTMFC_DUP_ENTRY", "option is mapped to another index", {{{kNiciraVendor, 1, 2, 1, 532}, {kNiciraVendor, 3, 6, 21, 0}}}},
    {ErrorCode::kNxttmfcInvalidDelete, "NXTTMFC_INVALID_TLV_DEL", "a flow uses the mapping", {{{kNiciraVendor, 1, 2, 1, 537}, {kNiciraVendor, 3, 6, 38, 0}}}},
    {ErrorCode::kNxrNotSupported, "NXR_NOT_SUPPORTED", "NXT_RESUME not supported", {{{kNiciraVendor, 1, 2, 1, 533}, {kNiciraVendor, 3, 6, 34, 0}}}},
    {ErrorCode::kNxrStale, "NXR_STALE", "continuation is stale", {{{kNiciraVendor, 1, 2, 1, 534}, {kNiciraVendor, 3, 6, 35, 0}}}},
    {ErrorCode::kNxstNotConfigured, "NXST_NOT_CONFIGURED", "protocol is not configured", {{{kNiciraVendor, 1, 2, 1, 535}, {kNiciraVendor, 3, 6, 36, 0}}}},
};
// clang-format on

constexpr bool in_order() {
    std::size_t i = 0;
    for (const auto& row : kRows) {
        if (static_cast<std::size_t>(row.error) != i++) return false;
    }
    return i == static_cast<std::size_t>(ErrorCode::kCount);
}
static_assert(in_order(), "each error has its row, in the order of the enumeration");

const Row& row_of(ErrorCode code) {
    return kRows[static_cast<std::size_t>(code)];
}

}  // namespace

std::optional<WireError> error_to_wire(ErrorCode code, std::uint8_t version) {
    for (const auto& form : row_of(code).forms) {
        if (form.first != 0 && form.first <= version && version <= form.last) {
            return WireError{form.vendor, form.type, form.code};
        }
    }
    return std::nullopt;
}

std::optional<ErrorCode> error_from_wire(const WireError& error, std::uint8_t version) {
    for (const auto& row : kRows) {
        if (error_to_wire(row.error, version) == error) return row.error;
    }
    return std::nullopt;
}

std::string_view error_name(ErrorCode code) {
    return row_of(code).name;
}

std::string_view error_text(ErrorCode code) {
    return row_of(code).text;
}

}  // namespace sluice::openflow
