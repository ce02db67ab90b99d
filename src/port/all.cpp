// SPDX-License-Identifier: Apache-2.0
// The list of port kinds. A new kind is a folder and a row here.
#include <algorithm>

#include "port/dpdk/dpdk_port.hpp"
#include "port/dummy/dummy_port.hpp"
#include "port/memif/memif_port.hpp"
#include "port/options.hpp"
#include "port/patch/patch_port.hpp"
#include "port/port.hpp"
#include "port/system/system_port.hpp"
#include "port/tap/tap_port.hpp"
#include "port/tunnel/tunnel_port.hpp"
#include "port/vhost/vhost_port.hpp"

namespace sluice {
namespace {

DummyLevel level = DummyLevel::kNone;

/// What the kernel (IFNAMSIZ) and Open vSwitch's directory names allow at most.
constexpr std::size_t kMaxNameBytes = 64;

Result<void> check_name(const std::string& name) {
    if (name.empty()) return make_error(EINVAL, "a port needs a name");
    if (name.size() > kMaxNameBytes || name == "." || name == ".." ||
        name.find_first_of("/ \t\n") != std::string::npos)
        return make_error(EINVAL,
                          "\"{}\" cannot be the name of a port: at most {} characters, no slash or blank",
                          name, kMaxNameBytes);
    return {};
}

std::vector<PortKind> list_kinds() {
    std::vector<PortKind> kinds{
        {"system", "any kernel interface; options io=auto|af_packet|af_xdp, n_rxq, kernel-stack=drop|pass",
         SystemPort::create},
        {"internal", "a kernel TAP made for the port; options n_rxq", TapPort::create},
        {"tap", "a kernel TAP made for the port; options n_rxq", TapPort::create},
        {"dpdk", "options dpdk-devargs=<PCI address or vdev>, n_rxq, n_rxq_desc, n_txq_desc",
         DpdkPort::create},
        {"patch", "options peer=<name of the other patch port>", PatchPort::create},
        {"dpdkvhostuserclient", "options vhost-server-path=<socket of the guest>, tx-retries-max",
         VhostPort::create_client},
        {"dpdkvhostuser", "the switch listens at <run directory>/<port name>; options tx-retries-max",
         VhostPort::create_server},
        {"memif",
         "options memif-socket=<path, or @name>, memif-role=server|client, memif-id, memif-secret, n_rxq, "
         "memif-ring-size, memif-buffer-size",
         MemifPort::create},
    };
    for (const char* type : {"geneve", "vxlan", "gre", "ip6gre", "erspan", "ip6erspan", "gtpu"}) {
        kinds.push_back({type, "options remote_ip, local_ip, key, dst_port, tos, ttl, df_default, csum, ...",
                         TunnelPort::create});
    }
    if (level == DummyLevel::kNone) return kinds;
    for (auto& kind : kinds) {
        if (is_dummy_type(kind.type)) kind.create = DummyPort::create;
    }
    for (const char* type : {"dummy", "dummy-internal", "dummy-pmd"})
        kinds.push_back({type, "options n_rxq, ifindex, pcap, rxq_pcap, tx_pcap", DummyPort::create});
    return kinds;
}

}  // namespace

void set_dummy_level(DummyLevel wanted) {
    level = wanted;
}

DummyLevel dummy_level() {
    return level;
}

bool is_dummy_type(std::string_view type) {
    if (level == DummyLevel::kNone || type == "patch") return false;
    if (type == "dummy" || type == "dummy-internal" || type == "dummy-pmd") return true;
    return level == DummyLevel::kOverride ||
           (level == DummyLevel::kSystem && (type.empty() || type == "system"));
}

const std::vector<PortKind>& port_kinds() {
    static const std::vector<PortKind> kinds = list_kinds();
    return kinds;
}

Result<std::unique_ptr<Port>> create_port(const PortConfig& config) {
    if (auto ok = check_name(config.name); !ok) return ok.error();
    if (auto ok = check_mtu(config); !ok) return ok.error();
    const std::string_view type = config.type.empty() ? std::string_view{"system"} : config.type;
    const auto& kinds = port_kinds();
    const auto kind =
        std::find_if(kinds.begin(), kinds.end(), [&](const PortKind& k) { return k.type == type; });
    if (kind != kinds.end()) return kind->create(config);
    std::string list;
    for (const auto& k : kinds)
        list += (list.empty() ? "" : ", ") + std::string{k.type};
    return make_error(EAFNOSUPPORT, "{}: type \"{}\" is not known; known types: {}", config.name, type, list);
}

}  // namespace sluice
