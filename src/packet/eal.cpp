// SPDX-License-Identifier: Apache-2.0
// EAL start: chooses arguments, routes DPDK's log, registers threads. See packet/eal.hpp.
#include "packet/eal.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <system_error>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mempool.h>
#include <rte_version.h>

#include "base/log.hpp"
#include "packet/rx_slots.hpp"

namespace sluice {
namespace {

const log::Module kLog{"dpdk"};

struct EalState {
    bool running = false;
    bool failed = false;
    EalInfo info;
};
EalState& state() {
    static EalState instance;
    return instance;
}

/// Hugepage memory worth switching for: the default pools with room to spare, in bytes.
constexpr std::uint64_t kMinHugeBytes = 160ULL << 20;

std::uint64_t free_hugepage_bytes() {
    std::uint64_t total = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
        const std::string dir = entry.path().filename();  // hugepages-2048kB
        std::uint64_t kib = 0;
        std::uint64_t count = 0;
        if (dir.rfind("hugepages-", 0) != 0) continue;
        std::from_chars(dir.data() + 10, dir.data() + dir.size(), kib);
        if (std::ifstream file{entry.path() / "free_hugepages"}; file >> count) total += count * kib * 1024;
    }
    return total;
}

bool machine_has_pci() {
    std::error_code error;
    auto it = std::filesystem::directory_iterator("/sys/bus/pci/devices", error);
    return !error && it != std::filesystem::directory_iterator{};
}

void log_line(int level, std::string_view line) {
    while (!line.empty() && (line.back() == '\n' || line.back() == ' '))
        line.remove_suffix(1);
    if (line.empty()) return;
    if (level <= static_cast<int>(RTE_LOG_ERR)) {
        kLog.err("{}", line);
    } else if (level == static_cast<int>(RTE_LOG_WARNING)) {
        kLog.warn("{}", line);
    } else if (level <= static_cast<int>(RTE_LOG_INFO)) {
        kLog.info("{}", line);
    } else {
        kLog.dbg("{}", line);
    }
}

ssize_t log_write(void*, const char* data, size_t size) {
    const int level = rte_log_cur_msg_loglevel();
    std::string_view text{data, size};
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        log_line(level, text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return static_cast<ssize_t>(size);
}

void route_log() {
    static FILE* stream = nullptr;
    if (stream != nullptr) return;
    cookie_io_functions_t io{};
    io.write = log_write;
    stream = fopencookie(nullptr, "w", io);
    if (stream != nullptr) rte_openlog_stream(stream);
}

bool has_option(const std::vector<std::string>& words, std::initializer_list<std::string_view> names) {
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) {
        return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
            if (word == name) return true;
            if (word.rfind(name, 0) != 0) return false;
            return name.rfind("--", 0) == 0 ? word[name.size()] == '=' : true;  // --x=1, -m64
        });
    });
}

/// Sum of a list of MiB, "1024,512".
Result<unsigned> parse_memory(std::string_view key, const std::string& text) {
    unsigned total = 0;
    const char* at = text.data();
    const char* end = at + text.size();
    while (at < end) {
        unsigned mib = 0;
        const auto [next, error] = std::from_chars(at, end, mib);
        if (error != std::errc{} || mib > (1U << 24) || (next != end && *next != ','))
            return make_error(EINVAL,
                              "other_config:{}=\"{}\": expected MiB for each NUMA node, such as "
                              "1024 or 1024,0",
                              key, text);
        total += mib;
        at = next == end ? end : next + 1;
    }
    return total;
}

Result<int> main_processor(const std::string& mask) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_SET(0, &allowed);
    std::string_view digits{mask};
    if (digits.rfind("0x", 0) == 0 || digits.rfind("0X", 0) == 0) digits.remove_prefix(2);
    if (!mask.empty() &&
        (digits.empty() || digits.find_first_not_of("0123456789abcdefABCDEF") != digits.npos))
        return make_error(EINVAL, "other_config:dpdk-lcore-mask=\"{}\" is not a hexadecimal mask", mask);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        if (mask.empty()) return cpu;
        const auto digit = static_cast<std::size_t>(cpu / 4);
        if (digit >= digits.size()) break;
        const char c = digits[digits.size() - 1 - digit];
        const int value = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
        if ((value >> (cpu % 4) & 1) != 0) return cpu;
    }
    return make_error(EINVAL, "other_config:dpdk-lcore-mask=\"{}\" has no processor this process may use",
                      mask);
}

Result<void> add_memory_arguments(const EalConfig& config, const std::vector<std::string>& extra, bool huge,
                                  std::vector<std::string>& args) {
    auto memory = parse_memory("dpdk-socket-mem", config.socket_mem);
    if (!memory) return memory.error();
    auto limit = parse_memory("dpdk-socket-limit", config.socket_limit);
    if (!limit) return limit.error();
    const bool given = has_option(extra, {"-m", "--socket-mem"});
    if (!huge) {
        if (!has_option(extra, {"--no-huge"})) args.emplace_back("--no-huge");
        args.emplace_back("--no-shconf");
        if (!given) {
            args.emplace_back("-m");
            args.push_back(std::to_string(*memory > 0 ? *memory : kDefaultMemoryMib));
        }
        return {};
    }
    if (!has_option(extra, {"--in-memory", "--file-prefix"})) args.emplace_back("--in-memory");
    if (!given && *memory > 0) args.push_back("--socket-mem=" + config.socket_mem);
    if (*limit > 0) args.push_back("--socket-limit=" + config.socket_limit);
    return {};
}

Result<std::vector<std::string>> choose_arguments(const EalConfig& config, bool& huge) {
    auto extra = split_arguments(config.extra);
    if (!extra) return extra.error();
    const bool refused = config.hugepages == HugepageUse::kNever || has_option(*extra, {"--no-huge"});
    huge = !refused && free_hugepage_bytes() >= kMinHugeBytes;

    std::vector<std::string> args{"sluiced"};
    if (!has_option(*extra, {"-l", "-c", "--lcores"})) {
        auto cpu = main_processor(config.lcore_mask);
        if (!cpu) return cpu.error();
        args.push_back(fmt::format("--lcores=0@{}", *cpu));
    }
    if (auto added = add_memory_arguments(config, *extra, huge, args); !added) return added.error();
    if (!has_option(*extra, {"--telemetry", "--no-telemetry"})) args.emplace_back("--no-telemetry");
    if (!config.scan_pci && !has_option(*extra, {"-a", "--allow", "-b", "--block", "--no-pci"})) {
        // An allow list that no device is on leaves the bus usable for later plugging.
        args.emplace_back(machine_has_pci() ? "--allow=ffff:ff:1f.7" : "--no-pci");
    }
    args.insert(args.end(), extra->begin(), extra->end());
    return args;
}

}  // namespace

Result<std::vector<std::string>> split_arguments(const std::string& line) {
    std::vector<std::string> words;
    std::string word;
    bool open = false;
    char quote = 0;
    for (std::size_t i = 0; i < line.size(); ++i) {
        const char c = line[i];
        if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
            open = true;
        } else if (c == '\\' && i + 1 < line.size()) {
            word += line[++i];
            open = true;
        } else if (c == ' ' || c == '\t' || c == '\n') {
            if (open) words.push_back(word);
            word.clear();
            open = false;
        } else {
            word += c;
            open = true;
        }
    }
    if (quote != 0)
        return make_error(EINVAL, "other_config:dpdk-extra=\"{}\": the quote {} is never closed", line,
                          quote);
    if (open) words.push_back(word);
    return words;
}

Result<void> start_eal(const EalConfig& config) {
    EalState& eal = state();
    if (eal.running) return {};
    if (eal.failed)
        return make_error(EALREADY, "DPDK failed to start before; restart the process to try again");
    bool huge = false;
    auto args = choose_arguments(config, huge);
    if (!args) return args.error();

    const auto began = std::chrono::steady_clock::now();
    cpu_set_t affinity;
    const bool have_affinity = sched_getaffinity(0, sizeof affinity, &affinity) == 0;
    route_log();
    std::vector<char*> argv;
    std::vector<std::string> words = *args;  // EAL permutes and keeps pointers while it parses
    for (auto& word : words)
        argv.push_back(word.data());
    std::string line;
    for (const auto& word : *args)
        line += (line.empty() ? "" : " ") + word;
    kLog.info("EAL arguments: {}", line);
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
        eal.failed = true;
        const int code = rte_errno != 0 ? rte_errno : EIO;
        return make_error(code, "DPDK did not start with \"{}\": {} (the log module dpdk says more)", line,
                          rte_strerror(code));
    }
    if (have_affinity) sched_setaffinity(0, sizeof affinity, &affinity);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    eal.running = true;
    eal.info = {huge, rte_version(), std::move(*args), took.count()};
    kLog.info("{} started in {:.3f} s, memory: {}", eal.info.version, eal.info.start_seconds,
              huge ? "hugepages" : "4 KiB pages (no hugepages free; expect some per cent less speed)");
    return {};
}

bool eal_running() {
    return state().running;
}

const EalInfo& eal_info() {
    return state().info;
}

void stop_eal() {
    EalState& eal = state();
    if (!eal.running) return;
    rte_eal_cleanup();
    eal.running = false;
    eal.failed = true;  // EAL does not start twice
}

Result<void> register_worker_thread() {
    if (rte_thread_register() == 0) return {};
    return make_error(rte_errno != 0 ? rte_errno : ENOMEM,
                      "no DPDK thread id left for another worker: {} are in use, the limit", RTE_MAX_LCORE);
}

void unregister_worker_thread() {
    RxSlots::mine().release();
    if (rte_lcore_id() == LCORE_ID_ANY) return;
    rte_mempool_walk(
        [](rte_mempool* pool, void*) {
            auto* cache = rte_mempool_default_cache(pool, rte_lcore_id());
            if (cache != nullptr) rte_mempool_cache_flush(cache, pool);
        },
        nullptr);
    rte_thread_unregister();
}

}  // namespace sluice
