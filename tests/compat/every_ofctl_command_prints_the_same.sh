#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every command of `ovs-ofctl --help`, right and wrong, in each version that has it: same text and exit code as with OVS.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lab_both.inc"
versions='OpenFlow10 OpenFlow11 OpenFlow12 OpenFlow13 OpenFlow14 OpenFlow15'
# of_ COMMAND...: what was typed, what it said (without what differs by nature), how it ended.
of_() {
    local code text
    text=$(of "$@" 2>&1) && code=0 || code=$?
    printf '$ ovs-ofctl %s\n' "${*//$T\/$side/DIR}"
    # The warning is OVS's own: see monitors_and_tables_equal_ovs.sh.
    text=$(grep -v 'bad table miss config' <<<"$text")
    sed -E "s/duration=[0-9.]+s?/duration=N/g; s/xid=0x[0-9a-f]+/xid=X/g; s/(idle|hard)_age=[0-9]+/\1_age=N/g
        s/^[0-9T:.Z-]+\|[0-9]+\|/LOG|/; s/lookup=[0-9]+, matched=[0-9]+/lookup=N, matched=N/; s#$T/$side#DIR#g; s/time=[0-9.]+ ms/time=N ms/
        s/duration:[0-9.]+s/duration:N/; s/addr:.*/addr:MAC/; /CUSTOM Statistics/d; /rx_custom_packets|tx_q0_bytes=|rx_q0_bytes=/d; s/(seconds? |[0-9.]+ (ops|[A-Za-z]*bytes)\/s).*/TIMES/; s/dpid:[0-9a-f]+/dpid:ID/" <<<"$text" | lasting "$@"
    echo "exit code $code"
}
# Order in hash tables, names of products, what OVS's dummy ports have on top; dscp_remark bands, which it lacks.
lasting() {
    case "$*" in
        *dump-ports*) sed -E ':a; N; $!ba; s/\n {6,}/ /g' | sort ;;
        *dump-group-features*) cat ;;
        *dump-group*) sort ;;
        *queue-*) sort ;;
        *dump-desc*) sed -E 's/(Software|Hardware|Serial|DP).*/\1/' ;;
        *dump-flows* | *diff-flows*) case "$*" in *sort*) cat ;; *) sort ;; esac ;;
        *meter-features*) sed -E 's/^band_types:.*//; s/max_(meter|bands|color):[0-9]+/max/g' ;;
        *) cat ;;
    esac
}
each() { for version in $versions; do of_ -O "$version" "$@"; done; }
udp=ffffffffffff00000000000108004500001c00000000401166cd0a0000010a000002003500360008e4d5

reading() {
    lab_bridge
    of add-flow br0 'cookie=0x5,table=1,priority=7,tcp,nw_src=10.0.0.0/8,tp_dst=80,idle_timeout=60,hard_timeout=90,actions=mod_dl_src:00:00:00:00:00:07,output:2'
    of add-flow br0 'in_port=1,actions=resubmit(,1),output:3'
    of -O OpenFlow13 add-group br0 'group_id=4,type=select,bucket=weight:3,output:1,bucket=weight:5,output:2'
    of -O OpenFlow13 add-meter br0 'meter=3,pktps,burst,stats,band=type=drop,rate=10,burst_size=20'
    for command in show dump-desc dump-tables dump-table-desc get-frags dump-ports dump-ports-desc dump-flows dump-aggregate \
        queue-stats dump-group-features dump-groups dump-group-stats queue-get-config dump-meters meter-stats meter-features \
        dump-tlv-map dump-ipfix-bridge dump-ipfix-flow; do
        each $command br0
        of_ $command nosuch
        of_ $command
    done
    for port in 1 p2 LOCAL 77 nosuch ANY ALL; do
        for command in dump-ports dump-ports-desc queue-stats queue-get-config; do each $command br0 $port; done
    done
    each queue-stats br0 1 5
    each dump-flows br0 table=1
    each dump-flows br0 'cookie=5/-1'
    each dump-flows br0 out_port=3
    each dump-flows br0 tcp
    each dump-aggregate br0 table=1
    each --no-stats dump-flows br0
    each --names --no-stats dump-flows br0
    each --no-names --stats dump-flows br0 'out_port=2'
    of_ --sort dump-flows br0
    of_ --rsort=priority --no-stats dump-flows br0
    of_ --sort=nosuch dump-flows br0
    of_ -F nxm dump-flows br0
    of_ -F oxm dump-flows br0
    of_ -m dump-flows br0
    for id in 4 5 ALL; do each dump-groups br0 $id; each dump-group-stats br0 group_id=$id; done
    for id in meter=3 meter=4 meter=all; do each dump-meters br0 $id; each meter-stats br0 $id; done
    for name in probe 'ping 1' 'ping 100' 'benchmark 100 10'; do
        # shellcheck disable=SC2086  # words, on purpose
        set -- $name
        of_ "$1" br0 "${@:2}" | sed -E 's/^[0-9.]+ sec.*|.*(ms|seconds).*/TIMES/'
    done
}
changing() {
    lab_bridge
    for action in up down no-stp stp no-receive receive no-receive-stp receive-stp no-flood flood no-forward forward no-packet-in packet-in nosuch; do
        of_ mod-port br0 p1 $action
        of_ -O OpenFlow13 mod-port br0 1 $action
        of show br0 | grep -A2 '(p1)' | sed 's/addr:.*//'
    done
    of_ mod-port br0 nosuch down
    of_ mod-port br0 77 down
    for mode in drop nx-match reassemble normal nosuch; do each set-frags br0 $mode; each get-frags br0; done
    for change in controller continue drop evict noevict vacancy:20,80 novacancy vacancy:80,20 nosuch; do each mod-table br0 3 $change; done
    each mod-table br0 300 evict
    each add-flow br0 'table=1,in_port=1,actions=output:2'
    each add-flow br0 'table=255,in_port=1,actions=output:2'
    each add-flow br0 'table=254,in_port=1,actions=output:2'
    each add-flow br0 'in_port=1,check_overlap,priority=5,actions=drop'
    each add-flow br0 'in_port=2,actions=group:77'
    each add-flow br0 'in_port=2,actions=meter:77'
    each add-flow br0 'in_port=2,actions=output:70000'
    each add-flow br0 'in_port=2,actions=goto_table:0'
    each add-flow br0 'in_port=2,importance=5,actions=write_metadata:5,goto_table:3'
    each add-flow br0 'in_port=2,send_flow_rem,no_packet_counts,no_byte_counts,reset_counts,actions=drop'
    each add-flow br0 'in_port=3,actions=ct(commit,zone=5,table=2,nat(src=10.0.0.1-10.0.0.9:100-200),exec(set_field:5->ct_mark))'
    each add-flow br0 'in_port=3,ip,ct_state=+trk+est,ct_zone=5,ct_mark=7,actions=ct_clear,resubmit(,5,ct)'
    each --no-stats dump-flows br0
    each --strict mod-flows br0 'table=1,in_port=1,actions=output:3'
    each mod-flows br0 'table=7,in_port=1,actions=output:3'
    each --strict del-flows br0 'table=1,in_port=2'
    each del-flows br0 'table=7'
    printf '%s\n' 'in_port=1,actions=output:2' 'in_port=2,actions=output:3' >"$T/$side/a"
    printf '%s\n' 'delete in_port=1' 'add in_port=3,actions=drop' 'modify in_port=2,actions=output:1' 'delete_strict in_port=3' \
        'modify_strict in_port=2,actions=output:3' >"$T/$side/b"
    printf '%s\n' 'in_port=1,actions=output:2' 'in_port=2,actions=nonsense' >"$T/$side/c"
    printf '%s\n' 'in_port=9,actions=output:2' 'in_port=2,actions=group:9' >"$T/$side/d"
    for file in a b c d nosuch; do
        each add-flows br0 "$T/$side/$file"
        each --bundle add-flows br0 "$T/$side/$file"
        each --no-stats dump-flows br0
        each diff-flows br0 "$T/$side/$file"
        each diff-flows "$T/$side/a" "$T/$side/$file"
    done
    each replace-flows br0 "$T/$side/a"
    each --bundle replace-flows br0 "$T/$side/a"
    each --readd replace-flows br0 "$T/$side/a"
    of_ --read-only add-flow br0 in_port=1,actions=drop
    each del-flows br0
}
groups_and_meters() {
    lab_bridge
    each add-group br0 'group_id=1,type=all,bucket=output:1'
    each add-group br0 'group_id=2,type=indirect,bucket=output:1,bucket=output:2'
    each add-group br0 'group_id=3,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:1,output:2'
    each add-group br0 'group_id=4,type=select,selection_method=hash,fields=ip_src,bucket=bucket_id:1,weight:5,output:1'
    each mod-group br0 'group_id=1,type=all,bucket=output:2'
    each mod-group br0 'group_id=77,type=all,bucket=output:2'
    each --may-create mod-group br0 'group_id=78,type=all,bucket=output:2'
    each insert-buckets br0 'group_id=4,command_bucket_id=last,bucket=bucket_id:2,output:2'
    each insert-buckets br0 'group_id=4,command_bucket_id=1,bucket=bucket_id:3,output:3'
    each insert-buckets br0 'group_id=99,command_bucket_id=last,bucket=bucket_id:3,output:3'
    each dump-groups br0
    each remove-buckets br0 'group_id=4,command_bucket_id=2'
    each remove-buckets br0 'group_id=4,command_bucket_id=all'
    each dump-groups br0
    printf '%s\n' 'group_id=21,type=all,bucket=output:1' 'group_id=22,type=all,bucket=group:21' >"$T/$side/groups"
    each add-groups br0 "$T/$side/groups"
    each --bundle add-groups br0 "$T/$side/groups"
    each dump-group-stats br0
    each del-groups br0 group_id=21
    each del-groups br0
    each dump-groups br0
    each add-meter br0 'meter=1,kbps,band=type=drop,rate=100'
    each add-meter br0 'meter=1,kbps,band=type=drop,rate=100'
    each mod-meter br0 'meter=1,pktps,burst,band=type=drop,rate=5,burst_size=7'
    each mod-meter br0 'meter=2,pktps,band=type=drop,rate=5'
    each add-meter br0 'meter=controller,pktps,band=type=drop,rate=5'
    each add-meter br0 'meter=slowpath,pktps,band=type=drop,rate=5'
    each dump-meters br0
    each meter-stats br0
    each del-meters br0 meter=1
    each del-meter br0 meter=1
    each del-meters br0
    each dump-meters br0
    printf '%s\n' 'group group_id=5,type=all,bucket=output:1' 'flow add in_port=1,actions=group:5' 'flow in_port=2,actions=drop' >"$T/$side/bundle"
    each bundle br0 "$T/$side/bundle"
    each --no-stats dump-flows br0
    each dump-groups br0
    printf '%s\n' 'flow in_port=3,actions=drop' 'packet-out in_port=1,actions=output:2' >"$T/$side/bundle"
    each bundle br0 "$T/$side/bundle"
}
packets_and_options() {
    lab_bridge
    of add-flow br0 'priority=1,udp,actions=output:3'
    each packet-out br0 1 output:2 $udp
    each packet-out br0 "in_port=1,packet=$udp,actions=resubmit(,0)"
    each packet-out br0 "in_port=controller,packet=$udp,actions=TABLE"
    each packet-out br0 "in_port=1,metadata=5,packet=$udp,actions=output:2"
    each packet-out br0 "in_port=70000,packet=$udp,actions=output:2"
    each packet-out br0 "in_port=1,packet=$udp,actions=group:5"
    each packet-out br0 77 output:2 00
    each packet-out br0 none normal $udp $udp
    each packet-out br0 local ALL $udp
    of -O OpenFlow10 dump-ports br0 | sed 1d | paste - - | sort
    each add-tlv-map br0 '{class=0xffff,type=1,len=4}->tun_metadata0'
    each dump-tlv-map br0
    each add-tlv-map br0 '{class=0xffff,type=2,len=8}->tun_metadata1,{class=1,type=2,len=124}->tun_metadata63'
    of_ add-tlv-map br0 '{class=0xffff,type=3,len=7}->tun_metadata4'
    of_ add-tlv-map br0 '{class=0xffff,type=3,len=4}->tun_metadata64'
    of_ add-tlv-map br0 '{class=2,type=3,len=124}->tun_metadata4,{class=3,type=3,len=124}->tun_metadata5'
    for flow in tun_metadata0=0x1234 tun_metadata0=0x12345678/0xffff0000 tun_metadata0 tun_metadata0=0 tun_metadata0=0/0xff tun_metadata0=0x123456789a \
        tun_metadata1=0x5/0xf,tun_metadata0=1 tun_metadata63=0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f tun_metadata5=1; do
        each add-flow br0 "table=1,$flow,actions=output:1"
    done
    for actions in 'set_field:0x7->tun_metadata0' 'load:0x3->NXM_NX_TUN_METADATA1[0..15]' 'move:NXM_NX_TUN_METADATA0[0..15]->NXM_NX_REG1[0..15]' \
        'push:NXM_NX_TUN_METADATA1[0..31],pop:NXM_NX_TUN_METADATA63[0..31]' 'delete_field:tun_metadata0' 'output:NXM_NX_TUN_METADATA0[0..31]' \
        'set_field:0x0102030405060708090a0b0c->tun_metadata63' 'set_field:1/1->tun_metadata0' 'set_field:0x123456789a->tun_metadata0' \
        'set_field:1->tun_metadata9' 'move:NXM_NX_TUN_METADATA0[0..40]->NXM_NX_XXREG0[0..40]' 'move:NXM_NX_TUN_METADATA7[0..20]->NXM_NX_XXREG0[0..20]'; do
        each add-flow br0 "table=2,actions=$actions"
        each --no-stats dump-flows br0 table=2
    done
    each --no-stats dump-flows br0 table=1
    each --no-stats dump-flows br0 tun_metadata0=0x1234
    of_ del-tlv-map br0 '{class=0xffff,type=1,len=4}->tun_metadata0'
    of_ del-tlv-map br0
    each del-flows br0 'table=1,tun_metadata0=0x1234'
    each --no-stats dump-flows br0 table=1
    of del-flows br0
    each del-tlv-map br0 '{class=0xffff,type=1,len=4}->tun_metadata0'
    each del-tlv-map br0
    each dump-tlv-map br0
    for what in 5 70000 x; do each ct-flush-zone br0 $what; done
    for what in '' zone=5 'ct_nw_src=10.0.0.1,ct_nw_proto=6,ct_tp_dst=80' 'ct_nw_src=10.0.0.1,ct_nw_proto=1,icmp_type=8,icmp_code=0,icmp_id=7' \
        'zone=7 ct_nw_proto=17,ct_tp_src=53 ct_nw_dst=1.2.3.4' 'ct_ipv6_src=fe80::1,ct_nw_proto=6' 'nonsense=1' 'zone=70000'; do
        # shellcheck disable=SC2086  # words, on purpose
        each ct-flush br0 $what
    done
}
both 'what reads' reading --enable-dummy=override
both 'what changes ports, tables and flows' changing --enable-dummy=override
both 'groups, meters and bundles' groups_and_meters --enable-dummy=override
both 'packets, tunnel options, connections' packets_and_options --enable-dummy=override
