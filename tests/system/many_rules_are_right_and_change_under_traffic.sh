#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 100,000 rules with 500 masks in 40 tables: all are accepted and packets meet the right ones; rules change by the thousand
# while a worker forwards as fast as it can, and no packet is lost. Speeds are measured by bench/rules.py alone.
. "$(dirname "$0")/../lib.sh"

rules() {
    timeout 250 "$PYTHON" "$SLUICE_ROOT/bench/rules.py" --no-record --sluiced "$SLUICE_SWITCH" --only "$1" --packets 100 --seconds 2 --least 1 >"$T/$1.json"
}
value() { sed -n "s/.*\"$2\": \([0-9.]*\).*/\1/p" "$T/$1.json"; }
sluice_only "bench/rules.py asks for sluice's own counters" || exit 0
check "100,000 rules are loaded and packets meet the right ones" rules load
expect_eq "with 500 masks, and one rule of each table beside them" 100040 "$(value load rules)"
check "rules change while packets pass" rules churn
expect_eq "and no packet is lost" 0 "$(value churn packets_lost)"
printf '     %s bytes a rule, %s rules/s, %s changes/s under traffic\n' "$(value load bytes_per_rule)" "$(value load rules_per_second)" \
    "$(value churn flow_mods_per_second)"
