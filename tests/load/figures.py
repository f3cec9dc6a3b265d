"""From the runs of bench.py to the published figures: medians and ratios, each beside its target.

What is not there is a KeyError or a ZeroDivisionError, never a 0: that would be good where less is better.
"""
import statistics

SLOWER_MS = 1  # what a commit takes longer on the slower disk


def sent_per_s(run):
    return sum(load["sent_per_s"] for load in run["load"]["loads"])


def deliveries_per_s(run):
    return sum(load["deliveries_per_s"] for load in run["load"]["loads"])


def confirmed_per_s(run):
    """Messages both answered to the sender and had by the receiver."""
    return min(sent_per_s(run), deliveries_per_s(run))


def latency_ms(run, which, quantile):
    return run["load"]["loads"][0][which][quantile] / 1e3


def cpu_per_million(run, per_s):
    rate = per_s(run)
    return {part: cpu / rate * 1e6 for part, cpu in run["cpu_per_s"].items()}


def median(pairs, server, value):
    return statistics.median(value(pair[server]) for pair in pairs)


def compared(rows, name, pairs, value, unit, target, better="more", accelerated_target=None):
    """Gnatter's median over the raw broker's: a row without and one with the accelerator, which has the raw one's to beat."""
    raw = median(pairs, "raw", value)
    for server, words, aim in (("gnatter", "", target), ("accelerated", ", accelerated", accelerated_target)):
        if all(server in pair for pair in pairs):
            own = median(pairs, server, value)
            rows.put(name + words, own / raw, unit, aim, better, raw=raw, **{server: own})


class Rows(list):
    def put(self, name, value, unit, target=None, better="more", **parts):
        self.append({"name": name, "value": value, "unit": unit, "target": target, "better": better, **parts})


def cpu(rows, name, pairs, server, per_s, target=None):
    """The servers' sum; the client's own is listed beside it."""
    parts = [cpu_per_million(pair[server], per_s) for pair in pairs]
    medians = {part: statistics.median(p[part] for p in parts) for part in parts[0]}
    total = sum(seconds for part, seconds in medians.items() if part != "client")
    rows.put(name, total, "s", target, "less", by_process=medians)


def throughput(rows, runs):
    pairs = runs["pairs"]
    compared(rows, "durable 1:1 messages/s over raw QoS 1", pairs, confirmed_per_s, "x raw", 0.6, accelerated_target=1.0)
    if runs.get("pairs-narrow"):
        compared(rows, "durable 1:1 messages/s over raw QoS 1, 8 outstanding per sender", runs["pairs-narrow"],
                 confirmed_per_s, "x raw", None)
    for server, target in (("raw", None), ("gnatter", 40), ("accelerated", 25)):
        cpu(rows, f"CPU s per million messages, {server}", pairs, server, confirmed_per_s, target)


def latency(rows, result, figure, load, has_target, slower_ms=0):
    """In units of an fdatasync of this disk, or of one that is slower_ms slower."""
    pairs, unit_ms = result["runs"].get(figure, []), result["fdatasync_ms"] + slower_ms
    if not pairs:
        return
    for which, what in (("publish_to_sent", "publish to sent"), ("publish_to_delivery", "publish to delivery"),
                        ("publish_to_delivered", "publish to delivered (back at the sender)")):
        for quantile, target in (("p50", 8), ("p99", 40)):
            raw_which = which if which != "publish_to_delivered" else "publish_to_delivery"
            raw = median(pairs, "raw", lambda run: latency_ms(run, raw_which, quantile))
            for server, words in (("gnatter", ""), ("accelerated", ", accelerated")):
                own = median(pairs, server, lambda run: latency_ms(run, which, quantile))
                is_target = has_target and which != "publish_to_delivered" and not words
                rows.put(f"{what} {quantile} at {load}{words}, minus raw's", (own - raw) / unit_ms, "fdatasyncs",
                         target if is_target else None, "less", raw_ms=raw, **{f"{server}_ms": own})
    busy = {server: median(pairs, server, lambda run: sum(run["cpu_per_s"].values()))
            for server in ("raw", "gnatter", "accelerated")}
    rows.put(f"cores busy at {load}, client included", busy["gnatter"], f"of {result['machine']['cores']}", raw=busy["raw"],
             accelerated=busy["accelerated"])


def wal_per_message(run):
    return run["wal_per_s"] / sent_per_s(run)


def neighbours(rows, runs):
    for kind, what in (("noread", "one that does not read"), ("noack", "one that never acknowledges"),
                       ("storm", "a stormy group of 200")):
        pairs = runs.get(f"neighbour-{kind}", [])
        if pairs:
            grown(rows, f"beside {what}", pairs)
            rows.put(f"others' delivery p99 beside {what}, over without",
                     median(pairs, "gnatter", lambda run: run["load"]["p99_ratio"]), "x", 1.5, "less",
                     raw=median(pairs, "raw", lambda run: run["load"]["p99_ratio"]))


def herd(rows, runs):
    pairs = runs.get("herd", [])
    if pairs:
        each = {server: median(pairs, server, lambda run: run["load"]["us_per_device"])
                for server in ("raw", "gnatter", "accelerated")}
        rows.put("broker killed under all: time until all are live again, per device, over raw's",
                 each["gnatter"] / each["raw"], "x raw",
                 **{f"{server}_us": value for server, value in each.items()})
        grown(rows, "broker killed under all", pairs)


def grown(rows, what, pairs):
    """The servers' memory at most, over what they had before."""
    parts = [pair["gnatter"]["memory_growth"] for pair in pairs]
    medians = {part: statistics.median(p[part] for p in parts) for part in ("broker", "service")}
    rows.put(f"{what}: memory grew by", sum(medians.values()) / 2 ** 20, "MiB",
             by_process={part: size / 2 ** 20 for part, size in medians.items()})


def overload(rows, runs):
    for figure, what in (("overload", "three times what the broker takes"),
                         ("overload-database", "three times what a slow database takes")):
        for pair in runs.get(figure, []):
            run, capacity = pair["gnatter"], pair["capacity_per_s"]
            rows.put(f"{what}: sent/s over the capacity", sent_per_s(run) / capacity, "x", 0.9,
                     capacity=capacity, refused=sum(load["refused_per_s"] for load in run["load"]["loads"]))
            load, = run["load"]["loads"]
            if "accepted_to_sent" in load:  # something was refused
                rows.put(f"{what}: accepted to sent p99, over the longest wait allowed (8 s)",
                         load["accepted_to_sent"]["p99"] / 8e6, "x", retry_s=load["retry_after"]["p50"] / 1e6)
            grown(rows, what, [pair])


def compute(result):
    runs, rows = result["runs"], Rows()
    throughput(rows, runs)
    latency(rows, result, "latency", "30 % load", True)
    latency(rows, result, "latency-light", "5 % load", False)
    latency(rows, result, "latency-disk", f"30 % load, commits {SLOWER_MS} ms slower", False, SLOWER_MS)
    for members in (100, 1000):
        pairs = runs[f"group-{members}"]
        compared(rows, f"deliveries/s to a group of {members} over raw fan-out", pairs, deliveries_per_s, "x raw", 0.9)
        for server in ("raw", "gnatter", "accelerated"):
            cpu(rows, f"CPU s per million deliveries, group of {members}, {server}", pairs, server, deliveries_per_s)
    wal = {members: wal_per_message(runs[f"wal-{members}"][0]["gnatter"]) for members in (2, 100, 1000)}
    rows.put("WAL bytes per message, group of 1,000 over group of 2", wal[1000] / wal[2], "x", 1.05,
             "less", by_members=wal)
    idle = runs["idle"][0]
    for server, words, target in (("gnatter", "", 2500), ("accelerated", ", accelerated", None)):
        held = idle[server]["bytes_per_connection"]
        rows.put(f"bytes per idle connection, broker + service{words}", held["broker"] + held["service"],
                 "bytes", target, "less", by_process=held, raw=idle["raw"]["bytes_per_connection"]["broker"])
    compared(rows, "reconnect storm, time over raw's", runs["storm"], lambda run: run["load"]["took_s"], "x raw", 1.5,
             "less")
    compared(rows, "backlog to one device, deliveries/s over raw's", runs["drain"],
             lambda run: run["load"]["deliveries_per_s"], "x raw", 0.8)
    grown(rows, "backlog to one device", runs["drain"])
    neighbours(rows, runs)
    herd(rows, runs)
    overload(rows, runs)
    return list(rows)


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def details(row):
    words = []
    for key in ("raw", "gnatter", "accelerated", "raw_ms", "gnatter_ms", "accelerated_ms", "raw_us", "gnatter_us",
                "accelerated_us", "capacity", "refused", "retry_s"):
        if key in row:
            words.append(f"{key.replace('_', ' ')} {number(row[key])}")
    for key in ("by_process", "by_members"):
        words += [f"{part} {number(value)}" for part, value in row.get(key, {}).items()]
    return ", ".join(words)


def met(row):
    if row["target"] is None:
        return ""
    good = row["value"] >= row["target"] if row["better"] == "more" else row["value"] <= row["target"]
    return "yes" if good else "no"


def table(result):
    lines = [f"fdatasync of 8 KiB here: {result['fdatasync_ms']:.3f} ms; {result['machine']['cores']} cores shared by all", "",
             "| figure | value | target | met | from |", "| --- | ---: | ---: | --- | --- |"]
    for row in result["figures"]:
        target = "" if row["target"] is None else number(row["target"])
        lines.append(f"| {row['name']} | {number(row['value'])} {row['unit']} | {target} | {met(row)} | {details(row)} |")
    return "\n".join(lines)
