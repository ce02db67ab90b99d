// SPDX-License-Identifier: Apache-2.0
// DPDK's environment layer (EAL): started once a process, with the least it can live on.
//
// EAL gets one lcore, the control thread; workers are our own pthreads that register themselves, so
// that mempool caches and RCU know them. With free hugepages EAL runs `--in-memory` (several switches
// side by side share nothing); without, `--no-huge`, where memory is mapped but touched on first use
// only. PCI is not scanned unless asked for: `dpdk-extra` with `-a`, or a port of a PCI address, which
// is plugged later. What EAL prints goes to the log module "dpdk".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace sluice {

enum class HugepageUse {
    kAuto,   ///< if some are free, else 4 KiB pages
    kNever,  ///< `--no-huge`
};

/// What other_config says about DPDK. Defaults are what an empty database means.
struct EalConfig {
    /// `dpdk-socket-mem`: MiB a NUMA node, "1024" or "1024,0". Empty: kDefaultMemoryMib, none reserved
    /// ahead with hugepages.
    std::string socket_mem;
    std::string socket_limit;  ///< `dpdk-socket-limit`, MiB a node; hugepages only
    /// `dpdk-extra`: EAL arguments as on a command line (quotes understood), `-d plug-in.so` included.
    std::string extra;
    /// Processor of the main lcore: `dpdk-lcore-mask` (hexadecimal). Empty: the lowest the process may
    /// run on. The calling thread's affinity is restored after the start.
    std::string lcore_mask;
    HugepageUse hugepages = HugepageUse::kAuto;
    bool scan_pci = false;  ///< probe PCI devices at start (all that are bound to a user-space driver)
};

/// MiB of `--no-huge` memory where the configuration names none. Address space, not resident memory.
constexpr unsigned kDefaultMemoryMib = 512;

/// What the running EAL looks like.
struct EalInfo {
    bool hugepages = false;
    std::string version;                 ///< "DPDK 22.11.11"
    std::vector<std::string> arguments;  ///< as handed to rte_eal_init
    double start_seconds = 0;
};

/// Starts EAL. The caller becomes its main lcore (the control thread). A second call with EAL running
/// does nothing. Errors: EINVAL for arguments (the sentence names the key), whatever EAL says else; EAL
/// cannot be started again in the same process after some of its failures (EALREADY).
Result<void> start_eal(const EalConfig& config);
bool eal_running();
/// Valid once eal_running().
const EalInfo& eal_info();
/// Releases what EAL holds (files, hugepages). Last call before exit; ports and pools must be gone.
void stop_eal();

/// Makes the calling thread known to DPDK (an lcore id of its own, so pools cache for it); every worker
/// calls it first. Errors: ENOMEM when all of RTE_MAX_LCORE (128) ids are taken.
Result<void> register_worker_thread();
/// Undoes it, last thing in the thread. Flushes the thread's pool caches first.
void unregister_worker_thread();

/// Splits a command line into words: blanks separate, '...' and "..." and \ quote.
/// Errors: EINVAL for a quote that is never closed.
Result<std::vector<std::string>> split_arguments(const std::string& line);

}  // namespace sluice
