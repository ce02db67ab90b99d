#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The bench measures Sluice with its own generator, sees a switch that does the wrong thing, and leaves nothing behind.
. "$(dirname "$0")/../lib.sh"

plugin=$SLUICE_BIN/../lib/net_sluice_gen.so
[ -e "$plugin" ] || skip "no generator: DPDK's driver headers are fetched by bench/pmd/fetch_headers (./run bench)"
pool=/proc/sys/vm/nr_hugepages
[ -w $pool ] || skip "the number of hugepages can't be set"
before=$(cat $pool)

bench() { env -u SLUICE_BENCH_INSIDE timeout 100 "$PYTHON" "$SLUICE_ROOT/bench/bench.py" --quick --only sluice --hugepages 500 --sluiced "$SLUICE_SWITCH" --plugin "$plugin" --results "$T" "$@"; }
figure() { "$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["cases"][0]["result"]["sluice"]["main"] > 0)' "$T"/*.json; }

bench --list >"$T/list" || fail "it lists its scenarios" "$(cat "$T/list")"
expect_match "it lists its scenarios" "exact/100K" "$(cat "$T/list")"
bench prefixes >"$T/out" 2>&1
code=$?
grep -q 'could reserve only' "$T/out" && skip "$(tail -n 1 "$T/out")"
expect_eq "a right switch passes" 0 "$code"
[ "$code" = 0 ] || cat "$T/out"
expect_eq "a rate is in the results" True "$(figure)"
check "so is a report" grep -q '<svg' "$T"/*.html

# The same packets through rules that forget to decrement TTLs: the sink must see it.
cp -r "$SLUICE_ROOT/bench" "$T/bench"
sed -i 's/,dec_ttl,output:2/,output:2/' "$T/bench/scenarios/prefixes.bench"
env -u SLUICE_BENCH_INSIDE timeout 100 "$PYTHON" "$T/bench/bench.py" --quick --only sluice --hugepages 500 --sluiced "$SLUICE_SWITCH" --plugin "$plugin" --results "$T/wrong" prefixes >"$T/out" 2>&1
expect_eq "a wrong one fails" 1 $?
expect_match "with the reason" "WRONG: .* left with wrong bytes" "$(cat "$T/out")"

bench --seconds 60 blocked >"$T/out" 2>&1 &
wait_for 20 "a run begins" pgrep -f /run/sluice-bench/run/ovs-vswitchd
kill -INT "$(pgrep -f 'bench.py.*blocked' | head -n 1)"
wait
expect_eq "an interrupted run leaves no process" "" "$(pgrep -f /run/sluice-bench)"
expect_eq "nor hugepages" "$before" "$(cat $pool)"
