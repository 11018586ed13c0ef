"""Scores CSV files (`timestamp,value`) with a published detector, point by point.

    peers.py ROW FILE...

Prints one line of JSON for each file, in order: {"file", "scores", "cpu_seconds"}. A point's score uses that
point and those before it, nothing later. The CPU time is the process's own, without start-up, imports,
compilation and reading. Progress goes to stderr. Every setting is fixed here, and is the library's default or
its documentation's example where it has one.
"""

import csv
import datetime
import json
import math
import statistics
import sys
import time
import warnings

FAR = 1e6  # A deviation where nothing ever deviated; JSON has no infinity.


def half_space_trees(series):
    """river: half-space trees (Tan, Ting and Liu 2011) over the value and its last step, both scaled to 0..1."""
    from river import anomaly, preprocessing

    model = preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=1)
    last = None
    for _, value in series:
        features = {"value": value, "step": 0.0 if last is None else value - last}
        yield model.score_one(features)
        model.learn_one(features)
        last = value


def robust_random_cut_forest(series):
    """rrcf: the streaming example of its documentation: 40 trees of 256 points, shingles of 4, mean CoDisp."""
    import numpy
    import rrcf

    trees = [rrcf.RCTree(random_state=seed) for seed in range(40)]
    tree_size, shingle_size = 256, 4
    shingle = []
    for index, (_, value) in enumerate(series):
        shingle = [*shingle, value][-shingle_size:]
        if len(shingle) < shingle_size:
            yield 0.0
            continue
        point, displacement = numpy.array(shingle), 0.0
        for tree in trees:
            if len(tree.leaves) >= tree_size:
                tree.forget_point(index - tree_size)
            tree.insert_point(point, index=index)
            displacement += tree.codisp(index)
        yield displacement / len(trees)


def statsforecast(series):
    """statsforecast: MSTL with a daily season, its guide's model for anomalies; refitted twice a day.

    Each fit sees the last week and forecasts the next twelve hours; the score is the distance from the forecast in
    standard deviations of the forecast. These are never taken below a thousandth of the week's own or what
    rounding makes, for a season that repeats exactly leaves none.
    """
    import numpy
    from statsforecast.models import MSTL, AutoETS

    step = statistics.median(after - before for (before, _), (after, _) in zip(series, series[1:]))
    day = max(2, round(86_400 / step))
    horizon = max(1, day // 2)
    values = numpy.array([value for _, value in series])
    for begin in range(0, len(values), horizon):
        block = values[begin : begin + horizon]
        seen = values[max(0, begin - 7 * day) : begin]
        if len(seen) < 2 * day + 1:
            yield from (0.0 for _ in block)
            continue
        model = MSTL(season_length=day, trend_forecaster=AutoETS(model="ZZN"))
        forecast = model.forecast(y=seen, h=horizon, level=[95])
        deviation = (forecast["hi-95"] - forecast["lo-95"]) / (2 * 1.959964)
        least = max(seen.std() / 1000, 1e-9 * numpy.abs(seen).max())
        deviation = numpy.maximum(numpy.nan_to_num(deviation), least)
        for value, mean, sigma in zip(block, forecast["mean"], deviation):
            yield ratio(abs(value - mean), sigma)


ROWS = {row.__name__: row for row in (half_space_trees, robust_random_cut_forest, statsforecast)}


def ratio(distance, sigma):
    """Returns distance / sigma, bounded, also where the model is certain."""
    if not math.isfinite(sigma) or sigma <= 0:
        return FAR if distance > 0 else 0.0
    return float(min(distance / sigma, FAR))


def read(path):
    """Returns the points of a file as (seconds, value)."""
    with open(path, newline="") as file:
        rows = csv.DictReader(file)
        return [(seconds(row["timestamp"]), float(row["value"])) for row in rows]


def seconds(timestamp):
    """Returns the seconds since the epoch of a time without a zone, taken as UTC."""
    return datetime.datetime.fromisoformat(timestamp).replace(tzinfo=datetime.timezone.utc).timestamp()


def warm_up(row):
    """Imports and compiles what the row uses, so that the first file does not pay for it."""
    for _ in row([(300.0 * index, math.sin(index / 10) + index % 7) for index in range(1000)]):
        pass


def main():
    name, files = sys.argv[1], sys.argv[2:]
    if name not in ROWS:
        sys.exit(f"row is {name!r}, must be one of {', '.join(ROWS)}")
    warnings.simplefilter("ignore")
    row = ROWS[name]
    warm_up(row)
    for number, path in enumerate(files, start=1):
        series = read(path)
        begin = time.process_time()
        scores = list(row(series))
        cpu_seconds = time.process_time() - begin
        print(json.dumps({"file": path, "scores": scores, "cpu_seconds": cpu_seconds}), flush=True)
        spent = 1e6 * cpu_seconds / max(1, len(series))
        print(f"{name}: file {number} of {len(files)}, {spent:.0f} us/point", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
