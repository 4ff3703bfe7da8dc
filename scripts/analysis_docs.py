"""Runs the examples of docs/analysis.md, and holds what readers of other languages read against the CSV files.

Called by scripts/test-analysis-docs: analysis_docs.py PAGE RUN TABLE
"""

import csv
import math
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import polars as pl
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

TEXT = "text"
WHOLE = "whole"
REAL = "real"
FLAG = "flag"


def examples(page):
    """The programs of the page: language, code, and whether they need Parquet files."""
    pattern = re.compile(r"(<!-- needs: parquet -->\n)?```(python|r)\n(.*?)```", re.S)
    return [(language, code, bool(needs)) for needs, language, code in pattern.findall(page.read_text())]


def run_examples(page, run):
    commands = {"python": [sys.executable, "-W", "error::FutureWarning"], "r": ["Rscript", "--vanilla"]}
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (language, code, needs_parquet) in enumerate(examples(page)):
            if shutil.which(commands[language][0]) is None or needs_parquet and not has_parquet(run):
                done.append(f"{language} (skipped)")
                continue
            program = Path(folder) / f"example-{number}.{language}"
            program.write_text(code)
            result = subprocess.run([*commands[language], program, run], capture_output=True, text=True)
            if result.returncode != 0 or not result.stdout.strip():
                sys.exit(f"{page}: example {number + 1} ({language}) failed\n{result.stdout}\n{result.stderr}")
            print(f"--- example {number + 1} ({language})\n{result.stdout}")
            done.append(language)
    assert len(done) >= 6, done
    return done


def has_parquet(run):
    return (run / "calls.parquet").exists()


def kind(cells):
    """What a column's cells hold, told by every one of them."""
    full = [cell for cell in cells if cell != ""]
    if all(re.fullmatch(r"-?\d+", cell) for cell in full):
        return WHOLE
    if all(cell in ("true", "false") for cell in full):
        return FLAG
    try:
        [float(cell) for cell in full]
        return REAL
    except ValueError:
        return TEXT


def same(value, cell, kind):
    """Whether a value that a reader gave is what stands in the file."""
    if cell == "":
        return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
    if kind == FLAG:
        return value is (cell == "true") or value == (cell == "true")
    if kind == TEXT:
        return value == cell
    return value == (int(cell) if kind == WHOLE else float(cell))


def raw(path):
    """The file as the standard library reads it: names of columns, and cells by column."""
    with open(path, newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, list(zip(*rows)) if rows else [()] * len(header)


def check(what, header, columns, read):
    """Holds every cell of what a reader made of a file against the file."""
    assert list(read) == header, f"{what}: {list(read)} instead of {header}"
    for name, cells in zip(header, columns):
        of = kind(cells)
        values = read[name]
        assert len(values) == len(cells), f"{what}: {name}: {len(values)} rows instead of {len(cells)}"
        for row, (value, cell) in enumerate(zip(values, cells)):
            assert same(value, cell, of), f"{what}: {name}, row {row + 1}: {value!r} instead of {cell!r}"


def check_tables(run):
    """pandas and polars read the CSV files without an option as they are, and Parquet files with their types."""
    cells = 0
    for path in sorted(run.glob("*.csv")):
        header, columns = raw(path)
        cells += sum(len(column) for column in columns)
        plain = pd.read_csv(path)
        check(f"pandas {path.name}", header, columns, {name: plain[name].tolist() for name in plain})
        for name, column in zip(header, columns):
            of, dtype = kind(column), plain[name].dtype
            full, empty = any(column), "" in column
            # As docs/analysis.md says: whole numbers stay whole unless a cell is empty.
            if of == WHOLE and full:
                expected = "float64" if empty else "int64"
                assert dtype == expected, f"{path.name}: {name} is {dtype}, not {expected}"
        nullable = pd.read_csv(path, dtype_backend="numpy_nullable")
        for name, column in zip(header, columns):
            if kind(column) == WHOLE and any(column):
                assert nullable[name].dtype == "Int64", f"{path.name}: {name} is {nullable[name].dtype}"
        lazy = pl.read_csv(path, infer_schema_length=None)
        check(f"polars {path.name}", header, columns, lazy.to_dict(as_series=False))
        if has_parquet(run):
            check_parquet(path.with_suffix(".parquet"), header, columns)
    assert cells > 100_000, cells
    return cells


def check_parquet(path, header, columns):
    frame = pl.read_parquet(path)
    check(f"polars {path.name}", header, columns, frame.to_dict(as_series=False))
    nullable = pd.read_parquet(path, dtype_backend="numpy_nullable")
    check(f"pandas {path.name}", header, columns, {name: nullable[name].tolist() for name in nullable})
    # Types do not depend on what cells there are: no whole number became another kind of number.
    of_unit = {"_us": pl.Int64, "_bytes": pl.Int64}
    for name in header:
        for suffix, expected in of_unit.items():
            if name.endswith(suffix) and path.stem != "summary":
                assert frame.schema[name] == expected, f"{path.name}: {name} is {frame.schema[name]}"
    assert frame.schema["seed"] == pl.UInt64 and frame.schema["repetition"] == pl.Int64
    assert frame.schema["run"] == pl.String


def check_histograms(run):
    """A standard reader of HdrHistogram logs finds the latencies that calls.csv has."""
    calls = pd.read_csv(run / "calls.csv")
    ok = calls[calls["outcome"] == "ok"]
    groups = {
        "/".join([variant, str(repetition), phase, policy]).replace(",", "_").replace(" ", "_"): rows
        for (variant, repetition, phase, policy), rows in
        ok.groupby(["variant", "repetition", "phase", "policy"])["latency_us"]
    }
    reader = HistogramLogReader(str(run / "latency.hlog"), HdrHistogram(1, 2**53, 3))
    seen = set()
    while (histogram := reader.get_next_interval_histogram()) is not None:
        tag = histogram.get_tag()
        latencies = groups[tag].sort_values().tolist()
        assert histogram.get_total_count() == len(latencies), tag
        for percentile in (1, 25, 50, 90, 95, 99, 100):
            rank = percentile / 100 * len(latencies)
            # This reader takes the nearest rank where the simulator takes the next.
            exact = {latencies[max(at, 1) - 1] for at in (math.floor(rank), math.ceil(rank))}
            found = histogram.get_value_at_percentile(percentile)
            # Three significant digits.
            right = any(abs(found - value) <= value / 1000 + 1 for value in exact)
            assert right, f"{tag}: p{percentile} is {found}, not one of {exact}"
        seen.add(tag)
    assert seen == set(groups), "histograms and calls are of other groups"
    return len(seen)


def check_table(run, table):
    """The table of `--table` is summary.csv over all repetitions, with the factors apart."""
    wide = pd.read_csv(table)
    overall = pd.read_csv(run / "summary.csv")
    overall = overall[overall["repetition"].isna()].reset_index(drop=True)
    shared = [name for name in wide.columns if name in overall.columns]
    pd.testing.assert_frame_equal(wide[shared], overall[shared])
    variant = "providers=" + wide["function.f.providers"].astype(str) + ",policy=" + wide["faas.policy"]
    assert (variant == overall["variant"]).all()


def main():
    page, run, table = map(Path, sys.argv[1:])
    done = run_examples(page, run)
    cells = check_tables(run)
    histograms = check_histograms(run)
    check_table(run, table)
    parquet = "with" if has_parquet(run) else "without"
    print(f"examples: {', '.join(done)}; {cells} cells, {parquet} Parquet; {histograms} histograms: all as written")


main()
