#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Group and meter commands of ovs-ofctl given to this switch and to OVS itself, beside it, print the same text.
. "$(dirname "$0")/../lib.sh"

OVS=/usr/lib/openvswitch-switch/ovs-vswitchd
[ -x "$OVS" ] || OVS=/usr/sbin/ovs-vswitchd
[ -x "$OVS" ] || skip "Debian's ovs-vswitchd is not installed"

# Two instances, each in a network namespace of its own with devices of the same names.
both() { for side in ours ovs; do "$@" || return 1; done; }
inside() { OVS_RUNDIR=$T/$side OVS_DBDIR=$T/$side OVS_LOGDIR=$T/$side ip netns exec "$side" "$@"; }
setup_side() {
    mkdir "$T/$side" && ip netns add "$side" && ip -n "$side" link set lo up
    inside sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
    for i in 1 2 3; do
        ip -n "$side" link add p$i type veth peer name q$i
        ip -n "$side" link set p$i up && ip -n "$side" link set q$i up
    done
    (
        export OVS_RUNDIR=$T/$side OVS_DBDIR=$T/$side OVS_LOGDIR=$T/$side
        start_ovsdb
    )
    local daemon=$SLUICE_SWITCH
    [ "$side" = ours ] || daemon=$OVS
    inside timeout 20 "$daemon" "unix:$T/$side/db.sock" --detach --no-chdir --pidfile -vconsole:off --log-file="$T/$side-switch.log"
    inside timeout 20 ovs-vsctl --timeout=15 add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=secure \
        protocols=OpenFlow10,OpenFlow11,OpenFlow12,OpenFlow13,OpenFlow14,OpenFlow15 \
        -- add-port br0 p1 -- add-port br0 p2 -- add-port br0 p3 \
        -- set interface p1 ofport_request=1 -- set interface p2 ofport_request=2 -- set interface p3 ofport_request=3
}
both setup_side || { fail "both switches start"; exit 1; }

# Durations differ; groups are dumped in the order in which a switch holds them; an empty line joins meters.
normalise() {
    sed -E 's/duration[=:][0-9.]+s/duration=Ns/g; s/xid=0x[0-9a-f]+/xid=X/g; s/^[0-9T:.Z-]+\|[0-9]+\|/LOG|/; s,/(ours|ovs)/br0,/br0,'
}
in_order() {
    case "$*" in
        *dump-group*) LC_ALL=C sort ;;
        *dump-meters* | *meter-stats*) tr '\n' '~' | sed 's/~~/\n/g; s/^\(OF[^~]*\)~/\1\n/' | sed 's/~$//; s/~exit/\nexit/' | LC_ALL=C sort ;;
        *) cat ;;
    esac
}
same() {
    local text_ours text_ovs side=ours
    text_ours=$(inside timeout 20 ovs-ofctl --timeout=15 "$@" 2>&1; echo "exit code $?")
    side=ovs
    text_ovs=$(inside timeout 20 ovs-ofctl --timeout=15 "$@" 2>&1; echo "exit code $?")
    expect_eq "ovs-ofctl $*" "$(normalise <<<"$text_ovs" | in_order "$@")" "$(normalise <<<"$text_ours" | in_order "$@")"
}

same -O OpenFlow13 add-group br0 group_id=1,type=all,bucket=output:1,bucket=dec_ttl,set_field:02:00:00:00:00:09-\>eth_dst,output:2
same -O OpenFlow13 add-group br0 group_id=2,type=select,bucket=weight:3,output:1,bucket=output:2,bucket=weight:0,watch_port:3,output:3
same -O OpenFlow13 add-group br0 group_id=3,type=indirect,bucket=group:1
same -O OpenFlow13 add-group br0 group_id=4,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:2,output:2
same -O OpenFlow13 add-group br0 group_id=5,type=all
same -O OpenFlow13 add-group br0 'group_id=6,type=all,bucket=group:99,bucket=group:6'
same -O OpenFlow15 add-group br0 'group_id=7,type=select,selection_method=hash,fields(ip_src=255.255.255.0,tcp_dst),bucket=bucket_id:5,weight:100,output:1,bucket=bucket_id:7,weight:3,output:2'
same -O OpenFlow15 add-group br0 'group_id=8,type=select,selection_method=dp_hash,selection_method_param=4294967301,bucket=bucket_id:1,output:1'
same -O OpenFlow10 add-group br0 'group_id=9,type=select,selection_method=hash,fields=eth_src,bucket=output:1,bucket=weight:4,output:2'
same -O OpenFlow13 add-group br0 group_id=4294967040,type=all,bucket=output:1
same -O OpenFlow14 --may-create mod-group br0 group_id=11,type=all,bucket=output:1
for version in OpenFlow10 OpenFlow11 OpenFlow12 OpenFlow13 OpenFlow14 OpenFlow15; do same -O "$version" dump-groups br0; done
same -O OpenFlow15 dump-groups br0 7
same -O OpenFlow15 dump-groups br0 1000
# what is refused
same -O OpenFlow13 add-group br0 group_id=1,type=all,bucket=output:1
same -O OpenFlow13 add-group br0 group_id=12,type=all,bucket=watch_port:1,output:1
same -O OpenFlow13 add-group br0 group_id=12,type=indirect
same -O OpenFlow13 mod-group br0 group_id=77,type=all,bucket=output:1
same -O OpenFlow13 del-groups br0 group_id=1000
same -O OpenFlow15 add-group br0 group_id=12,type=all,selection_method=dp_hash,bucket=output:1
same -O OpenFlow15 insert-buckets br0 group_id=99,command_bucket_id=first,bucket=bucket_id:66,output:3
# buckets come and go
same -O OpenFlow15 insert-buckets br0 group_id=7,command_bucket_id=last,bucket=bucket_id:9,output:3
same -O OpenFlow15 insert-buckets br0 group_id=7,command_bucket_id=first,bucket=bucket_id:1,output:3,bucket=bucket_id:2,output:3
same -O OpenFlow15 insert-buckets br0 group_id=7,command_bucket_id=5,bucket=bucket_id:6,output:3
same -O OpenFlow15 insert-buckets br0 group_id=7,command_bucket_id=5,bucket=bucket_id:6,output:3
same -O OpenFlow15 insert-buckets br0 group_id=7,command_bucket_id=55,bucket=bucket_id:66,output:3
same -O OpenFlow15 dump-groups br0 7
for which in first last 6 6; do same -O OpenFlow15 remove-buckets br0 group_id=7,command_bucket_id=$which; done
same -O OpenFlow15 dump-groups br0 7
same -O OpenFlow15 remove-buckets br0 group_id=4,command_bucket_id=all
same -O OpenFlow15 dump-groups br0
# flows that name them
same -O OpenFlow13 add-flow br0 in_port=1,actions=group:10
same -O OpenFlow13 add-flow br0 in_port=1,actions=group:1
same -O OpenFlow13 add-flow br0 'in_port=2,actions=write_actions(group:1)'
same -O OpenFlow13 add-flow br0 'in_port=3,actions=clone(group:1)'
same -O OpenFlow13 add-flow br0 in_port=3,ip,actions=group:2,output:1
same -O OpenFlow13 packet-out br0 in_port=1,packet=ffffffffffff010203040506ffff0000,actions=group:99,output:2
for version in OpenFlow10 OpenFlow11 OpenFlow13 OpenFlow15; do same -O "$version" dump-group-stats br0; done
same -O OpenFlow13 dump-group-stats br0 group_id=2
same -O OpenFlow13 dump-flows br0 out_group=1
for version in OpenFlow10 OpenFlow12 OpenFlow15; do same -O "$version" dump-group-features br0; done
same -O OpenFlow13 mod-group br0 group_id=1,type=all,bucket=output:3
same -O OpenFlow13 del-groups br0 group_id=1
same -O OpenFlow13 dump-flows br0
# bundles: all or nothing
printf '%s\n' 'group add group_id=21,type=all,bucket=output:1' 'flow add in_port=2,actions=group:21' 'group modify group_id=2,type=all,bucket=output:2' >"$T/good"
printf '%s\n' 'group add group_id=22,type=all,bucket=output:1' 'flow delete in_port=2' 'group delete group_id=21' 'flow add actions=group:23' >"$T/bad"
same -O OpenFlow14 bundle br0 "$T/good"
same -O OpenFlow14 bundle br0 "$T/bad"
same -O OpenFlow13 dump-groups br0
same -O OpenFlow13 dump-flows br0
same -O OpenFlow13 del-groups br0
same -O OpenFlow13 dump-groups br0
# meters
same -O OpenFlow13 add-meter br0 meter=1,kbps,band=type=drop,rate=1000
same -O OpenFlow13 add-meter br0 meter=1,kbps,band=type=drop,rate=1000
same -O OpenFlow13 add-meter br0 'meter=2,pktps,burst,stats,bands=type=drop rate=1000 burst_size=200,type=drop rate=10 burst_size=5'
for id in 300000 4294901760 controller slowpath; do same -O OpenFlow13 add-meter br0 meter=$id,pktps,band=type=drop,rate=10; done
same -O OpenFlow13 mod-meter br0 meter=9,kbps,band=type=drop,rate=10
same -O OpenFlow13 mod-meter br0 meter=1,kbps,burst,band=type=drop,rate=10,burst_size=20
same -O OpenFlow13 add-flow br0 in_port=1,actions=meter:77,output:2
same -O OpenFlow13 add-flow br0 in_port=1,actions=meter:1,output:2
same -O OpenFlow15 add-flow br0 in_port=2,actions=meter:1,output:3
same -O OpenFlow13 add-flow br0 'in_port=3,actions=controller(meter_id=2)'
for version in OpenFlow13 OpenFlow15; do same -O "$version" dump-meters br0; same -O "$version" meter-stats br0; done
same -O OpenFlow13 dump-meter br0 meter=1
same -O OpenFlow13 dump-meter br0 meter=77
same -O OpenFlow13 meter-stats br0 meter=1
same -O OpenFlow13 meter-stats br0 meter=77
same -O OpenFlow13 del-meter br0 meter=9
same -O OpenFlow13 del-meter br0 meter=1
same -O OpenFlow13 --sort dump-flows br0
same -O OpenFlow13 del-meters br0
same -O OpenFlow13 dump-meters br0
side=ours
expect_match "meter features tell of both band types" 'band_types: drop dscp_remark' "$(inside ovs-ofctl -O OpenFlow13 meter-features br0)"
# traces
trace_same() {
    local text_ours text_ovs side=ours
    text_ours=$(inside timeout 20 ovs-appctl ofproto/trace br0 "$1" 2>&1)
    side=ovs
    text_ovs=$(inside timeout 20 ovs-appctl ofproto/trace br0 "$1" 2>&1)
    # Which fields a megaflow names is another thing, and so are the datapath's own port numbers.
    expect_eq "trace $1" "$(grep -vE '^(Megaflow|Datapath)' <<<"$text_ovs")" "$(grep -vE '^(Megaflow|Datapath)' <<<"$text_ours")"
}
both inside ovs-ofctl -O OpenFlow13 del-flows br0
both inside ovs-ofctl -O OpenFlow13 add-group br0 'group_id=1,type=all,bucket=output:1,bucket=set_field:02:00:00:00:00:99->eth_dst,output:2,output:3,bucket=output:3'
both inside ovs-ofctl -O OpenFlow13 add-group br0 'group_id=3,type=ff,bucket=watch_port:1,output:1,bucket=watch_port:2,output:2'
both inside ovs-ofctl -O OpenFlow13 add-group br0 'group_id=5,type=all,bucket=group:3,bucket=dec_ttl,group:1'
both inside ovs-ofctl -O OpenFlow13 add-group br0 'group_id=6,type=all,bucket=group:77,bucket=set_field:1->reg0'
both inside ovs-ofctl -O OpenFlow13 add-flow br0 'in_port=1,actions=group:1,output:2'
both inside ovs-ofctl -O OpenFlow13 add-flow br0 'in_port=2,actions=group:5,output:3'
both inside ovs-ofctl -O OpenFlow13 add-flow br0 'in_port=3,actions=group:6,output:1'
both inside ovs-ofctl -O OpenFlow13 add-flow br0 'in_port=LOCAL,actions=write_actions(set_field:02:00:00:00:00:77->eth_src,group:1)'
for port in 1 2 3 LOCAL; do trace_same "in_port=$port,dl_type=0x0800,nw_ttl=64,nw_proto=6,tp_src=5"; done
