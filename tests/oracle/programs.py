# SPDX-License-Identifier: Apache-2.0
"""Random OpenFlow programs in the syntax of ovs-ofctl. No two rules of a table have the same priority: what would
happen between them is undefined."""
from packets import GROUP_MACS, IP4S, IP6S, L4S, LABELS, MACS, VIDS

TABLES = 5
PORT_COUNT = 6
# What may be switched off by name (--without).
FEATURES = ["normal", "vlan", "mpls", "stack", "clone", "write", "resubmit", "move", "truncate", "local", "mods",
            "metadata", "groups", "learn", "conjunction", "hash", "length", "fin", "meter", "controller", "encap", "select"]

REGISTERS = ["reg0", "reg1", "reg2", "reg15"]
NXM = {"reg%d" % n: "NXM_NX_REG%d" % n for n in range(16)}


class Rule:
    def __init__(self, table, priority, match, actions, cookie=0):
        self.table, self.priority, self.match, self.actions, self.cookie = table, priority, match, actions, cookie

    def text(self):
        head = ["table=%d" % self.table, "priority=%d" % self.priority, "cookie=%d" % self.cookie] + self.match
        return "%s,actions=%s" % (",".join(head), ",".join(self.actions) or "drop")

    def with_actions(self, actions):
        return Rule(self.table, self.priority, self.match, actions, self.cookie)

    def with_match(self, match):
        return Rule(self.table, self.priority, match, self.actions, self.cookie)


class Program:
    """Rules, then steps: ("packet", port, bytes) or ("mod", "flow delete table=1")."""

    def __init__(self, rules, steps, groups=(), meters=()):
        self.rules, self.steps, self.groups, self.meters = rules, steps, list(groups), list(meters)

    def bundle(self, had_groups):
        lines = ["flow delete"] + ["group delete"] * had_groups + ["group add " + group for group in self.groups]
        return "\n".join(lines + ["flow add " + rule.text() for rule in self.rules]) + "\n"

    def replaced(self, **parts):
        return Program(parts.get("rules", self.rules), parts.get("steps", self.steps), parts.get("groups", self.groups),
                       parts.get("meters", self.meters))

    def text(self):
        lines = ["meter " + meter for meter in self.meters] + ["group " + group for group in self.groups] + ["flow  " + rule.text() for rule in self.rules]
        for step in self.steps:
            lines.append("packet %s %s" % (step[1], step[2].hex()) if step[0] == "packet" else "mod   " + step[1].replace("\n", "\n        "))
        return "\n".join("  " + line for line in lines)


class Programs:
    def __init__(self, random, features):
        self.random, self.all_features, self.features = random, features, set(features)

    def chance(self, p):
        return self.random.random() < p

    def pick(self, values):
        return self.random.choice(values)

    def has(self, feature):
        return feature in self.features

    def some(self, values, most):
        return [v for v in values if self.chance(0.35)][:most]

    # --- matches -----------------------------------------------------------------------------------------

    def masked(self, name, values, masks):
        text = "%s=%s" % (name, self.pick(values))
        return text + "/" + self.pick(masks) if self.chance(0.25) else text

    def vlan_match(self):
        return self.pick([["vlan_tci=0x0000"], ["vlan_tci=0x0000/0x1fff"], ["vlan_tci=0x1000/0x1000"],
                          ["dl_vlan=%d" % self.pick(VIDS)], ["dl_vlan=%d" % self.pick(VIDS), "dl_vlan_pcp=%d" % self.pick([0, 3, 7])],
                          ["dl_vlan=0xffff"], ["vlan_tci=0x%x/0x%x" % (self.pick([0x1000, 0x100a, 0x7014]), self.pick([0x1fff, 0xf000, 0x0fff]))]])

    def ports_match(self, proto):
        out = []
        for side in self.some(["src", "dst"], 2):
            port = self.pick(L4S)
            mask = self.pick([0xfff0, 0xff00, 0x0001])
            out.append("%s_%s=%d" % (proto, side, port) if self.chance(0.7) else
                       "%s_%s=0x%x/0x%x" % (proto, side, port & mask, mask))
        return out

    def ip_match(self, six, proto):
        out = []
        if six:
            for side in self.some(["src", "dst"], 2):
                out.append(self.masked("ipv6_" + side, IP6S, ["64", "127", "ffff::", "::ff", "10"]))
            if self.chance(0.15):
                out.append("ipv6_label=%d" % self.pick([0, 5, 0xfffff]))
        else:
            for side in self.some(["src", "dst"], 2):
                out.append(self.masked("nw_" + side, IP4S, ["8", "24", "31", "255.0.255.0", "0.0.0.3"]))
        extra = ["nw_tos=%d" % self.pick([0, 4, 0xB8]), "nw_ecn=%d" % self.pick([0, 3]),
                 "nw_ttl=%d" % self.pick([64, 1, 0, 255]), "ip_frag=%s" % self.pick(["no", "yes", "first", "later", "not_later"])]
        out += self.some(extra, 1) if self.chance(0.4) else []
        if proto in ("tcp", "udp", "sctp"):
            out += self.ports_match(proto)
        if proto == "tcp" and self.chance(0.2):
            out.append("tcp_flags=" + self.pick(["+syn-ack", "+ack", "0x12", "-fin", "0x2/0x17"]))
        if proto == "icmp":
            out += self.some(["icmp_type=%d" % self.pick([0, 8, 3]), "icmp_code=%d" % self.pick([0, 1])], 2)
        if proto == "icmp6":
            kind = self.pick([128, 135, 135, 136, 136])
            out.append("icmp_type=%d" % kind)
            if kind in (135, 136) and self.chance(0.7):
                out.append("icmp_code=0")
                out += self.some([self.masked("nd_target", IP6S, ["64", "ffff::"]),
                                  "nd_%s=%s" % ("sll" if kind == 135 else "tll", self.pick(MACS))], 2)
        return out

    def match(self, table):
        """(match items, what the packet is known to be)."""
        out, known = [], {"l3": None, "proto": None, "vlan": None}
        if self.chance(0.3):
            out.append("in_port=%s" % self.pick(["1", "2", "3", "4", "5", "6", "LOCAL"]))
        if self.chance(0.2):
            out.append(self.masked("dl_src", MACS, ["ff:ff:ff:00:00:00", "00:00:00:00:00:01"]))
        if self.chance(0.2):
            out.append(self.masked("dl_dst", MACS + GROUP_MACS, ["01:00:00:00:00:00", "00:00:00:00:00:03"]))
        if self.chance(0.25):
            vlan = self.vlan_match()
            known["vlan"] = "yes" if vlan[0].startswith("dl_vlan=") and "0xffff" not in vlan[0] else None
            out += vlan
        if table > 0 and self.chance(0.3):
            register, value = self.pick(REGISTERS), self.pick([0, 1, 2, 0x10])
            out.append("%s=%d" % (register, value) if self.chance(0.7) else "%s=%d/0x3" % (register, value & 3))
        if table > 0 and self.has("metadata") and self.chance(0.15):
            out.append("metadata=%d/0xff" % self.pick([0, 1, 5]))
        kind = self.pick([None, None, "ip", "tcp", "udp", "icmp", "sctp", "ipv6", "tcp6", "udp6", "icmp6", "sctp6", "arp", "rarp",
                          "mpls", "mplsm", "type"])
        if kind in ("ip", "tcp", "udp", "icmp", "sctp", "ipv6", "tcp6", "udp6", "icmp6", "sctp6"):
            six = kind.endswith("6")
            proto = kind if kind == "icmp6" else kind.rstrip("6")
            out.append(kind)
            out += self.ip_match(six, proto)
            known.update(l3="ip6" if six else "ip", proto=proto if proto not in ("ip", "ipv") else None)
        elif kind in ("arp", "rarp"):
            out.append(kind)
            out += self.some(["arp_op=%d" % self.pick([1, 2, 3]), self.masked("arp_spa", IP4S, ["24", "0.0.0.3"]),
                              self.masked("arp_tpa", IP4S, ["8"]), "arp_sha=%s" % self.pick(MACS), "arp_tha=%s" % self.pick(MACS)], 2)
            known["l3"] = kind
        elif kind in ("mpls", "mplsm") and self.has("mpls"):
            out.append(kind)
            out += self.some(["mpls_label=%d" % self.pick(LABELS), "mpls_tc=%d" % self.pick([0, 3]), "mpls_bos=%d" % self.pick([0, 1]),
                              "mpls_ttl=%d" % self.pick([0, 1, 64])], 2)
            known["l3"] = "mpls"
        elif kind == "type":
            out.append("dl_type=0x%x" % self.pick([0x1234, 0x88CC, 0x05FF, 0x0806, 0x8847]))
            known["l3"] = "other"
        return out, known

    # --- actions -----------------------------------------------------------------------------------------

    def output(self):
        menu = ["output:%d" % self.random.randint(1, PORT_COUNT)] * 8 + ["IN_PORT", "output:NXM_NX_REG0[0..15]"]
        if self.has("normal"):
            menu += ["NORMAL", "NORMAL", "FLOOD", "ALL"]
        if self.has("local"):
            menu += ["LOCAL"]
        if self.has("truncate"):
            menu += ["output(port=%d,max_len=%d)" % (self.random.randint(1, PORT_COUNT), self.pick([14, 20, 64, 200]))]
        return self.pick(menu)

    def change(self, known):
        """One action that changes a header the packet is known to have, or a register."""
        menu = ["set_field:%s->eth_dst" % self.pick(MACS + GROUP_MACS), "mod_dl_src:%s" % self.pick(MACS),
                "set_field:00:00:00:00:00:07/00:00:00:00:00:0f->eth_src",
                "set_field:%d->%s" % (self.pick([0, 1, 2]), self.pick(REGISTERS)),
                "load:%d->%s[%s]" % (self.pick([0, 1, 3]), NXM[self.pick(REGISTERS)], self.pick(["0..1", "0..7", "30..31"])),
                "load:%d->NXM_NX_REG0[0..15]" % self.random.randint(0, 8)]
        if self.has("move"):
            menu += ["move:NXM_OF_ETH_SRC[0..15]->NXM_NX_REG0[0..15]", "move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]",
                     "move:NXM_NX_REG1[0..7]->NXM_NX_REG2[8..15]", "move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]"]
        if self.has("metadata"):
            menu += ["set_field:0x5/0xff->metadata", "load:1->OXM_OF_METADATA[0..3]"]
        l3, proto = known["l3"], known["proto"]
        if l3 == "ip":
            menu += ["mod_nw_src:%s" % self.pick(IP4S), "mod_nw_dst:%s" % self.pick(IP4S), "dec_ttl", "dec_ttl", "mod_nw_tos:%d" % self.pick([0, 4, 252]),
                     "set_field:%d->nw_ecn" % self.pick([0, 3]), "mod_nw_ttl:%d" % self.pick([1, 64]), "set_field:10.9.0.0/16->ip_dst",
                     "move:NXM_OF_IP_SRC[]->NXM_NX_REG1[]", "move:NXM_OF_IP_SRC[0..7]->NXM_OF_IP_DST[0..7]"]
        if l3 == "ip6":
            menu += ["set_field:%s->ipv6_src" % self.pick(IP6S)] * self.set_ip6_src + ["dec_ttl", "mod_nw_tos:%d" % self.pick([0, 4]),
                     "set_field:%d->ipv6_label" % self.pick([0, 9]), "mod_nw_ttl:%d" % self.pick([1, 64])]
            if self.set_ip6_dst:
                menu += ["set_field:%s->ipv6_dst" % self.pick(IP6S), "set_field:2001:db8::/32->ipv6_dst"]
        if proto in ("tcp", "udp", "sctp"):
            menu += ["mod_tp_src:%d" % self.pick(L4S), "mod_tp_dst:%d" % self.pick(L4S), "set_field:%d->%s_dst" % (self.pick(L4S), proto),
                     "move:NXM_OF_%s_SRC[]->NXM_NX_REG2[0..15]" % proto.upper() if proto != "sctp" else "set_field:7->sctp_src"]
        if proto == "icmp":
            menu += ["set_field:%d->icmp_type" % self.pick([0, 8]), "set_field:1->icmp_code"]
        if l3 == "arp":
            menu += ["set_field:%d->arp_op" % self.pick([1, 2]), "set_field:%s->arp_spa" % self.pick(IP4S), "set_field:%s->arp_tha" % self.pick(MACS),
                     "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[]", "move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[]"]
        return self.pick(menu)

    def stack_pair(self, known):
        fields = ["NXM_NX_REG0[]", "NXM_NX_REG1[0..15]", "NXM_OF_ETH_DST[]", "NXM_OF_ETH_SRC[0..31]", "NXM_OF_IN_PORT[]"]
        targets = ["NXM_NX_REG2[]", "NXM_OF_ETH_DST[]", "NXM_NX_REG0[0..15]", "NXM_OF_ETH_SRC[16..47]"]
        return ["push:" + self.pick(fields)] * self.pick([1, 1, 2]) + ["pop:" + self.pick(targets)] * self.pick([1, 1, 2])

    def tags(self, table, known):
        """Changes of tags. Of three tags OVS loses one, so a packet gets at most one more than it came with; setting
        a VLAN pushes a tag in OpenFlow 1.1 and later where the match does not tell that there is one, and popping
        is refused then."""
        menu = []
        if known["vlan"]:
            menu += ["mod_vlan_vid:%d" % self.pick([1, 10, 20]), "mod_vlan_pcp:%d" % self.pick([0, 0 if self.has("normal") else 5]), "strip_vlan", "pop_vlan"]
        elif table == 0 and self.may_push:
            menu += ["push_vlan:0x8100", "push_vlan:0x88a8", "mod_vlan_vid:%d" % self.pick([1, 10, 20]), "mod_vlan_pcp:0"]
        if not menu:
            return []
        action = self.pick(menu)
        out = [action]
        self.may_push &= bool(known["vlan"])
        known["vlan"] = None if action in ("strip_vlan", "pop_vlan") else "yes"
        if action.startswith("push_vlan") and self.chance(0.7):
            out.append("set_field:%d->vlan_vid" % (4096 + self.pick([1, 10, 20])))
        return out

    def labels(self, known):
        """MPLS actions; they may change what the packet is known to be."""
        if known["l3"] == "mpls":
            menu = [["set_mpls_label:%d" % self.pick(LABELS)], ["set_mpls_tc:%d" % self.pick([0, 5])], ["set_mpls_ttl:%d" % self.pick([1, 33])], ["dec_mpls_ttl"],
                    ["push_mpls:0x8847"], ["pop_mpls:0x8847"]]
            return self.pick(menu)
        kind = self.pick(["0x8847", "0x8848"])
        known["l3"], known["proto"] = "mpls", None
        return ["push_mpls:" + kind] + self.pick([[], ["set_mpls_label:%d" % self.pick(LABELS)], ["set_mpls_ttl:9"]])

    def special(self, table, known, depth):
        """Actions beyond headers, of the features that are asked for."""
        menu = []
        if self.has("learn") and table < TABLES - 1:
            keys = self.pick([["NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]"], ["NXM_OF_VLAN_TCI[0..11]", "NXM_OF_ETH_SRC[]"], ["NXM_NX_REG1[]=1"]] +
                             [["eth_type=0x800", "NXM_OF_IP_DST[]=NXM_OF_IP_SRC[]"]] * (known["l3"] == "ip"))
            acts = self.pick([["output:NXM_OF_IN_PORT[]"], ["load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]"], ["load:2->NXM_NX_REG2[]", "output:NXM_OF_IN_PORT[]"]])
            options = ["table=%d" % self.random.randint(table + 1, TABLES - 1), "priority=%d" % self.random.randint(100, 120)]
            options += self.some(["hard_timeout=60", "idle_timeout=30", "fin_idle_timeout=4", "limit=%d" % self.pick([1, 3])], 2)
            # OVS deletes what was learned when a bundle is through, and then by cookie what the bundle has added.
            options += self.pick([[], ["cookie=0x%x" % self.pick([1, 9])], ["cookie=0xd", "delete_learned"]])
            menu.append("learn(%s)" % ",".join(options + keys + acts))
        if self.has("groups"):
            menu += ["group:%d" % self.random.randint(1, 4)] * 2
        if self.has("hash"):
            fields, method = self.pick(["eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp", "symmetric_l3", "nw_src", "nw_dst"]), self.pick(["modulo_n", "hash_threshold", "hrw", "iter_hash"])
            menu += ["multipath(%s,%d,%s,%d,0,NXM_NX_REG0[0..7])" % (fields, self.pick([0, 50]), method, self.pick([1, 3, 6])),
                     "bundle(%s,%d,%s,ofport,members:%s)" % (fields, self.pick([0, 7]), self.pick(["active_backup", "hrw"]), self.pick(["1,2,3", "4", "6,5"])),
                     "bundle_load(%s,0,hrw,ofport,NXM_NX_REG1[0..15],members:2,3)" % fields]
        if self.has("controller"):
            menu += ["CONTROLLER:65535", "controller", "controller(max_len=%d)" % self.pick([0, 20, 64]),
                     "controller(reason=%s)" % self.pick(["action", "no_match", "invalid_ttl", "packet_out"]),
                     "controller(userdata=01.02.ff,max_len=40)"]
        if self.has("encap"):
            menu += ["clone(%s,%s)" % (",".join(self.headers(known)), self.output())]
        if self.has("fin") and known["proto"] == "tcp":
            menu += ["fin_timeout(idle_timeout=5,hard_timeout=9)", "fin_timeout(idle_timeout=3)"]
        if self.has("length") and table == 0 and depth == 0:
            menu += ["check_pkt_larger(%d)->NXM_NX_REG0[0]" % self.pick([59, 60, 100])]
        return self.pick(menu) if menu else None

    def headers(self, known):
        """Headers put on and taken off; the packet has its Ethernet header at the end. OVS wants what is outside of a
        tag set after it."""
        frame = ["encap(ethernet)"] + self.pick([[], ["set_field:%s->eth_dst" % self.pick(MACS)], ["set_field:%s->eth_src" % self.pick(MACS)]])
        nsh = self.pick([["encap(nsh(md_type=1))", "set_field:%d->nsh_spi" % self.pick([1, 0x123456]), "set_field:0x11223344->nsh_c1"],
                         ["encap(nsh(md_type=1))", "set_field:%d->nsh_si" % self.pick([3, 255])],
                         ["encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))"], ["encap(nsh)", "dec_nsh_ttl"]])
        menu = [nsh + frame]
        if known["l3"] in ("ip", "ip6") and known["vlan"] is None and self.tagless:
            menu += [["decap()"] + frame, ["decap()"] + nsh + frame]
        return self.pick(menu)

    def draw_meters(self):
        """Two meters; time stands still, so that what their buckets hold at first is all that passes."""
        meters = []
        for number in (1, 2):
            unit = self.pick(["pktps", "kbps"])
            burst = self.chance(0.5)
            bands = ["type=drop,rate=%d%s" % (self.pick([1, 5, 20, 60]), ",burst_size=%d" % self.pick([1, 3, 40]) if burst else "")
                     for _ in range(self.pick([1, 1, 2]))]
            meters.append(",".join(["meter=%d" % number, unit] + ["burst"] * burst + ["stats", "bands=" + ",".join(bands)]))
        return meters

    def draw_groups(self):
        """Four groups, the later ones may use the earlier ones."""
        groups = []
        for number in range(1, 5):
            kind = self.pick(["all", "indirect", "all", "ff"] + ["select"] * 2 * self.has("select"))
            method = ""
            if kind == "select":
                method = ",selection_method=hash,fields(%s)" % self.pick(["eth_dst", "eth_src,eth_dst", "ip_src,ip_dst", "tcp_src,udp_dst", "in_port,eth_src"])
            buckets = []
            for _ in range(1 if kind == "indirect" else self.random.randint(0, 3)):
                actions = [self.pick(["mod_dl_src:" + self.pick(MACS), "set_field:1->reg1"] + ["mod_vlan_vid:10"] * (not self.has("vlan") and not self.has("truncate")))] * self.chance(0.4) + ["output:%d" % self.random.randint(1, PORT_COUNT)]
                if number > 1 and self.chance(0.2):
                    actions = ["group:%d" % self.random.randint(1, number - 1)]
                watch = "watch_port:%d," % self.random.randint(1, PORT_COUNT) if kind == "ff" else ""
                # One of them is chosen by everybody, whatever the hash is: each switch has its own.
                watch += "weight:%d," % (not buckets) if kind == "select" else ""
                buckets.append("bucket=%sactions=%s" % (watch, ",".join(actions)))
            groups.append(",".join(["group_id=%d" % number, "type=" + kind + method] + buckets))
        return groups

    def conjunctions(self, table):
        """Two dimensions of one conjunction, and the rule that holds when both do."""
        number, priority = self.random.randint(1, 3), 60 + table
        clause = lambda match, n: Rule(table, priority, match, ["conjunction(%d,%d/2)" % (number, n)])
        first = {"ip,nw_src=%s" % self.pick(IP4S) for _ in range(2)}
        second = {"ip,nw_dst=%s" % self.pick(IP4S) for _ in range(2)} | {"in_port=%d" % self.pick([1, 2])}
        return [clause(match.split(","), 1) for match in sorted(first)] + [clause(match.split(","), 2) for match in sorted(second)] + [
            Rule(table, priority, ["conj_id=%d" % number, "ip"], self.instructions(table, {"l3": "ip", "proto": None, "vlan": None}))]

    def onward(self, table):
        to = self.random.randint(table + 1, TABLES - 1)
        return self.pick(["resubmit(,%d)" % to] * 4 + ["resubmit(%d,%d)" % (self.random.randint(1, PORT_COUNT), to)])

    def actions(self, table, known, depth=0):
        known = dict(known)
        out = []
        for _ in range(self.random.randint(0, 4)):
            kind = self.random.random()
            if kind > 0.7 and self.often and self.chance(self.often):
                out += [action for action in [self.special(table, known, depth)] if action]
            elif kind < 0.34:
                out.append(self.output())
            elif kind < 0.64:
                out.append(self.change(known))
            elif kind < 0.74 and self.has("vlan"):
                out += self.tags(table, known)
            elif kind < 0.78 and self.has("stack"):
                out += self.stack_pair(known)
            elif kind < 0.84 and self.has("mpls") and known["l3"]:
                out += self.labels(known)
            elif kind < 0.94 and self.has("resubmit") and table < TABLES - 1:
                out.append(self.onward(table))
            elif kind < 0.97 and self.has("clone") and depth < 2:
                out.append("clone(%s)" % ",".join(self.actions(table, known, depth + 1) or [self.output()]))
            elif depth == 0 and self.chance(0.3):
                out.append(self.pick(["exit", "note:01.02.03.04.05.06"]))
        return out

    def instructions(self, table, known):
        """Actions, then what OpenFlow 1.1 calls instructions."""
        self.may_push = True
        out = self.actions(table, known)
        if self.has("meter") and self.chance(0.25):
            out.insert(0, "meter:%d" % self.pick([1, 2]))
        if self.has("write") and self.chance(0.12):
            inner = []
            for action in self.pick([["output:%d" % self.random.randint(1, PORT_COUNT)], ["pop_vlan", "output:2"] if known["vlan"] else ["output:2"], ["set_field:%s->eth_dst" % self.pick(MACS), "output:3"],
                                     ["output:4", "dec_ttl"] if known["l3"] in ("ip", "ip6") else ["output:5"]]):
                inner.append(action)
            if self.chance(0.2):
                out.append("clear_actions")
            out.append("write_actions(%s)" % ",".join(inner))
        if self.has("metadata") and self.chance(0.1):
            out.append("write_metadata:0x%x/0xff" % self.pick([1, 5]))
        if self.has("write") and table < TABLES - 1 and self.chance(0.25):
            out.append("goto_table:%d" % self.random.randint(table + 1, TABLES - 1))
        if not out or not any(word in ",".join(out) for word in ("output", "NORMAL", "resubmit", "goto", "FLOOD", "ALL")):
            if self.chance(0.8):
                at = next((n for n, a in enumerate(out) if a.startswith(("write_", "clear_", "goto_"))), len(out))
                out.insert(at, self.output())
        return out

    def rule(self, table, priority):
        match, known = self.match(table)
        rule = Rule(table, priority, match, self.instructions(table, known), self.pick([0, 1, 7]))
        if self.has("fin") and self.chance(0.2):
            rule.match = rule.match + self.pick([["idle_timeout=60"], ["hard_timeout=100"], ["idle_timeout=60", "hard_timeout=100"]])
        return rule

    def profile(self):
        """Features of one program: some that OVS does not get right together stay apart (README.md)."""
        self.features = set(self.all_features)
        # The actions that few programs need, and then often.
        rare = [f for f in ("groups", "learn", "conjunction", "hash", "length", "fin", "meter", "controller", "encap") if f in self.features]
        self.features -= set(rare)
        self.features |= set(self.some(rare, 3))
        self.set_ip6_src, self.set_ip6_dst = self.pick([(True, True), (True, True), (False, True), (False, False)])
        self.often = 0.5 if self.features & {"groups", "learn", "hash", "length", "fin", "controller", "encap"} else 0
        if "length" in self.features:
            self.features -= {"learn", "write"}  # OVS goes both ways behind check_pkt_larger (README.md)
        if "meter" in self.features:
            self.features -= {"vlan", "mpls", "encap", "learn", "fin", "normal"}  # OVS meters what a packet was before it was changed (README.md)
        if self.chance(0.2):
            self.features -= {"vlan", "mpls", "normal", "write"}
        else:
            self.features -= {"truncate"}
            if self.chance(0.3):
                self.features -= {"mpls"}
            if self.chance(0.3):
                self.features -= {"vlan"}
            if self.chance(0.5):
                self.features -= {"normal"}

    def program(self, packets, packet_count):
        self.profile()
        self.tagless = not self.has("vlan")
        packets.max_tags = 1 if self.has("vlan") else 3
        packets.nd_options = not self.features & {"fin", "learn"}
        packets.to_themselves = not self.has("normal")
        packets.routing, packets.padded = not self.set_ip6_src, not self.has("length")
        packets.whole_fragments = not self.set_ip6_dst
        packets.plain_tags, packets.snap = self.has("normal"), not self.has("mpls")
        rules = []
        for table in range(TABLES):
            count = self.random.randint(1, 8 if table == 0 else 5)
            priorities = self.random.sample(range(1, 40), count)
            rules += [self.rule(table, priority) for priority in priorities]
            if self.has("conjunction") and self.chance(0.3):
                rules += self.conjunctions(table)
            if self.has("controller") and self.chance(0.3):  # the table-miss flow of OpenFlow 1.3
                rules.append(Rule(table, 0, [], ["CONTROLLER:65535"]))
            elif self.chance(0.7):
                rules.append(Rule(table, 0, [], self.instructions(table, {"l3": None, "proto": None, "vlan": None})))
        steps = [("packet", self.pick(["p1", "p2", "p3", "p4", "p5", "p6", "br0"] if self.has("local") else ["p1", "p2", "p3", "p4"]), packets.frame())
                 for _ in range(packet_count)]
        if self.has("mods") and self.chance(0.3):
            for _ in range(self.random.randint(1, 3)):
                # A bundle: all of it, or, if one of them is refused, nothing.
                mods = [self.mod(rules) for _ in range(self.pick([1, 1, 2, 4]))]
                # OVS does not find flows that the same bundle has added (README.md).
                mods.sort(key=lambda mod: mod.startswith("flow add"))
                if self.chance(0.15):
                    mods.insert(self.random.randrange(len(mods) + 1), self.pick(["flow add table=0,priority=95,actions=group:999", "group modify group_id=77,type=all"]))
                steps.insert(self.random.randrange(len(steps)), ("mod", "\n".join(mods)))
        return Program(rules, steps, self.draw_groups() if self.has("groups") else (), self.draw_meters() if self.has("meter") else ())

    def mod(self, rules):
        rule = self.pick(rules)
        table = self.random.randrange(TABLES)
        match = ",".join(["table=%d" % rule.table, "priority=%d" % rule.priority] + [item for item in rule.match if "_timeout" not in item])
        actions = self.instructions(TABLES - 1, {"l3": None, "proto": None, "vlan": None})
        return self.pick(["flow add " + self.rule(table, self.random.randint(50, 90)).text(), "flow delete_strict " + match,
                          "flow modify_strict %s,actions=%s" % (match, ",".join(actions) or "drop"), "flow delete table=%d,ip" % table,
                          "flow modify table=%d,cookie=7/-1,actions=output:1" % table])
