// SPDX-License-Identifier: Apache-2.0
// Groups and meters: what ovs-ofctl 3.1 takes, and how it prints them (as OpenFlow 1.5, which has bucket
// ids).
#include "flow/group_text.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string reprint(std::string_view line) {
    const auto group = parse_group(line);
    return group ? format_group(*group, BucketIds::kShown) : "error: " + group.error().message;
}

TEST(GroupText, prints_as_ovs) {
    constexpr std::pair<const char*, const char*> kCases[] = {
        {"group_id=1,type=select,selection_method=hash,fields(ip_src,ip_dst=255.255.255.0,tcp_dst),"
         "bucket=bucket_id:5,weight:100,watch_port:1,actions=output:1,bucket=output:2",
         "group_id=1,type=select,selection_method=hash,fields(ip_src,ip_dst=255.255.255.0,tcp_dst),"
         "bucket=bucket_id:5,weight:100,watch_port:1,actions=output:1,bucket=bucket_id:0,actions=output:2"},
        {"group_id=2,type=select,selection_method=dp_hash,selection_method_param=5,bucket=weight:0,output:1",
         "group_id=2,type=select,selection_method=dp_hash,selection_method_param=5,"
         "bucket=bucket_id:0,weight:0,actions=output:1"},
        {"group_id=3,type=all,bucket=output:1,bucket=output:2,pop_vlan",
         "group_id=3,type=all,bucket=bucket_id:0,actions=output:1,bucket=bucket_id:1,actions=output:2,pop_"
         "vlan"},
        {"group_id=4,type=indirect,bucket=output:1",
         "group_id=4,type=indirect,bucket=bucket_id:0,actions=output:1"},
        {"group_id=5,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:2,output:2",
         "group_id=5,type=ff,bucket=bucket_id:0,watch_port:1,actions=output:1,"
         "bucket=bucket_id:1,watch_group:2,actions=output:2"},
        {"group_id=6,type=fast_failover,bucket=watch_port:3,watch_group:2,actions=drop",
         "group_id=6,type=ff,bucket=bucket_id:0,watch_port:3,watch_group:2,actions=drop"},
        {"group_id=7,type=all", "group_id=7,type=all"},
        {"group_id=9,type=select,selection_method=hash,fields=eth_src,bucket=actions=set_field:1->reg0,"
         "output:1",
         "group_id=9,type=select,selection_method=hash,fields=eth_src,"
         "bucket=bucket_id:0,actions=set_field:0x1->reg0,output:1"},
        {"group_id=10,type=select,bucket=weight:5,bucket_id=7,actions=output:1,bucket=actions=output:2,"
         "output:3",
         "group_id=10,type=select,bucket=bucket_id:7,weight:5,actions=output:1,"
         "bucket=bucket_id:0,actions=output:2,output:3"},
        {"group_id=11,type=select,selection_method=hash,fields(ipv6_src=ffff::,metadata,tun_id=0xff),"
         "bucket=weight=3,actions=ct(commit),output:1",
         "group_id=11,type=select,selection_method=hash,fields(tun_id=0xff,metadata,ipv6_src=ffff::),"
         "bucket=bucket_id:0,weight:3,actions=ct(commit),output:1"},
        {"group_id=12,type=select,selection_method=hash,fields=ip_dst=255.255.0.0,bucket=weight:1,actions=",
         "group_id=12,type=select,selection_method=hash,fields=ip_dst=255.255.0.0,"
         "bucket=bucket_id:0,actions=drop"},
        {"group_id=13 type=all bucket=set_field:1->reg1,output:2",
         "group_id=13,type=all,bucket=bucket_id:0,actions=set_field:0x1->reg1,output:2"},
    };
    for (const auto& [in, out] : kCases) {
        EXPECT_EQ(reprint(in), out);
        EXPECT_EQ(reprint(out), out) << "printed text reads as the same group";
    }
    EXPECT_EQ(format_group(*parse_group("group_id=1,type=all,bucket=output:1"), BucketIds::kHidden),
              "group_id=1,type=all,bucket=actions=output:1");
}

TEST(GroupText, refusals_say_why) {
    for (const char* line :
         {"type=all", "group_id=1", "group_id=1,type=foo", "group_id=0xffffff01,type=all",
          "group_id=5,type=indirect,bucket=output:1,bucket=output:2", "group_id=5,type=ff,bucket=output:1",
          "group_id=5,type=select,weight=3", "group_id=1,type=all,selection_method=hash",
          "group_id=1,type=select,selection_method=foo", "group_id=1,type=select,bucket=weight:70000",
          "group_id=1,type=all,bucket=weight:3,output:1", "group_id=8,type=select,fields=eth_src,bucket=drop",
          "group_id=1,type=all,bucket=watch_port:NORMAL,output:1", "group_id=1,type=all,bucket=foo:1",
          "group_id=12,type=select,command_bucket_id=all,bucket=output:1",
          "group_id=1,type=select,selection_method=hash,fields(ip_src,ip_src),bucket=output:1"}) {
        EXPECT_TRUE(reprint(line).starts_with("error: ")) << line;
    }
    const auto insert =
        parse_group("group_id=1,command_bucket_id=last,bucket=output:1", GroupCommand::kInsertBucket);
    ASSERT_TRUE(insert) << insert.error().message;
    EXPECT_EQ(insert->command_bucket, kLastBucket);
}

TEST(GroupText, actions_without_a_value_are_what_follows) {
    const auto group = parse_group("group_id=1,type=indirect,bucket=actions output:1");
    ASSERT_TRUE(group) << group.error().message;
    EXPECT_EQ(group->buckets.at(0).actions.size(), 1U);
    EXPECT_TRUE(parse_group("group_id=1,type=indirect,bucket=actions"));
}

TEST(MeterText, prints_as_ovs) {
    constexpr std::pair<const char*, const char*> kCases[] = {
        {"meter=1,kbps,bands=type=drop,rate=100", "meter=1 kbps bands=\ntype=drop rate=100"},
        {"meter=2,pktps,burst,stats,bands=type=drop,rate=100,burst_size=5",
         "meter=2 pktps burst stats bands=\ntype=drop rate=100 burst_size=5"},
        {"meter=3,kbps,burst,bands=type=dscp_remark,rate=100,burst_size=5,prec_level=1 "
         "type=drop,rate=7,burst_size=9",
         "meter=3 kbps burst bands=\ntype=dscp_remark rate=100 burst_size=5 prec_level=1\n"
         "type=drop rate=7 burst_size=9"},
        {"meter=controller,pktps,bands=type=drop,rate=1", "meter=controller pktps bands=\ntype=drop rate=1"},
        {"meter=8 kbps stats band=type=drop rate=1 type=drop rate=5",
         "meter=8 kbps stats bands=\ntype=drop rate=1\ntype=drop rate=5"},
    };
    for (const auto& [in, out] : kCases) {
        const auto meter = parse_meter(in);
        ASSERT_TRUE(meter) << in << ": " << meter.error().message;
        EXPECT_EQ(format_meter(*meter), out);
        const auto again = parse_meter(out);
        ASSERT_TRUE(again) << out << ": " << again.error().message;
        EXPECT_EQ(format_meter(*again), out);
    }
    for (const char* line :
         {"meter=4,bands=type=drop,rate=1", "meter=5", "meter=5,kbps",
          "meter=0xffff0001,kbps,band=type=drop,rate=1", "meter=7,kbps,pktps,band=type=drop,rate=1",
          "meter=8,kbps,band=type=drop,rate=1,burst_size=3", "meter=3,kbps,burst,bands=type=drop,rate=100",
          "kbps,band=type=drop,rate=1", "meter=0,kbps,band=type=drop,rate=1",
          "meter=3,kbps,bands=type=foo,rate=100"}) {
        EXPECT_FALSE(parse_meter(line)) << line;
    }
}

}  // namespace
}  // namespace sluice
