# SPDX-License-Identifier: Apache-2.0
"""Scenarios: text files of bench/scenarios. docs/howto/measure.md describes the format."""
import glob
import ipaddress
import os
import re

FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scenarios")
CONTENDERS = ("sluice", "ovs-dpdk", "testpmd", "linux")
MEASURES = ("rate", "sweep", "ndr", "first-packet", "flow-mods", "memory", "blocked", "attack", "tcp")
BASES = {"dl_src": 0x020000000001, "dl_dst": 0x020000000002, "nw_src": 0x0A000001, "nw_dst": 0x0A000002, "tp_src": 1000, "tp_dst": 2000,
         "vlan": 1, "tun_id": 1, "nw_ttl": 64, "nw_tos": 0}


class Wrong(Exception):
    pass


def mac(value):
    return ":".join("%02x" % (value >> shift & 255) for shift in range(40, -8, -8))


def ip(value):
    return str(ipaddress.IPv4Address(value))


def number(text):
    """A number as scenarios write it: 1000, 10K, 1M, 0x10."""
    found = re.fullmatch(r"(0x[0-9a-fA-F]+|[0-9.]+)([KMG]?)", text)
    if not found:
        raise Wrong("%s is not a number" % text)
    unit = {"": 1, "K": 1000, "M": 10**6, "G": 10**9}[found.group(2)]
    value = int(found.group(1), 16) if text.startswith("0x") else float(found.group(1))
    return int(value * unit) if float(value * unit).is_integer() else value * unit


def base_of(field, text):
    if text is None:
        return BASES[field]
    if text.count(":") == 5:
        return int(text.replace(":", ""), 16)
    if text.count(".") == 3:
        return int(ipaddress.IPv4Address(text))
    return int(text, 0)


class Port:
    """One line `port N: ...`: arguments of the generator, and the words sink, prime, attack."""

    def __init__(self, words):
        self.role = "traffic"
        self.args = {}
        for word in words:
            if word in ("sink", "prime", "attack"):
                self.role = word
            elif "=" in word:
                key, value = word.split("=", 1)
                self.args[key] = value
            else:
                raise Wrong("port: %s is neither sink, prime, attack nor KEY=VALUE" % word)

    def field(self, name):
        """The formula of a field as Python source over the name `i`."""
        terms = [str(base_of(name, self.args.get(name)))]
        for item in filter(None, self.args.get("vary", "").split("/")):
            parts = item.split(":")
            if parts[0] == name:
                bits, pos, shr, mul = (list(map(int, parts[1:])) + [0, 0, 0, 0])[:4]
                mul = mul if len(parts) > 4 else 1
                terms.append("((((i * %d & 0xFFFFFFFFFFFFFFFF) >> %d) & %d) << %d)" % (mul, shr, (1 << bits) - 1, pos))
        value = " + ".join(terms)
        if name in ("dl_src", "dl_dst"):
            return "mac(%s)" % value
        return "ip(%s)" % value if name in ("nw_src", "nw_dst") else value

    def numbers(self):
        """The knobs as the port would start with them."""
        return {"flows": int(self.args.get("flows", 1)), "rate": int(self.args.get("rate", 0)),
                "new_share": float(self.args.get("new_share", 0)), "count": int(self.args.get("count", 0))}


class Case:
    """One measurement: the scenario with its variables filled in."""

    def __init__(self, scenario, name, variables):
        self.scenario = scenario
        self.name = scenario.name + ("/" + name if name else "")
        self.variables = variables
        get = lambda key, default=None: scenario.keys.get(key, default)  # noqa: E731
        self.title = self.fill(get("title", scenario.name)) + (", " + name.replace("-", " ") if name else "")
        self.measure, *rest = self.fill(get("measure", "rate")).split()
        if self.measure not in MEASURES:
            raise Wrong("measure: %s: there are %s" % (self.measure, " ".join(MEASURES)))
        self.parameters = dict(word.split("=", 1) for word in rest)
        self.contenders = self.fill(get("contenders", " ".join(CONTENDERS[:3]))).split()
        self.slow = set(filter(None, variables.get("slow", get("slow", "")).split(",")))  # contenders that need --all
        self.workers = int(variables.get("workers", get("workers", 1)))
        self.rounds = int(get("rounds", 0))
        self.settle = float(self.fill(get("settle", "0.5")))
        self.bridge = self.fill(get("bridge", "")).split()
        self.config = self.fill(get("config", "")).split()
        self.tunnel = self.fill(get("tunnel", "")).split()
        self.loss = set(get("loss", "ovs-dpdk").split())  # contenders that may lose packets without failing
        self.ports = {int(n): Port(self.fill(text).split()) for n, text in scenario.ports.items()}
        self.target = float(variables["target"]) if "target" in variables else None
        self.reference = float(variables["ovs"]) if "ovs" in variables else None

    def fill(self, text):
        def value(found):
            if found.group(1) not in self.variables:
                raise Wrong("$%s has no value" % found.group(1))
            return str(self.variables[found.group(1)])
        return re.sub(r"\$(\w+)", value, text)

    def templates(self, block="flows"):
        for line in self.scenario.blocks.get(block, []):
            line = self.fill(line)
            found = re.fullmatch(r"repeat\s+(\S+)\s*:\s*(.*)", line)
            yield (int(number(found.group(1))), found.group(2)) if found else (1, line)

    def rules(self, block="flows"):
        """The flows in ovs-ofctl's syntax, one after the other."""
        names = {"mac": mac, "ip": ip}
        for count, template in self.templates(block):
            if "{" not in template:
                for _ in range(count):
                    yield template
                continue
            source = template
            for field in BASES:
                source = source.replace("{%s}" % field, "{%s}" % self.ports[1].field(field) if 1 in self.ports else "")
            make = eval("lambda i: f'''%s'''" % source, names)  # pylint: disable=eval-used # our own files
            for i in range(count):
                yield make(i)


class Scenario:
    def __init__(self, path):
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.keys, self.ports, self.blocks = {}, {}, {}
        self.cases = []
        rows = []
        block = None
        with open(path, encoding="utf-8") as file:
            for number_of_line, line in enumerate(file, 1):
                text = line.split("#")[0].rstrip()
                if not text:
                    continue
                try:
                    if text[0].isspace() and block is not None:
                        block.append(text.strip())
                        continue
                    block = self.line(text, rows)
                except (Wrong, ValueError) as error:
                    raise Wrong("%s:%d: %s" % (path, number_of_line, error)) from error
        try:
            self.cases = [Case(self, name, variables) for name, variables in rows or [("", {})]]
        except (Wrong, ValueError) as error:
            raise Wrong("%s: %s" % (path, error)) from error

    def line(self, text, rows):
        key, colon, value = text.partition(":")
        if not colon:
            raise Wrong("%s: expected KEY: VALUE" % text)
        value = value.strip()
        words = key.split()
        if words[0] == "case":
            variables = dict(word.split("=", 1) for word in value.split())
            rows.append((words[1] if len(words) > 1 else "", {k: str(number(v)) if k.isupper() else v for k, v in variables.items()}))
        elif words[0] == "port":
            self.ports[words[1]] = value
        elif not value:
            self.blocks[key] = []
            return self.blocks[key]
        elif key in ("title", "about", "measure", "contenders", "slow", "workers", "rounds", "settle", "bridge", "config", "loss", "tunnel"):
            self.keys[key] = value
        else:
            raise Wrong("there is no key %s" % key)
        return None


def load_all():
    return [Scenario(path) for path in sorted(glob.glob(os.path.join(FOLDER, "*.bench")))]
