// SPDX-License-Identifier: Apache-2.0
// bfd/*: sessions of interfaces.
#include <cerrno>
#include <optional>

#include "control/commands/commands.hpp"
#include "flow/text.hpp"

namespace sluice::commands {

Output bfd_show(Context& context, const Args& args) {
    const auto& bfd = context.target()->bfd();
    if (args.empty()) return bfd.show_all();
    auto text = bfd.show(args[0]);
    if (!text) return make_error(ENOENT, "no such bfd object");
    return *text;
}

Output bfd_set_forwarding(Context& context, const Args& args) {
    const std::string wanted = text::lower(args.back());
    std::optional<bool> forwarding;
    if (wanted == "true" || wanted == "false") {
        forwarding = wanted == "true";
    } else if (wanted != "normal") {
        return make_error(EINVAL, "unknown fault string");
    }
    if (!context.target()->bfd().set_forwarding(args.size() > 1 ? args[0] : "", forwarding))
        return make_error(ENOENT, "no such BFD object");
    context.target()->refresh();
    return std::string("OK");
}

}  // namespace sluice::commands
