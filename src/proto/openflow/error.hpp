// SPDX-License-Identifier: Apache-2.0
// OpenFlow errors: one name an error, mapped to type and code of each version (error.cpp has the table).
// Sources: OpenFlow 1.0 to 1.5 specifications, error sections; extension errors as OVS numbers them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace sluice::openflow {

/// Why a request is refused. Name rule: OFPBRC_BAD_TYPE is kBrcBadType, NXBRC_MUST_BE_ZERO is
/// kNxbrcMustBeZero.
enum class ErrorCode : std::uint8_t {
    kHfcIncompatible,             ///< OFPHFC_INCOMPATIBLE: no compatible version
    kHfcEperm,                    ///< OFPHFC_EPERM: permissions error
    kBrcBadVersion,               ///< OFPBRC_BAD_VERSION: header version not supported
    kBrcBadType,                  ///< OFPBRC_BAD_TYPE: message type not supported
    kBrcBadStat,                  ///< OFPBRC_BAD_STAT: multipart type not supported
    kBrcBadVendor,                ///< OFPBRC_BAD_VENDOR: vendor not supported
    kBrcBadSubtype,               ///< OFPBRC_BAD_SUBTYPE: vendor subtype not supported
    kBrcEperm,                    ///< OFPBRC_EPERM: permissions error
    kBrcBadLen,                   ///< OFPBRC_BAD_LEN: wrong request length for type
    kBrcBufferEmpty,              ///< OFPBRC_BUFFER_EMPTY: buffer has already been used
    kBrcBufferUnknown,            ///< OFPBRC_BUFFER_UNKNOWN: buffer does not exist
    kBrcBadTableId,               ///< OFPBRC_BAD_TABLE_ID: table does not exist
    kBrcIsSlave,                  ///< OFPBRC_IS_SLAVE: denied because the controller is secondary
    kBrcBadPort,                  ///< OFPBRC_BAD_PORT: invalid port
    kBrcBadPacket,                ///< OFPBRC_BAD_PACKET: invalid packet in packet-out
    kBrcMultipartBufferOverflow,  ///< OFPBRC_MULTIPART_BUFFER_OVERFLOW: multipart request overflowed the
                                  ///< buffer
    kBrcPipelineFieldsOnly,       ///< OFPBRC_PIPELINE_FIELDS_ONLY: only pipeline fields are allowed
    kNxbrcNxmInvalid,             ///< NXBRC_NXM_INVALID: invalid NXM match
    kNxbrcNxmBadType,             ///< NXBRC_NXM_BAD_TYPE: NXM header not valid or not implemented
    kNxbrcMustBeZero,             ///< NXBRC_MUST_BE_ZERO: must-be-zero field is not zero
    kNxbrcBadReason,              ///< NXBRC_BAD_REASON: reason not valid
    kNxbrcFmBadEvent,             ///< NXBRC_FM_BAD_EVENT: flow monitor event not valid
    kNxbrcUnencodableError,       ///< NXBRC_UNENCODABLE_ERROR: error has no form in this version
    kBacBadType,                  ///< OFPBAC_BAD_TYPE: unknown action type
    kBacBadLen,                   ///< OFPBAC_BAD_LEN: length problem in actions
    kBacBadVendor,                ///< OFPBAC_BAD_VENDOR: unknown vendor of an action
    kBacBadVendorType,            ///< OFPBAC_BAD_VENDOR_TYPE: unknown vendor action
    kBacBadOutPort,               ///< OFPBAC_BAD_OUT_PORT: problem with an output port
    kBacBadArgument,              ///< OFPBAC_BAD_ARGUMENT: bad action argument
    kBacEperm,                    ///< OFPBAC_EPERM: permissions error
    kBacTooMany,                  ///< OFPBAC_TOO_MANY: too many actions
    kBacBadQueue,                 ///< OFPBAC_BAD_QUEUE: problem with an output queue
    kBacBadOutGroup,              ///< OFPBAC_BAD_OUT_GROUP: invalid group
    kBacMatchInconsistent,   ///< OFPBAC_MATCH_INCONSISTENT: prerequisite of an action is not met by the match
    kBacUnsupportedOrder,    ///< OFPBAC_UNSUPPORTED_ORDER: action order not supported
    kBacBadTag,              ///< OFPBAC_BAD_TAG: unsupported tag or encapsulation
    kBacBadSetType,          ///< OFPBAC_BAD_SET_TYPE: action uses an unknown field
    kBacBadSetLen,           ///< OFPBAC_BAD_SET_LEN: action goes past the end of a field
    kBacBadSetArgument,      ///< OFPBAC_BAD_SET_ARGUMENT: invalid value, or a read-only field
    kBacBadSetMask,          ///< OFPBAC_BAD_SET_MASK: set_field with a mask
    kNxbacMustBeZero,        ///< NXBAC_MUST_BE_ZERO: must-be-zero action argument is not zero
    kNxbacBadConjunction,    ///< NXBAC_BAD_CONJUNCTION: conjunction is not alone or out of range
    kNxbacBadHeaderType,     ///< NXBAC_BAD_HEADER_TYPE: unsupported packet type in encap or decap
    kNxbacUnknownEdProp,     ///< NXBAC_UNKNOWN_ED_PROP: unknown encap or decap property
    kNxbacBadEdProp,         ///< NXBAC_BAD_ED_PROP: error in encap or decap property
    kBicUnknownInst,         ///< OFPBIC_UNKNOWN_INST: unknown instruction
    kBicUnsupInst,           ///< OFPBIC_UNSUP_INST: instruction not supported
    kBicBadTableId,          ///< OFPBIC_BAD_TABLE_ID: invalid table of goto_table
    kBicUnsupMetadata,       ///< OFPBIC_UNSUP_METADATA: metadata value not supported
    kBicUnsupMetadataMask,   ///< OFPBIC_UNSUP_METADATA_MASK: metadata mask not supported
    kBicBadExperimenter,     ///< OFPBIC_BAD_EXPERIMENTER: unknown experimenter of an instruction
    kBicBadExpType,          ///< OFPBIC_BAD_EXP_TYPE: unknown experimenter instruction
    kBicBadLen,              ///< OFPBIC_BAD_LEN: length problem in instructions
    kBicEperm,               ///< OFPBIC_EPERM: permissions error
    kBicDupInst,             ///< OFPBIC_DUP_INST: duplicate instruction
    kBmcBadType,             ///< OFPBMC_BAD_TYPE: unsupported match type
    kBmcBadLen,              ///< OFPBMC_BAD_LEN: length problem in match
    kBmcBadTag,              ///< OFPBMC_BAD_TAG: match on an unsupported tag
    kBmcBadDlAddrMask,       ///< OFPBMC_BAD_DL_ADDR_MASK: unsupported Ethernet address mask
    kBmcBadNwAddrMask,       ///< OFPBMC_BAD_NW_ADDR_MASK: unsupported network address mask
    kBmcBadWildcards,        ///< OFPBMC_BAD_WILDCARDS: unsupported wildcards
    kBmcBadField,            ///< OFPBMC_BAD_FIELD: unknown field in match
    kBmcBadValue,            ///< OFPBMC_BAD_VALUE: unsupported value in match
    kBmcBadMask,             ///< OFPBMC_BAD_MASK: unsupported mask in match
    kBmcBadPrereq,           ///< OFPBMC_BAD_PREREQ: prerequisite of a match field is not met
    kBmcDupField,            ///< OFPBMC_DUP_FIELD: duplicate field in match
    kBmcEperm,               ///< OFPBMC_EPERM: permissions error
    kFmfcUnknown,            ///< OFPFMFC_UNKNOWN: unspecified error
    kFmfcTableFull,          ///< OFPFMFC_TABLE_FULL: table is full
    kFmfcBadTableId,         ///< OFPFMFC_BAD_TABLE_ID: table does not exist
    kFmfcOverlap,            ///< OFPFMFC_OVERLAP: flow overlaps another and check_overlap is set
    kFmfcEperm,              ///< OFPFMFC_EPERM: permissions error
    kFmfcBadTimeout,         ///< OFPFMFC_BAD_TIMEOUT: unsupported timeout
    kFmfcBadEmergTimeout,    ///< OFPFMFC_BAD_EMERG_TIMEOUT: emergency flow with a timeout
    kFmfcBadCommand,         ///< OFPFMFC_BAD_COMMAND: unknown flow-mod command
    kFmfcBadFlags,           ///< OFPFMFC_BAD_FLAGS: unknown flow-mod flags
    kFmfcUnsupported,        ///< OFPFMFC_UNSUPPORTED: action list can't be processed in this order
    kNxfmfcHardware,         ///< NXFMFC_HARDWARE: hardware error
    kNxfmfcBadTableId,       ///< NXFMFC_BAD_TABLE_ID: no such table in the command field
    kNxfmfcInvalidTlvField,  ///< NXFMFC_INVALID_TLV_FIELD: no such tunnel option
    kNxttmfcInvalidTlvDel,   ///< NXTTMFC_INVALID_TLV_DEL: a flow uses the mapping that is to be removed
    kGmfcGroupExists,        ///< OFPGMFC_GROUP_EXISTS: group exists
    kGmfcInvalidGroup,       ///< OFPGMFC_INVALID_GROUP: invalid group
    kGmfcWeightUnsupported,  ///< OFPGMFC_WEIGHT_UNSUPPORTED: unequal weights not supported
    kGmfcOutOfGroups,        ///< OFPGMFC_OUT_OF_GROUPS: group table is full
    kGmfcOutOfBuckets,       ///< OFPGMFC_OUT_OF_BUCKETS: too many buckets
    kGmfcChainingUnsupported,  ///< OFPGMFC_CHAINING_UNSUPPORTED: groups that forward to groups are not
                               ///< supported
    kGmfcWatchUnsupported,     ///< OFPGMFC_WATCH_UNSUPPORTED: can't watch this port or group
    kGmfcLoop,                 ///< OFPGMFC_LOOP: group would cause a loop
    kGmfcUnknownGroup,         ///< OFPGMFC_UNKNOWN_GROUP: group does not exist
    kGmfcChainedGroup,         ///< OFPGMFC_CHAINED_GROUP: another group forwards to this one
    kGmfcBadType,              ///< OFPGMFC_BAD_TYPE: unknown group type
    kGmfcBadCommand,           ///< OFPGMFC_BAD_COMMAND: unknown group-mod command
    kGmfcBadBucket,            ///< OFPGMFC_BAD_BUCKET: error in bucket
    kGmfcBadWatch,             ///< OFPGMFC_BAD_WATCH: error in watch port or group
    kGmfcEperm,                ///< OFPGMFC_EPERM: permissions error
    kGmfcUnknownBucket,        ///< OFPGMFC_UNKNOWN_BUCKET: bucket does not exist
    kGmfcBucketExists,         ///< OFPGMFC_BUCKET_EXISTS: bucket exists
    kPmfcBadPort,              ///< OFPPMFC_BAD_PORT: port does not exist
    kPmfcBadHwAddr,            ///< OFPPMFC_BAD_HW_ADDR: hardware address differs from the port's
    kPmfcBadConfig,            ///< OFPPMFC_BAD_CONFIG: invalid port configuration
    kPmfcBadAdvertise,         ///< OFPPMFC_BAD_ADVERTISE: invalid advertised features
    kPmfcEperm,                ///< OFPPMFC_EPERM: permissions error
    kTmfcBadTable,             ///< OFPTMFC_BAD_TABLE: table does not exist
    kTmfcBadConfig,            ///< OFPTMFC_BAD_CONFIG: invalid table configuration
    kTmfcEperm,                ///< OFPTMFC_EPERM: permissions error
    kQofcBadPort,              ///< OFPQOFC_BAD_PORT: port does not exist
    kQofcBadQueue,             ///< OFPQOFC_BAD_QUEUE: queue does not exist
    kQofcEperm,                ///< OFPQOFC_EPERM: permissions error
    kNxqofcQueueError,         ///< NXQOFC_QUEUE_ERROR: system error with queue details
    kScfcBadFlags,             ///< OFPSCFC_BAD_FLAGS: invalid configuration flags
    kScfcBadLen,               ///< OFPSCFC_BAD_LEN: invalid miss_send_len
    kScfcEperm,                ///< OFPSCFC_EPERM: permissions error
    kRrfcStale,                ///< OFPRRFC_STALE: old generation id
    kRrfcUnsup,                ///< OFPRRFC_UNSUP: role change not supported
    kRrfcBadRole,              ///< OFPRRFC_BAD_ROLE: invalid role
    kMmfcUnknown,              ///< OFPMMFC_UNKNOWN: unspecified error
    kMmfcMeterExists,          ///< OFPMMFC_METER_EXISTS: meter exists
    kMmfcInvalidMeter,         ///< OFPMMFC_INVALID_METER: invalid meter
    kMmfcUnknownMeter,         ///< OFPMMFC_UNKNOWN_METER: meter does not exist
    kMmfcBadCommand,           ///< OFPMMFC_BAD_COMMAND: unknown meter-mod command
    kMmfcBadFlags,             ///< OFPMMFC_BAD_FLAGS: meter flags not supported
    kMmfcBadRate,              ///< OFPMMFC_BAD_RATE: rate not supported
    kMmfcBadBurst,             ///< OFPMMFC_BAD_BURST: burst size not supported
    kMmfcBadBand,              ///< OFPMMFC_BAD_BAND: band not supported
    kMmfcBadBandValue,         ///< OFPMMFC_BAD_BAND_VALUE: band value not supported
    kMmfcOutOfMeters,          ///< OFPMMFC_OUT_OF_METERS: no more meters
    kMmfcOutOfBands,           ///< OFPMMFC_OUT_OF_BANDS: too many bands
    kTffcBadTable,             ///< OFPTFFC_BAD_TABLE: table does not exist
    kTffcBadMetadata,          ///< OFPTFFC_BAD_METADATA: invalid metadata mask
    kTffcEperm,                ///< OFPTFFC_EPERM: permissions error
    kTffcBadCapabilities,      ///< OFPTFFC_BAD_CAPA: capabilities not supported
    kTffcBadMaxEntries,        ///< OFPTFFC_BAD_MAX_ENT: number of entries not supported
    kTffcBadFeatures,          ///< OFPTFFC_BAD_FEATURES: features not supported
    kTffcBadCommand,           ///< OFPTFFC_BAD_COMMAND: unknown table features command
    kTffcTooMany,              ///< OFPTFFC_TOO_MANY: too many tables
    kNxtffcDupTable,           ///< NXTFFC_DUP_TABLE: a table more than once
    kBpcBadType,               ///< OFPBPC_BAD_TYPE: unknown property
    kBpcBadLen,                ///< OFPBPC_BAD_LEN: length problem in property
    kBpcBadValue,              ///< OFPBPC_BAD_VALUE: unsupported property value
    kBpcTooMany,               ///< OFPBPC_TOO_MANY: too many properties
    kBpcDupType,               ///< OFPBPC_DUP_TYPE: duplicate property
    kBpcBadExperimenter,       ///< OFPBPC_BAD_EXPERIMENTER: unknown experimenter of a property
    kBpcBadExpType,            ///< OFPBPC_BAD_EXP_TYPE: unknown experimenter property
    kBpcBadExpValue,           ///< OFPBPC_BAD_EXP_VALUE: unknown value of an experimenter property
    kBpcEperm,                 ///< OFPBPC_EPERM: permissions error
    kAcfcInvalid,              ///< OFPACFC_INVALID: a mask is invalid
    kAcfcUnsupported,          ///< OFPACFC_UNSUPPORTED: configuration not supported
    kAcfcEperm,                ///< OFPACFC_EPERM: permissions error
    kBfcUnknown,               ///< OFPBFC_UNKNOWN: unspecified error
    kBfcEperm,                 ///< OFPBFC_EPERM: permissions error
    kBfcBadId,                 ///< OFPBFC_BAD_ID: bundle does not exist
    kBfcBundleExist,           ///< OFPBFC_BUNDLE_EXIST: bundle exists
    kBfcBundleClosed,          ///< OFPBFC_BUNDLE_CLOSED: bundle is closed
    kBfcOutOfBundles,          ///< OFPBFC_OUT_OF_BUNDLES: too many bundles
    kBfcBadType,               ///< OFPBFC_BAD_TYPE: unknown bundle control type
    kBfcBadFlags,              ///< OFPBFC_BAD_FLAGS: unknown or inconsistent bundle flags
    kBfcMsgBadLen,             ///< OFPBFC_MSG_BAD_LEN: length problem in included message
    kBfcMsgBadXid,             ///< OFPBFC_MSG_BAD_XID: xid of included message differs
    kBfcMsgUnsup,              ///< OFPBFC_MSG_UNSUP: message not supported in a bundle
    kBfcMsgConflict,           ///< OFPBFC_MSG_CONFLICT: unsupported combination of messages
    kBfcMsgTooMany,            ///< OFPBFC_MSG_TOO_MANY: too many messages in bundle
    kBfcMsgFailed,             ///< OFPBFC_MSG_FAILED: a message of the bundle failed
    kBfcTimeout,               ///< OFPBFC_TIMEOUT: bundle takes too long
    kBfcBundleInProgress,      ///< OFPBFC_BUNDLE_IN_PROGRESS: bundle is in progress
    kBfcBadVersion,            ///< OFPBFC_BAD_VERSION: version of included message differs
    kMofcUnknown,              ///< OFPMOFC_UNKNOWN: unspecified error
    kMofcMonitorExists,        ///< OFPMOFC_MONITOR_EXISTS: monitor exists
    kMofcInvalidMonitor,       ///< OFPMOFC_INVALID_MONITOR: invalid monitor
    kMofcUnknownMonitor,       ///< OFPMOFC_UNKNOWN_MONITOR: monitor does not exist
    kMofcBadCommand,           ///< OFPMOFC_BAD_COMMAND: unknown monitor command
    kMofcBadFlags,             ///< OFPMOFC_BAD_FLAGS: monitor flags not supported
    kMofcBadTableId,           ///< OFPMOFC_BAD_TABLE_ID: table does not exist
    kMofcBadOut,               ///< OFPMOFC_BAD_OUT: bad output port or group
    kNxttmfcBadCommand,        ///< NXTTMFC_BAD_COMMAND: unknown tlv table command
    kNxttmfcBadOptLen,         ///< NXTTMFC_BAD_OPT_LEN: invalid tunnel option length
    kNxttmfcBadFieldIdx,       ///< NXTTMFC_BAD_FIELD_IDX: tun_metadata index out of range
    kNxttmfcTableFull,         ///< NXTTMFC_TABLE_FULL: tlv table is full
    kNxttmfcAlreadyMapped,     ///< NXTTMFC_ALREADY_MAPPED: tun_metadata index is mapped already
    kNxttmfcDupEntry,          ///< NXTTMFC_DUP_ENTRY: option is mapped to another index
    kNxttmfcInvalidDelete,     ///< NXTTMFC_INVALID_TLV_DEL: a flow uses the mapping
    kNxrNotSupported,          ///< NXR_NOT_SUPPORTED: NXT_RESUME not supported
    kNxrStale,                 ///< NXR_STALE: continuation is stale
    kNxstNotConfigured,        ///< NXST_NOT_CONFIGURED: protocol is not configured
    kCount
};

/// Refusal of a message: the code, and words for the log (may be empty).
struct OfError {
    ErrorCode code{};
    std::string detail;
};

/// How an error stands on the wire. vendor 0: standard; then `type` and `code` are as in ofp_error_msg.
/// With a vendor: Nicira in 1.0 and 1.1 has a type and a code, else `type` is the experimenter type.
struct WireError {
    std::uint32_t vendor = 0;
    std::uint16_t type = 0;
    std::uint16_t code = 0;
    friend bool operator==(const WireError&, const WireError&) = default;
};
inline constexpr std::uint32_t kNiciraVendor = 0x00002320;
inline constexpr std::uint32_t kOnfVendor = 0x4f4e4600;

/// The form of `code` in OpenFlow version `version` (1..6); nothing if that version has none.
std::optional<WireError> error_to_wire(ErrorCode code, std::uint8_t version);
/// The first error with that form.
std::optional<ErrorCode> error_from_wire(const WireError& error, std::uint8_t version);
/// "OFPBRC_BAD_TYPE".
std::string_view error_name(ErrorCode code);
/// One phrase for people.
std::string_view error_text(ErrorCode code);

/// A T or an OfError. Test with `if (!result)`.
template <typename T>
class [[nodiscard]] OfResult {
  public:
    OfResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}          // NOLINT
    OfResult(OfError error) : state_(std::in_place_index<1>, std::move(error)) {}    // NOLINT
    OfResult(ErrorCode code) : state_(std::in_place_index<1>, OfError{code, {}}) {}  // NOLINT

    explicit operator bool() const noexcept { return state_.index() == 0; }
    T& value() & { return std::get<0>(state_); }
    const T& value() const& { return std::get<0>(state_); }
    T&& value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    const OfError& error() const { return std::get<1>(state_); }

  private:
    std::variant<T, OfError> state_;
};

}  // namespace sluice::openflow
