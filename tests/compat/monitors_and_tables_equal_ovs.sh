#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Flow monitors, limits of tables, eviction, vacancy, queues: ovs-ofctl prints the same as with OVS, in every version.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/beside_ovs.inc"
start_both

# watch NAME VERSION WATCHED COMMAND: what `ovs-ofctl monitor` prints on both while COMMAND runs; "me MESSAGE" in it sends
# bytes over the monitor's own connection.
watch() {
    local name=$1 version=$2 watched=$3 command=$4 text=()
    for side in ours ovs; do
        # shellcheck disable=SC2086  # words, on purpose
        inside timeout 20 ovs-ofctl -O "$version" --detach --no-chdir --pidfile="$T/$side/monitor.pid" \
            --unixctl="$T/$side/monitor.ctl" monitor br0 $watched >"$T/$side/monitor.out" 2>&1
        me() { inside timeout 10 ovs-appctl -t "$T/$side/monitor.ctl" ofctl/send "$@" >/dev/null; }
        of() { inside timeout 10 ovs-ofctl -O OpenFlow14 "$@" 2>&1; }
        eval "$command" >/dev/null
        inside timeout 10 ovs-appctl -t "$T/$side/monitor.ctl" ofctl/barrier >/dev/null
        inside timeout 10 ovs-appctl -t "$T/$side/monitor.ctl" exit
        until_true 5 [ ! -e "$T/$side/monitor.pid" ]
        text+=("$(normalise <"$T/$side/monitor.out")")
        inside ovs-ofctl -O OpenFlow14 del-flows br0 cookie=0/1
    done
    expect_eq "ovs-ofctl -O $version monitor $watched: $name" "${text[1]}" "${text[0]}"
}
same add-flow br0 cookie=1,idle_timeout=500,tcp,actions=output:1
same add-flow br0 cookie=3,table=2,in_port=2,actions=output:1,output:2
changes='of add-flow br0 udp,actions=output:3; of mod-flows br0 udp,actions=drop; of mod-flows br0 udp,actions=drop
    of add-flow br0 udp,actions=output:1; of add-flow br0 udp,actions=output:1; of --strict mod-flows br0 cookie=0x4,udp,actions=output:1
    of del-flows br0 udp'
for version in OpenFlow10 OpenFlow11 OpenFlow12 OpenFlow13 OpenFlow14 OpenFlow15; do
    watch changes $version watch: "$changes"
    watch changes $version 'watch:!initial' "$changes"
    watch changes $version 'watch:!add,!modify' "$changes"
    watch changes $version 'watch:!actions,table=0' "$changes"
    watch changes $version 'watch:!initial,out_port=3' "$changes"
    watch 'a narrower flow' $version 'watch:tcp' 'of add-flow br0 tcp,tp_dst=80,actions=drop; of del-flows br0 tcp,tp_dst=80'
done
# Changes of one's own are told by their transaction id, unless they are asked for.
own=010e005000000077003820ff00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000008000ffffffffffff00000000000800010000
watch 'a change of its own' OpenFlow10 'watch:!initial,!own' "me $own"
watch 'a change of its own' OpenFlow10 'watch:!initial' "me $own"
# A bundle is told at once.
printf '%s\n' udp,actions=output:1 'delete udp' sctp,actions=output:2 >"$T/bundle"
watch 'a bundle' OpenFlow14 'watch:!initial' 'of --bundle add-flows br0 "$T/bundle"'

# Tables: limits of the database, eviction, vacancy events.
limit() { both inside ovs-vsctl --timeout=15 set bridge br0 flow_tables:1=@t -- --id=@t create Flow_Table "$@" >/dev/null; }
fill() { for i in 1 2 3 4 5 6; do same -O OpenFlow14 add-flow br0 "table=1,in_port=$i,$(eval echo "$1"),actions=drop"; done
         same -O OpenFlow14 --no-stats --sort=in_port dump-flows br0 table=1; same -O OpenFlow14 del-flows br0 table=1; }
limit flow_limit=4 overflow_policy=refuse
fill 'idle_timeout=100'
same -O OpenFlow14 dump-table-desc br0
limit flow_limit=4 overflow_policy=evict
fill 'importance=$((10-i)),idle_timeout=$((100-i))'
fill 'importance=$i'
fill 'hard_timeout=$((i*37%100+100))'
fill 'importance=$((i*37%100)),hard_timeout=$((i*41%100+100))'
fill 'idle_timeout=$((i<5?0:90))'
both inside ovs-vsctl --timeout=15 clear bridge br0 flow_tables
same -O OpenFlow14 mod-table br0 1 evict
same -O OpenFlow14 mod-table br0 2 vacancy:20,80
same -O OpenFlow14 mod-table br0 1 noevict
same -O OpenFlow14 mod-table br0 1 nosuchthing
same -O OpenFlow14 mod-table br0 255 evict
same -O OpenFlow14 mod-table br0 254 evict
for version in OpenFlow14 OpenFlow15; do same -O $version dump-table-desc br0; done
for version in OpenFlow13 OpenFlow14 OpenFlow15; do same -O $version dump-table-features br0; done
same -O OpenFlow13 mod-table br0 4 name:four
same -O OpenFlow14 mod-table br0 5 name:five
for version in OpenFlow10 OpenFlow11 OpenFlow12 OpenFlow13 OpenFlow14 OpenFlow15; do
    same -O $version dump-tables br0
    same -O $version queue-stats br0
    same -O $version queue-stats br0 1
    same -O $version queue-stats br0 1 5
    same -O $version queue-stats br0 77
    same -O $version queue-get-config br0 1
    same -O $version queue-get-config br0
done
# OVS shows the table-miss configuration of OpenFlow 1.1 and 1.2 as the number it has for itself ("bad table miss config
# 3"). OpenFlow 1.1 A.3.3 is followed here: "OFPTC_TABLE_MISS_DROP = 1 << 1".
for version in OpenFlow11 OpenFlow12 OpenFlow13; do same -O $version mod-table br0 3 drop; done
side=ours
expect_match 'a table that drops says so' 'config=drop' "$(inside timeout 20 ovs-ofctl -O OpenFlow12 dump-tables br0 | grep -A3 'table 3:')"
limit flow_limit=10 overflow_policy=refuse
for i in 1 2 3; do same -O OpenFlow14 mod-table br0 1 vacancy:20,60; done
watch 'vacancy events' OpenFlow14 '-m' 'for i in 1 2 3 4 5 6 7 8 9; do of add-flow br0 table=1,in_port=$i,actions=drop; done; of del-flows br0 table=1'
# Tunnel options and connections to forget.
for command in 'add-tlv-map br0 {class=0xffff,type=1,len=4}->tun_metadata0' 'dump-tlv-map br0' 'add-tlv-map br0 {class=0xffff,type=2,len=4}->tun_metadata0' \
    'add-tlv-map br0 {class=0xffff,type=1,len=4}->tun_metadata1' 'add-tlv-map br0 {class=0xffff,type=7,len=124}->tun_metadata7,{class=0xffff,type=9,len=12}->tun_metadata2' \
    'dump-tlv-map br0' 'del-tlv-map br0 {class=0xffff,type=1,len=4}->tun_metadata0' 'dump-tlv-map br0' 'del-tlv-map br0' 'dump-tlv-map br0' \
    'ct-flush-zone br0 5' 'ct-flush br0 zone=5' 'ct-flush br0 ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80' 'get-frags br0' 'set-frags br0 drop' 'get-frags br0' \
    'set-frags br0 nx-match' 'get-frags br0' 'set-frags br0 normal' 'dump-ipfix-bridge br0' 'dump-ipfix-flow br0'; do
    # shellcheck disable=SC2086  # words, on purpose
    same $command
done
