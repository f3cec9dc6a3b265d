#!/usr/bin/python3
"""Writes docs/performance.md and its plots from build/bench/latest.json. Needs gnuplot (Debian: gnuplot-nox)."""
import argparse
import json
import os
import shutil
import statistics
import string
import subprocess
import sys

import figures

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "../..")
RAW, GNATTER, ACCELERATED = "#7f8c8d", "#1f77b4", "#ff7f0e"
SERVERS = ("raw", "gnatter", "accelerated")
LONGEST_BAR = 5
STYLE = """\
set terminal svg size {width},{height} background "white" font "sans-serif,12"
set output "{output}"
set grid ytics lc rgb "#dddddd"
set border 3
set tics nomirror
"""


def gnuplot(output, script, data, width=760, height=360):
    """`data`: name -> rows; a data block each."""
    blocks = "".join(f"${name} << END\n" + "\n".join("\t".join(map(str, row)) for row in rows) + "\nEND\n"
                     for name, rows in data.items())
    text = STYLE.format(width=width, height=height, output=output) + blocks + script
    subprocess.run(["gnuplot"], input=text, text=True, check=True)


def quoted(text):
    return '"' + text.replace('"', "'").replace("_", " ") + '"'


def plot_targets(result, directory):
    rows = []
    for row in result["figures"]:
        if not row["target"]:
            continue
        if row["better"] == "more":
            reached = row["value"] / row["target"]
        else:
            reached = row["target"] / row["value"] if row["value"] > 0 else LONGEST_BAR
        rows.append((quoted(row["name"]), min(reached, LONGEST_BAR), RAW if reached < 1 else GNATTER))
    rows = [(*row, len(rows) - number) for number, row in enumerate(rows)]
    colored = [(name, value, color.replace("#", "0x"), y) for name, value, color, y in rows]
    gnuplot(os.path.join(directory, "targets.svg"), f"""\
unset key
set xrange [0:*]
set yrange [0.3:{len(rows) + 0.7}]
set xlabel "in units of the target (bars end at {LONGEST_BAR})"
set grid xtics
set lmargin 62
set arrow from 1, graph 0 to 1, graph 1 nohead dt 2 lc rgb "black" front
plot $rows using (0):4:(0):2:($4-0.35):($4+0.35):3:ytic(1) with boxxyerror fill solid lc rgb variable
""", {"rows": colored}, width=980, height=60 + 26 * max(len(rows), 2))


def plot_rounds(result, directory):
    rows = []
    for number, pair in enumerate(result["runs"]["pairs"], 1):
        rows.append((number, *(figures.confirmed_per_s(pair[server]) for server in SERVERS)))
    gnuplot(os.path.join(directory, "rounds.svg"), f"""\
set style data histograms
set style fill solid
set boxwidth 0.9
set yrange [0:*]
set ylabel "messages/s"
set xlabel "round"
set key outside top center horizontal
plot $rows using 2:xtic(1) title "raw QoS 1" lc rgb "{RAW}", '' using 3 title "Gnatter, sent and delivered" lc rgb "{GNATTER}", \\
    '' using 4 title "accelerated" lc rgb "{ACCELERATED}"
""", {"rows": rows}, height=300)


def middle(pairs, server):
    """The run whose median latency is the middle one of its rounds."""
    runs = sorted((pair[server] for pair in pairs),
                  key=lambda run: figures.latency_ms(run, "publish_to_delivery", "p50"))
    return runs[len(runs) // 2]


def plot_latency(result, directory):
    data, plots = {}, []
    for server, which, title, style in (
            ("raw", "publish_to_sent", "raw: publish to PUBACK", f'lc rgb "{RAW}" dt 2'),
            ("raw", "publish_to_delivery", "raw: publish to delivery", f'lc rgb "{RAW}"'),
            ("gnatter", "publish_to_sent", "Gnatter: publish to sent", f'lc rgb "{GNATTER}" dt 2'),
            ("gnatter", "publish_to_delivery", "Gnatter: publish to delivery", f'lc rgb "{GNATTER}"'),
            ("gnatter", "publish_to_delivered", "Gnatter: publish to delivered", 'lc rgb "#2ca02c"'),
            ("accelerated", "publish_to_delivery", "accelerated: publish to delivery", f'lc rgb "{ACCELERATED}"')):
        curve = middle(result["runs"]["latency"], server)["load"]["loads"][0][which].get("curve", [])
        if curve:
            name = f"{server}_{which}"
            data[name] = [(1 / (1 - quantile), value / 1e3) for quantile, value in curve]
            plots.append(f'${name} using 1:2 with linespoints pt 7 ps 0.4 lw 2 {style} title "{title}"')
    if not plots:
        return
    gnuplot(os.path.join(directory, "latency.svg"), """\
set logscale xy
set xtics ("50 %%" 2, "90 %%" 10, "99 %%" 100, "99.9 %%" 1000, "99.99 %%" 10000)
set ylabel "ms"
set xlabel "percentile"
set key outside right
plot """ + ", \\\n".join(plots) + "\n", data, width=900)


def plot_cpu(result, directory):
    rows = {row["name"].rsplit(" ", 1)[1]: row["by_process"] for row in result["figures"] if row["name"].startswith("CPU s per million messages")}
    parts = ["broker", "service", "postgres", "client"]
    table = [(server, *(rows.get(server, {}).get(part, 0) for part in parts)) for server in SERVERS]
    columns = ", ".join(f"{quoted('') if n else '$rows'} using {n + 2}{':xtic(1)' if n == 0 else ''} title \"{part}\""
                        for n, part in enumerate(parts)).replace('""', "''")
    gnuplot(os.path.join(directory, "cpu.svg"), f"""\
set style data histograms
set style histogram rowstacked
set style fill solid
set boxwidth 0.5
set yrange [0:*]
set ylabel "CPU s per million messages"
set key outside right
plot {columns}
""", {"rows": table}, width=600, height=320)
    header = "| | " + " | ".join(parts) + " |\n| --- |" + " ---: |" * len(parts)
    return header + "".join("\n| " + row[0] + " | " + " | ".join(f"{v:.1f}" for v in row[1:]) + " |" for row in table)


def noise(result):
    words = []
    for server in SERVERS:
        rates = [figures.confirmed_per_s(pair[server]) for pair in result["runs"]["pairs"]]
        middle_rate = statistics.median(rates)
        if middle_rate:
            words.append(f"{server}: from {(min(rates) / middle_rate - 1) * 100:+.0f} % to "
                         f"{(max(rates) / middle_rate - 1) * 100:+.0f} % of the median")
    return "Spread of the rounds: " + "; ".join(words) + "."


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("result", nargs="?", default=os.path.join(TOP, "build/bench/latest.json"))
    parser.add_argument("docs", nargs="?", default=os.path.join(TOP, "docs"))
    options = parser.parse_args()
    if not shutil.which("gnuplot"):
        sys.exit("gnuplot is missing: apt-get install gnuplot-nox")
    try:
        with open(options.result, encoding="utf-8") as file:
            result = json.load(file)
    except OSError as error:
        sys.exit(f"{error.filename}: {error.strerror}; run `make bench` first")
    if result["failures"]:
        sys.exit(f"{options.result}: {len(result['failures'])} runs failed: there is nothing to publish")
    directory = os.path.join(options.docs, "performance")
    os.makedirs(directory, exist_ok=True)
    plot_targets(result, directory)
    plot_rounds(result, directory)
    plot_latency(result, directory)
    cpu = plot_cpu(result, directory)
    machine = result["machine"]
    with open(os.path.join(HERE, "performance.md.in"), encoding="utf-8") as template:
        page = string.Template(template.read()).substitute(
            machine=f"{machine['cores']} cores ({machine['cpu']}), Linux {machine['kernel']}, commit {machine['commit']}, "
                    f"{machine['at']}; load of the machine before it began: {machine['load_before']}"
                    + (" (other work ran beside it: judge by the noise below)" if machine["load_before"] > 1 else ""),
            fdatasync=f"{result['fdatasync_ms']:.2f} ms", table=figures.table(result), noise=noise(result), cpu=cpu,
            rounds=result["options"]["rounds"], seconds=result["options"]["seconds"],
            heavy_rounds=result["options"]["heavy_rounds"], slower_ms=figures.SLOWER_MS,
            **{size: f"{result['options'][size]:,}" for size in ("idle", "storm", "drain")})
    with open(os.path.join(options.docs, "performance.md"), "w", encoding="utf-8") as out:
        out.write(page)
    print(os.path.relpath(os.path.join(options.docs, "performance.md")))


if __name__ == "__main__":
    main()
