"""What the queries of a list look for: metrics with labels that their selectors let through, as
the rows that rwload.py --wild reads."""
import json
import re

VARIANTS_MAX = 3
TEXT = r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|`[^`]*`'
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SELECTOR = re.compile(rf"({NAME})?\s*\{{((?:[^\"'`{{}}]|{TEXT})*)\}}")
MATCHER = re.compile(rf"({NAME})\s*(=~|!~|!=|=)\s*({TEXT})")
LISTS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)", re.I)
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right",
         "bool", "offset", "inf", "nan", "start", "end", "atan2", "sum", "avg", "count", "min",
         "max", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values"}


def some_match(pattern):
    """A text that the pattern may match: its first alternative, without signs."""
    return re.sub(r"[^\w-]", "", pattern.strip("()").split("|")[0])


def selectors(query):
    """(name, {label: value}, {le}) of each selector."""
    rest = query
    for m in SELECTOR.finditer(query):
        name, labels = m.group(1), {}
        for label, sign, text in MATCHER.findall(m.group(2)):
            value = text[1:-1]
            if label == "__name__" and not name:
                name = value if sign == "=" else some_match(value) if sign == "=~" else None
            elif sign == "=" and "\\" not in value:
                labels[label] = value
            elif sign == "=~":
                labels.setdefault(label, some_match(value))
        if name and name.lower() not in WORDS:
            yield name, {k: v for k, v in labels.items() if v}
        rest = rest.replace(m.group(0), " ")
    rest = LISTS.sub(" ", re.sub(TEXT, " ", rest))
    for m in re.finditer(rf"(?<![\w:.]){NAME}(?![\w:]|\s*\()", rest):
        if m.group(0).lower() not in WORDS:
            yield m.group(0), {}


def rows(queries):
    """Rows of metrics for these queries."""
    found = {}
    for query in queries:
        for name, labels in selectors(query):
            row = found.setdefault(name, {"name": name, "series": [], "le": []})
            if "le" in labels:
                row["le"].append(labels.pop("le"))
            if labels not in row["series"] and len(row["series"]) < VARIANTS_MAX:
                row["series"].append(labels)
    for row in found.values():
        name, series = row["name"], []
        row["type"] = ("bucket" if name.endswith("_bucket") else
                       "counter" if re.search("_(total|count|sum)$", name) else "gauge")
        for labels in row["series"]:
            for host in ("wild0:9100", "wild1:9100"):
                one = {"job": "wild", **labels}
                one["nr" if "instance" in one else "instance"] = host
                if one not in series:
                    series.append(one)
        row["series"] = series
    return list(found.values())


def write(queries, path):
    """Writes the rows to path; how many metrics there are."""
    made = rows(queries)
    with open(path, "w", encoding="utf-8") as f:
        for row in made:
            f.write(json.dumps(row) + "\n")
    return len(made)
