# SPDX-License-Identifier: Apache-2.0
"""The kinds of measurement that a scenario's line `measure:` names."""
from . import measure as m
from . import tcp


def measure(contender, args):
    case = contender.case
    contender.load(case.rules())
    m.prime(contender)
    return KINDS[case.measure](contender, args)


def main_figure(figures):
    """The figure that medians are taken of."""
    return figures.get("mpps", figures.get("gbps"))


def rate(contender, args):
    return m.rate(contender, args.seconds, contender.case.settle)


def sweep(contender, args):
    """The rate against the number of flows; the figure of the case is that of the fewest."""
    points = []
    for flows in contender.case.parameters["flows"].split(","):
        figures = m.rate(contender, args.seconds, contender.case.settle, flows=int(flows))
        points.append(dict(figures, flows=int(flows)))
    return dict(points[0], sweep=points, wrong=sorted({w for p in points for w in p["wrong"]}))


KINDS = {"rate": rate, "sweep": sweep, "tcp": tcp.measure}
