// SPDX-License-Identifier: Apache-2.0
// FlowStatsWriter: flow dumps of any size without holding the flows.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

FlowStatsWriter::FlowStatsWriter(Version version, std::uint32_t xid, bool nicira, Bytes& out,
                                 const TunTable* tun)
    : version_(version), xid_(xid), nicira_(nicira), out_(out), tun_(tun), part_(out.size()) {
    MessageWriter writer{out_, version_, xid_, false};
    encode_body(writer, FlowStatsReply{{}, nicira_});
    writer.finish();
}

Result<void> FlowStatsWriter::add(const FlowStats& flow) {
    Bytes single;
    try {
        MessageWriter writer{single, version_, xid_, false, {.tun = tun_}};
        encode_body(writer, FlowStatsReply{{}, nicira_});
        const std::size_t head = single.size();
        encode_flow_stats(writer, flow, nicira_);
        const std::size_t item = single.size() - head;
        if (out_.size() - part_ + item > 0xffff) {
            // Open the next part; its "more" flag stays clear until a further one follows.
            store_be16(out_.data() + part_ + 10, 1);
            part_ = out_.size();
            out_.insert(out_.end(), single.begin(), single.begin() + static_cast<std::ptrdiff_t>(head));
        }
        out_.insert(out_.end(), single.begin() + static_cast<std::ptrdiff_t>(head), single.end());
        store_be16(out_.data() + part_ + 2, static_cast<std::uint16_t>(out_.size() - part_));
        return {};
    } catch (const EncodeFailure& failure) {
        return make_error(EOPNOTSUPP, "flow of table {}, priority {}: {}", flow.table, flow.priority,
                          failure.message);
    }
}

void FlowStatsWriter::finish() {
    store_be16(out_.data() + part_ + 2, static_cast<std::uint16_t>(out_.size() - part_));
}

}  // namespace sluice::openflow
