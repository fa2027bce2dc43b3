"""From a patient's record to what the network reads; the rules are those of model/src/features.rs,
without the protein that stands in for albumin and without biopsies, which the people of the
measurement do not have."""

import math
from itertools import groupby

import numpy as np

VISITS, MONTHS = 16, 60.0
CHANNELS = {
    "egfr": (False, 45.0, 20.0),
    "uacr": (True, 4.6, 1.9),
    "albumin": (False, 4.0, 0.4),
    "phosphate": (False, 3.8, 0.6),
    "calcium": (False, 9.3, 0.5),
    "bicarbonate": (False, 25.0, 3.0),
    "potassium": (False, 4.5, 0.5),
    "haemoglobin": (False, 12.8, 1.7),
    "systolic_bp": (False, 138.0, 18.0),
    "weight": (False, 80.0, 17.0),
}
PLACES = {code: place for place, code in enumerate(CHANNELS)}
WIDTH = 2 * len(CHANNELS) + 2
COMORBIDITIES = ("diabetes", "hypertension", "cardiovascular_disease", "heart_failure", "smoker")
DISEASES = ("diabetic", "hypertensive", "glomerular", "polycystic", "other", "unknown")
THERAPIES = (
    {"ras_inhibitor"},
    {"sglt2_inhibitor"},
    {"mra", "glp1_agonist"},
    {"immunosuppression", "corticosteroid"},
)
BIOPSY_WIDTH = 11


class NoEgfr(Exception):
    """Nobody can be judged without one."""


def standardised(code: str, value: float) -> float:
    is_log, centre, spread = CHANNELS[code]
    value = math.log(max(value, 0.1)) if is_log else value
    return min(5.0, max(-5.0, (value - centre) / spread))


def course(observations, today):
    """(months ago, {place: value}) of each day, oldest first. Of more than sixteen the latest are
    taken; ours prefers those with rare values, which makes no difference to five visits."""
    visits = []
    for day, values in groupby(observations, key=lambda one: one.effective_at.date()):
        months = (today - day).days / 30.4375
        if not -1.0 <= months <= MONTHS:
            continue
        known = {PLACES[v.code]: standardised(v.code, v.value) for v in values if v.code in PLACES}
        if known:
            visits.append((max(months, 0.0), known))
    return visits[-VISITS:]


def line(points):
    """Slope a year, spread around it, span, number of values."""
    count = len(points)
    if not count:
        return [0.0] * 4
    span = points[-1][0] - points[0][0]
    if count < 2 or span < 0.1:
        return [0.0, 0.0, 0.0, count / 8]
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    sxx = sum((x - mean_x) ** 2 for x, _ in points)
    sxy = sum((x - mean_x) * (y - mean_y) for x, y in points)
    slope = min(2.0, max(-2.0, sxy / (sxx + 0.25)))
    squares = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return [slope * 4, math.sqrt(squares / count) * 4, span / 2.5, count / 8]


def recent_line(points):
    """The line through the values of late: slope, level today, and how deep the deepest lies below it."""
    if not points:
        return [0.0] * 3
    weights = [2**x for x, _ in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points)) / total
    sxx = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points))
    sxy = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points))
    slope = min(2.0, max(-2.0, sxy / (sxx + 0.1)))
    dip = max(0.0, *(mean_y + slope * (x - mean_x) - y for x, y in points))
    return [slope * 4, mean_y - slope * mean_x, min(dip, 3.0)]


def mean(visits, place):
    """Of a channel; a value counts half of one two years later."""
    known = [(2 ** (-months / 24), of[place]) for months, of in visits if place in of]
    return sum(w * value for w, value in known) / sum(w for w, _ in known) if known else 0.0


def facts(patient, therapies, today):
    born = patient.birth_date
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    yield (age - 65) / 15
    yield float(patient.sex == "male")
    for name in COMORBIDITIES:
        known = getattr(patient, name)
        yield float(known is True)
        yield float(known is not None)
    for disease in DISEASES:
        yield float(patient.renal_disease == disease)
    for kinds in THERAPIES:
        yield float(any(therapy.kind in kinds for therapy in therapies))
    yield from [0.0] * BIOPSY_WIDTH


def summary(visits):
    for place in range(len(CHANNELS)):
        latest = next(((known[place], months) for months, known in reversed(visits) if place in known), None)
        value, months = latest or (0.0, 0.0)
        yield from (value, float(latest is not None), months / 24)
    points = [(-months / 12, known[0]) for months, known in visits if 0 in known]
    yield from line(points)
    yield from (mean(visits, place) for place in range(len(CHANNELS)))
    yield from recent_line(points)


def tensors(patient, observations, therapies, today):
    """Observations in the order of time."""
    visits = course(observations, today)
    if not any(0 in known for _, known in visits):
        raise NoEgfr
    rows = np.zeros((1, VISITS, WIDTH), np.float32)
    for row, (months, known) in zip(rows[0, VISITS - len(visits) :], visits):
        for place, value in known.items():
            row[place] = value
            row[len(CHANNELS) + place] = 1
        row[-2:] = months / 24, 1
    fixed = [*facts(patient, therapies, today), *summary(visits)]
    return rows, np.array([fixed], np.float32)
