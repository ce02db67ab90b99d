// SPDX-License-Identifier: Apache-2.0
// ActionProgram: an action list compiled to a flat sequence of small operations.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.hpp"
#include "classify/table.hpp"
#include "flow/action.hpp"

namespace sluice {
class TunTable;
}

namespace sluice::pipeline {

enum class OpCode : std::uint8_t {
    kOutput,
    kOutputInPort,
    kOutputFlood,
    kOutputAll,
    kOutputNormal,
    kOutputController,
    kOutputReg,
    kOutputTrunc,
    kEnqueue,
    kPause,
    kSetField,
    kMove,
    kPushVlan,
    kStripVlan,
    kSetVlanVid,
    kSetVlanPcp,
    kPushMpls,
    kPopMpls,
    kDecTtl,
    kSetMplsTtl,
    kDecMplsTtl,
    kStackPush,
    kStackPop,
    kResubmit,
    kClone,
    kExit,
    kClearActions,
    kWriteActions,
    kGoto,
    kLearn,
    kFinTimeout,
    kMultipath,
    kBundle,
    kCheckLarger,
    kSample,
    kCt,
    kCtClear,
    kDeleteField,
    kEncap,
    kDecap,
    kDecNshTtl,
    kSetQueue,
    kPopQueue,
    kGroup,
    kMeter,
    kUnsupported,
};

/// Which bytes of a packet a key word change must be written back to.
enum class HeaderPart : std::uint8_t {
    kNone,
    kEthDst,
    kEthSrc,
    kVlanTci,
    kIpTos,
    kIpTtl,
    kIpv4Src,
    kIpv4Dst,
    kIpv6Src,
    kIpv6Dst,
    kIpv6Label,
    kTpSrc,
    kTpDst,
    kArpOp,
    kArpSpa,
    kArpTpa,
    kArpSha,
    kArpTha,
    kNdReserved,
    kNdTarget,
    kNdSll,
    kNdTll,
    kIcmpType,
    kIcmpCode,
    kMplsLse,
    kEthType,
    kNsh,  ///< all its fields
};

struct ActionProgram;
struct CtPlan;

/// One operation. Which members count depends on `code`.
struct Op {
    OpCode code;
    HeaderPart part = HeaderPart::kNone;
    Prereq prereq = Prereq::kNone;
    std::uint8_t table = 0;  ///< kResubmit, kGoto; 0xff: current; kCt; 0xff: none
    std::uint32_t arg = 0;   ///< port, queue, length, ethertype ...; kStackPop: N of tun_metadataN, + 1
    std::uint16_t bits = 0;  ///< kMove and stack: width
    FieldLoc loc{}, loc2{};  ///< target, source (sub-field positions folded in; see wide)
    std::uint16_t offset = 0, offset2 = 0;      ///< bit offsets inside target and source fields
    bool flag = false;                          ///< push_if_needed, with_ct
    U128 value, mask;                           ///< mask: bits of the target field that may be written
    const struct CookieCount* count = nullptr;  ///< kLearn with a limit; see Program::bind()
    const Action* source = nullptr;         ///< the action it came from (controller parameters, trace text)
    std::unique_ptr<ActionProgram> nested;  ///< clone, write_actions
    std::shared_ptr<const CtPlan> ct;       ///< kCt (shared: its type is not known here)
};

/// What Executor::run_simple() needs of a program that consists of sets of fields, dec_ttl and outputs, with
/// a goto_table or a resubmit to a table as its last op at most.
struct SimpleProgram {
    bool valid = false;       ///< it is one
    bool headers = false;     ///< reads or writes some: they must be parsed
    classify::WordSet words;  ///< key words it reads and writes
};

struct ActionProgram {
    ActionList source;  ///< as given; printed by dump-flows and trace
    std::vector<Op> ops;
    bool writes_action_set = false;                   ///< nested lists too
    bool refers = false;                              ///< names a group or meter, nested lists too
    std::vector<classify::Conjunction> conjunctions;  ///< of a conjunctive flow, which has no ops
    bool learns = false;                              ///< some op, nested ones too, is kLearn
    SimpleProgram simple;
    std::uint64_t options = 0;  ///< bit N: names tun_metadataN, nested lists too
};

/// Compiles; fails with a sentence for actions this version does not execute. `tun`: where tun_metadataN lie;
/// null: none is mapped.
Result<std::unique_ptr<ActionProgram>> compile(const ActionList& actions, const TunTable* tun = nullptr);

}  // namespace sluice::pipeline
