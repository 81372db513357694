"""The table that people read, and what is too far from its figure."""

#: A check fails only beyond so many times the figure: a regression of a factor shows,
#: a busy machine does not.
MARGIN = 4.0


def bound(figure):
    """What a check lets pass."""
    limit = figure["limit"]
    return limit * MARGIN if limit >= 0 else limit / MARGIN


def is_met(compared, limit):
    return compared <= limit if limit >= 0 else compared >= -limit


def is_far_off(figure):
    """Ratios only: times depend on the machine. A single reaction varies too much."""
    ratio = figure["ratio"]
    return ratio is not None and not figure["what"].startswith("restart") and figure["limit"] is not None and not is_met(ratio, bound(figure))


def table(result):
    lines = [f"{name}: {value}" for name, value in result["machine"].items()]
    head = ["what", "ratio", "to", "figure", "", "value", "least", "noise"]
    rows = [head] + [row(figure) for figure in result["figures"]]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    group = None
    lines.append("")
    for number, cells in enumerate(rows):
        own = result["figures"][number - 1]["group"] if number else None
        if number and own != group:
            group = own
            lines.append(f"-- {group}")
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())
    return "\n".join(lines)


def row(figure):
    ratio, limit, value = figure["ratio"], figure["limit"], figure["value"]
    compared = ratio if ratio is not None else value
    verdict = "" if limit is None or compared is None else "met" if is_met(compared, limit) else "MISSED"
    unit = "" if ratio is not None else " " + figure["unit"]
    return [
        figure["what"],
        "" if ratio is None else f"{ratio:.2f}",
        figure["of"] or "",
        "" if limit is None else f"{'<=' if limit >= 0 else '>='} {abs(limit):g}{unit}",
        verdict,
        "" if value is None else f"{value:.3g} {figure['unit']}",
        "" if figure["least"] is None else f"{figure['least']:.3g}",
        "" if figure["noise"] is None else f"+-{figure['noise']:.0%}",
    ]
