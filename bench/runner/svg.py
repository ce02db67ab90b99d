# SPDX-License-Identifier: Apache-2.0
"""Small plots as SVG text: no library, nothing to load."""
import math
from html import escape

COLOURS = {"sluice": "#0b6e99", "ovs-dpdk": "#d9730d", "testpmd": "#8a8a86", "linux": "#5b8c3e"}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 560, 260, 56, 44, 14, 120


def nice(value):
    """The next of 1, 2, 5 times a power of ten."""
    if value <= 0:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def text(x, y, words, anchor="middle", extra=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" %s>%s</text>' % (x, y, anchor, extra, escape(str(words)))


def frame(parts, x_label, y_label):
    middle = (LEFT + WIDTH - RIGHT) / 2
    return ('<svg viewBox="0 0 %d %d" width="%d" role="img">%s%s%s</svg>' % (
        WIDTH, HEIGHT, WIDTH, "".join(parts), text(middle, HEIGHT - 6, x_label),
        text(13, HEIGHT / 2, y_label, extra='transform="rotate(-90 13 %d)"' % (HEIGHT / 2))))


def short(value):
    for limit, unit in ((1e6, "M"), (1e3, "K")):
        if value >= limit:
            return "%g%s" % (round(value / limit, 1), unit)
    return "%g" % round(value, 3)


def lines(series, x_label, y_label, log_x=False, log_y=False, ticks=None):
    """series: {name: [(x, y)]}. Axes from 0 unless logarithmic; `ticks`: [(x, label)]."""
    points = [p for row in series.values() for p in row if p[1] is not None]
    if not points:
        return ""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    scale_x = math.log10 if log_x else float
    scale_y = (lambda y: math.log10(max(y, 1e-3))) if log_y else float
    x_low, x_high = scale_x(min(xs)), scale_x(max(xs))
    y_top = 10 ** math.ceil(math.log10(max(max(ys), 1e-3))) if log_y else nice(max(ys))
    y_bottom = 10 ** math.floor(math.log10(max(min(ys), 1e-3))) if log_y else 0
    y_low, y_high = scale_y(y_bottom), scale_y(y_top)
    place_x = lambda x: LEFT + (scale_x(x) - x_low) / ((x_high - x_low) or 1) * (WIDTH - LEFT - RIGHT)  # noqa: E731
    place_y = lambda y: HEIGHT - BOTTOM - (scale_y(y) - y_low) / ((y_high - y_low) or 1) * (HEIGHT - BOTTOM - TOP)  # noqa: E731
    steps = [10 ** e for e in range(round(y_low), round(y_high) + 1)] if log_y else [y_top * i / 5 for i in range(6)]
    parts = []
    for value in steps:
        y = place_y(value)
        parts.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" class="grid"/>' % (LEFT, WIDTH - RIGHT, y, y))
        parts.append(text(LEFT - 6, y + 4, short(value), "end"))
    for x, label in ticks or [(x, short(x)) for x in sorted(set(xs))]:
        parts.append(text(place_x(x), HEIGHT - BOTTOM + 16, label))
    for index, (name, row) in enumerate(series.items()):
        colour = COLOURS.get(name, "#444")
        row = [(place_x(x), place_y(y)) for x, y in row if y is not None]
        parts.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (colour, " ".join("%.1f,%.1f" % p for p in row)))
        parts += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (*p, colour) for p in row]
        parts.append(text(WIDTH - RIGHT + 14, TOP + 14 + 18 * index, name, "start", 'fill="%s"' % colour))
    return frame(parts, x_label, y_label)


def bars(rows, unit):
    """rows: [(label, {name: value})]: groups of horizontal bars."""
    top = max((v for _, values in rows for v in values.values() if v), default=0)
    if not top:
        return ""
    left, width, parts, y = 190, 520, [], 8
    for label, values in rows:
        parts.append(text(left - 8, y + 7 * len(values) + 4, label, "end"))
        for name, value in values.items():
            length = max(1, (value or 0) / top * (width - left + 60))
            parts.append('<rect x="%d" y="%d" width="%.1f" height="12" fill="%s"/>' % (left, y, length, COLOURS.get(name, "#444")))
            parts.append(text(left + length + 5, y + 10, "%.2f %s" % (value, unit) if value is not None else "-", "start"))
            y += 14
        y += 8
    return '<svg viewBox="0 0 760 %d" width="760" role="img">%s</svg>' % (y + 4, "".join(parts))


def stacks(rows, unit):
    """rows: [(label, {part: value})]: one bar a row, made of its parts."""
    palette = ("#0b6e99", "#d9730d", "#5b8c3e", "#9065b0", "#c29343", "#ad1a72", "#64635f", "#4f9768", "#b35588", "#337ea9")
    names = sorted({name for _, parts in rows for name in parts})
    top = max((sum(parts.values()) for _, parts in rows), default=0)
    if not top:
        return ""
    left, out, y = 190, [], 8
    for label, values in rows:
        x = float(left)
        out.append(text(left - 8, y + 12, label, "end"))
        for name in names:
            length = values.get(name, 0) / top * 440
            out.append('<rect x="%.1f" y="%d" width="%.1f" height="16" fill="%s"><title>%s: %.1f %s</title></rect>' % (
                x, y, length, palette[names.index(name) % len(palette)], escape(name), values.get(name, 0), unit))
            x += length
        out.append(text(x + 5, y + 12, "%.0f %s" % (sum(values.values()), unit), "start"))
        y += 24
    for index, name in enumerate(names):
        out.append('<rect x="%d" y="%d" width="10" height="10" fill="%s"/>' % (left + 150 * (index % 3), y + 16 * (index // 3), palette[index % len(palette)]))
        out.append(text(left + 14 + 150 * (index % 3), y + 9 + 16 * (index // 3), name, "start"))
    return '<svg viewBox="0 0 760 %d" width="760" role="img">%s</svg>' % (y + 20 + 16 * (len(names) // 3 + 1), "".join(out))
