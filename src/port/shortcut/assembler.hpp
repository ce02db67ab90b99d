// SPDX-License-Identifier: Apache-2.0
// A small assembler for eBPF programs: one call an instruction, labels for jumps. What the instructions do is
// in the kernel's Documentation/bpf/instruction-set.rst; r1-r5 are lost in calls, r6-r9 stay, r10 is the end
// of the stack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <linux/bpf.h>

namespace sluice::bpf {

/// Bytes of a load or store.
enum class Width : std::uint8_t { k8 = BPF_B, k16 = BPF_H, k32 = BPF_W, k64 = BPF_DW };

/// Jumps compare all 64 bits, unsigned unless they say otherwise.
enum class If : std::uint8_t {
    kEqual = BPF_JEQ,
    kNotEqual = BPF_JNE,
    kAbove = BPF_JGT,
    kBelow = BPF_JLT,
    kNegative = BPF_JSLT,  ///< signed; against 0
    kAnyBit = BPF_JSET
};

class Assembler {
  public:
    enum Reg : std::uint8_t { r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, stack };
    struct Label {
        std::size_t number;
    };

    Label label() { return places_.push_back(0), Label{places_.size() - 1}; }
    void place(Label label) { places_[label.number] = code_.size(); }

    void move(Reg to, Reg from) { emit(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
    void set(Reg to, std::int32_t value) { emit(BPF_ALU64 | BPF_MOV | BPF_K, to, r0, 0, value); }
    void add(Reg to, Reg from) { emit(BPF_ALU64 | BPF_ADD | BPF_X, to, from, 0, 0); }
    void add(Reg to, std::int32_t value) { emit(BPF_ALU64 | BPF_ADD | BPF_K, to, r0, 0, value); }
    void shift_right(Reg to, std::int32_t bits) { emit(BPF_ALU64 | BPF_RSH | BPF_K, to, r0, 0, bits); }
    void shift_left(Reg to, std::int32_t bits) { emit(BPF_ALU64 | BPF_LSH | BPF_K, to, r0, 0, bits); }
    /// 16 bits from network to host order; what is above them is cleared.
    void from_network16(Reg to) { emit(BPF_ALU | BPF_END | BPF_TO_BE, to, r0, 0, 16); }

    void load(Width width, Reg to, Reg base, std::size_t offset) { load(width, to, base, narrow(offset)); }
    void load(Width width, Reg to, Reg base, std::int16_t offset) {
        emit(BPF_LDX | BPF_MEM | bits(width), to, base, offset, 0);
    }
    void store(Width width, Reg base, std::int16_t offset, Reg from) {
        emit(BPF_STX | BPF_MEM | bits(width), base, from, offset, 0);
    }
    void store(Width width, Reg base, std::int16_t offset, std::int32_t value) {
        emit(BPF_ST | BPF_MEM | bits(width), base, r0, offset, value);
    }
    /// *(u64*)(base + offset) += from, for all processors.
    void add_atomically(Reg base, std::size_t offset, Reg from) {
        emit(BPF_STX | BPF_ATOMIC | BPF_DW, base, from, narrow(offset), BPF_ADD);
    }
    void or_atomically(Reg base, std::size_t offset, Reg from) {
        emit(BPF_STX | BPF_ATOMIC | BPF_DW, base, from, narrow(offset), BPF_OR);
    }

    void jump(Label to) { jump_to(to, BPF_JMP | BPF_JA, r0, r0, 0); }
    void jump_if(If what, Reg a, Reg b, Label to) { jump_to(to, BPF_JMP | BPF_X | bits(what), a, b, 0); }
    void jump_if(If what, Reg a, std::int32_t value, Label to) {
        jump_to(to, BPF_JMP | BPF_K | bits(what), a, r0, value);
    }
    /// A function of the kernel, BPF_FUNC_*.
    void call(std::int32_t function) { emit(BPF_JMP | BPF_CALL, r0, r0, 0, function); }
    void exit() { emit(BPF_JMP | BPF_EXIT, r0, r0, 0, 0); }

    /// A map, for functions that take one.
    void map(Reg to, int fd) { wide(to, Reg{BPF_PSEUDO_MAP_FD}, fd); }
    /// The address of the only value of an array.
    void map_value(Reg to, int fd) { wide(to, Reg{BPF_PSEUDO_MAP_VALUE}, fd); }

    /// The program, all jumps resolved.
    std::vector<bpf_insn> finish() {
        for (const auto& [at, label] : jumps_)
            code_[at].off = static_cast<std::int16_t>(places_[label.number] - at - 1);
        return std::move(code_);
    }

  private:
    template <typename E>
    static int bits(E e) {
        return static_cast<int>(e);
    }
    static std::int16_t narrow(std::size_t offset) { return static_cast<std::int16_t>(offset); }
    void emit(int code, Reg to, Reg from, std::int16_t offset, std::int32_t value) {
        bpf_insn insn{};
        insn.code = static_cast<std::uint8_t>(code);
        insn.dst_reg = to & 0xf;
        insn.src_reg = from & 0xf;
        insn.off = offset;
        insn.imm = value;
        code_.push_back(insn);
    }
    void wide(Reg to, Reg kind, int fd) {
        emit(BPF_LD | BPF_DW | BPF_IMM, to, kind, 0, fd);
        emit(0, r0, r0, 0, 0);
    }
    void jump_to(Label to, int code, Reg a, Reg b, std::int32_t value) {
        jumps_.emplace_back(code_.size(), to);
        emit(code, a, b, 0, value);
    }

    std::vector<bpf_insn> code_;
    std::vector<std::size_t> places_;
    std::vector<std::pair<std::size_t, Label>> jumps_;
};

}  // namespace sluice::bpf
