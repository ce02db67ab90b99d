#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's OVN runs on the switch: the short form of examples/ovn-three-nodes, on one node.
exec "$(dirname "$0")/../../examples/ovn-three-nodes/ovn.sh" --nodes=1 \
    --only='^(installed|same_switch|router|access_lists|stateful_access_lists|load_balancer|localnet|translation|dhcp|names|controller_restart)$'
