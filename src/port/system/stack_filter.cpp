// SPDX-License-Identifier: Apache-2.0
// See port/system/stack_filter.hpp.
#include "port/system/stack_filter.hpp"

#include <cstring>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sluice {
namespace {

/// enum bpf_attach_type BPF_TCX_INGRESS, Linux 6.6; older headers lack the name.
constexpr std::uint32_t kTcxIngress = 46;

int bpf(int command, bpf_attr& attribute) {
    return static_cast<int>(syscall(SYS_bpf, command, &attribute, sizeof attribute));
}

}  // namespace

Result<void> StackFilter::attach(std::uint32_t ifindex) {
    detach();
    bpf_insn program[2]{};
    program[0].code = BPF_ALU64 | BPF_MOV | BPF_K;  // r0 = TC_ACT_SHOT
    program[0].imm = TC_ACT_SHOT;
    program[1].code = BPF_JMP | BPF_EXIT;
    static const char kLicense[] = "Apache-2.0";

    bpf_attr load;
    std::memset(&load, 0, sizeof load);
    load.prog_type = BPF_PROG_TYPE_SCHED_CLS;
    load.insns = reinterpret_cast<std::uintptr_t>(program);
    load.insn_cnt = 2;
    load.license = reinterpret_cast<std::uintptr_t>(kLicense);
    const int program_fd = bpf(BPF_PROG_LOAD, load);
    if (program_fd < 0) return make_error(errno, "cannot load a BPF program: {}", std::strerror(errno));

    bpf_attr link;
    std::memset(&link, 0, sizeof link);
    link.link_create.prog_fd = static_cast<std::uint32_t>(program_fd);
    link.link_create.target_ifindex = ifindex;
    link.link_create.attach_type = kTcxIngress;
    link_ = bpf(BPF_LINK_CREATE, link);
    const int code = errno;
    close(program_fd);
    if (link_ < 0) return make_error(code, "cannot attach a BPF program: {}", std::strerror(code));
    return {};
}

void StackFilter::detach() noexcept {
    if (link_ >= 0) close(std::exchange(link_, -1));
}

}  // namespace sluice
