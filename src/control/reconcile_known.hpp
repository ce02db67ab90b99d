// SPDX-License-Identifier: Apache-2.0
// Which keys and columns of the 3.1 schema have an effect here, which are accepted without one, and saying
// so once each.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace sluice {

/// What a key means to us.
enum class KeyKind { kEffective, kNoEffect, kUnknown };
/// `table`: "Open_vSwitch", "Bridge", "Port", "Interface" or "Controller"; key of other_config.
KeyKind classify_key(std::string_view table, std::string_view key);

/// Says each thing once in the process's life, however often the row changes.
class Notices {
  public:
    /// Logs `text` the first time `what` is named. True: it was logged.
    bool once(const std::string& what, const std::string& text);
    /// Reports keys of an other_config that have no effect or are unknown.
    void report_keys(std::string_view table, const std::map<std::string, std::string>& other_config);
    /// Reports a column or table in use that this version accepts without effect.
    void no_effect(const std::string& what);

  private:
    std::set<std::string> said_;
};

}  // namespace sluice
